//! The steps: one write each, as data. The operator's pass, a `DatabaseRestore` and `kubectl
//! holdfast recover` are made of the same ones. Nothing is done or read here.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::api::{
    BackupDrill, BackupRead, BackupVerdict, CheckTarget, CheckVerdict, CheckedFiles, ConfirmedVerb,
    DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseLedgerStatus, DatabaseRestore,
    WorkloadKind,
};
use crate::guard;
use crate::world::GateFact;

/// One write. The metadata that a step carries was read live in this pass; what of it is a
/// precondition, [`Step::pin`] says.
#[derive(Clone, Debug, PartialEq, strum::EnumDiscriminants)]
#[strum_discriminants(name(StepKind), derive(strum::EnumIter, Hash, PartialOrd, Ord))]
pub enum Step {
    /// Marks the ProtectedDatabase itself, finalizer included.
    MarkDatabase(Box<ObjectMeta>),
    /// Sets a volume to Retain and changes nothing else.
    RetainVolume(VolumeStep),
    /// Sets another volume to Retain that is for the storage of a guarded one, and changes nothing
    /// else: it is not the database's own.
    RetainTwin(VolumeStep),
    /// Sets a volume to Retain, marks it, finalizer included, and notes the UID of its namespace, in
    /// one write. Sets it to Retain
    /// alone where another ProtectedDatabase has marked it.
    MarkVolume(VolumeStep),
    /// Marks a claim, finalizer included.
    MarkClaim(Box<ObjectMeta>),
    /// Notes on a claim what would be lost with it.
    NoteLoss {
        /// The claim.
        metadata: Box<ObjectMeta>,
        /// What would be lost.
        loss: String,
    },
    /// Creates the ledger, or marks it again.
    MarkLedger(Box<DatabaseLedger>),
    /// Writes the memory into the ledger.
    WriteLedger {
        /// Name of the ledger.
        name: String,
        /// What is remembered from now on.
        status: Box<DatabaseLedgerStatus>,
    },
    /// Notes on the ledger that its namespace is about to be created, with the text that the
    /// namespace will carry too: so the next try knows it as its own.
    NoteRecreation {
        /// The ledger.
        ledger: Box<ObjectMeta>,
        /// The text.
        token: String,
    },
    /// Accepts the namespace that a recovery has created for what the ledger remembers.
    AcceptNamespace {
        /// The ledger.
        ledger: Box<ObjectMeta>,
        /// UID of the namespace.
        namespace_uid: String,
    },
    /// Removes the marks of the ledger. It stays, and may be deleted from then on.
    ReleaseLedger(Release),
    /// Marks the workload by labels alone; never with a finalizer.
    MarkWorkload(WorkloadMarkStep),
    /// Notes on the workload which change of a mount it needs, or removes the note.
    NoteMountRepair(MountRepairStep),
    /// Marks the namespace; never with a finalizer.
    MarkNamespace(Box<ObjectMeta>),
    /// Opens or closes the readiness gate of a pod.
    SetGate(Box<GateStep>),
    /// Deletes the agents' role binding, which gives another role: that can't be changed in place.
    DeleteRoleBinding(Box<ObjectMeta>),
    /// Creates the agents' service account and role binding, or makes them what they should be.
    EnsureAgentIdentity,
    /// Creates a check; one that already exists is left as it is.
    CreateCheck(Box<DatabaseCheck>),
    /// Sets the target of a check that a user created.
    SetCheckTarget {
        /// Name of the check.
        name: String,
        /// What it checks.
        target: Box<CheckTarget>,
    },
    /// Creates an agent's Job; one that already exists is left as it is.
    CreateJob(Box<Job>),
    /// Deletes the Job of an agent that has not begun in time, or that has ended while other containers
    /// of its pod run on; and its pod.
    EndJob(Box<ObjectMeta>),
    /// Writes the verdict into a check's status.
    WriteVerdict {
        /// Name of the check.
        name: String,
        verdict: CheckVerdict,
    },
    /// Writes into a check's status that the Job of one rule has ended without saying whether the
    /// files exist.
    FailFiles {
        /// Name of the check.
        check: String,
        /// What replaces the report.
        files: Box<CheckedFiles>,
    },
    /// Makes the backup CronJob what it should be.
    ApplyCronJob(Box<CronJob>),
    /// Deletes the backup CronJob. Deletes no backup.
    DeleteCronJob(Box<ObjectMeta>),
    /// The same, and its Jobs stay: a backup that runs outlives the ProtectedDatabase, whose deletion would end it.
    LeaveBackup(Box<ObjectMeta>),
    /// Creates the backup of a Job whose agent has not created it; one that already exists is left as
    /// it is.
    CreateBackup(Box<DatabaseBackup>),
    /// Marks a backup as failed whose Job ended without saying so, or never began.
    FailBackup {
        /// Name of the backup.
        name: String,
        /// A constant of [`crate::api::reasons`].
        reason: &'static str,
        /// What happened.
        message: String,
    },
    /// Writes into a backup's status whether it counts, once and for all.
    JudgeBackup {
        /// Name of the backup.
        name: String,
        verdict: BackupVerdict,
    },
    /// Writes into a backup's status what the newest drill of it has shown.
    NoteDrill {
        /// Name of the backup.
        name: String,
        drill: BackupDrill,
    },
    /// Creates the `DatabaseRestore` of a drill that is due; one that already exists is left as it is.
    CreateDrill(Box<DatabaseRestore>),
    /// Deletes the `DatabaseRestore` of a drill that has ended a while ago.
    DeleteDrill(Box<ObjectMeta>),
    /// Writes into a backup's status when its set was read whole, and what was found.
    NoteRead {
        /// Name of the backup.
        name: String,
        read: BackupRead,
    },
    /// Deletes the object of a backup whose set retention has removed from the bucket.
    DeleteBackup(Box<ObjectMeta>),
    /// Deletes the object of a backup that failed long ago, in the place of which newer ones have failed.
    DeleteFailedBackup(Box<ObjectMeta>),
    /// Deletes a check that nothing refers to any more.
    DeleteCheck(Box<ObjectMeta>),
    /// Changes nothing, and fails when the ProtectedDatabase is no longer the very one that the
    /// releases after it were decided by.
    AssertDatabase(Box<ObjectMeta>),
    /// The same for a volume whose claim is released because it is on Retain.
    AssertVolume(Box<ObjectMeta>),
    /// Removes the marks of a claim.
    ReleaseClaim(Release),
    /// Removes the marks of a volume; it stays on Retain.
    ReleaseVolume(Release),
    /// Removes the marks of the workload.
    ReleaseWorkload(WorkloadKind, Release),
    /// Removes the marks of the namespace.
    ReleaseNamespace(Release),
    /// Removes the marks of the ProtectedDatabase itself.
    ReleaseDatabase(Release),
    /// Confirms the deletion of a namespace that is Terminating.
    ConfirmNamespaceDeletion(Box<ObjectMeta>),
    /// Ends the deletion of a namespace: the object is deleted, what is guarded in it stays.
    FinalizeNamespace(Box<ObjectMeta>),
    /// Recreates the namespace.
    CreateNamespace(Value),
    /// Recreates a volume object, on Retain and marked.
    CreateVolume(Value),
    /// Scales the workload to 0 and notes on it how many pods it had.
    ScaleDown(ScaleStep),
    /// Confirms the deletion of a claim, whose volume is kept.
    ConfirmClaimDeletion(Box<ObjectMeta>),
    /// Deletes a claim that has the name of the one that is wanted. Its volume is kept.
    DeleteClaim(Box<ObjectMeta>),
    /// Removes our finalizer from a claim that is Terminating and confirmed.
    FinishClaimDeletion(Box<ObjectMeta>),
    /// Reserves the volume for the claim that is wanted, so that no other can take it; or binds it
    /// to the very claim that exists and names it.
    ReserveVolume {
        metadata: Box<ObjectMeta>,
        /// The UID of the claim that it was bound to; none if it has no claim.
        claim_uid: Option<String>,
        /// Namespace of the claim.
        namespace: String,
        /// Name of the claim.
        claim: String,
        /// The UID of the claim that exists and names the volume; none if the next one of that name
        /// is to have it.
        for_uid: Option<String>,
        /// Whether it needs a confirmation, which the same write removes: so none is left behind.
        uses_confirmation: bool,
    },
    /// Confirms that a guarded volume may be bound to its claim again, though it names another one,
    /// which does not exist.
    ConfirmVolumeChange(Box<ObjectMeta>),
    /// Removes a confirmation: one that has ended, or that a recovery has left behind.
    RevokeConfirmation(RevocationStep),
    /// Recreates a claim, on its volume and marked.
    CreateClaim(Value),
    /// Writes to a claim that is Lost and whose volume exists again, so that it is bound at once:
    /// by itself the volume controller does so only every 15 s.
    TouchClaim {
        /// The claim's metadata.
        metadata: Box<ObjectMeta>,
        /// The resource version of the volume.
        volume_version: String,
    },
    /// Sets the claim that a volume of the pod template mounts.
    MountClaim {
        /// Kind of the workload.
        kind: WorkloadKind,
        metadata: Box<ObjectMeta>,
        /// Which of the template's volumes.
        index: usize,
        /// That volume as it is.
        volume: Box<Volume>,
        /// The claim to mount.
        claim: String,
    },
    /// Confirms the deletion of a ProtectedDatabase that is Terminating, because it is recreated.
    ConfirmDatabaseDeletion(Box<ObjectMeta>),
    /// Removes our finalizer from a ProtectedDatabase that is Terminating and confirmed.
    FinishDatabaseDeletion(Box<ObjectMeta>),
    /// Recreates the ProtectedDatabase.
    CreateDatabase(Value),
    /// Scales the workload back to the pods that it had, or to one.
    ScaleUp(ScaleStep),
    /// Nothing to do but to read again; what is waited for.
    Await(String),
}

