//! What a step does, in a few words for logs, events, errors and whoever is asked before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{Release, Step};
use crate::api::{BackupDrill, BackupVerdict};

fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

fn manifest_name(manifest: &Value) -> &str {
    manifest["metadata"]["name"].as_str().unwrap_or_default()
}

fn release(kind: &str, release: &Release) -> String {
    format!("release {kind} {}", name(&release.metadata))
}

impl Step {
    /// What the step does, as an imperative.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::MarkDatabase(_) => "mark the ProtectedDatabase".to_owned(),
            Self::RetainVolume(volume) => {
                format!("set PersistentVolume {} to Retain", name(&volume.metadata))
            }
            Self::RetainTwin(volume) => format!(
                "set PersistentVolume {}, which is for the storage of a guarded one, to Retain",
                name(&volume.metadata)
            ),
            Self::MarkVolume(volume) => {
                format!(
                    "retain and mark PersistentVolume {}",
                    name(&volume.metadata)
                )
            }
            Self::MarkClaim(metadata) => format!("mark PersistentVolumeClaim {}", name(metadata)),
            Self::NoteLoss { metadata, .. } => format!(
                "note on PersistentVolumeClaim {} what would be lost with it",
                name(metadata)
            ),
            Self::MarkLedger(ledger) => format!("mark DatabaseLedger {}", name(&ledger.metadata)),
            Self::WriteLedger { name, .. } => format!("write DatabaseLedger {name}"),
            Self::NoteRecreation { ledger, .. } => format!(
                "note on DatabaseLedger {} that its namespace is about to be recreated",
                name(ledger)
            ),
            Self::AcceptNamespace {
                ledger,
                namespace_uid,
            } => format!(
                "accept the recreated namespace (UID {namespace_uid}) in DatabaseLedger {}",
                name(ledger)
            ),
            Self::ReleaseLedger(step) => release("DatabaseLedger", step),
            Self::MarkWorkload(step) => format!("mark {} {}", step.kind, name(&step.metadata)),
            Self::NoteMountRepair(step) => format!(
                "note on {} {} where its claim belongs",
                step.kind,
                name(&step.metadata)
            ),
            Self::MarkNamespace(metadata) => format!("mark Namespace {}", name(metadata)),
            Self::SetGate(step) => {
                let verb = if step.gate.is_open { "open" } else { "close" };
                format!("{verb} the gate of Pod {}: {}", step.pod, step.gate.reason)
            }
            Self::EnsureAgentIdentity => {
                "create the agents' service account and role binding".to_owned()
            }
            Self::DeleteRoleBinding(metadata) => {
                format!(
                    "delete RoleBinding {}, which gives another role",
                    name(metadata)
                )
            }
            Self::CreateCheck(check) => format!("create DatabaseCheck {}", name(&check.metadata)),
            Self::SetCheckTarget { name, .. } => format!("set the target of DatabaseCheck {name}"),
            Self::CreateJob(job) => format!("create Job {}", name(&job.metadata)),
            Self::EndJob(metadata) => {
                format!("delete Job {}, whose agent does nothing", name(metadata))
            }
            Self::CreateBackup(backup) => {
                format!("create DatabaseBackup {}", name(&backup.metadata))
            }
            Self::WriteVerdict { name, .. } => format!("write the verdict of DatabaseCheck {name}"),
            Self::FailFiles { check, files } => format!(
                "note in DatabaseCheck {check} that the files of rule {} were not checked",
                files.rule
            ),
            Self::ApplyCronJob(cron_job) => format!("apply CronJob {}", name(&cron_job.metadata)),
            Self::DeleteCronJob(metadata) => format!("delete CronJob {}", name(metadata)),
            Self::LeaveBackup(metadata) => {
                format!("delete CronJob {} and let its backup go on", name(metadata))
            }
            Self::FailBackup { name, .. } => format!("mark DatabaseBackup {name} as failed"),
            Self::JudgeBackup { name, verdict } => judgement(name, verdict),
            Self::NoteDrill { name, drill } => note(name, drill),
            Self::CreateDrill(restore) => {
                format!(
                    "create DatabaseRestore {}, a drill",
                    name(&restore.metadata)
                )
            }
            Self::DeleteDrill(metadata) => {
                format!("delete DatabaseRestore {}, an old drill", name(metadata))
            }
            Self::NoteRead { name, .. } => read_note(name),
            Self::DeleteBackup(metadata) => backup_deletion(name(metadata)),
            Self::DeleteFailedBackup(metadata) => {
                format!("delete DatabaseBackup {}, an old failure", name(metadata))
            }
            Self::DeleteCheck(metadata) => format!("delete old DatabaseCheck {}", name(metadata)),
            Self::AssertDatabase(_) => "assert that the ProtectedDatabase is unchanged".to_owned(),
            Self::AssertVolume(metadata) => volume_assertion(name(metadata)),
            Self::ReleaseClaim(step) => release("PersistentVolumeClaim", step),
            Self::ReleaseVolume(step) => release("PersistentVolume", step),
            Self::ReleaseWorkload(kind, step) => release(&kind.to_string(), step),
            Self::ReleaseNamespace(step) => release("Namespace", step),
            Self::ReleaseDatabase(_) => "release the ProtectedDatabase".to_owned(),
            Self::ConfirmNamespaceDeletion(metadata) => format!(
                "confirm the deletion of Namespace {}, which is Terminating",
                name(metadata)
            ),
            Self::FinalizeNamespace(metadata) => format!(
                "end the deletion of Namespace {}; what is guarded in it is kept",
                name(metadata)
            ),
            Self::CreateNamespace(manifest) => {
                format!("recreate Namespace {}", manifest_name(manifest))
            }
            Self::CreateVolume(manifest) => format!(
                "recreate PersistentVolume {} from the ledger",
                manifest_name(manifest)
            ),
            Self::ScaleDown(step) => format!(
                "scale {} {} from {} to 0, which stops its pods",
                step.kind,
                name(&step.metadata),
                step.replicas
            ),
            Self::ConfirmClaimDeletion(metadata) => format!(
                "confirm the deletion of PersistentVolumeClaim {}",
                name(metadata)
            ),
            Self::DeleteClaim(metadata) => format!(
                "delete PersistentVolumeClaim {}, which has the wrong volume; that volume is kept",
                name(metadata)
            ),
            Self::FinishClaimDeletion(metadata) => format!(
                "remove the finalizer of PersistentVolumeClaim {}; its volume is kept",
                name(metadata)
            ),
            Self::ReserveVolume {
                metadata,
                claim,
                for_uid,
                ..
            } => reservation(name(metadata), claim, for_uid.is_some()),
            Self::ConfirmVolumeChange(metadata) => format!(
                "confirm the change of PersistentVolume {}, whose claim does not exist",
                name(metadata)
            ),
            Self::RevokeConfirmation(step) => format!(
                "remove the confirmation of a {} from {} {}",
                step.verb.noun(),
                step.kind.words().0,
                name(&step.metadata)
            ),
            Self::CreateClaim(manifest) => format!(
                "recreate PersistentVolumeClaim {} on PersistentVolume {}",
                manifest_name(manifest),
                manifest["spec"]["volumeName"].as_str().unwrap_or_default()
            ),
            Self::TouchClaim { metadata, .. } => format!(
                "touch PersistentVolumeClaim {}, so that it is bound at once",
                name(metadata)
            ),
            Self::MountClaim {
                kind,
                metadata,
                claim,
                volume,
                ..
            } => format!(
                "mount claim {claim} in {kind} {} again, as volume {}",
                name(metadata),
                volume.name
            ),
            Self::ConfirmDatabaseDeletion(metadata) => format!(
                "confirm the deletion of ProtectedDatabase {}, which is Terminating",
                name(metadata)
            ),
            Self::FinishDatabaseDeletion(metadata) => format!(
                "remove the finalizer of ProtectedDatabase {}, which is recreated",
                name(metadata)
            ),
            Self::CreateDatabase(manifest) => format!(
                "recreate ProtectedDatabase {} from the ledger",
                manifest_name(manifest)
            ),
            Self::ScaleUp(step) => format!(
                "scale {} {} back to {}",
                step.kind,
                name(&step.metadata),
                step.scaled_up_to
            ),
            Self::Await(what) => format!("wait for {what}"),
        }
    }
}

