//! The rules about releasing what is guarded, and about marking it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::requirements::Permission;
use super::scope::Scope;
use super::{Permit, Step};
use crate::api::DeletionGuard;
use crate::guard;
use crate::world::{ClaimFact, KeptVolume, Observed, VolumeFact};

/// Make sure that nothing is released without a confirmation that names the object, or the
/// database, by UID: of its deletion, or of the change that switches the guard off.
pub fn releases_are_permitted(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Permission::Release(release) = steps[position].permission() else {
        return Ok(());
    };
    let (observed, now) = (scope.database()?, scope.now());
    let database = &observed.database.metadata;
    let allowed = match &release.permit {
        Permit::Confirmed => guard::deletion_confirmed(&release.metadata, now),
        Permit::DatabaseConfirmed(uid) => {
            Some(uid) == database.uid.as_ref()
                && database.deletion_timestamp.is_some()
                && guard::deletion_confirmed(database, now)
        }
        Permit::TurnedAway => is_turned_away(observed, &steps[position], now),
        Permit::NotNamed => match &steps[position] {
            Step::ReleaseWorkload(kind, workload) => {
                let name = workload.metadata.name.as_deref().unwrap_or_default();
                !observed.names(*kind, name)
            }
            _ => false,
        },
        Permit::GuardOff => {
            observed.database.spec.guard.deletion == DeletionGuard::Off
                && guard::change_confirmed(database, now)
        }
    };
    if allowed {
        Ok(())
    } else {
        Err("its deletion is not confirmed by its UID")
    }
}

/// Whether a step releases a claim that was never taken into the guard, whose deletion is confirmed.
fn is_turned_away(observed: &Observed, step: &Step, now: Timestamp) -> bool {
    let Step::ReleaseClaim(release) = step else {
        return false;
    };
    let mut claims = observed.claims.known().into_iter().flatten();
    let is_it = |claim: &&ClaimFact| {
        let metadata = claim.metadata.as_ref();
        metadata.is_some_and(|metadata| metadata.uid == release.metadata.uid)
    };
    let claim = claims.find(is_it);
    release.permit == Permit::TurnedAway
        && guard::deletion_confirmed(&release.metadata, now)
        && claim.is_some_and(|claim| observed.turns_away(claim).is_some())
}

/// Make sure that the last finalizer of an object that is being deleted is removed only when that
/// very deletion is confirmed.
pub fn terminating_objects_are_released_by_their_own_confirmation(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    match steps[position].permission() {
        Permission::Release(release)
            if has_finalizer(&steps[position]) && !release.is_safe(scope.now()) =>
        {
            Err("it is being deleted and would be gone, which nobody has confirmed")
        }
        _ => Ok(()),
    }
}

/// Whether the object that a step releases has a finalizer of ours.
fn has_finalizer(step: &Step) -> bool {
    matches!(
        step,
        Step::ReleaseClaim(_) | Step::ReleaseVolume(_) | Step::ReleaseDatabase(_)
    )
}

/// Make sure that what is released because of the ProtectedDatabase is released only after the API
/// server has said that it is still the one that was read: a cache may have shown an older one, of
/// the same name, and the release's own preconditions say nothing about it.
pub fn releases_follow_an_assertion_of_the_database(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let step = &steps[position];
    let Permission::Release(release) = step.permission() else {
        return Ok(());
    };
    if release.permit == Permit::Confirmed || matches!(step, Step::ReleaseDatabase(_)) {
        return Ok(());
    }
    let uid = &scope.database()?.database.metadata.uid;
    let asserts =
        |step: &Step| matches!(step, Step::AssertDatabase(metadata) if metadata.uid == *uid);
    if steps[..position].iter().any(asserts) {
        Ok(())
    } else {
        Err("the ProtectedDatabase that permits it may no longer exist")
    }
}

/// Make sure that a claim is released only after a write has shown that its volume is still the one
/// that was read, on Retain.
pub fn claims_follow_an_assertion_of_their_volume(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::ReleaseClaim(release) = &steps[position] else {
        return Ok(());
    };
    let claims = scope.database()?.claims_by_name();
    let claim = claims.get(release.metadata.name.as_deref().unwrap_or_default());
    let Some(VolumeFact::Found(volume)) = claim.map(|claim| &claim.volume) else {
        return Ok(());
    };
    let mut earlier = steps[..position].iter();
    if earlier.any(|step| step.writes_volume(&volume.metadata)) {
        Ok(())
    } else {
        Err("its volume may not be on Retain any more")
    }
}

