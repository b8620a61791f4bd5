//! The steps: one write each, as data. The operator's pass, a `DatabaseRestore` and `kubectl
//! holdfast recover` are made of the same ones. Nothing is done or read here.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::api::{
    CheckTarget, CheckVerdict, CheckedFiles, DatabaseCheck, DatabaseLedger, DatabaseLedgerStatus,
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
    /// Sets a volume to Retain and marks it, finalizer included, in one write. Sets it to Retain
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
    /// Removes the marks of the ledger. It stays, and may be deleted from then on.
    ReleaseLedger(Release),
    /// Marks the workload; never with a finalizer.
    MarkWorkload(WorkloadKind, Box<ObjectMeta>),
    /// Notes on the workload which change of a mount it needs, or removes the note.
    NoteMountRepair(MountRepairStep),
    /// Marks the namespace; never with a finalizer.
    MarkNamespace(Box<ObjectMeta>),
    /// Opens or closes the readiness gate of a pod.
    SetGate(Box<GateStep>),
    /// Creates the agents' service account and role binding.
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
    /// Marks a backup as failed whose Job ended without saying so.
    FailBackup {
        /// Name of the backup.
        name: String,
        /// What happened.
        message: String,
    },
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
    },
    /// Confirms that a guarded volume may be bound to its claim again, though it names another one,
    /// which does not exist.
    ConfirmVolumeChange(Box<ObjectMeta>),
    /// Removes that confirmation, so that nothing is left that would permit to delete the volume.
    RevokeVolumeChange(Box<ObjectMeta>),
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
    pub fn is_safe(&self) -> bool {
        self.metadata.deletion_timestamp.is_none() || guard::deletion_confirmed(&self.metadata)
    }
}

/// What permits a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The object's own deletion is confirmed by its UID.
    Confirmed,
    /// The deletion of the ProtectedDatabase, whose UID this is, is confirmed.
    DatabaseConfirmed(String),
    /// The guard is switched off in the spec of the ProtectedDatabase.
    GuardOff,
}
