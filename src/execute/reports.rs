//! Reports that the operator writes instead of an agent that did not.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::json;

use super::Writer;
use crate::api::{BackupState, CheckedFiles, DatabaseBackup, DatabaseCheck, names};
use crate::plan::Step;

/// Reports instead of the agent that did not, and as that agent: under the operator's own manager
/// the verdict would be removed.
pub(super) async fn fail_files(
    checks: &Api<DatabaseCheck>,
    check: &str,
    files: &CheckedFiles,
) -> Result<(), kube::Error> {
    let rule = usize::try_from(files.rule).unwrap_or_default();
    let body = json!({
        "apiVersion": DatabaseCheck::api_version(&()),
        "kind": DatabaseCheck::kind(&()),
        "metadata": {"name": check}, "status": {"files": [files]},
    });
    let parameters = PatchParams::apply(&names::files_manager(rule)).force();
    checks
        .patch_status(check, &parameters, &Patch::Apply(body))
        .await
        .map(drop)
}

/// Marks a backup as failed, unless it says how it went: its agent may have reported since.
pub(super) async fn fail_backup(
    writer: &Writer,
    backups: &Api<DatabaseBackup>,
    step: &Step,
) -> Result<(), kube::Error> {
    let Step::FailBackup {
        name,
        reason,
        message,
    } = step
    else {
        return Ok(());
    };
    let Some(backup) = backups.get_opt(name).await? else {
        return Ok(());
    };
    let state = backup.status.as_ref().and_then(|status| status.state);
    if !matches!(state, None | Some(BackupState::Running)) {
        return Ok(());
    }
    let body = json!({
        "metadata": {"resourceVersion": backup.metadata.resource_version},
        "status": {
            "state": BackupState::Failed, "reason": reason, "message": message,
            "completionTime": Time(Timestamp::now()),
        },
    });
    writer
        .patch_status(backups, name, &Patch::Merge(body))
        .await
}
