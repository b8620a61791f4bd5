//! When a start is checked again that could not be verified: soon and then more rarely, at once
//! when the spec has changed, and a replica only when its role may be another one. Pure.

use std::time::Duration;

use super::bare_pods::is_labelled;
use super::build_check::is_misled;
use super::judge::{Judged, JudgedCheck, is_of, order};
use super::primaries::{Primaries, primaries};
use super::running::{Role, Running, is_outdated, primary, role};
use crate::api::{CheckOutcome, reasons};
use crate::resources::ValidVerification;
use crate::world::Observed;

/// Reasons that may pass by waiting. For all others a user must change something: a name, a
/// password, a permission, a limit.
const PASSING: &[&str] = &[
    reasons::CONNECTION_FAILED,
    reasons::SERVER_STARTING,
    reasons::DATABASE_CLOSED,
    reasons::TOO_MANY_CONNECTIONS,
    reasons::IN_RECOVERY,
    reasons::JOB_FAILED,
    reasons::AGENT_NOT_STARTED,
    reasons::SUPERSEDED,
    reasons::STORAGE_UNREACHABLE,
    reasons::READ_FAILED,
    reasons::OTHER_SERVER_ANSWERED,
];

/// Reasons that a user corrects where the operator sees nothing of it: in a Secret, in the database.
const MENDED_ELSEWHERE: &[&str] = &[
    reasons::AUTHENTICATION_FAILED,
    reasons::SECRET_MISSING,
    reasons::PERMISSION_DENIED,
    reasons::ROW_SECURITY,
    reasons::TLS_FAILED,
    reasons::DATABASE_NOT_FOUND,
    reasons::TABLE_NOT_FOUND,
];

/// How long until the next look at a start, if there is to be one: at once when the spec was changed
/// since, never again after a definite outcome or of a replica whose primary is known.
pub fn next_try(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    start: &Running<'_>,
) -> Option<Duration> {
    let newest = judged.newest_of(&start.pod.uid, &start.container.id)?;
    if is_outdated(observed, judged, start)
        || needs_another_look(judged, running, start)
        || is_misled(newest)
    {
        return Some(Duration::ZERO);
    }
    // What is suspected because nothing could be read is checked again until it can be.
    if newest.verdict.outcome != CheckOutcome::Unverifiable && newest.check.evidence().is_some() {
        return None;
    }
    let others = || running.iter().filter(|other| !is_same(other, start));
    let is_primary = |other: &&Running<'_>| role(judged, other) == Some(Role::Primary);
    // That it is called the primary now says that its role may be another one.
    let is_labelled = is_labelled(observed, start);
    let has_primary = !is_labelled && others().any(|other| is_primary(&other));
    if role(judged, start) == Some(Role::Replica) && has_primary {
        return others()
            .filter(is_primary)
            .any(|primary| has_started_since(judged, primary, newest))
            .then_some(Duration::ZERO);
    }
    // A workload of replicas only is no failure that passes, but one of them may be promoted: the
    // pauses grow from when a primary was last seen. A replica cluster has its labels for good.
    let is_standby = newest.verdict.reason == reasons::IN_RECOVERY
        && others().all(|other| role(judged, other) == Some(Role::Replica));
    let since = newest_primary(judged).filter(|_| is_standby);
    let pauses = if is_standby || is_hopeless(newest.verdict.reason) {
        observed.pace.hopeless
    } else {
        observed.pace.retry
    };
    let pause = pauses
        .after(failures(judged, start, newest, since))
        .as_secs();
    let due = ended_second(observed, verification, newest)
        .saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
    let wait = due.saturating_sub(observed.now.0.as_second());
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// Whether the operator does not see that what was wrong is corrected.
pub fn is_mended_elsewhere(reason: &str) -> bool {
    MENDED_ELSEWHERE.contains(&reason)
}

/// Whether waiting does not help.
fn is_hopeless(reason: &str) -> bool {
    !PASSING.contains(&reason)
}

/// Whether a start that seems to be a primary beside another must be looked at again: to know that
/// both are primaries at once, and later whether they still are.
fn needs_another_look(judged: &Judged<'_>, running: &[Running<'_>], start: &Running<'_>) -> bool {
    match primaries(judged, running) {
        Primaries::AtMostOne => false,
        Primaries::Unsure { older, .. } => is_same(older, start),
        Primaries::Two(one, other) => {
            let made = |start: &Running<'_>| {
                let newest = judged.newest_of(&start.pod.uid, &start.container.id)?;
                order(newest.check).0
            };
            let first = primary(judged, running);
            [one, other].into_iter().any(|each| is_same(each, start))
                && first.is_some_and(|first| !is_same(first, start) && made(start) < made(first))
        }
    }
}

