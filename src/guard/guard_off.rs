//! The guard that is switched off in the spec: the command that switches it on, and the policy that
//! warns, and never refuses, when a ProtectedDatabase is created without it. Builders only.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::policy::database_warning;

/// Name of the policy, and of its binding, that warns about `spec.guard.deletion: Off`.
pub const GUARD_OFF_POLICY: &str = "holdfast-guard-off";

/// The patch that switches it on.
const ON: &str = r#"'{"spec":{"guard":{"deletion":"Deny"}}}'"#;

/// The command that switches the guard of a database on.
#[must_use]
pub fn guard_on_command(namespace: &str, name: &str) -> String {
    format!("kubectl -n {namespace} patch protdb {name} --type=merge -p {ON}")
}

/// Warns when a ProtectedDatabase is created with its guard off, or the guard is switched off.
pub(super) fn build_guard_off_warning() -> ValidatingAdmissionPolicy {
    let validation = Validation {
        expression: "object.spec.?guard.?deletion.orValue('Deny') != 'Off'".to_owned(),
        message: Some("spec.guard.deletion is Off: nothing is guarded".to_owned()),
        message_expression: Some(format!(
            "'Holdfast warns: spec.guard.deletion is Off, so nothing refuses to delete the claims \
             and volumes of this database, and Ready stays False. To guard it: kubectl -n ' + \
             object.metadata.?namespace.orValue('NAMESPACE') + ' patch protdb ' + \
             object.metadata.?name.orValue('NAME') + ' --type=merge -p ' + {}",
            super::cel::quote(ON)
        )),
        ..Validation::default()
    };
    database_warning(GUARD_OFF_POLICY, "spec.?guard", vec![validation])
}
