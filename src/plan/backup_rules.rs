//! The rules about the objects of backups: one goes when its set is gone from the bucket, as retention says, or
//! when it failed long ago; one that counted is demoted when its set was read and is damaged; and one that runs
//! outlives its ProtectedDatabase. Pure.

use super::Step;
use super::scope::Scope;
use crate::api::{BackupState, BackupVerdict, DatabaseBackup, FAILED_BACKUPS_KEPT};
use crate::guard;
use crate::world::Fact;

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

/// Make sure that a ProtectedDatabase goes only when no backup runs that would be ended with it, or after the CronJob
/// of that was deleted alone; and that this is done for no other reason.
pub fn running_backups_outlive_their_database(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let is_going = match &steps[position] {
        Step::LeaveBackup(_) => false,
        Step::ReleaseDatabase(release) => release.metadata.deletion_timestamp.is_some(),
        _ => return Ok(()),
    };
    let observed = scope.database()?;
    let database = &observed.database.metadata;
    let Fact::Known(cron_job) = observed.own_cron_job() else {
        return Err("it is not known whether a backup runs");
    };
    if let Step::LeaveBackup(metadata) = &steps[position] {
        let is_confirmed = database.deletion_timestamp.is_some()
            && guard::deletion_confirmed(database, scope.now());
        let is_read = cron_job.is_some_and(|read| read.uid == metadata.uid);
        return match (is_read, is_confirmed) {
            (true, true) => Ok(()),
            (false, _) => Err("it is not the CronJob that was read"),
            (true, false) => Err("the ProtectedDatabase stays"),
        };
    }
    let Some(cron_job) = cron_job.filter(|_| is_going && observed.may_run_backup()) else {
        return Ok(());
    };
    let is_left = |step: &Step| matches!(step, Step::LeaveBackup(left) if left.uid == cron_job.uid);
    if steps[..position].iter().any(is_left) {
        Ok(())
    } else {
        Err("a backup runs, or may run, which would be ended with it")
    }
}

/// Make sure that the object of a failed backup is deleted only when it says nothing that newer ones do not: enough of
/// them have failed too, and what it may have left in the bucket was replaced by a backup that counts.
pub fn only_old_failures_go(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::DeleteFailedBackup(metadata) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let all = || observed.backups.known().into_iter().flatten();
    let is_read =
        |backup: &&DatabaseBackup| metadata.uid.is_some() && backup.metadata.uid == metadata.uid;
    let Some(backup) = all().find(is_read) else {
        return Err("it is not a backup that was read");
    };
    let has_failed = |backup: &DatabaseBackup| {
        let status = backup.status.as_ref();
        status.is_some_and(|status| status.state == Some(BackupState::Failed))
    };
    if !has_failed(backup) || !observed.is_ours(&backup.metadata) {
        return Err("it has not failed, or a user has created it");
    }
    let newer = || all().filter(|other| other.made() > backup.made());
    if newer().filter(|other| has_failed(other)).count() < FAILED_BACKUPS_KEPT {
        return Err("it is one of the newest that failed");
    }
    let has_set = backup
        .status
        .as_ref()
        .is_some_and(|status| status.path.is_some());
    if has_set && !newer().any(DatabaseBackup::counts) {
        return Err("its set may be complete, and no newer one counts");
    }
    let Some(jobs) = observed.jobs.known() else {
        return Err("it is not known whether its Job is there, which would be reported again");
    };
    if jobs.iter().any(|job| job.metadata.name == metadata.name) {
        return Err("its Job is there, which would be reported again");
    }
    Ok(())
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
