//! One claim and its volume: which steps bind them together again.

use super::desired::{build_claim, build_volume};
use super::ownership::{
    refuse_claim_of_another, refuse_pods_of_others, refuse_running_pods, refuse_volume_of_another,
    refuse_writers_beside,
};
use super::workload::plan_scale_down;
use crate::api::names::REBOUND_VOLUME_VERSION_ANNOTATION;
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Blocker, RecoveryPlan, Step, VolumeStep};
use crate::world::{ClaimBinding, ClaimFact, ObservedRecovery, VolumeFound, WorkloadFound};

/// Plans the steps for one claim.
pub fn restore_binding(
    observed: &ObservedRecovery,
    workload: Option<&WorkloadFound>,
    binding: &ClaimBinding,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    let (claim_name, volume_name) = (&binding.desired.claim, &binding.desired.volume);
    refuse_writers_beside(observed, binding)?;
    if binding.is_bound() {
        plan.findings.push(match binding.bound_to() {
            Some(other) if other != volume_name => format!(
                "claim {claim_name} is Bound to volume {other}, which is for the storage of \
                 {volume_name}"
            ),
            _ => format!("claim {claim_name} is Bound to its volume {volume_name}"),
        });
        return Ok(());
    }
    refuse_claim_of_another(observed, binding)?;
    refuse_pods_of_others(observed, binding)?;
    plan.findings.push(describe(binding));
    let names_it = binding.bound_to() == Some(volume_name);
    let unbound = binding
        .claim
        .as_ref()
        .filter(|claim| claim.is_live() && names_it);
    restore_volume(observed, binding, unbound, plan)?;
    let bound = Step::Await(format!(
        "claim {claim_name} to be Bound to volume {volume_name}"
    ));
    if let Some(claim) = &binding.claim {
        if unbound.is_some() || is_waiting(claim, binding) {
            plan.steps.extend(touch(claim, binding));
            plan.steps.push(bound);
            return Ok(());
        }
        remove_claim(observed, workload, binding, claim, plan)?;
        // A Terminating claim held the volume until now.
        if binding.holds_volume() {
            let volume = binding.volume.as_ref();
            plan.steps
                .extend(volume.map(|volume| reserve(observed, binding, volume, None, false)));
        }
    }
    let claim = build_claim(&binding.desired, &observed.world.owner());
    plan.steps.push(Step::CreateClaim(claim));
    plan.steps.push(bound);
    Ok(())
}

/// Makes sure that the volume exists, and that no other claim than the desired one can take it.
fn restore_volume(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
    unbound: Option<&ClaimFact>,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    let desired = &binding.desired;
    let Some(volume) = &binding.volume else {
        plan.steps
            .push(recreate_volume(observed, binding, unbound)?);
        return Ok(());
    };
    refuse_volume(observed, binding, volume)?;
    let holder = volume.claim.clone().unwrap_or_default();
    let is_for_it = holder.name.as_deref() == Some(desired.claim.as_str())
        && holder.namespace.as_deref() == Some(&observed.world.namespace_name);
    // A claim that was bound before takes no volume that is only reserved for its name: it must be
    // named by its UID.
    let lost = unbound.filter(|claim| claim.phase == "Lost");
    let is_reserved = is_for_it && volume.claim_uid().is_none() && lost.is_none();
    if is_reserved || binding.holds_volume() {
        return Ok(());
    }
    // The guard refuses to bind a volume to a claim of another name until a user confirms it: the
    // claim that it names now does not exist.
    let is_renamed = holder.name.is_some() && !is_for_it && guard::is_labelled(&volume.metadata);
    if is_renamed && !guard::change_confirmed(&volume.metadata, observed.world.server_time()) {
        let metadata = Box::new(volume.metadata.clone());
        plan.steps.push(Step::ConfirmVolumeChange(metadata));
    }
    // From the UID of a claim that is gone to that of the one that exists it takes two steps: the
    // guard permits to remove the first, and then to add the other.
    let is_of_another = is_for_it && volume.claim_uid().is_some();
    if is_of_another && volume.phase == "Bound" {
        // Its claim has just gone. Until the volume controller has seen that, the guard permits
        // nobody to remove the claim's UID.
        plan.steps.push(Step::Await(format!(
            "PersistentVolume {} to be Released",
            desired.volume
        )));
    }
    // A volume of which the deletion was tried, and failed, would be deleted after all.
    if !volume.is_retained() {
        plan.steps.push(Step::MarkVolume(VolumeStep {
            metadata: Box::new(volume.metadata.clone()),
            reclaim_policy: volume.reclaim_policy.clone(),
            namespace_uid: observed.world.namespace_uid().map(ToOwned::to_owned),
        }));
    }
    let for_uid = lost.filter(|_| !is_of_another).and_then(ClaimFact::uid);
    let reservation = reserve(observed, binding, volume, for_uid, is_renamed);
    plan.steps.push(reservation);
    Ok(())
}

