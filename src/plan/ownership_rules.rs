//! The rules about whose an object is: what a recovery touches is the database's own and of this
//! namespace, and what is remembered stays with the namespace that it is of. Pure.

use serde_json::Value;

use super::Step;
use super::recovery_rules::is_claim;
use super::scope::Scope;
use crate::guard;
use crate::world::{ClaimBinding, ObservedRecovery, VolumeFound};

/// Make sure that a recovery changes, deletes and recreates only claims that are the database's own:
/// marked by it, named by its workload or its `extraClaims`, or in its ledger.
pub fn claims_are_the_databases_own(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let claim = match &steps[position] {
        Step::ConfirmClaimDeletion(metadata)
        | Step::DeleteClaim(metadata)
        | Step::FinishClaimDeletion(metadata)
        | Step::TouchClaim { metadata, .. } => {
            let mut bindings = scope.recovery()?.known_bindings().iter();
            bindings.find(|binding| is_claim(binding, metadata))
        }
        Step::CreateClaim(manifest) => binding_of_name(scope.recovery()?, manifest),
        _ => return Ok(()),
    };
    match claim {
        Some(binding) if !scope.recovery()?.owns_claim(binding) => {
            Err("nothing says that it is a claim of this database")
        }
        // What was not read of this database another rule refuses.
        _ => Ok(()),
    }
}

fn binding_of_name<'a>(observed: &'a ObservedRecovery, claim: &Value) -> Option<&'a ClaimBinding> {
    let mut bindings = observed.known_bindings().iter();
    bindings.find(|binding| claim["metadata"]["name"] == binding.desired.claim.as_str())
}

/// Make sure that a recovery binds only volumes of this namespace, not of one that had the name before.
pub fn volumes_are_of_this_namespace(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let bindings = scope
        .recovery()
        .map(|observed| observed.known_bindings().iter());
    let binding = match &steps[position] {
        Step::ReserveVolume { metadata, .. } | Step::ConfirmVolumeChange(metadata) => {
            let is_it = |volume: &VolumeFound| volume.metadata.uid == metadata.uid;
            bindings?.find(|binding| binding.volume.as_ref().is_some_and(is_it))
        }
        Step::CreateClaim(manifest) => {
            let volume = &manifest["spec"]["volumeName"];
            bindings?.find(|binding| volume == binding.desired.volume.as_str())
        }
        _ => return Ok(()),
    };
    let observed = scope.recovery()?;
    let volume = binding.and_then(|binding| Some((binding, binding.volume.as_ref()?)));
    match volume {
        Some((binding, volume)) if !observed.is_of_namespace(binding, volume) => Err(
            "its volume is not known to be of this namespace, but of one that had the name before",
        ),
        _ => Ok(()),
    }
}

/// Make sure that nothing is stopped, deleted or bound while pods of others use one of the claims that
/// it is about: nobody stops them, and they would run on the data beside the database.
pub fn pods_of_others_are_not_disturbed(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let mounted = match &steps[position] {
        Step::ScaleDown(_)
        | Step::ConfirmClaimDeletion(_)
        | Step::DeleteClaim(_)
        | Step::FinishClaimDeletion(_)
        | Step::ReserveVolume { .. }
        | Step::CreateClaim(_) => None,
        Step::MountClaim { claim, .. } => Some(claim),
        _ => return Ok(()),
    };
    let observed = scope.recovery()?;
    let is_meant = |binding: &&ClaimBinding| {
        !binding.is_bound() || mounted.is_some_and(|claim| *claim == binding.desired.claim)
    };
    let mut meant = observed.known_bindings().iter().filter(is_meant);
    if meant.any(|binding| !observed.other_pods(binding).is_empty()) {
        Err("pods that its workload does not control use the claim")
    } else {
        Ok(())
    }
}

/// Make sure that the operator deletes only a claim that the restore has confirmed by its UID, before
/// or in this plan.
pub fn restores_confirm_what_they_delete(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let (Step::DeleteClaim(metadata), Scope::Restore { .. }) = (&steps[position], scope) else {
        return Ok(());
    };
    let confirms = |step: &Step| matches!(step, Step::ConfirmClaimDeletion(confirmed) if confirmed.uid == metadata.uid);
    if guard::confirmed_by_restore(metadata, scope.now()) || steps[..position].iter().any(confirms)
    {
        Ok(())
    } else {
        Err("the restore has not confirmed its deletion by its UID")
    }
}

/// Make sure that only a namespace is accepted that a recovery has created for this ledger, by the UID
/// that was read.
pub fn only_recreated_namespaces_are_accepted(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::AcceptNamespace {
        ledger,
        namespace_uid,
    } = &steps[position]
    else {
        return Ok(());
    };
    let world = &scope.recovery()?.world;
    let is_recreated = world
        .recreated
        .as_ref()
        .is_some_and(|recreated| recreated.uid == ledger.uid);
    if is_recreated && world.namespace_uid() == Some(namespace_uid.as_str()) {
        Ok(())
    } else {
        Err("no recovery has created this namespace")
    }
}

/// Make sure that a ledger is written and released only where it is of this very namespace: what
/// another owner's remembers is not overwritten, and its deletion stays refused.
pub fn ledgers_stay_with_their_namespace(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let step = &steps[position];
    if !matches!(
        step,
        Step::MarkLedger(_) | Step::WriteLedger { .. } | Step::ReleaseLedger(_)
    ) {
        return Ok(());
    }
    let observed = scope.database()?;
    if observed.other_namespace.is_some() {
        return Err("it is of another namespace of the name");
    }
    match step {
        Step::WriteLedger { status, .. }
            if observed.namespace_uid() != Some(status.namespace_uid.as_str()) =>
        {
            Err("it would not be of the namespace that was read")
        }
        _ => Ok(()),
    }
}

/// Make sure that a volume of another namespace that had the name is neither marked nor released, and
/// that none is noted as another's than of the namespace that was read.
pub fn volumes_stay_with_their_namespace(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Scope::Database { observed, .. } = scope else {
        return Ok(());
    };
    let (metadata, noted) = match &steps[position] {
        Step::MarkVolume(volume) => (&volume.metadata, volume.namespace_uid.as_deref()),
        Step::ReleaseVolume(release) => (&release.metadata, None),
        _ => return Ok(()),
    };
    if observed.is_of_other_namespace(metadata) {
        return Err("it is of another namespace of the name");
    }
    if noted.is_some() && noted != observed.namespace_uid() {
        return Err("it would not be of the namespace that was read");
    }
    Ok(())
}
