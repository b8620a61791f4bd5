//! The checks' part of a plan: one for every container start, more on schedule and on request, and
//! the deletion of old ones. Pure.

use super::area::{Area, Stall};
use super::bare_pods::leading;
use super::build_check::{build_check, target};
use super::changes::data_changed;
use super::check_jobs::plan_jobs;
use super::check_names;
use super::data_conditions::{data_reset, data_verified, report};
use super::files::{files_match, plan_files};
use super::gate::newest_let_through;
use super::job_end::job_ended;
use super::judge::{Judged, JudgedCheck, has_outcome, is_of, order};
use super::not_begun::{self, Task};
use super::ready::list;
use super::retry::next_try;
use super::running::{Running, has_known_volumes, is_outdated, primary, running};
use super::scheduled::{plan_backup_check, plan_confirming_check, plan_scheduled_check};
use super::starting_again::held_back;
use k8s_openapi::api::batch::v1::Job;

use crate::api::{CheckTrigger, ConditionStatus, ConditionType, DatabaseCheck, reasons};
use crate::plan::{Plan, Step};
use crate::resources::ValidVerification;
use crate::world::{AgentIdentity, Observed};

/// How many of the newest checks of a container that runs are kept in any case: two show that it has
/// been a primary all the time in between.
const KEPT_OF_A_START: usize = 2;
/// How many checks of a database are kept, in addition to those that something refers to: those that tell of
/// its starts, and those that are made as time goes by.
const KEPT_CHECKS: usize = 30;

/// Plans checks and says what is known of the data.
pub fn check(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) -> Area {
    for (name, verdict) in &judged.unwritten {
        plan.steps.push(Step::WriteVerdict {
            name: (*name).to_owned(),
            verdict: verdict.clone(),
        });
    }
    report(observed, judged, plan);
    let (verification, invalid) = match &judged.spec.verification {
        Ok(verification) => (Some(verification), None),
        Err(errors) => (None, Some(Stall::invalid_spec(errors))),
    };
    let running = running(observed);
    let blocked = stall.is_some() || observed.database.spec.suspend || !readable(observed);
    if let Some(verification) = verification.filter(|_| !blocked) {
        if observed.agent_identity.known() == Some(&AgentIdentity::Missing) && !running.is_empty() {
            plan.steps.push(Step::EnsureAgentIdentity);
        }
        for start in running
            .iter()
            .filter(|start| has_known_volumes(observed, start))
        {
            plan_restart_check(observed, verification, judged, &running, start, plan);
        }
        let leading = leading(observed, &running);
        if let Some(primary) =
            primary(judged, &leading).filter(|primary| has_known_volumes(observed, primary))
        {
            plan_backup_check(observed, judged, primary, plan);
            plan_confirming_check(observed, judged, primary, plan);
            if let Ok(schedule) = &judged.spec.check_schedule {
                plan_scheduled_check(observed, judged, schedule, primary, plan);
            }
            plan_manual_checks(observed, judged, primary, plan);
            plan_files(observed, verification, judged, primary, plan);
        }
        plan_jobs(observed, verification, judged, &running, plan);
        plan_pruning(observed, judged, &running, plan);
    }
    let has_ended = |job: &Job| job_ended(job).is_some();
    not_begun::plan_waits(observed, has_ended, plan);
    let verified = data_verified(observed, judged, stall, invalid.as_ref(), &running, plan);
    let is_checking = verified.reason == reasons::CHECKING;
    let verified = not_begun::say(observed, Task::Check, has_ended, verified);
    let files = files_match(observed, judged, stall.or(invalid.as_ref()));
    let are_awaited = files
        .as_ref()
        .is_some_and(|files| files.reason == reasons::FILES_NOT_CHECKED);
    let files = files.map(|files| not_begun::say(observed, Task::Files, has_ended, files));
    // Once something is known of the data, files that were not looked for are being looked for.
    let is_looking = verified.status != ConditionStatus::Unknown;
    let waits = [
        Some(&verified).filter(|_| is_checking),
        files.as_ref().filter(|_| is_looking && are_awaited),
    ];
    let waiting_on = waits
        .into_iter()
        .flatten()
        .next()
        .map(|condition| condition.message.clone());
    plan.conditions.push(verified);
    plan.conditions.push(data_reset(observed, judged, &running));
    plan.conditions.push(data_changed(observed, judged));
    if files.is_none() {
        plan.withdrawn.push(ConditionType::FilesMatch);
    }
    plan.conditions.extend(files);
    let schedule = judged.spec.check_schedule.as_ref().err();
    let unscheduled = schedule.map(|errors| Stall::invalid_spec(errors));
    Area {
        stall: invalid
            .or(unscheduled)
            .or_else(|| judged.acceptance.stall()),
        waiting_on,
    }
}

/// Whether all that a check depends on was read. Without the neighbours it is not known whose
/// workload it is.
fn readable(observed: &Observed) -> bool {
    [
        observed.workload.unknown(),
        observed.neighbours.unknown(),
        observed.pods.unknown(),
        observed.claims.unknown(),
        observed.checks.unknown(),
        observed.jobs.unknown(),
    ]
    .into_iter()
    .all(|unknown| unknown.is_none())
}

