//! Whether two pods of one workload are primaries at once: what is written to one is not in the
//! other. Pure.

use super::judge::{Judged, JudgedCheck, is_of, order};
use super::running::{Role, Running, role};

/// The primaries among the containers that run now.
#[derive(Clone, Copy)]
pub enum Primaries<'a, 'b> {
    /// There is no other one.
    AtMostOne,
    /// Two were found, but not at the same time: the older look may be of before a failover.
    Unsure {
        newer: &'a Running<'b>,
        older: &'a Running<'b>,
    },
    /// Both are.
    Two(&'a Running<'b>, &'a Running<'b>),
}

/// Finds the primaries.
///
/// That both are primaries at once is known when one was a primary before and after the other was
/// one, without a restart in between: a primary becomes a replica only by a restart.
pub fn primaries<'a, 'b>(judged: &Judged<'_>, running: &'a [Running<'b>]) -> Primaries<'a, 'b> {
    let mut found: Vec<_> = running
        .iter()
        .filter(|start| role(judged, start) == Some(Role::Primary))
        .filter_map(|start| {
            Some((
                start,
                judged.newest_of(&start.pod.uid, &start.container.id)?,
            ))
        })
        .collect();
    found.sort_by_key(|(_, newest)| std::cmp::Reverse(order(newest.check)));
    let mut pairs = found.iter().flat_map(|one| {
        let others = found.iter().filter(|other| !std::ptr::eq(one.0, other.0));
        others.map(move |other| (one, other))
    });
    let both =
        pairs.find(|((start, look), (_, other))| was_primary_around(judged, start, look, other));
    match (both, found.as_slice()) {
        (Some(((one, _), (other, _))), _) => Primaries::Two(one, other),
        (None, [(newer, _), .., (older, _)]) => Primaries::Unsure { newer, older },
        (None, _) => Primaries::AtMostOne,
    }
}

/// Whether the server that `look` found was a primary before `other` was made and after.
fn was_primary_around(
    judged: &Judged<'_>,
    start: &Running<'_>,
    look: &JudgedCheck<'_>,
    other: &JudgedCheck<'_>,
) -> bool {
    let server = |judged: &JudgedCheck<'_>| {
        let identity = &judged.check.own_evidence()?.identity;
        (!identity.in_recovery).then(|| identity.postmaster_started_at.clone())
    };
    let made = |judged: &JudgedCheck<'_>| order(judged.check).0;
    made(look) >= made(other)
        && judged.verdicts.values().any(|earlier| {
            is_of(earlier.check, &start.pod.uid, &start.container.id)
                && !std::ptr::eq(earlier.check, look.check)
                && made(earlier) <= made(other)
                && server(earlier).is_some()
                && server(earlier) == server(look)
        })
}