/// A volume as it was read live in this pass.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeStep {
    pub metadata: Box<ObjectMeta>,
    pub reclaim_policy: String,
    /// UID of the namespace whose volume it is, to be noted with the marks; none leaves what is noted.
    pub namespace_uid: Option<String>,
}

/// A workload whose number of pods changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleStep {
    pub kind: WorkloadKind,
    pub metadata: Box<ObjectMeta>,
    /// How many pods it has before it is scaled to 0.
    pub replicas: i32,
    /// How many it gets when it is scaled up: no more than one where each would be a server on the
    /// same data directory.
    pub scaled_up_to: i32,
}

/// A confirmation that is removed.
#[derive(Clone, Debug, PartialEq)]
pub struct RevocationStep {
    /// Kind of the object that carries it.
    pub kind: ConfirmedKind,
    /// The object, with the confirmation as it was read.
    pub metadata: Box<ObjectMeta>,
    /// What it confirms.
    pub verb: ConfirmedVerb,
}

/// The kinds of one database's objects that can carry a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmedKind {
    Claim,
    Volume,
    Workload(WorkloadKind),
    Namespace,
    Database,
    Ledger,
}

impl ConfirmedKind {
    /// As in manifests, and what kubectl calls it.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Claim => ("PersistentVolumeClaim", "pvc"),
            Self::Volume => ("PersistentVolume", "pv"),
            Self::Workload(WorkloadKind::StatefulSet) => ("StatefulSet", "statefulset"),
            Self::Workload(WorkloadKind::Deployment) => ("Deployment", "deployment"),
            Self::Namespace => ("Namespace", "namespace"),
            Self::Database => ("ProtectedDatabase", "protdb"),
            Self::Ledger => ("DatabaseLedger", "dbledger"),
        }
    }
}

