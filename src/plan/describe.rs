//! What a step does, in a few words for logs, events, errors and whoever is asked before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{Release, Step};

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
            Self::ReleaseLedger(step) => release("DatabaseLedger", step),
            Self::MarkWorkload(kind, metadata) => format!("mark {kind} {}", name(metadata)),
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
            Self::CreateCheck(check) => format!("create DatabaseCheck {}", name(&check.metadata)),
            Self::SetCheckTarget { name, .. } => format!("set the target of DatabaseCheck {name}"),
            Self::CreateJob(job) => format!("create Job {}", name(&job.metadata)),
            Self::WriteVerdict { name, .. } => format!("write the verdict of DatabaseCheck {name}"),
            Self::FailFiles { check, files } => format!(
                "note in DatabaseCheck {check} that the files of rule {} were not checked",
                files.rule
            ),
            Self::ApplyCronJob(cron_job) => format!("apply CronJob {}", name(&cron_job.metadata)),
            Self::DeleteCronJob(metadata) => format!("delete CronJob {}", name(metadata)),
            Self::FailBackup { name, .. } => format!("mark DatabaseBackup {name} as failed"),
            Self::DeleteCheck(metadata) => format!("delete old DatabaseCheck {}", name(metadata)),
            Self::AssertDatabase(_) => "assert that the ProtectedDatabase is unchanged".to_owned(),
            Self::AssertVolume(metadata) => {
                format!(
                    "assert that PersistentVolume {} is unchanged",
                    name(metadata)
                )
            }
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
            } => {
                let verb = match for_uid {
                    Some(_) => "bind",
                    None => "reserve",
                };
                let to = if for_uid.is_some() { "to" } else { "for" };
                format!(
                    "{verb} PersistentVolume {} {to} claim {claim}",
                    name(metadata)
                )
            }
            Self::ConfirmVolumeChange(metadata) => format!(
                "confirm the change of PersistentVolume {}, whose claim does not exist",
                name(metadata)
            ),
            Self::RevokeVolumeChange(metadata) => format!(
                "remove the confirmation from PersistentVolume {}",
                name(metadata)
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
