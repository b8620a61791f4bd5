//! The policy that warns, and never refuses, when a field is used that this version does not support
//! yet. A field loses its entry here when it is supported; `docs/roadmap.md` lists the same fields.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, ValidatingAdmissionPolicy, Validation,
};

use super::policy::{policy, rule};
use crate::api::names::{GROUP, VERSION};

/// Name of the policy, and of its binding, that warns about fields of a ProtectedDatabase.
pub const UNSUPPORTED_FIELDS_POLICY: &str = "holdfast-unsupported-fields";

/// The CEL that is true when a field is used, and the warning.
const FIELDS: &[(&str, &str)] = &[
    (
        "has(object.spec.backup) && has(object.spec.backup.retention)",
        "spec.backup.retention is not supported yet: no backup is ever deleted from the bucket",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.directories) && \
         object.spec.backup.directories.size() > 0",
        "spec.backup.directories is not supported yet: these directories are NOT in the backup",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.storage.s3.objectLock)",
        "spec.backup.storage.s3.objectLock is not supported yet: backups are uploaded without an \
         object lock",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.encryption)",
        "spec.backup.encryption is not supported yet: no backup is taken while it is set, so that \
         nothing is uploaded unencrypted",
    ),
    (
        "has(object.spec.drill)",
        "spec.drill is not supported yet: no restore drill runs, and RestoreProven stays Unknown",
    ),
];

/// Warns once per field. It fails open: a warning is no reason to refuse anything.
pub(super) fn build_unsupported_fields_warning() -> ValidatingAdmissionPolicy {
    let warnings = FIELDS.iter().map(|(used, warning)| Validation {
        expression: format!("!({used})"),
        message: Some((*warning).to_owned()),
        ..Validation::default()
    });
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            GROUP,
            VERSION,
            "protecteddatabases",
            &["CREATE", "UPDATE"],
        )]),
        ..MatchResources::default()
    };
    let mut warns = policy(
        UNSUPPORTED_FIELDS_POLICY,
        constraints,
        Vec::new(),
        warnings.collect(),
    );
    if let Some(spec) = &mut warns.spec {
        spec.failure_policy = Some("Ignore".to_owned());
        spec.variables = None;
        // The operator's own writes change no spec: they are not warned about.
        spec.match_conditions = Some(vec![MatchCondition {
            name: "spec-changed".to_owned(),
            expression: "request.operation == 'CREATE' || object.spec != oldObject.spec".to_owned(),
        }]);
    }
    warns
}
