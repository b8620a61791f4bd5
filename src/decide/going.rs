//! What is being deleted beside claims and volumes: the workload, the ledger, the released
//! ProtectedDatabase. Nothing of Holdfast holds them, so what holds them is named. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::gap::Gap;
use super::held_by::say_waits_for;
use crate::api::reasons;
use crate::world::{Observed, WorkloadFound};

/// What the garbage collector sets for the moment in which it lets the pods of a workload go.
const LEAVES_PODS: &str = "orphan";

/// What an object that is being deleted waits for.
fn say_waits(metadata: &ObjectMeta) -> String {
    say_waits_for(metadata).unwrap_or_else(|| "it goes at any moment".to_owned())
}

/// The gap that a workload leaves which is being deleted: its pods go with it, and nothing starts them
/// again.
pub fn workload_gap(observed: &Observed, workload: &WorkloadFound) -> Option<Gap> {
    let metadata = &workload.metadata;
    metadata.deletion_timestamp.as_ref()?;
    let (kind, name) = (workload.kind, workload.name());
    let mut finalizers = metadata.finalizers.iter().flatten().peekable();
    // An operator that replaces its set deletes it like this: the next one is there in seconds.
    let is_replaced = finalizers.peek().is_some() && finalizers.all(|held| held == LEAVES_PODS);
    let (reason, pods) = if is_replaced {
        (reasons::GUARDING, "its pods stay")
    } else {
        (
            reasons::WORKLOAD_TERMINATING,
            "its pods are deleted with it",
        )
    };
    Some(Gap {
        reason,
        message: format!(
            "{kind} {name} is being deleted; {}. Until then no other {kind} can have the name; {pods}. What \
             is guarded of its claims stays. When it is gone, apply it again from where you keep it. See it: \
             kubectl -n {} get {} {name} -o yaml",
            say_waits(metadata),
            observed.namespace_name(),
            kind.to_string().to_lowercase(),
        ),
    })
}

/// The gap that the ledger leaves which is being deleted: what is remembered goes with it.
pub fn ledger_gap(observed: &Observed) -> Option<Gap> {
    if observed.other_namespace.is_some() {
        return None;
    }
    let metadata = &observed.ledger.known()?.as_ref()?.ledger.metadata;
    metadata.deletion_timestamp.as_ref()?;
    let name = metadata.name.as_deref().unwrap_or_default();
    Some(Gap {
        reason: reasons::LEDGER_TERMINATING,
        message: format!(
            "DatabaseLedger {name} is being deleted; {}. What it remembers of volumes that are gone goes with \
             it. When it is gone, the operator writes what is there into a new one. Save it: kubectl get \
             dbledger {name} -o yaml > {name}.yaml",
            say_waits(metadata),
        ),
    })
}

/// What still holds a ProtectedDatabase from which Holdfast has removed its own finalizer.
pub fn say_released(observed: &Observed) -> Option<String> {
    let waits = say_waits_for(&observed.database.metadata)?;
    Some(format!(
        "the ProtectedDatabase is being deleted, and nothing of Holdfast holds it any more; {waits}"
    ))
}
