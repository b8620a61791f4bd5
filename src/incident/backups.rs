//! The backups, and which of them is the last good one. Pure.

use super::looks::Account;
use super::{BackupTold, Line};
use crate::api::{BackupState, DatabaseBackup};

/// The most backups that are listed.
const LISTED: usize = 20;

/// The newest backups, oldest first.
pub(super) fn tell_backups(account: &Account<'_>) -> Vec<BackupTold> {
    let mut backups: Vec<&DatabaseBackup> = account
        .gathered
        .backups
        .known()
        .into_iter()
        .flatten()
        .collect();
    backups.sort_by_key(|backup| {
        (
            backup
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0),
            backup.metadata.name.clone(),
        )
    });
    let last_good = find_last_good(account);
    let skipped = backups.len().saturating_sub(LISTED);
    let is_listed = |(position, backup): &(usize, &DatabaseBackup)| {
        *position >= skipped || backup.metadata.name.as_deref() == last_good.as_deref()
    };
    let mut told: Vec<BackupTold> = backups
        .into_iter()
        .enumerate()
        .filter(is_listed)
        .map(|(_, backup)| {
            let status = backup.status.clone().unwrap_or_default();
            BackupTold {
                name: backup.metadata.name.as_deref().unwrap_or_default().into(),
                time: status
                    .completion_time
                    .or(status.start_time)
                    .or_else(|| backup.metadata.creation_timestamp.clone()),
                state: status.state,
                rows: status.rows,
                path: status.path.unwrap_or_default().into(),
                message: status.message.unwrap_or_default().into(),
                last_good: backup.metadata.name.as_deref() == last_good.as_deref(),
            }
        })
        .collect();
    if !told.iter().any(|backup| backup.last_good) {
        told.extend(remembered(account));
    }
    told.sort_by_key(|backup| backup.time.as_ref().map(|time| time.0));
    told
}

fn find_last_good(account: &Account<'_>) -> Option<String> {
    let said = account
        .status()
        .and_then(|status| status.last_good_backup.as_ref())
        .map(|backup| backup.name.clone());
    said.or_else(|| ledger_backup(account).map(|backup| backup.name.clone()))
}

/// The last good backup as the ledger remembers it: the object may be gone with its namespace, the
/// set in the bucket is not.
fn remembered(account: &Account<'_>) -> Option<BackupTold> {
    let Some(backup) = ledger_backup(account) else {
        return summarized(account);
    };
    let endpoint = if backup.endpoint.is_empty() {
        String::new()
    } else {
        format!(" at {}", backup.endpoint)
    };
    Some(BackupTold {
        name: backup.name.as_str().into(),
        time: Some(backup.time.clone()),
        state: Some(BackupState::Complete),
        rows: None,
        path: backup.path.as_str().into(),
        message: format!(
            "as the DatabaseLedger remembers it, in bucket {}{endpoint}",
            backup.bucket
        )
        .into(),
        last_good: true,
    })
}

/// The last good backup as the ProtectedDatabase says it, where the object itself can't be read.
fn summarized(account: &Account<'_>) -> Option<BackupTold> {
    let backup = account.status()?.last_good_backup.as_ref()?;
    Some(BackupTold {
        name: backup.name.as_str().into(),
        time: Some(backup.time.clone()),
        state: Some(backup.state),
        rows: None,
        path: Line::default(),
        message: "as the status of the ProtectedDatabase says".into(),
        last_good: true,
    })
}

fn ledger_backup<'a>(account: &Account<'a>) -> Option<&'a crate::api::RememberedBackup> {
    account
        .gathered
        .ledger
        .known()?
        .as_ref()?
        .status
        .as_ref()?
        .last_good_backup
        .as_ref()
}
