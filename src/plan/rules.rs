//! Vets every finished plan before anything of it is done: no step may lose data. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::step::{Permit, Plan, Release, Step};
use crate::api::{DeletionGuard, WhenUnverifiable, names};
use crate::guard;
use crate::world::{ClaimFact, KeptVolume, Observed, VolumeFact};

/// A plan that must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refusing to {step}: {why}; nothing of this plan was done")]
pub struct RuleViolation {
    /// The step.
    pub step: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

pub(crate) type Rule = fn(&Observed, &Plan, usize) -> Result<(), &'static str>;

/// The rules and their names, each a "make sure that …".
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("writes_are_pinned", writes_are_pinned),
    ("releases_are_permitted", releases_are_permitted),
    (
        "what_is_going_is_let_go_by_its_own_confirmation",
        what_is_going_is_let_go_by_its_own_confirmation,
    ),
    (
        "releases_follow_a_look_at_the_database",
        releases_follow_a_look_at_the_database,
    ),
    ("volumes_are_retained_first", volumes_are_retained_first),
    (
        "claims_follow_a_look_at_their_volume",
        claims_follow_a_look_at_their_volume,
    ),
    (
        "the_database_is_released_last",
        the_database_is_released_last,
    ),
    ("only_our_claims", only_our_claims),
    ("only_our_cron_job", only_our_cron_job),
    ("evidence_is_kept", evidence_is_kept),
    ("gates_open_for_a_reason", gates_open_for_a_reason),
];

/// Checks every step of a plan against every rule.
///
/// # Errors
/// The first step that breaks a rule, and the rule.
pub fn check_plan(observed: &Observed, plan: &Plan) -> Result<(), RuleViolation> {
    check_by(observed, plan, &RULES.iter().collect::<Vec<_>>())
}

