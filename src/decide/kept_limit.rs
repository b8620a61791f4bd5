//! How many volumes without a claim a namespace may keep: beyond that, its new claims are not guarded,
//! which `Guarded` says, and no DatabaseRestore keeps the volume of a claim that it replaces. Nothing that
//! is guarded or kept is touched. Pure.

use super::gap::Gap;
use crate::api::reasons;
use crate::guard::{self, MarkState, Marks};
use crate::plan::{RecoveryPlan, Step};
use crate::world::{ClaimFact, Observed, ObservedRecovery, VolumeFact};

/// How many kept volumes are named; the rest is a number.
const NAMED: usize = 3;

/// Says why a claim is not taken into the guard, if it is not: it is new, and its volume would be one
/// more that is kept for good when the claim is deleted.
pub fn refuse_new(observed: &Observed, claim: &ClaimFact) -> Option<Gap> {
    // What is not known is no reason to leave data without a guard.
    let kept = observed.kept_in_namespace.known()?;
    let limit = observed.kept_volume_limit;
    if kept.len() < limit || !is_new(observed, claim) {
        return None;
    }
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
    let named: Vec<&str> = kept.iter().take(NAMED).map(String::as_str).collect();
    let rest = match kept.len() - named.len() {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!(
        "the databases of namespace {namespace} keep {} PersistentVolumes without a claim, and the \
         operator allows no more than {limit} (--kept-volume-limit): {}{rest}",
        kept.len(),
        named.join(", ")
    )
}

/// Whether nothing of a claim was ever guarded, and guarding it would keep a volume that is not kept
/// by itself. The claim's own marks say nothing: whoever creates it may write them. Marks of a volume,
/// the ledger and the status only the operator writes, and administrators.
fn is_new(observed: &Observed, claim: &ClaimFact) -> bool {
    let owner = observed.owner();
    let is_unmarked = |metadata| {
        matches!(
            guard::mark_state(metadata, &owner, Marks::Held),
            MarkState::Unmarked
        )
    };
    let Some(metadata) = &claim.metadata else {
        return false;
    };
    let status = observed.database.status.iter();
    let mut guarded = status
        .flat_map(|status| &status.claims)
        .filter(|known| known.guarded);
    if guarded.any(|known| Some(&known.uid) == metadata.uid.as_ref()) {
        return false;
    }
    let Some(ledger) = observed.ledger.known() else {
        return false;
    };
    let volumes = ledger.iter().filter_map(|fact| fact.ledger.status.as_ref());
    let mut volumes = volumes.flat_map(|status| &status.volumes);
    if volumes.any(|remembered| Some(&remembered.claim_uid) == metadata.uid.as_ref()) {
        return false;
    }
    match &claim.volume {
        VolumeFact::Found(volume) => is_unmarked(&volume.metadata) && !volume.is_retained(),
        VolumeFact::NotBound => true,
        VolumeFact::Gone(_) | VolumeFact::Unknown(_) => false,
    }
}
