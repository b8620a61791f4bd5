//! The plan: intents as data, in the order in which they are carried out. Nothing is done or read
//! here.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::api::{
    CheckTarget, CheckVerdict, CheckedFiles, ConditionType, DatabaseCheck, DatabaseLedger,
    DatabaseLedgerStatus, DesiredCondition, ProtectedDatabaseStatus, WorkloadKind,
};
use crate::guard;
use crate::world::GateFact;

/// What one pass intends.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What to write, in this order. The first failure ends the pass.
    pub steps: Vec<Step>,
    /// The status to report, without its conditions.
    pub status: ProtectedDatabaseStatus,
    /// The conditions to report.
    pub conditions: Vec<DesiredCondition>,
    /// The conditions that are not about this database any more.
    pub withdrawn: Vec<ConditionType>,
    /// When to look again without being called.
    pub again_after: Option<Duration>,
}

/// One write. The metadata that a step carries was read live in this pass; its UID and resource
/// version become preconditions.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Marks the ProtectedDatabase itself, finalizer included.
    MarkDatabase(Box<ObjectMeta>),
    /// Sets a volume to Retain and changes nothing else.
    RetainVolume(VolumeStep),
    /// Sets a volume to Retain and marks it, finalizer included, in one write.
    MarkVolume(VolumeStep),
    /// Marks a claim, finalizer included.
    MarkClaim(Box<ObjectMeta>),
    /// Notes on a claim what would be lost with it.
    NoteStake {
        /// The claim.
        metadata: Box<ObjectMeta>,
        /// What would be lost.
        stake: String,
    },
    /// Makes the ledger, or marks it again.
    MarkLedger(Box<DatabaseLedger>),
    /// Writes the memory into the ledger.
    WriteLedger {
        /// Name of the ledger.
        name: String,
        /// What is remembered from now on.
        status: Box<DatabaseLedgerStatus>,
    },
    /// Takes the marks off the ledger. It stays, and may be deleted from then on.
    ReleaseLedger(Release),
    /// Marks the workload; never with a finalizer.
    MarkWorkload(WorkloadKind, Box<ObjectMeta>),
    /// Marks the namespace; never with a finalizer.
    MarkNamespace(Box<ObjectMeta>),
    /// Opens or closes the readiness gate of a pod.
    SetGate(Box<GateStep>),
    /// Makes the agents' service account and role binding.
    EnsureAgentIdentity,
    /// Creates a check; one that exists already is left as it is.
    CreateCheck(Box<DatabaseCheck>),
    /// Tells a check that a person created what to look at.
    AimCheck {
        /// Name of the check.
        name: String,
        /// What it looks at.
        target: Box<CheckTarget>,
    },
    /// Creates an agent's Job; one that exists already is left as it is.
    CreateJob(Box<Job>),
    /// Writes the verdict into a check's status.
    JudgeCheck {
        /// Name of the check.
        name: String,
        /// The verdict.
        verdict: CheckVerdict,
    },
    /// Writes into a check's status that the Job of one rule has ended without saying whether the
    /// files are there.
    FailFiles {
        /// Name of the check.
        check: String,
        /// What stands in the place of the report.
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
    PruneCheck(Box<ObjectMeta>),
    /// Changes nothing, and fails when the ProtectedDatabase is not the very one any more that the
    /// releases after it were decided by.
    AssertDatabase(Box<ObjectMeta>),
    /// The same for a volume whose claim is released because it is on Retain.
    AssertVolume(Box<ObjectMeta>),
    /// Takes the marks off a claim.
    ReleaseClaim(Release),
    /// Takes the marks off a volume; it stays on Retain.
    ReleaseVolume(Release),
    /// Takes the marks off the workload.
    ReleaseWorkload(WorkloadKind, Release),
    /// Takes the marks off the namespace.
    ReleaseNamespace(Release),
    /// Takes the marks off the ProtectedDatabase itself.
    ReleaseDatabase(Release),
}

/// A volume as it was read live in this pass.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeStep {
    /// Its metadata.
    pub metadata: Box<ObjectMeta>,
    /// Its reclaim policy.
    pub reclaim_policy: String,
}

/// What a pod's readiness gate is to say.
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

/// A release and what allows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// The object as it was read live in this pass.
    pub metadata: Box<ObjectMeta>,
    /// Why it may be released.
    pub permit: Permit,
}

