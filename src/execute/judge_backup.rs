//! Writes into a backup's status whether it counts, once, when its set was read, and what the newest drill of
//! it has shown: only into the backup that was read.

use kube::Api;
use kube::api::Patch;
use serde_json::{Value, json};

use super::writer::Writer;
use crate::api::{BackupDrill, BackupRead, BackupVerdict, DatabaseBackup};
use crate::plan::Step;

/// Confirms or demotes a backup that is Complete, unless that is known of it. A damaged one is demoted also
/// after it was confirmed. Or notes when its set was read.
pub async fn judge_backup(
    writer: &Writer,
    backups: &Api<DatabaseBackup>,
    step: &Step,
) -> Result<(), kube::Error> {
    let (name, verdict) = match step {
        Step::JudgeBackup { name, verdict } => (name, verdict),
        Step::NoteRead { name, read } => return note_read(writer, backups, name, read).await,
        _ => return Ok(()),
    };
    let found = backups.get_opt(name).await?;
    let is_open = |backup: &DatabaseBackup| match verdict {
        BackupVerdict::Demoted(by) if by.is_damage() => backup.may_be_damaged(),
        _ => backup.has_no_verdict(),
    };
    let Some(backup) = found.filter(is_open) else {
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

/// Writes what a drill has shown, unless the backup does not count any more, or a newer drill has said
/// something.
pub async fn note_drill(
    writer: &Writer,
    backups: &Api<DatabaseBackup>,
    step: &Step,
) -> Result<(), kube::Error> {
    let Step::NoteDrill { name, drill } = step else {
        return Ok(());
    };
    let is_newer = |backup: &DatabaseBackup| {
        let before = backup
            .status
            .as_ref()
            .and_then(|status| status.drill.as_ref());
        before.is_none_or(|before| before.time.0 < drill.time.0)
    };
    let found = backups.get_opt(name).await?;
    let Some(backup) = found.filter(|backup| backup.counts() && is_newer(backup)) else {
        return Ok(());
    };
    let body = json!({
        "metadata": { "resourceVersion": backup.metadata.resource_version },
        "status": { "drill": whole(drill) },
    });
    writer
        .patch_status(backups, name, &Patch::Merge(body))
        .await
}

/// A merge leaves what is not named: so all that the drill before has said and this one does not is removed.
fn whole(drill: &BackupDrill) -> Value {
    let mut noted = json!(drill);
    for field in ["unchecked", "notRestored"] {
        if noted.get(field).is_none() {
            noted[field] = Value::Null;
        }
    }
    for (part, seconds) in drill.times.parts() {
        if seconds.is_none() {
            let part = part.strip_suffix("es").unwrap_or(part);
            noted["times"][format!("{part}Seconds")] = Value::Null;
        }
    }
    noted
}

/// Notes when the set of a backup was read, unless that is known of a later time.
async fn note_read(
    writer: &Writer,
    backups: &Api<DatabaseBackup>,
    name: &str,
    read: &BackupRead,
) -> Result<(), kube::Error> {
    let found = backups.get_opt(name).await?;
    let Some(backup) = found.filter(|backup| backup.is_news(read)) else {
        return Ok(());
    };
    let body = json!({
        "metadata": { "resourceVersion": backup.metadata.resource_version },
        // A merge leaves what is not named, so this also says that there is no damage.
        "status": { "lastRead": { "time": read.time, "job": read.job, "damage": read.damage } },
    });
    writer
        .patch_status(backups, name, &Patch::Merge(body))
        .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn nothing_of_the_drill_before_stays() {
        let drill = |value: Value| -> BackupDrill { serde_json::from_value(value).unwrap() };
        let before = drill(json!({
            "restore": "one", "time": "2026-02-01T05:00:00Z", "passed": true, "unchecked": ["definitions"],
            "notRestored": ["COMMENT x"],
            "times": {
                "scratchSeconds": 1, "downloadSeconds": 2, "dataSeconds": 3, "indexSeconds": 4,
                "analyzeSeconds": 5, "verifySeconds": 6,
            },
        }));
        let after =
            drill(json!({"restore": "two", "time": "2026-02-08T05:00:00Z", "passed": false}));
        let mut written = json!(before);
        json_patch::merge(&mut written, &whole(&after));
        assert_eq!(drill(written), after);
    }
}
