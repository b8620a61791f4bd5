//! The checks that no start asks for: those of the schedule, and one at the beginning of each
//! backup. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::build_check::{build_check, target};
use super::check_names;
use super::job_end::job_ended;
use super::judge::{Judged, has_outcome, is_of};
use super::last_backups::over_at;
use super::ready::list;
use super::running::Running;
use super::turn::check_since;
use crate::api::{BackupState, CheckTrigger, DatabaseBackup, DatabaseCheck};
use crate::plan::{Plan, Step};
use crate::resources::CheckSchedule;
use crate::world::Observed;

/// The newest tick of the schedule gets a check, unless one was made since; ticks missed while
/// nobody looked get one together. Without a schedule of the user's it is every hour: a server that
/// starts again inside its container, or loses its data between two starts, is seen by nothing else.
pub fn plan_scheduled_check(
    observed: &Observed,
    judged: &Judged<'_>,
    schedule: &CheckSchedule,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let uid = observed
        .database
        .metadata
        .uid
        .as_deref()
        .unwrap_or_default();
    let checks = list(&observed.checks);
    // Only checks of this start count: those of a replica say nothing about the data.
    let of_start = checks
        .iter()
        .filter(|check| is_of(check, &start.pod.uid, &start.container.id));
    let newest = of_start
        .filter_map(|check| check.metadata.creation_timestamp.as_ref())
        .max_by_key(|time| time.0);
    let since = newest
        .or(observed.database.metadata.creation_timestamp.as_ref())
        .unwrap_or(&observed.now);
    let Some(mut due) = schedule.next_tick(uid, since) else {
        return;
    };
    let (pod, container) = (&start.pod.uid, &start.container.id);
    let name = |tick: &Time| {
        check_names::scheduled_check(observed.name(), pod, container, tick.0.as_second())
    };
    // By the API server's clock a tick's check may have been made before the tick. Each check has
    // one name, so that this ends.
    for _ in checks {
        if !has_name(checks, &name(&due)) {
            break;
        }
        let Some(after) = schedule.next_tick(uid, &due) else {
            return;
        };
        due = after;
    }
    if due.0 > observed.now.0 {
        let wait = due.0.as_second() - observed.now.0.as_second();
        plan.read_again_after(Duration::from_secs(u64::try_from(wait).unwrap_or(0)));
        return;
    }
    if is_planned(plan) || checks.iter().any(|check| !has_outcome(check)) {
        return;
    }
    let check = build_check(
        observed,
        name(&due),
        CheckTrigger::Schedule,
        target(observed, judged, start, 0),
    );
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// A backup that begins is preceded by a check that was made since: its agent waits for the outcome,
/// and a set of data that is not verified then does not count as good.
pub fn plan_backup_check(
    observed: &Observed,
    judged: &Judged<'_>,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let begun = list(&observed.backups)
        .iter()
        .filter(|backup| {
            let state = backup.status.as_ref().and_then(|status| status.state);
            state == Some(BackupState::Running) && runs(observed, backup)
        })
        .filter_map(|backup| {
            let begun = backup.metadata.creation_timestamp.clone()?;
            Some((begun, check_since(observed, backup)?))
        })
        .max_by_key(|(begun, _)| begun.0);
    let Some((begun, since)) = begun else { return };
    let name = check_names::backup_check(
        observed.name(),
        &start.pod.uid,
        &start.container.id,
        begun.0.as_second(),
    );
    let is_in_time = |check: &DatabaseCheck| check.made().is_some_and(|made| made >= since.0);
    plan_for_backup(observed, judged, start, name, is_in_time, plan);
}

/// A backup that is Complete is followed by a check: it counts only when that one finds the same data.
pub fn plan_confirming_check(
    observed: &Observed,
    judged: &Judged<'_>,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let all = list(&observed.backups).iter();
    let waiting: Vec<_> = all.filter(|backup| backup.has_no_verdict()).collect();
    let over = waiting.iter().filter_map(|backup| over_at(backup, judged));
    let Some(over) = over.max() else { return };
    let taken = waiting.iter().filter_map(|backup| {
        let snapshot = backup.status.as_ref()?.snapshot.as_ref()?;
        Some(snapshot.time.0)
    });
    let taken = taken.max();
    // The check that was made when the backup began may have looked before it, however long its pod took to
    // start. Both times are of the database's own clock.
    let has_looked_before = |check: &DatabaseCheck| {
        let looked = check.evidence().map(|evidence| evidence.observed_at.0);
        looked
            .zip(taken)
            .is_some_and(|(looked, taken)| looked < taken)
    };
    let is_in_time = |check: &DatabaseCheck| {
        check.made().is_some_and(|made| made > over) && !has_looked_before(check)
    };
    let name = check_names::confirming_check(
        observed.name(),
        &start.pod.uid,
        &start.container.id,
        over.as_second(),
    );
    plan_for_backup(observed, judged, start, name, is_in_time, plan);
}

/// Creates the check for a backup, unless one of this start is enough, or is on its way.
fn plan_for_backup(
    observed: &Observed,
    judged: &Judged<'_>,
    start: &Running<'_>,
    name: String,
    is_in_time: impl Fn(&DatabaseCheck) -> bool,
    plan: &mut Plan,
) {
    let checks = list(&observed.checks);
    let mut of_start = checks
        .iter()
        .filter(|check| is_of(check, &start.pod.uid, &start.container.id));
    let is_enough = |check: &DatabaseCheck| is_in_time(check) || !has_outcome(check);
    if is_planned(plan) || of_start.any(is_enough) || has_name(checks, &name) {
        return;
    }
    let target = target(observed, judged, start, 0);
    let check = build_check(observed, name, CheckTrigger::Backup, target);
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// Whether the Job of a backup has not ended.
fn runs(observed: &Observed, backup: &DatabaseBackup) -> bool {
    list(&observed.jobs)
        .iter()
        .any(|job| job.metadata.name == backup.metadata.name && job_ended(job).is_none())
}

fn has_name(checks: &[DatabaseCheck], name: &str) -> bool {
    checks
        .iter()
        .any(|check| check.metadata.name.as_deref() == Some(name))
}

fn is_planned(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .any(|step| matches!(step, Step::CreateCheck(_)))
}