fn recreate_volume(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
    unbound: Option<&ClaimFact>,
) -> Result<Step, Blocker> {
    let desired = &binding.desired;
    let manifest = desired.volume_manifest.as_ref().ok_or_else(|| {
        Blocker::new(format!(
            "PersistentVolume {} is gone, and the ledger does not remember how to recreate it",
            desired.volume
        ))
    })?;
    if let Some(other) = &binding.same_storage {
        return Err(Blocker::new(format!(
            "PersistentVolume {} is gone, and PersistentVolume {other} is for the same storage: \
             with both, two claims would have the same files. Look whose it is: kubectl get pv \
             {other}; if it has the data, use it: --volume {other}, or spec.from.volume",
            desired.volume
        )));
    }
    let (namespace, owner) = (&observed.world.namespace_name, observed.world.owner());
    let uid = unbound.and_then(ClaimFact::uid);
    let marks = (owner.as_str(), observed.world.namespace_uid());
    let volume = build_volume(manifest, desired, namespace, uid, marks);
    Ok(Step::CreateVolume(volume))
}

/// What blocks the use of a volume that exists.
fn refuse_volume(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
    volume: &VolumeFound,
) -> Result<(), Blocker> {
    let name = &binding.desired.volume;
    if binding.held_by_other {
        let holder = volume.claim.clone().unwrap_or_default();
        return Err(Blocker::new(format!(
            "PersistentVolume {name} belongs to claim {}/{} now, so it is not changed. See both: \
             kubectl get pv {name}",
            holder.namespace.unwrap_or_default(),
            holder.name.unwrap_or_default(),
        )));
    }
    refuse_volume_of_another(observed, binding, volume)?;
    if volume.metadata.deletion_timestamp.is_some() {
        return Err(Blocker::new(format!(
            "PersistentVolume {name} was deleted, and only finalizers keep the object: a claim that \
             is bound to it now would lose it again. Its data is unchanged. Confirm its deletion; \
             the ledger remembers the object, and recover recreates it: kubectl holdfast unlock \
             pv/{name}"
        )));
    }
    if let Some((remembered, present)) = binding.other_storage() {
        return Err(Blocker::new(format!(
            "PersistentVolume {name} exists, but not for the storage that had the data: that was \
             {}, this is {}. See it: kubectl get pv {name} -o yaml",
            remembered.handle(),
            present.handle()
        )));
    }
    Ok(())
}

/// Removes the claim that has the name of the desired one, after its pods have stopped and its
/// volume is kept.
fn remove_claim(
    observed: &ObservedRecovery,
    workload: Option<&WorkloadFound>,
    binding: &ClaimBinding,
    claim: &ClaimFact,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    let name = &binding.desired.claim;
    let Some(metadata) = &claim.metadata else {
        return Ok(());
    };
    let other = binding
        .bound_to()
        .filter(|bound| *bound != binding.desired.volume);
    if let Some(other) = other
        && binding.other_volume.is_none()
        && binding.volume.is_some()
    {
        plan.notes.push(format!(
            "the volume that claim {name} names, {other}, is gone, or it is for another claim"
        ));
    }
    if let Some(volume) = binding.bound_volume()
        && !is_kept(volume, &observed.world.owner())
    {
        let is_bound = volume.claim_uid().is_some();
        let is_noted = guard::noted_namespace(&volume.metadata).is_some();
        let namespace_uid = observed.world.namespace_uid();
        let namespace_uid = namespace_uid.filter(|_| is_bound && !is_noted);
        plan.steps.push(Step::MarkVolume(VolumeStep {
            metadata: Box::new(volume.metadata.clone()),
            reclaim_policy: volume.reclaim_policy.clone(),
            namespace_uid: namespace_uid.map(ToOwned::to_owned),
        }));
    }
    refuse_running_pods(observed, binding)?;
    if !binding.pods.is_empty() {
        if let Some(workload) = workload {
            plan_scale_down(observed, workload, plan)?;
        }
        let pods: Vec<&str> = binding.pods.iter().map(|pod| pod.name.as_str()).collect();
        plan.steps.push(Step::Await(format!(
            "the pods that mount claim {name} to stop: {}",
            pods.join(", ")
        )));
    }
    let boxed = || Box::new(metadata.clone());
    let is_live = metadata.deletion_timestamp.is_none();
    let now = observed.world.server_time();
    // The operator deletes no claim, guarded or not, that a restore has not confirmed by its UID.
    let is_confirmed = if is_live {
        guard::confirmed_by_restore(metadata, now)
    } else {
        guard::deletion_confirmed(metadata, now)
    };
    if (is_live || guard::is_held(metadata)) && !is_confirmed {
        plan.steps.push(Step::ConfirmClaimDeletion(boxed()));
    }
    if is_live {
        plan.steps.push(Step::DeleteClaim(boxed()));
    }
    if guard::is_held(metadata) {
        plan.steps.push(Step::FinishClaimDeletion(boxed()));
    }
    plan.steps
        .push(Step::Await(format!("claim {name} to be deleted")));
    Ok(())
}

