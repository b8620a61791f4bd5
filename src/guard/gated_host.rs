//! The policy that warns, and never refuses, when a ProtectedDatabase is to be asked at a host: a pod
//! with the readiness gate is not.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, Validation};

use super::policy::database_warning;
use crate::api::names::DATA_VERIFIED_GATE;

/// Name of the policy, and of its binding, that warns about `spec.connection.host`.
pub const GATED_HOST_POLICY: &str = "holdfast-gated-host";

/// Warns when the connection is changed and has a host.
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
    database_warning(GATED_HOST_POLICY, "spec.connection", vec![validation])
}