/// Make sure that a claim is marked, and claim or volume released, only when the volume is on
/// Retain, or set to it by an earlier step; but a claim that was never taken in is released as it is.
pub fn volumes_are_retained_first(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    // Nothing of it was ever guarded, as `Guarded` says.
    if let Step::ReleaseClaim(release) = &steps[position]
        && release.permit == Permit::TurnedAway
        && is_turned_away(scope.database()?, &steps[position], scope.now())
    {
        return Ok(());
    }
    let metadata = match &steps[position] {
        Step::MarkClaim(metadata) => metadata,
        Step::ReleaseClaim(release) => &release.metadata,
        Step::ReleaseVolume(release) => {
            return volume_is_retained(scope.database()?, steps, position, &release.metadata);
        }
        _ => return Ok(()),
    };
    let claims = scope.database()?.claims_by_name();
    let claim = claims.get(metadata.name.as_deref().unwrap_or_default());
    claim_is_retained(claim.copied(), steps, position)
}

fn volume_is_retained(
    observed: &Observed,
    steps: &[Step],
    position: usize,
    volume: &ObjectMeta,
) -> Result<(), &'static str> {
    let is_kept = |kept: &&KeptVolume| kept.volume.metadata.uid == volume.uid;
    let mut kept = observed.kept_volumes.known().into_iter().flatten();
    match kept.find(is_kept) {
        Some(kept) if kept.volume.is_retained() => Ok(()),
        Some(_) => Err("its volume is not on Retain"),
        None => {
            let mut claims = observed.claims.known().into_iter().flatten();
            claim_is_retained(
                claims.find(|claim| is_bound_to(claim, volume)),
                steps,
                position,
            )
        }
    }
}

fn claim_is_retained(
    claim: Option<&ClaimFact>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Some(claim) = claim else {
        return Err("its claim was not read in this pass");
    };
    match &claim.volume {
        VolumeFact::NotBound | VolumeFact::Gone(_) => Ok(()),
        VolumeFact::Unknown(_) => Err("its volume could not be read, so it may not be on Retain"),
        VolumeFact::Found(volume) if volume.is_retained() => Ok(()),
        VolumeFact::Found(volume) if is_retained_by(&steps[..position], &volume.metadata) => Ok(()),
        VolumeFact::Found(_) => Err("its volume is not on Retain"),
    }
}

fn is_bound_to(claim: &ClaimFact, volume: &ObjectMeta) -> bool {
    matches!(&claim.volume, VolumeFact::Found(found) if found.metadata.uid == volume.uid)
}

/// Whether one of these steps sets the volume to Retain.
pub fn is_retained_by(steps: &[Step], volume: &ObjectMeta) -> bool {
    steps.iter().any(|step| {
        matches!(step, Step::RetainVolume(step) | Step::MarkVolume(step)
            if step.metadata.uid == volume.uid)
    })
}

/// Make sure that the ProtectedDatabase is released last: whatever still carries its mark would be
/// left without an owner.
pub fn the_database_is_released_last(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    if !matches!(steps[position], Step::ReleaseDatabase(_)) {
        return Ok(());
    }
    let (observed, earlier) = (scope.database()?, &steps[..position]);
    let Some(claims) = observed.claims.known() else {
        return Err("the claims could not be read, so some may still carry its mark");
    };
    let Some(kept_volumes) = observed.kept_volumes.known() else {
        return Err(
            "the volumes without a claim could not be read, so some may still carry its mark",
        );
    };
    let owner = observed.owner();
    let is_ours = |metadata: &ObjectMeta| {
        guard::marked_owner(metadata) == Some(owner.as_str())
            && !observed.is_of_other_namespace(metadata)
    };
    let is_volume_released = |volume: &ObjectMeta| {
        earlier.iter().any(|step| {
            matches!(step, Step::ReleaseVolume(release) if release.metadata.uid == volume.uid)
        })
    };
    let is_claim_released = |claim: &ClaimFact| {
        earlier.iter().any(|step| {
            matches!(step, Step::ReleaseClaim(release)
                if release.metadata.name.as_deref() == Some(claim.name.as_str()))
        })
    };
    for kept in kept_volumes {
        let metadata = &kept.volume.metadata;
        if is_ours(metadata) && !is_volume_released(metadata) {
            return Err("a volume whose claim is gone still carries its mark");
        }
    }
    for claim in claims {
        if claim.origin.marked && !is_claim_released(claim) {
            return Err("a claim still carries its mark");
        }
        if let VolumeFact::Found(volume) = &claim.volume
            && is_ours(&volume.metadata)
            && !is_volume_released(&volume.metadata)
        {
            return Err("a volume still carries its mark");
        }
    }
    Ok(())
}

impl Step {
    /// Whether the step writes to that volume, or asserts that it is still the one that was read.
    #[must_use]
    pub fn writes_volume(&self, volume: &ObjectMeta) -> bool {
        match self {
            Self::RetainVolume(step) | Self::MarkVolume(step) => step.metadata.uid == volume.uid,
            Self::ReleaseVolume(release) => release.metadata.uid == volume.uid,
            Self::AssertVolume(metadata) => metadata.uid == volume.uid,
            _ => false,
        }
    }
}