/// One check for every container start, and another try when nothing could be said.
fn plan_restart_check(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let all = list(&observed.checks);
    let of_start = |check: &&DatabaseCheck| is_of(check, &start.pod.uid, &start.container.id);
    // One that has reported and can't be judged, because the past could not be read, is waited for,
    // too: another would be no wiser.
    let is_judged = |check: &DatabaseCheck| {
        let name = check.metadata.name.as_deref();
        name.is_some_and(|name| judged.verdicts.contains_key(name))
    };
    let mut of_this = all.iter().filter(of_start);
    let pending = of_this.any(|check| !has_outcome(check) || !is_judged(check));
    if pending {
        return;
    }
    if let Some(wait) = held_back(observed, judged, running, start) {
        plan.read_again_after(wait);
        return;
    }
    let is_attempt = |check: &&DatabaseCheck| {
        matches!(
            check.spec.trigger,
            CheckTrigger::Restart | CheckTrigger::Retry | CheckTrigger::SpecChange
        )
    };
    let attempts = all.iter().filter(of_start).filter(is_attempt);
    let tried = attempts
        .filter_map(|check| check.spec.target.as_ref())
        .map(|target| target.attempt.saturating_add(1))
        .max();
    // The check of the start itself may have been pruned since: what was checked is not new.
    let is_known = judged
        .newest_of(&start.pod.uid, &start.container.id)
        .is_some();
    let next = tried.unwrap_or(i32::from(is_known));
    if next > 0 {
        match next_try(observed, verification, judged, running, start) {
            None => return,
            Some(wait) if !wait.is_zero() => {
                plan.read_again_after(wait);
                return;
            }
            Some(_) => {}
        }
    }
    let name =
        check_names::restart_check(observed.name(), &start.pod.uid, &start.container.id, next);
    // Creating it again would change nothing, and would be tried without a pause.
    if all
        .iter()
        .any(|check| check.metadata.name.as_ref() == Some(&name))
    {
        return;
    }
    let trigger = match next {
        0 => CheckTrigger::Restart,
        _ if is_outdated(observed, judged, start) => CheckTrigger::SpecChange,
        _ => CheckTrigger::Retry,
    };
    let check = build_check(
        observed,
        name,
        trigger,
        target(observed, judged, start, next),
    );
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// Sets the target of a check that a user created.
fn plan_manual_checks(
    observed: &Observed,
    judged: &Judged<'_>,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    for check in list(&observed.checks)
        .iter()
        .filter(|check| check.spec.target.is_none() && !has_outcome(check))
    {
        let name = check.metadata.name.clone().unwrap_or_default();
        plan.steps.push(Step::SetCheckTarget {
            name,
            target: Box::new(target(observed, judged, start, 0)),
        });
    }
}

/// Old checks are deleted, also those without a report: a pod that can't start makes one at each
/// try. Never one that something refers to.
fn plan_pruning(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    plan: &mut Plan,
) {
    // What only a backup remembers is known from the check that read it, as long as no check is
    // good.
    let is_needed = |check: &DatabaseCheck| {
        let remembers = check
            .status
            .as_ref()
            .is_some_and(|status| status.backup_evidence.is_some());
        judged.acceptance.needs(check) || (judged.baseline.is_none() && remembers)
    };
    let remembered = observed
        .database
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref())
        .map(|baseline| &baseline.check);
    let baseline = judged
        .baseline
        .and_then(|baseline| baseline.metadata.name.as_ref());
    let mut all: Vec<&JudgedCheck<'_>> = judged.verdicts.values().collect();
    all.sort_by_key(|judged| std::cmp::Reverse(order(judged.check)));
    let newest = running.iter().flat_map(|start| {
        let (pod, container) = (&start.pod.uid, &start.container.id);
        [
            judged.newest_of(pod, container),
            judged.newest_definitive_of(pod, container),
            newest_let_through(observed, judged, start.pod, start.container),
        ]
    });
    let of_running = running.iter().flat_map(|start| {
        let checks = all.iter().map(|judged| judged.check);
        checks
            .filter(|check| is_of(check, &start.pod.uid, &start.container.id))
            .take(KEPT_OF_A_START)
    });
    let of_running: Vec<_> = of_running.collect();
    let newest = newest
        .chain([judged.newest_definitive()])
        .flatten()
        .map(|newest| newest.check)
        .chain(of_running)
        .filter_map(|newest| newest.metadata.name.as_ref());
    let kept: Vec<&String> = newest
        .chain([remembered, baseline].into_iter().flatten())
        .collect();
    let (routine, asked): (Vec<_>, Vec<_>) = all.into_iter().partition(|judged| {
        matches!(
            judged.check.spec.trigger,
            CheckTrigger::Schedule | CheckTrigger::Backup
        )
    });
    let old = [routine, asked]
        .into_iter()
        .flat_map(|kind| kind.into_iter().skip(KEPT_CHECKS))
        .filter(|old| !is_needed(old.check))
        .map(|judged| &judged.check.metadata);
    let unneeded = old.filter(|old| !old.name.as_ref().is_some_and(|name| kept.contains(&name)));
    plan.steps
        .extend(unneeded.map(|old| Step::DeleteCheck(Box::new(old.clone()))));
}
