//! The containers that run Postgres now: what checks are made for. Pure.

use super::judge::Judged;
use super::ready::list;
use crate::api::reasons;
use crate::world::{ContainerFact, Observed, PodFact, RunningContainer, VolumeFact};

/// A container that runs Postgres now.
pub struct Running<'a> {
    pub pod: &'a PodFact,
    pub container: &'a RunningContainer,
}

/// The start for checks that no start asked for: the first that is not known to be a replica.
pub fn primary<'a, 'b>(judged: &Judged<'_>, running: &'a [Running<'b>]) -> Option<&'a Running<'b>> {
    running
        .iter()
        .find(|start| role(judged, start) != Some(Role::Replica))
        .or(running.first())
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
    let evidence = newest.check.evidence()?;
    (!evidence.identity.in_recovery).then_some(Role::Primary)
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
    observed
        .workload_found()?
        .database_container(observed.database.spec.workload.container.as_deref())
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
