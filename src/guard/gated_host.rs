//! The policy that warns, and never refuses, when a ProtectedDatabase is to be asked at a host: a pod
//! with the readiness gate is not.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, ValidatingAdmissionPolicy, Validation,
};

use super::policy::{policy, rule};
use crate::api::names::{DATA_VERIFIED_GATE, GROUP, VERSION};

/// Name of the policy, and of its binding, that warns about `spec.connection.host`.
pub const GATED_HOST_POLICY: &str = "holdfast-gated-host";

/// Warns when the connection is changed and has a host. It fails open: a warning is no reason to refuse anything.
pub(super) fn build_gated_host_warning() -> ValidatingAdmissionPolicy {
    let validation = Validation {
        expression: "!has(object.spec.connection.host)".to_owned(),
        message: Some(format!(
            "spec.connection.host is not asked about pods with the readiness gate \
             {DATA_VERIFIED_GATE}: each is checked at its own address, because no Service leads \
             to a pod before its gate is open. With tls.mode VerifyFull set \
             spec.connection.tls.serverName to the name in the server's certificate"
        )),
        ..Validation::default()
    };
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            GROUP,
            VERSION,
            "protecteddatabases",
            &["CREATE", "UPDATE"],
        )]),
        ..MatchResources::default()
    };
    let mut warns = policy(GATED_HOST_POLICY, constraints, Vec::new(), vec![validation]);
    if let Some(spec) = &mut warns.spec {
        spec.failure_policy = Some("Ignore".to_owned());
        spec.variables = None;
        spec.match_conditions = Some(vec![MatchCondition {
            name: "connection-changed".to_owned(),
            expression: "request.operation == 'CREATE' || object.spec.connection != \
                oldObject.spec.connection"
                .to_owned(),
        }]);
    }
    warns
}
