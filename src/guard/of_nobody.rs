//! Marks that nobody has set: they came with a copied manifest into a namespace where no database is
//! guarded, and nobody is there to remove them. The deletion of such an object is not refused, or it would
//! hold its namespace for ever. Builders only.

use super::PROTECTED_VALUE;
use super::cel::quote;
use crate::api::names::PROTECTED_LABEL;

/// CEL that is true where the marks of an object are nobody's: a workload in a namespace that does not
/// carry the label that the operator puts on one with a guarded database. A claim may hold data, whoever
/// has marked it: it stays held.
pub(super) fn of_nobody() -> String {
    format!(
        "(request.resource.resource in ['statefulsets', 'deployments'] && \
         namespaceObject.metadata.?labels[?{}].orValue('') != {})",
        quote(PROTECTED_LABEL),
        quote(PROTECTED_VALUE),
    )
}
