//! What all checks together say: `DataVerified`, `DataReset` and what the status remembers of
//! checks. Plans nothing. Pure.

use std::time::Duration;

use super::age::{Age, age};
use super::area::Stall;
use super::bare_pods::{leading, no_pod, not_known};
use super::judge::{Judged, JudgedCheck, ended};
use super::new_database::is_new;
use super::primaries::{Primaries, primaries};
use super::retry::is_mended_elsewhere;
use super::running::{Running, is_outdated};
use super::starting_again::held_back;
use crate::api::{
    BaselineStatus, CheckOutcome, CheckSummary, ConditionStatus, ConditionType, DatabaseCheck,
    DesiredCondition, find_condition, reasons,
};
use crate::plan::Plan;
use crate::resources::{CheckSchedule, describe_errors};
use crate::verdict::Verdict;
use crate::world::Observed;

/// Reports the newest check and the baseline. What was reported before stays while nothing newer is
/// known.
pub fn report(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    plan.status.baseline = judged
        .baseline
        .and_then(|check| {
            Some(BaselineStatus {
                check: check.metadata.name.clone()?,
                time: ended(check)?.clone(),
                system_identifier: check.evidence()?.identity.system_identifier.clone(),
                made: check.metadata.creation_timestamp.clone(),
            })
        })
        .or_else(|| before.and_then(|status| status.baseline.clone()));
    plan.status.last_check = judged
        .newest()
        .map(|newest| CheckSummary {
            name: newest.check.metadata.name.clone().unwrap_or_default(),
            time: newest.ended.clone(),
            made: newest.check.metadata.creation_timestamp.clone(),
            outcome: newest.verdict.outcome,
            reason: newest.verdict.reason.to_owned(),
        })
        .or_else(|| before.and_then(|status| status.last_check.clone()));
}

