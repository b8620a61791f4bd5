//! Which backups a later check confirms or demotes. No clock of a node counts: sets and checks are
//! ordered by the write-ahead log of their database, and by the API server's clock. Pure.

use super::judge::{Judged, JudgedCheck, ended, order};
use super::last_backups::over_at;
use super::ready::list;
use crate::api::{
    BackupConfirmation, BackupDemotion, BackupVerdict, CheckOutcome, DatabaseBackup, DatabaseCheck,
    WalPosition,
};
use crate::plan::{Plan, Step};
use crate::world::Observed;

/// Plans a verdict on every backup that is Complete, has none, and that a check says something about.
pub fn plan_verdicts(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let all = list(&observed.backups).iter();
    for backup in all.filter(|one| one.has_no_verdict()) {
        if let (Some(verdict), Some(name)) = (verdict_on(backup, judged), &backup.metadata.name) {
            plan.steps.push(Step::JudgeBackup {
                name: name.clone(),
                verdict,
            });
        }
    }
}

/// What the first check says that says anything: a good one that was made after the backup and found
/// the same database cluster, or a reset before that.
fn verdict_on(backup: &DatabaseBackup, judged: &Judged<'_>) -> Option<BackupVerdict> {
    let begun = backup.metadata.creation_timestamp.as_ref()?.0;
    let mut checks: Vec<&JudgedCheck<'_>> = judged
        .verdicts
        .values()
        .filter(|check| judged.is_definitive(check))
        .collect();
    checks.sort_by_key(|check| order(check.check));
    let mut reset: Option<&JudgedCheck<'_>> = None;
    for check in checks {
        let is_after = check.check.made().is_some_and(|made| made >= begun);
        // Taken while a reset stood, whatever its agent knew of it.
        if let (true, Some(reset)) = (is_after, reset) {
            return demotion(reset);
        }
        match check.verdict.outcome {
            CheckOutcome::Verified if confirms(check.check, backup, judged) => {
                return Some(BackupVerdict::Confirmed(BackupConfirmation {
                    check: check.check.metadata.name.clone()?,
                    time: check.check.metadata.creation_timestamp.clone()?,
                }));
            }
            CheckOutcome::Suspected if is_after => return demotion(check),
            CheckOutcome::Suspected => reset = Some(check),
            CheckOutcome::Verified => reset = None,
            CheckOutcome::Unverifiable => {}
        }
    }
    reset.and_then(demotion)
}

fn demotion(reset: &JudgedCheck<'_>) -> Option<BackupVerdict> {
    Some(BackupVerdict::Demoted(BackupDemotion {
        reason: reset.verdict.reason.to_owned(),
        check: reset.check.metadata.name.clone()?,
        time: reset.check.metadata.creation_timestamp.clone()?,
    }))
}

/// Whether a good check found the data of a backup after it was taken: all of it was counted, of the
/// same database cluster, on a server that has written at least as much.
fn confirms(check: &DatabaseCheck, backup: &DatabaseBackup, judged: &Judged<'_>) -> bool {
    let (Some(evidence), Some(status)) = (check.evidence(), &backup.status) else {
        return false;
    };
    let identity = &evidence.identity;
    let is_same = status.system_identifier.as_ref() == Some(&identity.system_identifier);
    if !is_same || identity.in_recovery || evidence.partial || ended(check).is_none() {
        return false;
    }
    match &status.snapshot {
        Some(snapshot) => {
            let found = WalPosition::parse(identity.timeline, &identity.wal_position);
            // Both times are of the database's own clock. Where it was set back, it is waited for.
            found
                .zip(snapshot.position())
                .is_some_and(|(found, taken)| found >= taken)
                && evidence.observed_at.0 >= snapshot.time.0
        }
        // A backup of an older version does not say its position.
        None => check
            .made()
            .zip(over_at(backup, judged))
            .is_some_and(|(made, over)| made > over),
    }
}