/// Whether a primary has started since a replica was checked: then their roles may have changed.
/// Its node's clock is believed no further than to the check that has seen it.
fn has_started_since(judged: &Judged<'_>, primary: &Running<'_>, look: &JudgedCheck<'_>) -> bool {
    let started = primary.container.started_at.as_ref().map(|time| time.0);
    let seen = judged
        .newest_of(&primary.pod.uid, &primary.container.id)
        .and_then(|newest| order(newest.check).0);
    let made = order(look.check).0;
    started.min(seen) > made
}

fn is_same(one: &Running<'_>, other: &Running<'_>) -> bool {
    one.pod.uid == other.pod.uid && one.container.id == other.container.id
}

/// The newest check that found a primary, in whichever start.
fn newest_primary<'a, 'b>(judged: &'b Judged<'a>) -> Option<&'b JudgedCheck<'a>> {
    let primaries = judged.verdicts.values().filter(|judged| {
        let evidence = judged.check.own_evidence();
        evidence.is_some_and(|evidence| !evidence.identity.in_recovery)
    });
    primaries.max_by_key(|judged| order(judged.check))
}

/// How many checks of a start in a row could not say anything for the same kind of reason and under
/// the same spec, the newest included, and `since` not. Older ones may have been pruned: the number
/// of the try then says more.
fn failures(
    judged: &Judged<'_>,
    start: &Running<'_>,
    newest: &JudgedCheck<'_>,
    since: Option<&JudgedCheck<'_>>,
) -> usize {
    let mut of_start: Vec<&JudgedCheck<'_>> = judged
        .verdicts
        .values()
        .filter(|judged| is_of(judged.check, &start.pod.uid, &start.container.id))
        .collect();
    of_start.sort_by_key(|judged| std::cmp::Reverse(order(judged.check)));
    let kind = |judged: &JudgedCheck<'_>| {
        let target = judged.check.spec.target.as_ref();
        (
            judged.verdict.outcome == CheckOutcome::Unverifiable,
            is_hopeless(judged.verdict.reason),
            target.map(|target| target.database_generation),
        )
    };
    let row: Vec<_> = of_start
        .iter()
        .take_while(|judged| kind(judged) == kind(newest))
        .take_while(|judged| since.is_none_or(|since| order(judged.check) > order(since.check)))
        .collect();
    if row.len() < of_start.len() {
        return row.len();
    }
    let tries = row
        .iter()
        .filter_map(|judged| judged.check.spec.target.as_ref())
        .map(|target| {
            usize::try_from(target.attempt)
                .unwrap_or(0)
                .saturating_add(1)
        });
    tries.max().unwrap_or(0).max(row.len())
}

/// When a check ended, within the time that its Job can have taken: an agent's wrong clock makes
/// neither a loop of Jobs nor a long wait, and keeps nothing green.
pub fn ended_second(
    observed: &Observed,
    verification: &ValidVerification,
    check: &JudgedCheck<'_>,
) -> i64 {
    let ended = check.ended.0.as_second();
    let Some(created) = &check.check.metadata.creation_timestamp else {
        return ended;
    };
    let created = created.0.as_second();
    ended.clamp(
        created,
        created.saturating_add(longest_check(observed, verification)),
    )
}

/// How much longer than its timeout a check is believed to have taken. An agent may begin later than
/// that; its report then counts as that much older, so green ends earlier and never later.
const BELIEVED_MARGIN: Duration = Duration::from_mins(2);

/// How long after its creation a check is believed to have ended, in seconds.
pub fn longest_check(observed: &Observed, verification: &ValidVerification) -> i64 {
    let margin = observed.pace.margin.min(BELIEVED_MARGIN);
    let longest = verification.timeout.saturating_add(margin);
    i64::try_from(longest.as_secs()).unwrap_or(i64::MAX)
}