/// Which labels a workload is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadMarkStep {
    /// Whether it is a StatefulSet or a Deployment.
    pub kind: WorkloadKind,
    /// The workload.
    pub metadata: Box<ObjectMeta>,
    /// Whether it may go without its pods, because all of its claims are guarded.
    pub claims_guarded: bool,
}

/// Which change of a mount a workload needs.
#[derive(Clone, Debug, PartialEq)]
pub struct MountRepairStep {
    /// Whether it is a StatefulSet or a Deployment.
    pub kind: WorkloadKind,
    /// The workload.
    pub metadata: Box<ObjectMeta>,
    /// The change; none removes the note.
    pub repair: Option<String>,
}

/// The condition for a pod's readiness gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateStep {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// What it is to say.
    pub gate: GateFact,
    /// The time of the change.
    pub at: Time,
}

/// A release and what permits it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The object as it was read live in this pass.
    pub metadata: Box<ObjectMeta>,
    /// Why it may be released.
    pub permit: Permit,
}

impl Release {
    /// Whether the object stays without its finalizer, or its deletion is confirmed. The API server
    /// refuses the rest to the operator too.
    #[must_use]
    pub fn is_safe(&self, now: Timestamp) -> bool {
        self.metadata.deletion_timestamp.is_none() || guard::deletion_confirmed(&self.metadata, now)
    }
}

/// What permits a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The object's own deletion is confirmed by its UID.
    Confirmed,
    /// The deletion of the ProtectedDatabase, whose UID this is, is confirmed.
    DatabaseConfirmed(String),
    /// The guard is switched off in the spec of the ProtectedDatabase, which is confirmed.
    GuardOff,
    /// The claim's own deletion is confirmed by its UID, and it was never taken into the guard, because the
    /// namespace keeps as many volumes as it may. So its volume need not be on Retain.
    TurnedAway,
    /// No ProtectedDatabase of the namespace names the workload any more.
    NotNamed,
}
