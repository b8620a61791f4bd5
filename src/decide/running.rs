//! The containers that run Postgres now: what checks are made for. Pure.

use super::judge::{Judged, is_of};
use super::ready::list;
use crate::api::reasons;
use crate::world::{ContainerFact, Observed, PodFact, RunningContainer, VolumeFact};

/// A container that runs Postgres now.
#[derive(Clone, Copy)]
pub struct Running<'a> {
    pub pod: &'a PodFact,
    pub container: &'a RunningContainer,
}

/// The start for checks that no start asked for: the known primary, else one that may be it. A
/// replica that is being made says nothing yet, and does not take the place of a primary that does.
pub fn primary<'a, 'b>(judged: &Judged<'_>, running: &'a [Running<'b>]) -> Option<&'a Running<'b>> {
    running
        .iter()
        .min_by_key(|start| match role(judged, start) {
            Some(Role::Primary) => 0,
            // A primary becomes a replica only by a restart.
            None if was_primary(judged, start) => 1,
            None => 2,
            Some(Role::Replica) => 3,
        })
}

/// Whether any check of a start has found a primary.
fn was_primary(judged: &Judged<'_>, start: &Running<'_>) -> bool {
    judged.verdicts.values().any(|judged| {
        is_of(judged.check, &start.pod.uid, &start.container.id)
            && judged
                .check
                .own_evidence()
                .is_some_and(|evidence| !evidence.identity.in_recovery)
    })
}

/// What a server was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica,
}

/// What the newest check of a start has found the server to be, if it found anything.
pub fn role(judged: &Judged<'_>, start: &Running<'_>) -> Option<Role> {
    let newest = judged.newest_of(&start.pod.uid, &start.container.id)?;
    if newest.verdict.reason == reasons::IN_RECOVERY {
        return Some(Role::Replica);
    }
    let evidence = newest.check.own_evidence()?;
    Some(if evidence.identity.in_recovery {
        Role::Replica
    } else {
        Role::Primary
    })
}

/// The containers that run Postgres now.
pub fn running(observed: &Observed) -> Vec<Running<'_>> {
    let Some(container) = database_container(observed) else {
        return Vec::new();
    };
    list(&observed.pods)
        .iter()
        .filter(|pod| !pod.terminating && pod.address.is_some())
        .filter_map(|pod| {
            let container = pod
                .running
                .iter()
                .find(|running| running.name == container.name)?;
            Some(Running { pod, container })
        })
        .collect()
}

fn database_container(observed: &Observed) -> Option<&ContainerFact> {
    observed.database_container(observed.database.spec.workload.container.as_deref())
}

/// Whether the volumes of a start could be read: a check that leaves one out would be compared as
/// if the data had moved.
pub fn has_known_volumes(observed: &Observed, start: &Running<'_>) -> bool {
    let claims = observed.claims_by_name();
    let mut mounts = start
        .pod
        .mounts
        .iter()
        .filter(|mount| mount.container == start.container.name);
    !mounts.any(|mount| {
        claims
            .get(mount.claim.as_str())
            .is_some_and(|claim| matches!(claim.volume, VolumeFact::Unknown(_)))
    })
}

/// Whether the spec was changed since a start was last checked.
pub fn is_outdated(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>) -> bool {
    let generation = observed.database.metadata.generation.unwrap_or_default();
    let newest = judged.newest_of(&start.pod.uid, &start.container.id);
    newest.is_some_and(|newest| {
        newest
            .check
            .spec
            .target
            .as_ref()
            .map_or(0, |target| target.database_generation)
            < generation
    })
}
