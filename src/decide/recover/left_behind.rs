//! Confirmations that a recovery has left behind, because it was interrupted: they would permit to
//! delete what has just been recovered. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::known::known;
use crate::api::ConfirmedVerb;
use crate::guard::{self, Standing};
use crate::plan::{Blocker, ConfirmedKind, RecoveryPlan, RevocationStep, Step};
use crate::world::ObservedRecovery;

/// Plans to remove every confirmation from what stays, at the end of the plan. Also one that a user
/// has set: whoever recovers a database wants to keep it.
pub fn plan_revocations(
    observed: &ObservedRecovery,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    let mut stays: Vec<(ConfirmedKind, &ObjectMeta)> = Vec::new();
    let namespace = known(&observed.world.namespace)?.as_ref();
    stays.extend(namespace.map(|metadata| (ConfirmedKind::Namespace, metadata)));
    for binding in known(&observed.bindings)? {
        let claim = binding
            .claim
            .as_ref()
            .and_then(|claim| claim.metadata.as_ref());
        stays.extend(claim.map(|metadata| (ConfirmedKind::Claim, metadata)));
        let volume = binding.volume.as_ref().map(|volume| &volume.metadata);
        stays.extend(volume.map(|metadata| (ConfirmedKind::Volume, metadata)));
    }
    let database = known(&observed.database)?.as_ref();
    stays.extend(database.map(|database| (ConfirmedKind::Database, &database.metadata)));
    let owner = observed.world.owner();
    stays.retain(|(_, metadata)| {
        metadata.deletion_timestamp.is_none()
            && guard::marked_owner(metadata).is_none_or(|marked| marked == owner)
            && !is_removed(&plan.steps, metadata)
    });
    for (kind, metadata) in stays {
        for verb in ConfirmedVerb::ALL {
            let is_none =
                guard::standing(metadata, verb, observed.world.server_time()) == Standing::None;
            if is_none || is_used(&plan.steps, metadata, verb) {
                continue;
            }
            let name = metadata.name.as_deref().unwrap_or_default();
            let (kind_name, noun) = (kind.words().0, verb.noun());
            plan.findings.push(format!(
                "{kind_name} {name} carries a confirmation of its {noun}"
            ));
            plan.steps.push(Step::RevokeConfirmation(RevocationStep {
                kind,
                metadata: Box::new(metadata.clone()),
                verb,
            }));
        }
    }
    Ok(())
}

/// Whether the plan deletes an object.
fn is_removed(steps: &[Step], metadata: &ObjectMeta) -> bool {
    steps.iter().any(|step| {
        matches!(step, Step::DeleteClaim(removed) | Step::FinishClaimDeletion(removed)
            if removed.uid == metadata.uid)
    })
}

/// Whether a step of the plan removes the confirmation that it needs.
fn is_used(steps: &[Step], metadata: &ObjectMeta, verb: ConfirmedVerb) -> bool {
    verb == ConfirmedVerb::Change
        && steps.iter().any(|step| {
            matches!(step, Step::ReserveVolume { metadata: reserved, uses_confirmation: true, .. }
                if reserved.uid == metadata.uid)
        })
}
