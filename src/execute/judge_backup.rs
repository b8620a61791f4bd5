//! Writes into a backup's status whether it counts: once, and only into the backup that was read.

use kube::Api;
use kube::api::Patch;
use serde_json::json;

use super::writer::Writer;
use crate::api::{BackupVerdict, DatabaseBackup};
use crate::plan::Step;

/// Confirms or demotes a backup that is Complete, unless that is known of it.
pub async fn judge_backup(
    writer: &Writer,
    backups: &Api<DatabaseBackup>,
    step: &Step,
) -> Result<(), kube::Error> {
    let Step::JudgeBackup { name, verdict } = step else {
        return Ok(());
    };
    let found = backups.get_opt(name).await?;
    let Some(backup) = found.filter(DatabaseBackup::has_no_verdict) else {
        return Ok(());
    };
    let written = match verdict {
        BackupVerdict::Confirmed(by) => json!({ "confirmed": by }),
        BackupVerdict::Demoted(by) => json!({ "demoted": by }),
    };
    let body = json!({
        "metadata": { "resourceVersion": backup.metadata.resource_version },
        "status": written,
    });
    writer
        .patch_status(backups, name, &Patch::Merge(body))
        .await
}
