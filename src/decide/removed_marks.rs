//! Marks that were removed by somebody, and who it was. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::reasons;
use crate::guard;
use crate::world::Observed;

/// Reason and message for a claim or volume that is marked in this pass: for the first time, or
/// because its marks were removed.
pub fn say_marking(
    observed: &Observed,
    kind: &str,
    metadata: &ObjectMeta,
    doing: &str,
) -> (&'static str, String) {
    let name = metadata.name.as_deref().unwrap_or_default();
    let mut said = observed
        .database
        .status
        .iter()
        .flat_map(|status| &status.claims);
    let was_guarded = said.any(|claim| {
        claim.guarded && (Some(&claim.uid) == metadata.uid.as_ref() || claim.volume == name)
    });
    if !was_guarded {
        return (reasons::GUARDING, format!("{kind} {name} is being {doing}"));
    }
    let who = guard::last_other_manager(metadata).map_or_else(String::new, |who| {
        format!(" (the last change on record is by {who})")
    });
    let message = format!(
        "{kind} {name} was guarded and is not any more: somebody removed a mark or Retain{who}. It \
         is being {doing} again. The API server should have refused that; see whether the \
         admission policies are there: kubectl get \
         validatingadmissionpolicy,validatingadmissionpolicybinding"
    );
    (reasons::MARKS_REMOVED, message)
}
