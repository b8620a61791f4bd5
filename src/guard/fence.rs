//! The admission policy that lets the token of an agent's Job write nothing but the status of its own check, backup or restore. Builders only.

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, MatchResources, ValidatingAdmissionPolicy, Validation};

use super::admission::{rule, variable};
use super::cel::quote;
use super::changes::policy;
use crate::api::names::{AGENT_SERVICE_ACCOUNT, GROUP, VERSION};

/// Name of the policy, and of its binding, that fences agents in.
pub const FENCE_POLICY: &str = "holdfast-agent-fence";

/// The claim of a bound token that names its pod.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// A pod's name is its Job's, cut after this many characters with the hyphen, and five random ones.
const POD_BASE_LIMIT: usize = 58;
const POD_SUFFIX: usize = 5;

/// Refuses what an agent writes about anything but its own Job: it runs beside a database that nobody trusts.
///
/// Known by the name of the service account, in whatever namespace; others are not evaluated at all.
pub(super) fn build_agent_fence() -> ValidatingAdmissionPolicy {
    let variables = vec![
        variable("pods", format!("request.userInfo.?extra[?{}].orValue([])", quote(POD_NAME))),
        variable("name", "request.operation == 'CREATE' ? object.metadata.?name.orValue('') : oldObject.metadata.name".to_owned()),
        variable(
            "base",
            format!(
                "size(variables.name) < {POD_BASE_LIMIT} ? variables.name + '-' : (variables.name + '-').substring(0, {POD_BASE_LIMIT})"
            ),
        ),
        variable(
            "own",
            format!(
                "variables.name != '' && variables.pods.exists(p, size(p) == size(variables.base) + {POD_SUFFIX} && p.startsWith(variables.base))"
            ),
        ),
    ];
    let validations = vec![
        refusal(
            "variables.own".to_owned(),
            "Holdfast's agents report only about the check, backup or restore of their own Job",
        ),
        refusal(
            "request.?subResource.orValue('') == 'status' || (request.operation == 'CREATE' && request.resource.resource == 'databasebackups')"
                .to_owned(),
            "Holdfast's agents write a status and nothing else; only a backup's agent creates an object, its own DatabaseBackup",
        ),
        refusal(
            "request.operation != 'UPDATE' || request.resource.resource != 'databasechecks' \
             || dyn(object).?status.?verdict == dyn(oldObject).?status.?verdict"
                .to_owned(),
            "Holdfast's agents bring evidence; the verdict is the operator's",
        ),
    ];
    let mut rules = Vec::new();
    for resource in ["protecteddatabases", "databasechecks", "databasebackups", "databaserestores"] {
        rules.push(rule(GROUP, VERSION, resource, &["CREATE", "UPDATE", "DELETE"]));
        rules.push(rule(GROUP, VERSION, &format!("{resource}/status"), &["UPDATE"]));
    }
    let constraints = MatchResources { resource_rules: Some(rules), ..MatchResources::default() };
    let mut fence = policy(FENCE_POLICY, constraints, variables, validations);
    if let Some(spec) = &mut fence.spec {
        spec.match_conditions = Some(vec![MatchCondition {
            name: "agents".to_owned(),
            expression: format!(
                "request.userInfo.username.startsWith('system:serviceaccount:') && request.userInfo.username.endsWith({})",
                quote(&format!(":{AGENT_SERVICE_ACCOUNT}"))
            ),
        }]);
    }
    fence
}

fn refusal(expression: String, message: &str) -> Validation {
    Validation { expression, message: Some(message.to_owned()), reason: Some("Forbidden".to_owned()), ..Validation::default() }
}
