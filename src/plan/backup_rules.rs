//! The rule about deleting the object of a backup: the set is gone from the bucket, as retention says. Pure.

use super::Step;
use super::scope::Scope;
use crate::api::{BackupState, DatabaseBackup};

/// Make sure that a DatabaseBackup is deleted only if it was taken, and a newer confirmed one has the report
/// that its set is removed.
pub fn only_backups_go_whose_sets_are_removed(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::DeleteBackup(metadata) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let all = || observed.backups.known().into_iter().flatten();
    let is_read =
        |backup: &&DatabaseBackup| metadata.uid.is_some() && backup.metadata.uid == metadata.uid;
    let Some(backup) = all().find(is_read) else {
        return Err("it is not a backup that was read");
    };
    let status = backup.status.clone().unwrap_or_default();
    if !matches!(
        status.state,
        Some(BackupState::Complete | BackupState::Suspect)
    ) {
        return Err("it runs, or has no set");
    }
    let Some(path) = status.path else {
        return Err("it does not say where its set is");
    };
    let made = |backup: &DatabaseBackup| {
        let made = backup.metadata.creation_timestamp.as_ref();
        made.map(|made| made.0)
    };
    let says_so = all().any(|newer| {
        let status = newer.status.as_ref();
        let report = status.and_then(|status| status.catalog.as_ref());
        made(newer) > made(backup)
            && status.is_some_and(|status| status.confirmed.is_some())
            && report.is_some_and(|report| report.removed.contains(&path))
    });
    if says_so {
        Ok(())
    } else {
        Err("no newer confirmed backup has the report that its set is removed")
    }
}