/// Whether a volume survives its claim: on Retain, and marked as somebody's.
fn is_kept(volume: &VolumeFound, owner: &str) -> bool {
    let is_marked = matches!(
        guard::mark_state(&volume.metadata, owner, Marks::Held),
        MarkState::Ours | MarkState::MarkedBy(_)
    );
    volume.is_retained() && (is_marked || volume.metadata.deletion_timestamp.is_some())
}

/// Whether the claim has no volume yet and fits the one that is reserved for it, so that the volume
/// controller binds them.
fn is_waiting(claim: &ClaimFact, binding: &ClaimBinding) -> bool {
    let (spec, remembered) = (
        &claim.manifest["spec"],
        &binding.desired.claim_manifest["spec"],
    );
    let same = |path: &str| spec.pointer(path) == remembered.pointer(path);
    claim.is_live()
        && binding.bound_to().is_none()
        && same("/storageClassName")
        && same("/resources/requests/storage")
}

/// The volume controller does not read a Lost claim again when its volume exists again; any change
/// to the claim makes it do so. Once for each state of the volume.
fn touch(claim: &ClaimFact, binding: &ClaimBinding) -> Option<Step> {
    let (metadata, volume) = (claim.metadata.as_ref()?, binding.volume.as_ref()?);
    let volume_version = volume.metadata.resource_version.clone()?;
    let annotations = metadata.annotations.as_ref();
    let noted =
        annotations.and_then(|annotations| annotations.get(REBOUND_VOLUME_VERSION_ANNOTATION));
    let is_due = claim.phase == "Lost" && volume.phase == "Bound" && binding.holds_volume();
    (is_due && noted != Some(&volume_version)).then(|| Step::TouchClaim {
        metadata: Box::new(metadata.clone()),
        volume_version,
    })
}

fn reserve(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
    volume: &VolumeFound,
    for_uid: Option<&str>,
    uses_confirmation: bool,
) -> Step {
    Step::ReserveVolume {
        metadata: Box::new(volume.metadata.clone()),
        claim_uid: volume.claim_uid().map(ToOwned::to_owned),
        namespace: observed.world.namespace_name.clone(),
        claim: binding.desired.claim.clone(),
        for_uid: for_uid.map(ToOwned::to_owned),
        uses_confirmation,
    }
}

fn describe(binding: &ClaimBinding) -> String {
    let (claim_name, volume_name) = (&binding.desired.claim, &binding.desired.volume);
    let volume = match &binding.volume {
        None => "is gone, and the ledger remembers it".to_owned(),
        Some(volume) if volume.phase.is_empty() => "exists, with its data".to_owned(),
        Some(volume) => format!("is {}, with its data", volume.phase),
    };
    let claim = match (&binding.claim, binding.bound_to()) {
        (None, _) => "does not exist".to_owned(),
        (Some(claim), _) if !claim.is_live() => {
            "is Terminating; a finalizer or its pods keep it".to_owned()
        }
        (Some(_), Some(bound)) if bound == volume_name => "is not Bound to its volume".to_owned(),
        (Some(_), Some(other)) => format!("is on another volume, {other}"),
        (Some(_), None) => "waits for a volume".to_owned(),
    };
    format!("claim {claim_name} {claim}; volume {volume_name} {volume}")
}
