//! Vets every finished plan before anything of it is done: no step may lose data. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::observed::{Observed, VolumeFact};
use super::plan::{Permit, Plan, Release, Step};
use crate::api::DeletionGuard;
use crate::guard;

/// A plan that must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refusing to {step}: {why}; nothing of this plan was done")]
pub struct RuleViolation {
    /// The step.
    pub step: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

type Rule = fn(&Observed, &Plan, usize) -> Result<(), &'static str>;

/// The rules, each a "make sure that …".
const RULES: &[Rule] =
    &[writes_are_pinned, releases_are_permitted, volumes_are_retained_first, the_database_is_released_last, only_our_claims];

/// Checks every step of a plan against every rule.
///
/// # Errors
/// The first step that breaks a rule, and the rule.
pub fn check_plan(observed: &Observed, plan: &Plan) -> Result<(), RuleViolation> {
    for (position, step) in plan.steps.iter().enumerate() {
        for rule in RULES {
            rule(observed, plan, position).map_err(|why| RuleViolation { step: step.describe(), why })?;
        }
    }
    Ok(())
}

fn release(step: &Step) -> Option<&Release> {
    match step {
        Step::ReleaseClaim(release)
        | Step::ReleaseVolume(release)
        | Step::ReleaseWorkload(_, release)
        | Step::ReleaseNamespace(release)
        | Step::ReleaseDatabase(release) => Some(release),
        _ => None,
    }
}

/// Make sure that every change to an object of others, and every deletion, names the very object that was read: UID and resource version.
fn writes_are_pinned(_: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let metadata = match &plan.steps[position] {
        Step::MarkDatabase(metadata)
        | Step::MarkClaim(metadata)
        | Step::MarkWorkload(_, metadata)
        | Step::MarkNamespace(metadata)
        | Step::DeleteCronJob(metadata)
        | Step::PruneCheck(metadata) => metadata,
        Step::RetainVolume(volume) | Step::MarkVolume(volume) => &volume.metadata,
        step => match release(step) {
            Some(release) => &release.metadata,
            None => return Ok(()),
        },
    };
    if metadata.uid.is_some() && metadata.resource_version.is_some() {
        Ok(())
    } else {
        Err("the object it would change has no UID or resource version, so it could be another one of the same name")
    }
}

/// Make sure that nothing is released without a confirmation that names the object, or the database, by UID, or the guard being off.
fn releases_are_permitted(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let Some(release) = release(&plan.steps[position]) else { return Ok(()) };
    let database = &observed.database.metadata;
    let allowed = match &release.permit {
        Permit::Confirmed => guard::deletion_confirmed(&release.metadata),
        Permit::DatabaseConfirmed(uid) => {
            Some(uid) == database.uid.as_ref() && database.deletion_timestamp.is_some() && guard::deletion_confirmed(database)
        }
        Permit::GuardOff => observed.database.spec.guard.deletion == DeletionGuard::Off,
    };
    if allowed { Ok(()) } else { Err("its deletion is not confirmed by its UID") }
}

/// Make sure that a claim is marked or released only when its volume is on Retain, or set to it by an earlier step.
fn volumes_are_retained_first(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let metadata = match &plan.steps[position] {
        Step::MarkClaim(metadata) => metadata,
        Step::ReleaseClaim(release) => &release.metadata,
        _ => return Ok(()),
    };
    let claims = observed.claims_by_name();
    let Some(claim) = metadata.name.as_deref().and_then(|name| claims.get(name)) else {
        return Err("its claim was not read in this pass");
    };
    match &claim.volume {
        VolumeFact::NotBound | VolumeFact::Gone(_) => Ok(()),
        VolumeFact::Unknown(_) => Err("its volume could not be read, so it may not be on Retain"),
        VolumeFact::Found(volume) if volume.reclaim_policy == "Retain" => Ok(()),
        VolumeFact::Found(volume) if retained_before(plan, position, &volume.metadata) => Ok(()),
        VolumeFact::Found(_) => Err("its volume is not on Retain"),
    }
}

fn retained_before(plan: &Plan, position: usize, volume: &ObjectMeta) -> bool {
    plan.steps[..position]
        .iter()
        .any(|step| matches!(step, Step::RetainVolume(step) | Step::MarkVolume(step) if step.metadata.uid == volume.uid))
}

/// Make sure that the ProtectedDatabase goes last: whatever still carries its mark would be left without an owner.
fn the_database_is_released_last(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    if !matches!(plan.steps[position], Step::ReleaseDatabase(_)) {
        return Ok(());
    }
    let Some(claims) = observed.claims.known() else {
        return Err("the claims could not be read, so some may still carry its mark");
    };
    let released = |name: &str| {
        plan.steps[..position]
            .iter()
            .any(|step| matches!(step, Step::ReleaseClaim(release) if release.metadata.name.as_deref() == Some(name)))
    };
    if claims.iter().all(|claim| !claim.origin.marked || released(&claim.name)) { Ok(()) } else { Err("a claim still carries its mark") }
}

/// Make sure that only claims without another's mark are marked or released.
fn only_our_claims(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let metadata = match &plan.steps[position] {
        Step::MarkClaim(metadata) => metadata,
        Step::ReleaseClaim(release) => &release.metadata,
        _ => return Ok(()),
    };
    match guard::marked_owner(metadata) {
        Some(other) if other != observed.owner() => Err("it carries the mark of another ProtectedDatabase"),
        _ => Ok(()),
    }
}
