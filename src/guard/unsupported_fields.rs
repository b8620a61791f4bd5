//! The policy that warns, and never refuses, when a field is used that this version does not support
//! yet. A field loses its entry here when it is supported; `docs/roadmap.md` lists the same fields.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::policy::database_warning;

/// Name of the policy, and of its binding, that warns about fields of a ProtectedDatabase.
pub const UNSUPPORTED_FIELDS_POLICY: &str = "holdfast-unsupported-fields";

/// The CEL that is true when a field is used, and the warning.
const FIELDS: &[(&str, &str)] = &[(
    "has(object.spec.backup) && has(object.spec.backup.directories) && \
         object.spec.backup.directories.size() > 0",
    "spec.backup.directories is not supported yet: these directories are NOT in the backup",
)];

/// Warns once per field.
pub(super) fn build_unsupported_fields_warning() -> ValidatingAdmissionPolicy {
    let warnings = FIELDS.iter().map(|(used, warning)| Validation {
        expression: format!("!({used})"),
        message: Some((*warning).to_owned()),
        ..Validation::default()
    });
    database_warning(UNSUPPORTED_FIELDS_POLICY, "spec", warnings.collect())
}
