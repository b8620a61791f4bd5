//! What is wrong with the admission policies and definitions that the guard stands on, and who restores
//! them: the operator, or a user where its role for that was left out. Pure.

use std::time::Duration;

use super::gap::{Gap, unknown};
use crate::api::reasons;
use crate::plan::Plan;
use crate::world::{Fact, Observed, PolicyFact};

/// How long until a deletion is tried again that should have been refused.
const TRIAL_PAUSE: Duration = Duration::from_secs(10);

/// What somebody does by hand in place of the operator.
const POLICIES_BY_HAND: &str =
    "apply the installation manifest again: kubectl apply --server-side -f install.yaml";
const DEFINITIONS_BY_HAND: &str = "apply the definitions again: holdfast crd | kubectl apply \
    --server-side --force-conflicts -f -";

/// The gap in the guard that the policies or definitions leave.
pub fn policy_gap(observed: &Observed, plan: &mut Plan) -> Option<Gap> {
    let policy = match &observed.policy {
        Fact::Unknown(why) => return unknown(Some(why)),
        Fact::Known(policy) => policy,
    };
    let (reason, message) = match policy {
        PolicyFact::InForce => return None,
        PolicyFact::Missing { what, may_restore } => (
            reasons::POLICY_MISSING,
            format!(
                "{what}, so the API server may not refuse deletions; finalizers and Retain still \
                 hold. {}",
                say_repair(*may_restore, "admission policies", "it", POLICIES_BY_HAND)
            ),
        ),
        PolicyFact::DefinitionChanged { what, may_restore } => (
            reasons::DEFINITION_CHANGED,
            format!(
                "{what}; what is written to objects of this kind may be lost or refused. Claims \
                 and volumes stay guarded. {}",
                say_repair(
                    *may_restore,
                    "CustomResourceDefinitions",
                    "what is not being deleted",
                    DEFINITIONS_BY_HAND
                )
            ),
        ),
        PolicyFact::DefinitionConfirmed(what) => (reasons::CONFIRMED, what.clone()),
        PolicyFact::Newer(what) => (
            reasons::NEWER_VERSION,
            format!(
                "{what}; finalizers and Retain still hold. That version's operator can tell: run it. If \
                 nobody has installed that version, somebody has changed the object: apply the \
                 installation manifest of this version again: kubectl apply --server-side \
                 --force-conflicts -f install.yaml"
            ),
        ),
        PolicyFact::NotEnforced => {
            plan.again_after = Some(TRIAL_PAUSE);
            (
                reasons::POLICY_MISSING,
                format!(
                    "the API server did not refuse a dry-run delete of this ProtectedDatabase \
                     (kubectl -n {} delete protdb {} --dry-run=server), although the admission \
                     policies exist; it takes about a second to enforce new ones. Finalizers and \
                     Retain still hold",
                    observed.namespace_name(),
                    observed.name()
                ),
            )
        }
    };
    Some(Gap { reason, message })
}

/// Who restores what was changed, and how that is done by hand.
fn say_repair(may_restore: bool, kind: &str, what: &str, by_hand: &str) -> String {
    if may_restore {
        format!("The operator restores {what}; if this stays, {by_hand}")
    } else {
        format!(
            "The operator is not permitted to restore it: without the ClusterRole holdfast-repair and its \
             binding {kind} are watched and not restored. Do it by hand: {by_hand}"
        )
    }
}