/// Checks every step of a plan against the given rules.
pub(crate) fn check_by(
    observed: &Observed,
    plan: &Plan,
    rules: &[&(&str, Rule)],
) -> Result<(), RuleViolation> {
    for (position, step) in plan.steps.iter().enumerate() {
        for (_, rule) in rules {
            rule(observed, plan, position).map_err(|why| RuleViolation {
                step: step.describe(),
                why,
            })?;
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
        | Step::ReleaseLedger(release)
        | Step::ReleaseDatabase(release) => Some(release),
        _ => None,
    }
}

/// Make sure that every change to an object of others, and every deletion, names the very object
/// that was read: UID and resource version.
fn writes_are_pinned(_: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let metadata = match &plan.steps[position] {
        Step::MarkDatabase(metadata)
        | Step::MarkClaim(metadata)
        | Step::NoteStake { metadata, .. }
        | Step::MarkWorkload(_, metadata)
        | Step::MarkNamespace(metadata)
        | Step::DeleteCronJob(metadata)
        | Step::AssertDatabase(metadata)
        | Step::AssertVolume(metadata)
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
        Err(
            "the object it would change has no UID or resource version, so it could be another one \
             of the same name",
        )
    }
}

/// Make sure that nothing is released without a confirmation that names the object, or the
/// database, by UID, or the guard being off.
fn releases_are_permitted(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let Some(release) = release(&plan.steps[position]) else {
        return Ok(());
    };
    let database = &observed.database.metadata;
    let allowed = match &release.permit {
        Permit::Confirmed => guard::deletion_confirmed(&release.metadata),
        Permit::DatabaseConfirmed(uid) => {
            Some(uid) == database.uid.as_ref()
                && database.deletion_timestamp.is_some()
                && guard::deletion_confirmed(database)
        }
        Permit::GuardOff => observed.database.spec.guard.deletion == DeletionGuard::Off,
    };
    if allowed {
        Ok(())
    } else {
        Err("its deletion is not confirmed by its UID")
    }
}

/// Make sure that the last finalizer of an object that is being deleted is taken off only when that
/// very deletion is confirmed.
fn what_is_going_is_let_go_by_its_own_confirmation(
    _: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    match &plan.steps[position] {
        Step::ReleaseClaim(release)
        | Step::ReleaseVolume(release)
        | Step::ReleaseDatabase(release)
            if !release.may_go() =>
        {
            Err("it is being deleted and would be gone, which nobody has confirmed")
        }
        _ => Ok(()),
    }
}

/// Make sure that what is released because of the ProtectedDatabase is released only after the API
/// server has said that it is still the one that was read: a cache may have shown an older one, of
/// the same name, and the release's own preconditions say nothing about it.
fn releases_follow_a_look_at_the_database(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let step = &plan.steps[position];
    let is_by_database = release(step).is_some_and(|release| release.permit != Permit::Confirmed);
    if !is_by_database || matches!(step, Step::ReleaseDatabase(_)) {
        return Ok(());
    }
    let seen = |step: &Step| matches!(step, Step::AssertDatabase(metadata) if metadata.uid == observed.database.metadata.uid);
    if plan.steps[..position].iter().any(seen) {
        Ok(())
    } else {
        Err("the ProtectedDatabase that allows it may not be there any more")
    }
}

/// Make sure that a claim is released only after a write has shown that its volume is still the one
/// that was read, on Retain.
fn claims_follow_a_look_at_their_volume(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let Step::ReleaseClaim(release) = &plan.steps[position] else {
        return Ok(());
    };
    let claims = observed.claims_by_name();
    let claim = claims.get(release.metadata.name.as_deref().unwrap_or_default());
    let Some(VolumeFact::Found(volume)) = claim.map(|claim| &claim.volume) else {
        return Ok(());
    };
    if plan.steps[..position]
        .iter()
        .any(|step| step.writes_volume(&volume.metadata))
    {
        Ok(())
    } else {
        Err("its volume may not be on Retain any more")
    }
}

/// Make sure that a claim is marked, and claim or volume released, only when the volume is on
/// Retain, or set to it by an earlier step.
fn volumes_are_retained_first(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let claims = observed.claims_by_name();
    let claim = match &plan.steps[position] {
        Step::MarkClaim(metadata) => claims.get(metadata.name.as_deref().unwrap_or_default()),
        Step::ReleaseClaim(release) => {
            claims.get(release.metadata.name.as_deref().unwrap_or_default())
        }
        Step::ReleaseVolume(release) => {
            let is_kept = |kept: &&KeptVolume| kept.volume.metadata.uid == release.metadata.uid;
            if let Some(kept) = observed
                .kept_volumes
                .known()
                .into_iter()
                .flatten()
                .find(is_kept)
            {
                return if kept.volume.reclaim_policy == guard::RETAIN {
                    Ok(())
                } else {
                    Err("its volume is not on Retain")
                };
            }
            claims
                .values()
                .find(|claim| is_volume(claim, &release.metadata))
        }
        _ => return Ok(()),
    };
    let Some(claim) = claim else {
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

fn is_volume(claim: &ClaimFact, metadata: &ObjectMeta) -> bool {
    matches!(&claim.volume, VolumeFact::Found(volume) if volume.metadata.uid == metadata.uid)
}

fn retained_before(plan: &Plan, position: usize, volume: &ObjectMeta) -> bool {
    plan.steps[..position]
        .iter()
        .any(|step| matches!(step, Step::RetainVolume(step) | Step::MarkVolume(step) if step.metadata.uid == volume.uid))
}

/// Make sure that the ProtectedDatabase goes last: whatever still carries its mark would be left
/// without an owner.
fn the_database_is_released_last(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    if !matches!(plan.steps[position], Step::ReleaseDatabase(_)) {
        return Ok(());
    }
    let Some(claims) = observed.claims.known() else {
        return Err("the claims could not be read, so some may still carry its mark");
    };
    let owner = observed.owner();
    let is_released = |claim: &ClaimFact| {
        let mut before = plan.steps[..position].iter();
        before.any(|step| matches!(step, Step::ReleaseClaim(release) if release.metadata.name.as_deref() == Some(claim.name.as_str())))
    };
    let is_volume_released = |claim: &ClaimFact| {
        plan.steps[..position].iter().any(|step| matches!(step, Step::ReleaseVolume(release) if is_volume(claim, &release.metadata)))
    };
    let Some(kept_volumes) = observed.kept_volumes.known() else {
        return Err(
            "the volumes without a claim could not be read, so some may still carry its mark",
        );
    };
    for kept in kept_volumes
        .iter()
        .filter(|kept| guard::marked_owner(&kept.volume.metadata) == Some(owner.as_str()))
    {
        let is_kept = |step: &Step| matches!(step, Step::ReleaseVolume(release) if release.metadata.uid == kept.volume.metadata.uid);
        if !plan.steps[..position].iter().any(is_kept) {
            return Err("a volume whose claim is gone still carries its mark");
        }
    }
    for claim in claims {
        if claim.origin.marked && !is_released(claim) {
            return Err("a claim still carries its mark");
        }
        let marked = matches!(&claim.volume, VolumeFact::Found(volume) if guard::marked_owner(&volume.metadata) == Some(owner.as_str()));
        if marked && !is_volume_released(claim) {
            return Err("a volume still carries its mark");
        }
    }
    Ok(())
}

/// Make sure that only claims without another's mark are marked, written on or released.
fn only_our_claims(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let metadata = match &plan.steps[position] {
        Step::MarkClaim(metadata) | Step::NoteStake { metadata, .. } => metadata,
        Step::ReleaseClaim(release) => &release.metadata,
        _ => return Ok(()),
    };
    match guard::marked_owner(metadata) {
        Some(other) if other != observed.owner() => {
            Err("it carries the mark of another ProtectedDatabase")
        }
        _ => Ok(()),
    }
}

/// Make sure that a CronJob is changed or deleted only when it is ours, or when there is none.
fn only_our_cron_job(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let present = observed.cron_job.known().map(Option::as_ref);
    match (&plan.steps[position], present) {
        (Step::ApplyCronJob(_) | Step::DeleteCronJob(_), None) => {
            Err("the CronJob could not be read, so it may be somebody else's")
        }
        (Step::ApplyCronJob(_) | Step::DeleteCronJob(_), Some(Some(present)))
            if !observed.is_ours(&present.metadata) =>
        {
            Err("the CronJob of that name is not one of Holdfast's")
        }
        (Step::DeleteCronJob(metadata), Some(present))
            if present.is_none_or(|present| present.metadata.uid != metadata.uid) =>
        {
            Err("it is not the CronJob that was read")
        }
        _ => Ok(()),
    }
}

/// Make sure that no check is deleted that later ones are compared with, or that a person has
/// accepted.
fn evidence_is_kept(observed: &Observed, plan: &Plan, position: usize) -> Result<(), &'static str> {
    let Step::PruneCheck(metadata) = &plan.steps[position] else {
        return Ok(());
    };
    let name = metadata.name.as_ref();
    let before = observed
        .database
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref());
    let is_baseline = [before, plan.status.baseline.as_ref()]
        .into_iter()
        .flatten()
        .any(|baseline| Some(&baseline.check) == name);
    let accepted = observed
        .database
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(names::ACCEPT_CHECK_ANNOTATION));
    if is_baseline || (name.is_some() && name == accepted) {
        Err("it is what the data is compared with")
    } else {
        Ok(())
    }
}

/// Make sure that a gate opens only for a container that runs now and that a check has looked into,
/// or because the spec says so.
fn gates_open_for_a_reason(
    observed: &Observed,
    plan: &Plan,
    position: usize,
) -> Result<(), &'static str> {
    let Step::SetGate(step) = &plan.steps[position] else {
        return Ok(());
    };
    let spec = &observed.database.spec;
    let is_allowed =
        spec.suspend || spec.verification.gate.when_unverifiable == WhenUnverifiable::Open;
    let pods = observed.pods.known().into_iter().flatten();
    let runs = |id: &str| {
        pods.clone().any(|pod| {
            pod.uid == step.pod_uid && pod.running.iter().any(|running| running.id == id)
        })
    };
    let is_looked_into = observed.checks.known().into_iter().flatten().any(|check| {
        let target = check.spec.target.as_ref();
        target.is_some_and(|target| target.pod_uid == step.pod_uid && runs(&target.container_id))
            && check
                .status
                .as_ref()
                .is_some_and(|status| status.evidence.is_some())
    });
    if !step.gate.is_open || is_allowed || is_looked_into {
        Ok(())
    } else {
        Err("no check has looked into the container that runs in this pod")
    }
}