impl Step {
    /// Whether a quota, an admission policy or a webhook of others may refuse it, as it is about what
    /// runs in their namespace. Such steps come last, in the order in which they need each other.
    #[must_use]
    pub const fn may_be_refused_by_others(&self) -> bool {
        matches!(
            self,
            Self::DeleteRoleBinding(_)
                | Self::EnsureAgentIdentity
                | Self::CreateCheck(_)
                | Self::SetCheckTarget { .. }
                | Self::CreateJob(_)
                | Self::ApplyCronJob(_)
                | Self::EndJob(_)
                | Self::DeleteBackup(_)
                | Self::DeleteFailedBackup(_)
                | Self::CreateDrill(_)
                | Self::DeleteDrill(_)
        )
    }

    /// Whether it is a mark or a note on an object of others, which a policy of theirs may refuse. It is
    /// pinned to that object, and no other step counts on it: what is to be done is decided by what is
    /// read back.
    #[must_use]
    pub const fn marks_an_object_of_others(&self) -> bool {
        matches!(
            self,
            Self::RetainVolume(_)
                | Self::RetainTwin(_)
                | Self::MarkVolume(_)
                | Self::MarkClaim(_)
                | Self::NoteLoss { .. }
                | Self::MarkWorkload(_)
                | Self::NoteMountRepair(_)
                | Self::MarkNamespace(_)
        )
    }

    /// Whether it is of no use without the agents' service account and role binding.
    #[must_use]
    pub const fn needs_agent_identity(&self) -> bool {
        matches!(self, Self::CreateJob(_) | Self::ApplyCronJob(_))
    }
}

fn read_note(backup: &str) -> String {
    format!("note that the set of DatabaseBackup {backup} was read")
}

fn volume_assertion(name: &str) -> String {
    format!("assert that PersistentVolume {name} is unchanged")
}

fn backup_deletion(name: &str) -> String {
    format!("delete DatabaseBackup {name}, whose set retention has removed")
}

/// Whether a backup is proven, and which drill says so.
fn note(backup: &str, drill: &BackupDrill) -> String {
    let what = if drill.passed { "proven" } else { "not proven" };
    format!(
        "note on DatabaseBackup {backup} that it is {what} by drill {}",
        drill.restore
    )
}

/// Whether a backup counts, and which check says so.
fn judgement(backup: &str, verdict: &BackupVerdict) -> String {
    let (verb, check) = match verdict {
        BackupVerdict::Confirmed(by) => ("confirm", &by.check),
        BackupVerdict::Demoted(by) if by.is_damage() => {
            return format!("demote DatabaseBackup {backup}, whose set is damaged");
        }
        BackupVerdict::Demoted(by) => ("demote", &by.check),
    };
    format!("{verb} DatabaseBackup {backup} by check {check}")
}

/// A volume that is kept for a claim, or bound to the one that exists.
fn reservation(volume: &str, claim: &str, exists: bool) -> String {
    let (verb, to) = if exists {
        ("bind", "to")
    } else {
        ("reserve", "for")
    };
    format!("{verb} PersistentVolume {volume} {to} claim {claim}")
}