/// Whether the data of the containers that run now was found to be what was last known good.
pub fn data_verified(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    invalid: Option<&Stall>,
    running: &[Running<'_>],
    plan: &mut Plan,
) -> DesiredCondition {
    let condition = |status, reason, message: String| DesiredCondition {
        condition: ConditionType::DataVerified,
        status,
        reason,
        message,
    };
    let unknown = |reason, message: String| condition(ConditionStatus::Unknown, reason, message);
    if let Some(stall) = stall.or(invalid) {
        return unknown(stall.reason, stall.message.clone());
    }
    if observed.database.spec.suspend {
        return unknown(
            reasons::SUSPENDED,
            "spec.suspend is true: the data is not checked; set it to false".to_owned(),
        );
    }
    let unread = [
        observed.workload.unknown(),
        observed.neighbours.unknown(),
        observed.pods.unknown(),
        observed.checks.unknown(),
    ];
    if let Some(why) = unread.into_iter().flatten().next() {
        return unknown(reasons::READ_FAILED, why.to_owned());
    }
    if running.is_empty() {
        let workload = &observed.database.spec.workload.name;
        let message = if observed.pods_found().is_some() {
            no_pod(observed)
        } else {
            format!(
                "no pod of {workload} has a running Postgres container, so nothing can be checked"
            )
        };
        return unknown(reasons::NO_RUNNING_POD, message);
    }
    let mut verdicts = Vec::new();
    for start in running {
        let Some(newest) = judged.newest_of(&start.pod.uid, &start.container.id) else {
            // The primary says what the data is; this one starts again and again.
            if held_back(observed, judged, running, start).is_some() {
                continue;
            }
            return unknown(
                reasons::CHECKING,
                format!(
                    "the container that started in pod {} is being checked",
                    start.pod.name
                ),
            );
        };
        if newest.verdict.outcome == CheckOutcome::Verified && is_outdated(observed, judged, start)
        {
            return unknown(
                reasons::CHECKING,
                format!(
                    "the spec has changed, so pod {} is being checked again",
                    start.pod.name
                ),
            );
        }
        verdicts.push(newest.verdict.clone());
    }
    let mut verdict = crate::verdict::aggregate(&verdicts);
    let leading = leading(observed, running);
    if verdict.outcome != CheckOutcome::Suspected {
        if let Some((reason, message)) = not_known(observed, &leading) {
            return unknown(reason, message);
        }
        // What another pod has says nothing of the data that clients see.
        let newest = leading
            .iter()
            .filter_map(|start| judged.newest_of(&start.pod.uid, &start.container.id));
        let verdicts: Vec<Verdict> = newest.map(|newest| newest.verdict.clone()).collect();
        verdict = crate::verdict::aggregate(&verdicts);
    }
    let two = two_primaries(observed, judged, running);
    match (verdict.outcome, two) {
        (CheckOutcome::Suspected, two) => {
            let also = two.map(|(_, also)| format!("; {also}")).unwrap_or_default();
            let message = format!(
                "the data looks reset; the condition DataReset says what was expected, what is \
                 there and what to do{also}"
            );
            condition(ConditionStatus::False, verdict.reason, message)
        }
        (_, Some((reason, message))) => unknown(reason, message),
        (CheckOutcome::Unverifiable, None) => unverified(observed, judged, &leading, &verdict),
        (CheckOutcome::Verified, None) => match overdue(observed, judged, &leading, plan) {
            None => condition(ConditionStatus::True, verdict.reason, verdict.message),
            Some((reason, message)) => unknown(reason, message),
        },
    }
}

/// The condition when no check could verify the data.
fn unverified(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    verdict: &Verdict,
) -> DesiredCondition {
    let is_of_new = running
        .iter()
        .filter_map(|start| judged.newest_of(&start.pod.uid, &start.container.id))
        .any(|newest| newest.verdict == *verdict && is_new(observed, judged, newest));
    let (reason, message) = if is_of_new {
        let message = format!(
            "the database is new: it has no rows yet, and neither a ledger, a backup nor a \
             guarded volume knows of any. It is verified once it has rows; until then: {}",
            verdict.message
        );
        (reasons::NEW, message)
    } else if is_mended_elsewhere(verdict.reason) {
        let message = format!(
            "{}. It is checked again within an hour; at once: kubectl holdfast check {} -n {}",
            verdict.message.trim_end_matches('.'),
            observed.name(),
            observed.namespace_name()
        );
        (verdict.reason, message)
    } else {
        (verdict.reason, verdict.message.clone())
    };
    DesiredCondition {
        condition: ConditionType::DataVerified,
        status: ConditionStatus::Unknown,
        reason,
        message,
    }
}

/// The message about two pods that are primaries at once, or seem to be.
fn two_primaries(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
) -> Option<(&'static str, String)> {
    match primaries(judged, running) {
        Primaries::AtMostOne => None,
        Primaries::Unsure { newer, older } => Some((
            reasons::CHECKING,
            format!(
                "pods {} and {} have both answered as a primary; pod {} is being checked again",
                newer.pod.name, older.pod.name, older.pod.name
            ),
        )),
        Primaries::Two(one, other) => {
            let namespace = observed.namespace_name();
            let mut names = [&one.pod.name, &other.pod.name];
            names.sort();
            let [first, second] = names;
            Some((
                reasons::TWO_PRIMARIES,
                format!(
                    "pods {first} and {second} are both primaries of {}: what is written to one is \
                     not in the other. Find out which one has the data, and stop the other: \
                     kubectl -n {namespace} get dbcheck",
                    observed.database.spec.workload.called()
                ),
            ))
        }
    }
}

/// Says for how long green holds, or why it does not any more.
fn overdue(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    plan: &mut Plan,
) -> Option<(&'static str, String)> {
    let verification = judged.spec.verification.as_ref().ok()?;
    let good = match age(observed, verification, judged, running, plan)? {
        Age::Fresh(until) => {
            let left = until.0.as_second() - observed.now.0.as_second();
            plan.read_again_after(Duration::from_secs(u64::try_from(left).unwrap_or(0)));
            plan.status.verified_until = Some(until);
            return None;
        }
        Age::Checking(until, good) => {
            plan.status.verified_until = Some(until);
            let message = format!(
                "{}, and the data is being checked now",
                last_look(good, "was too long ago")
            );
            return Some((reasons::CHECKING, message));
        }
        Age::Overdue(until, good) => {
            plan.status.verified_until = Some(until);
            good
        }
    };
    let why = match judged.spec.check_schedule.as_ref() {
        Ok(CheckSchedule::Off) => {
            "spec.verification.schedule is Off. Remove the field to have the data checked \
             every hour"
                .to_owned()
        }
        Ok(_) => format!(
            "longer ago than two intervals of spec.verification.schedule, or than 32 days. See \
             kubectl -n {} get dbcheck,jobs",
            observed.namespace_name()
        ),
        Err(errors) => describe_errors(errors),
    };
    Some((
        reasons::CHECK_OVERDUE,
        format!("{}: {why}", last_look(good, "is too old")),
    ))
}

fn last_look(good: &DatabaseCheck, judgement: &str) -> String {
    let name = good.metadata.name.as_deref().unwrap_or_default();
    let when = ended(good).map_or_else(|| "an unknown time".to_owned(), |time| time.0.to_string());
    format!("the last good check {name}, of {when}, {judgement}")
}

/// Whether the data looks reset: in any container that runs now, or in the newest check that was
/// not Unverifiable.
pub fn data_reset(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
) -> DesiredCondition {
    let condition = |status, reason, message| DesiredCondition {
        condition: ConditionType::DataReset,
        status,
        reason,
        message,
    };
    let is_reset = |check: &&JudgedCheck<'_>| check.verdict.outcome == CheckOutcome::Suspected;
    let mut starts = running
        .iter()
        .filter_map(|start| judged.newest_definitive_of(&start.pod.uid, &start.container.id));
    let newest = judged.newest_definitive();
    if let Some(reset) = newest.filter(is_reset).or_else(|| starts.find(is_reset)) {
        return condition(
            ConditionStatus::True,
            reset.verdict.reason,
            reset.verdict.message.clone(),
        );
    }
    if let Some(good) = newest {
        let name = good.check.metadata.name.as_deref().unwrap_or_default();
        return condition(
            ConditionStatus::False,
            reasons::VERIFIED,
            format!("DatabaseCheck {name} found the data as expected"),
        );
    }
    // Neither a failed read nor the deletion of checks is a reason to forget a reset.
    let before = observed
        .database
        .status
        .as_ref()
        .and_then(|status| find_condition(&status.conditions, ConditionType::DataReset));
    if let Some(before) = before.filter(|before| before.status == ConditionStatus::True.as_str()) {
        return condition(
            ConditionStatus::True,
            reasons::known(&before.reason),
            before.message.clone(),
        );
    }
    match observed.checks.unknown() {
        Some(why) => condition(
            ConditionStatus::Unknown,
            reasons::READ_FAILED,
            why.to_owned(),
        ),
        None => condition(
            ConditionStatus::Unknown,
            reasons::NEVER_CHECKED,
            "no check has judged the data yet".to_owned(),
        ),
    }
}
