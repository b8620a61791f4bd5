//! How long green lasts: what nobody has looked at for two intervals is not verified any more. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::{Judged, JudgedCheck, has_outcome, is_of};
use super::ready::list;
use super::retry::{ended_second, longest_check};
use super::running::Running;
use crate::api::{CheckOutcome, DatabaseCheck};
use crate::plan::{Plan, Step};
use crate::resources::{CheckSchedule, ValidVerification};
use crate::world::Observed;

/// Whether what was verified still counts as verified.
pub enum Age<'a> {
    /// It does, until then.
    Fresh(Time),
    /// It does not since then, and a check is under way.
    Checking(Time, &'a DatabaseCheck),
    /// It does not since then.
    Overdue(Time, &'a DatabaseCheck),
}

/// How old green is; `None` while no start that runs is verified.
pub fn age<'a>(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'a>,
    running: &[Running<'_>],
    plan: &Plan,
) -> Option<Age<'a>> {
    let verified = running
        .iter()
        .filter_map(|start| judged.newest_of(&start.pod.uid, &start.container.id))
        .filter(|newest| newest.verdict.outcome == CheckOutcome::Verified);
    let ended = |judged: &&JudgedCheck<'_>| ended_second(observed, verification, judged);
    let good = verified.max_by_key(ended)?;
    let ended = Timestamp::from_second(ended(&good)).unwrap_or_default();
    // Without a schedule that can be used nothing is scheduled, and green still ends.
    let schedule = judged.spec.check_schedule.as_ref();
    let until = schedule
        .unwrap_or(&CheckSchedule::Hourly)
        .verified_until(&Time(ended));
    if until.0 > observed.now.0 {
        return Some(Age::Fresh(until));
    }
    let is_planned = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateCheck(_)));
    let under_way = under_way(observed, verification, running);
    Some(match under_way {
        // It was made in time, and takes a while.
        Some(made) if made <= until.0 => Age::Fresh(until),
        Some(_) => Age::Checking(until, good.check),
        None if is_planned => Age::Checking(until, good.check),
        None => Age::Overdue(until, good.check),
    })
}

/// When the check was made that is under way, unless it takes longer than a check can.
fn under_way(
    observed: &Observed,
    verification: &ValidVerification,
    running: &[Running<'_>],
) -> Option<Timestamp> {
    let of_running = |check: &&DatabaseCheck| {
        running
            .iter()
            .any(|start| is_of(check, &start.pod.uid, &start.container.id))
    };
    let made = list(&observed.checks)
        .iter()
        .filter(|check| !has_outcome(check))
        .filter(of_running)
        .filter_map(DatabaseCheck::made)
        .max()?;
    let ends = made
        .as_second()
        .saturating_add(longest_check(observed, verification));
    (ends > observed.now.0.as_second()).then_some(made)
}
