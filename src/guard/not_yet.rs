//! The policy that warns, and never refuses, when a field is used that this version does not act on
//! yet. A field loses its entry here when its issue is done; `docs/roadmap.md` lists the same.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicySpec, Validation,
};

use super::admission::{build_binding, metadata, rule};
use crate::api::names::{GROUP, VERSION};

/// Name of the policy, and of its binding, that warns about fields of a ProtectedDatabase.
pub const NOT_YET_POLICY: &str = "holdfast-not-yet";

/// Fields that are not acted on: the CEL that is true when one is used, and the warning.
const FIELDS: &[(&str, &str)] = &[
    (
        "has(object.spec.backup) && has(object.spec.backup.retention)",
        "spec.backup.retention is not acted on yet: nothing is ever deleted from the bucket",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.directories) && \
         object.spec.backup.directories.size() > 0",
        "spec.backup.directories is not acted on yet: these directories are NOT in the backup",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.storage.s3.objectLock)",
        "spec.backup.storage.s3.objectLock is not acted on yet: backups are uploaded without a \
         lock of their own",
    ),
    (
        "has(object.spec.backup) && has(object.spec.backup.encryption)",
        "spec.backup.encryption is not supported yet: no backup is taken while it is set, so that \
         nothing leaves unencrypted",
    ),
    (
        "has(object.spec.drill)",
        "spec.drill is not acted on yet: no restore is rehearsed, and RestoreProven stays Unknown",
    ),
];

/// The policy with its binding.
pub(super) fn build_not_yet_policy() -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)
{
    build_warning_policy(NOT_YET_POLICY, "protecteddatabases", FIELDS)
}

/// A policy that warns when one of `used` is true. It fails open: a warning is no reason to refuse
/// anything.
fn build_warning_policy(
    name: &str,
    resource: &str,
    used: &[(&str, &str)],
) -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding) {
    let warnings = used.iter().map(|(expression, warning)| Validation {
        expression: format!("!({expression})"),
        message: Some((*warning).to_owned()),
        ..Validation::default()
    });
    let policy = ValidatingAdmissionPolicy {
        metadata: metadata(name),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Ignore".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![rule(GROUP, VERSION, resource, &["CREATE", "UPDATE"])]),
                ..MatchResources::default()
            }),
            // The operator's own writes change no spec: they are not warned about.
            match_conditions: Some(vec![MatchCondition {
                name: "spec-changed".to_owned(),
                expression: "request.operation == 'CREATE' || object.spec != oldObject.spec"
                    .to_owned(),
            }]),
            validations: Some(warnings.collect()),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    };
    (policy, build_binding(name, "Warn"))
}
