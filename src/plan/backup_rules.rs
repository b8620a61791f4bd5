//! The rules about the objects of backups: one goes when its set is gone from the bucket, as retention says,
//! and one that counted is demoted when its set was read and is damaged. Pure.

use super::Step;
use super::scope::Scope;
use crate::api::{BackupState, BackupVerdict, DatabaseBackup};

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

/// Make sure that a backup is demoted for damage only if the report of a look says so, of its very set and by
/// the same Job; and that nothing else demotes one that was confirmed.
pub fn only_damage_demotes_what_counts(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::JudgeBackup {
        name,
        verdict: BackupVerdict::Demoted(demotion),
    } = &steps[position]
    else {
        return Ok(());
    };
    let observed = scope.database()?;
    let all = || observed.backups.known().into_iter().flatten();
    let Some(backup) = all().find(|backup| backup.metadata.name.as_ref() == Some(name)) else {
        return Err("it is not a backup that was read");
    };
    if !demotion.is_damage() {
        return if backup.has_no_verdict() {
            Ok(())
        } else {
            Err("a check has said already whether it counts")
        };
    }
    let path = backup
        .status
        .as_ref()
        .and_then(|status| status.path.as_ref());
    let says_so = all().any(|reported| {
        let report = reported
            .status
            .as_ref()
            .and_then(|status| status.catalog.as_ref());
        let sample = report.and_then(|report| report.sample.as_ref());
        let mut read = sample.into_iter().flat_map(|sample| &sample.read);
        read.any(|read| {
            Some(&read.path) == path
                && read.found.job == demotion.check
                && read.found.time == demotion.time
                && read.found.damage.is_some()
        })
    });
    if says_so && backup.may_be_damaged() {
        Ok(())
    } else {
        Err("no look has reported that its set is damaged")
    }
}
