//! Instances that start again and again beside the primary, as where another operator recreates the pod
//! of an instance in a loop: each start is checked once, and soon more rarely. Pure.

use std::time::Duration;

use jiff::SignedDuration;

use super::bare_pods::{Primary, labelled_primary};
use super::judge::Judged;
use super::ready::list;
use super::running::{Role, Running, role};
use crate::api::CheckOutcome;
use crate::world::Observed;

/// How far back starts count.
const COUNTED: SignedDuration = SignedDuration::from_hours(1);
/// So many starts are checked at once: a rolling update and a failover restart a pod, too.
const AT_ONCE: usize = 2;

/// How long until the first check of a start, where it is held back. Never of the primary, and of none as
/// long as it is not known which one that is.
pub fn held_back(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    start: &Running<'_>,
) -> Option<Duration> {
    if judged
        .newest_of(&start.pod.uid, &start.container.id)
        .is_some()
        || !is_beside_primary(observed, judged, running, start)
    {
        return None;
    }
    let since = observed.now.0 - COUNTED;
    let earlier = list(&observed.checks).iter().filter_map(|check| {
        let target = check.spec.target.as_ref()?;
        let made = check.made()?;
        let is_other = target.container_id != start.container.id;
        (target.pod == start.pod.name && is_other && made > since)
            .then_some((target.container_id.as_str(), made))
    });
    let mut earlier: Vec<_> = earlier.collect();
    let last = earlier.iter().map(|(_, made)| *made).max()?;
    earlier.sort_unstable();
    earlier.dedup_by_key(|(container, _)| *container);
    let surplus = earlier.len().checked_sub(AT_ONCE)?;
    let pause = observed.pace.retry.after(surplus);
    let waited = observed.now.0.duration_since(last);
    let waited = Duration::try_from(waited).unwrap_or_default();
    Some(pause.saturating_sub(waited)).filter(|wait| !wait.is_zero())
}

/// Whether another start is the primary: by its label, or because it was verified as one.
fn is_beside_primary(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    start: &Running<'_>,
) -> bool {
    match labelled_primary(observed) {
        Primary::One(pod) => pod.uid != start.pod.uid,
        Primary::None | Primary::Several(_) => false,
        Primary::NotAsked => running.iter().any(|other| {
            let newest = judged.newest_of(&other.pod.uid, &other.container.id);
            other.pod.uid != start.pod.uid
                && role(judged, other) == Some(Role::Primary)
                && newest.is_some_and(|newest| newest.verdict.outcome == CheckOutcome::Verified)
        }),
    }
}
