//! How many volumes without a claim a namespace may keep: beyond that, its new claims are not guarded,
//! which `Guarded` says, and no DatabaseRestore keeps the volume of a claim that it replaces. Nothing that
//! is guarded or kept is touched. Pure.

use super::gap::Gap;
use crate::api::reasons;
use crate::guard;
use crate::plan::{Permit, Plan, RecoveryPlan, Release, Step};
use crate::wording;
use crate::world::{ClaimFact, Observed, ObservedRecovery, VolumeFact};

/// How many are named; the rest is a number.
const NAMED: usize = 3;

/// Says why a claim is not taken into the guard, if it is not: it is new, and its volume would be one
/// more that is kept for good when the claim is deleted.
pub fn refuse_new(observed: &Observed, claim: &ClaimFact) -> Option<Gap> {
    let kept = observed.turns_away(claim)?;
    let limit = observed.kept_volume_limit;
    Some(Gap {
        reason: reasons::TOO_MANY_KEPT_VOLUMES,
        message: format!(
            "{}. So PersistentVolumeClaim {} is not guarded: its volume is not set to Retain, and its \
             files are deleted with it. What is guarded stays guarded, and no kept volume is deleted. \
             {MAKE_SPACE}",
            reached(observed.namespace_name(), kept, limit),
            claim.name
        ),
    })
}

/// Says why no ledger is created for a new database, if it is not: what is left of databases that are gone
/// would grow without end.
pub fn refuse_ledger(observed: &Observed) -> Option<Gap> {
    // What is not known is no reason to remember nothing.
    let (left, limit) = (observed.left_ledgers.known()?, observed.kept_volume_limit);
    let is_new = matches!(observed.ledger.known(), Some(None));
    if !is_new || left.len() < limit {
        return None;
    }
    let namespace = observed.namespace_name();
    // Without their names: some may be of an earlier owner of the namespace's name.
    Some(Gap {
        reason: reasons::TOO_MANY_LEDGERS,
        message: format!(
            "namespace {namespace} has {} of databases that do not exist any more, and the operator allows \
             no more than {limit} (--kept-volume-limit). So this database has none: claims and volumes are guarded, but what was in the database is not remembered \
             outside of the namespace, and could not be recovered with it. Who may delete \
             DatabaseLedgers makes space with one that nobody needs, of those whose names begin with \
             {namespace} and a dot: kubectl get dbledger, then kubectl delete dbledger NAME",
            wording::count(
                i64::try_from(left.len()).unwrap_or(i64::MAX),
                "DatabaseLedger"
            )
        ),
    })
}

/// Releases a claim that is not taken in, was made with our finalizer, and is being deleted with a
/// confirmation: else it would stay until its owner removes the finalizer.
pub fn let_go_of_new(observed: &Observed, claim: &ClaimFact, plan: &mut Plan) {
    let Some(metadata) = &claim.metadata else {
        return;
    };
    let is_going = metadata.deletion_timestamp.is_some()
        && guard::is_held(metadata)
        && guard::deletion_confirmed(metadata, observed.server_time());
    // A pass that writes to the database can't assert that it is unchanged.
    let is_marked = !plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::MarkDatabase(_)));
    if !is_going || !is_marked {
        return;
    }
    let database = Box::new(observed.database.metadata.clone());
    plan.steps.push(Step::AssertDatabase(database));
    if let VolumeFact::Found(volume) = &claim.volume {
        let volume = Box::new(volume.metadata.clone());
        plan.steps.push(Step::AssertVolume(volume));
    }
    plan.steps.push(Step::ReleaseClaim(Release {
        metadata: Box::new(metadata.clone()),
        permit: Permit::TurnedAway,
    }));
}

/// Says why a DatabaseRestore does nothing, if it would keep one more volume for good: that of the claim
/// that it replaces. Whoever recovers by command does so with permissions of their own.
pub fn refuse_restore(
    observed: &ObservedRecovery,
    plan: &RecoveryPlan,
    limit: usize,
) -> Option<String> {
    let kept = observed.world.kept_in_namespace.known()?;
    let is_wanted = |name: &str| {
        let mut bindings = observed.known_bindings().iter();
        bindings.any(|binding| binding.desired.volume == name)
    };
    let newly_kept = plan.steps.iter().find_map(|step| match step {
        Step::MarkVolume(step) if step.reclaim_policy != guard::RETAIN => {
            let name = step.metadata.name.as_deref().unwrap_or_default();
            Some(name).filter(|name| !is_wanted(name))
        }
        _ => None,
    })?;
    (kept.len() >= limit).then(|| {
        let (namespace, name) = (&observed.world.namespace_name, &observed.world.name);
        format!(
            "{}. PersistentVolume {newly_kept} of the claim that is replaced would be one more, so \
             nothing is changed. {MAKE_SPACE}. Or recover with your own permissions: kubectl holdfast \
             recover {name} -n {namespace}",
            reached(namespace, kept, limit)
        )
    })
}

/// How an administrator makes space.
const MAKE_SPACE: &str = "Who may delete PersistentVolumes makes space with one whose data nobody \
    needs: kubectl holdfast unlock pv/VOLUME, then kubectl delete pv VOLUME; its disk stays in the \
    storage system";

/// That the limit is reached, and by which volumes.
fn reached(namespace: &str, kept: &[String], limit: usize) -> String {
    let (named, rest) = name_some(kept);
    format!(
        "the databases of namespace {namespace} keep {} PersistentVolumes without a claim, and the \
         operator allows no more than {limit} (--kept-volume-limit): {named}{rest}",
        kept.len()
    )
}

/// The first names, and how many more there are.
fn name_some(all: &[String]) -> (String, String) {
    let named = &all[..all.len().min(NAMED)];
    let rest = match all.len() - named.len() {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    (named.join(", "), rest)
}