impl Release {
    /// Whether the object stays without its finalizer, or is meant to go: it is not being deleted,
    /// or that is confirmed. The API server refuses the rest to the operator too.
    #[must_use]
    pub fn may_go(&self) -> bool {
        self.metadata.deletion_timestamp.is_none() || guard::deletion_confirmed(&self.metadata)
    }
}

/// What allows a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The object's own deletion is confirmed by its UID.
    Confirmed,
    /// The deletion of the ProtectedDatabase, whose UID this is, is confirmed.
    DatabaseConfirmed(String),
    /// The guard is switched off in the spec of the ProtectedDatabase.
    GuardOff,
}

impl Step {
    /// Whether the step writes to that volume, or sees that it is still the one that was read.
    #[must_use]
    pub fn writes_volume(&self, volume: &ObjectMeta) -> bool {
        match self {
            Self::RetainVolume(step) | Self::MarkVolume(step) => step.metadata.uid == volume.uid,
            Self::ReleaseVolume(release) => release.metadata.uid == volume.uid,
            Self::AssertVolume(metadata) => metadata.uid == volume.uid,
            _ => false,
        }
    }

    /// What the step does, in a few words for logs, events and errors.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = |metadata: &ObjectMeta| metadata.name.clone().unwrap_or_default();
        match self {
            Self::MarkDatabase(_) => "mark the ProtectedDatabase".to_owned(),
            Self::RetainVolume(volume) => {
                format!("set PersistentVolume {} to Retain", name(&volume.metadata))
            }
            Self::MarkVolume(volume) => format!(
                "retain and mark PersistentVolume {}",
                name(&volume.metadata)
            ),
            Self::MarkClaim(metadata) => format!("mark PersistentVolumeClaim {}", name(metadata)),
            Self::NoteStake { metadata, .. } => format!(
                "note on PersistentVolumeClaim {} what would be lost with it",
                name(metadata)
            ),
            Self::MarkLedger(ledger) => format!("mark DatabaseLedger {}", name(&ledger.metadata)),
            Self::WriteLedger { name, .. } => format!("write DatabaseLedger {name}"),
            Self::ReleaseLedger(release) => {
                format!("release DatabaseLedger {}", name(&release.metadata))
            }
            Self::MarkWorkload(kind, metadata) => format!("mark {kind} {}", name(metadata)),
            Self::MarkNamespace(metadata) => format!("mark Namespace {}", name(metadata)),
            Self::SetGate(step) => {
                format!(
                    "{} the gate of Pod {}: {}",
                    if step.gate.is_open { "open" } else { "close" },
                    step.pod,
                    step.gate.reason
                )
            }
            Self::EnsureAgentIdentity => {
                "create the agents' service account and role binding".to_owned()
            }
            Self::CreateCheck(check) => format!("create DatabaseCheck {}", name(&check.metadata)),
            Self::AimCheck { name, .. } => format!("aim DatabaseCheck {name}"),
            Self::CreateJob(job) => format!("create Job {}", name(&job.metadata)),
            Self::JudgeCheck { name, .. } => format!("judge DatabaseCheck {name}"),
            Self::FailFiles { check, files } => format!(
                "note in DatabaseCheck {check} that rule {} was not looked at",
                files.rule
            ),
            Self::ApplyCronJob(cron_job) => format!("apply CronJob {}", name(&cron_job.metadata)),
            Self::DeleteCronJob(metadata) => format!("delete CronJob {}", name(metadata)),
            Self::FailBackup { name, .. } => format!("mark DatabaseBackup {name} as failed"),
            Self::PruneCheck(metadata) => {
                format!("delete the old DatabaseCheck {}", name(metadata))
            }
            Self::AssertDatabase(_) => {
                "see that the ProtectedDatabase is still the one that was read".to_owned()
            }
            Self::AssertVolume(metadata) => format!(
                "see that PersistentVolume {} is still the one that was read",
                name(metadata)
            ),
            Self::ReleaseClaim(release) => {
                format!("release PersistentVolumeClaim {}", name(&release.metadata))
            }
            Self::ReleaseVolume(release) => {
                format!("release PersistentVolume {}", name(&release.metadata))
            }
            Self::ReleaseWorkload(kind, release) => {
                format!("release {kind} {}", name(&release.metadata))
            }
            Self::ReleaseNamespace(release) => {
                format!("release Namespace {}", name(&release.metadata))
            }
            Self::ReleaseDatabase(_) => "release the ProtectedDatabase".to_owned(),
        }
    }
}
