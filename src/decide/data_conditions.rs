//! What all checks together say: `DataVerified`, `DataReset` and what the status remembers of
//! checks. Plans nothing. Pure.

use super::area::Stall;
use super::judge::{Judged, JudgedCheck, ended};
use super::running::{Running, is_outdated};
use crate::api::{
    BaselineStatus, CheckOutcome, CheckSummary, ConditionStatus, ConditionType, DesiredCondition,
    find_condition, reasons,
};
use crate::plan::Plan;
use crate::world::Observed;

/// Reports the newest check and the baseline. What was reported before stays while nothing newer is
/// known.
pub fn report(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    plan.status.last_drill = before.and_then(|status| status.last_drill.clone());
    plan.status.baseline = judged
        .baseline
        .and_then(|check| {
            Some(BaselineStatus {
                check: check.metadata.name.clone()?,
                time: ended(check)?.clone(),
                system_identifier: check.evidence()?.identity.system_identifier.clone(),
            })
        })
        .or_else(|| before.and_then(|status| status.baseline.clone()));
    plan.status.last_check = judged
        .newest()
        .map(|newest| CheckSummary {
            name: newest.check.metadata.name.clone().unwrap_or_default(),
            time: newest.ended.clone(),
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
        return unknown(
            reasons::NO_RUNNING_POD,
            format!(
                "no pod of {workload} has a running Postgres container, so nothing can be checked"
            ),
        );
    }
    let mut verdicts = Vec::new();
    for start in running {
        let Some(newest) = judged.newest_of(&start.pod.uid, &start.container.id) else {
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
    let verdict = crate::verdict::aggregate(&verdicts);
    match verdict.outcome {
        CheckOutcome::Verified => condition(ConditionStatus::True, verdict.reason, verdict.message),
        CheckOutcome::Unverifiable => {
            condition(ConditionStatus::Unknown, verdict.reason, verdict.message)
        }
        CheckOutcome::Suspected => {
            let message = "the data looks reset; the condition DataReset says what was expected, \
                what was found and what to do"
                .to_owned();
            condition(ConditionStatus::False, verdict.reason, message)
        }
    }
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
