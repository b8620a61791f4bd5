//! The admission policy that lets the token of an agent's Job write nothing but the status of its
//! own check, backup or restore. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, ValidatingAdmissionPolicy, Validation,
};

use super::admission::{rule, variable};
use super::cel::quote;
use super::changes::policy;
use crate::api::names::{AGENT_SERVICE_ACCOUNT, FILES_JOB_PREFIX, GROUP, VERSION};

/// Name of the policy, and of its binding, that fences agents in.
pub const FENCE_POLICY: &str = "holdfast-agent-fence";

/// The claim of a bound token that names its pod.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// A pod's name is its Job's, cut after this many characters with the hyphen, and five random ones.
const POD_BASE_LIMIT: usize = 58;
const POD_SUFFIX: usize = 5;

/// What a check's own agent writes, and the operator. The agents that look for files write the rest
/// of the status and nothing of this.
const OF_THE_CHECK: &[&str] = &[
    "startTime",
    "completionTime",
    "evidence",
    "failure",
    "backupEvidence",
    "verdict",
];

/// Refuses what an agent writes about anything but its own Job: it runs beside a database that
/// nobody trusts.
///
/// Known by the name of the service account, in whatever namespace; others are not evaluated at
/// all.
pub(super) fn build_agent_fence() -> ValidatingAdmissionPolicy {
    let mut variables = vec![
        variable(
            "pods",
            format!("request.userInfo.?extra[?{}].orValue([])", quote(POD_NAME)),
        ),
        variable(
            "name",
            "request.operation == 'CREATE' ? object.metadata.?name.orValue('') : \
            oldObject.metadata.name"
                .to_owned(),
        ),
        variable(
            "base",
            format!(
                "size(variables.name) < {POD_BASE_LIMIT} ? variables.name + '-' : (variables.name \
                 + '-').substring(0, {POD_BASE_LIMIT})"
            ),
        ),
        variable(
            "own",
            format!(
                "variables.name != '' && variables.pods.exists(p, size(p) == size(variables.base) \
                 + {POD_SUFFIX} && p.startsWith(variables.base))"
            ),
        ),
    ];
    // A Job that looks for files is called after the check's UID: a name may be as long as names
    // can be, and cut in that of the pod.
    let looks_for_files = variable(
        "looksForFiles",
        format!(
            "request.operation == 'UPDATE' && request.resource.resource == 'databasechecks' && \
             variables.pods.exists(p, p.startsWith({} + oldObject.metadata.uid + '-'))",
            quote(FILES_JOB_PREFIX)
        ),
    );
    let is_other = "request.operation != 'UPDATE' || request.resource.resource != 'databasechecks'";
    variables.push(looks_for_files);
    let unchanged =
        |field: &str| format!("dyn(object).?status.?{field} == dyn(oldObject).?status.?{field}");
    let of_the_check = OF_THE_CHECK
        .iter()
        .map(|field| unchanged(field))
        .collect::<Vec<_>>()
        .join(" && ");
    let validations =
        vec![
        refusal(
            "variables.own || variables.looksForFiles".to_owned(),
            "Holdfast's agents report only about the check, backup or restore of their own Job",
        ),
        refusal(
            "request.?subResource.orValue('') == 'status' || (request.operation == 'CREATE' && \
             request.resource.resource == 'databasebackups')"
                .to_owned(),
            "Holdfast's agents write a status and nothing else; only a backup's agent creates an \
             object, its own DatabaseBackup",
        ),
        refusal(
            format!("{is_other} || {}", unchanged("verdict")),
            "Holdfast's agents bring evidence; the verdict is the operator's",
        ),
        refusal(
            format!("!variables.looksForFiles || ({of_the_check})"),
            "Holdfast's agents that look for files report what they saw of files and nothing of \
             the data",
        ),
        refusal(
            format!("{is_other} || variables.looksForFiles || {}", unchanged("files")),
            "Holdfast's agents that look at the data report nothing of files",
        ),
    ];
    let mut rules = Vec::new();
    for resource in [
        "protecteddatabases",
        "databasechecks",
        "databasebackups",
        "databaserestores",
    ] {
        rules.push(rule(
            GROUP,
            VERSION,
            resource,
            &["CREATE", "UPDATE", "DELETE"],
        ));
        rules.push(rule(
            GROUP,
            VERSION,
            &format!("{resource}/status"),
            &["UPDATE"],
        ));
    }
    let constraints = MatchResources {
        resource_rules: Some(rules),
        ..MatchResources::default()
    };
    let mut fence = policy(FENCE_POLICY, constraints, variables, validations);
    if let Some(spec) = &mut fence.spec {
        spec.match_conditions = Some(vec![MatchCondition {
            name: "agents".to_owned(),
            expression: format!(
                "request.userInfo.username.startsWith('system:serviceaccount:') && \
                 request.userInfo.username.endsWith({})",
                quote(&format!(":{AGENT_SERVICE_ACCOUNT}"))
            ),
        }]);
    }
    fence
}

fn refusal(expression: String, message: &str) -> Validation {
    Validation {
        expression,
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use kube::CustomResourceExt as _;

    use super::*;
    use crate::api::DatabaseCheck;

    #[test]
    fn the_fence_reads() {
        insta::assert_yaml_snapshot!(serde_json::to_value(build_agent_fence()).unwrap());
    }

    #[test]
    fn every_field_of_a_checks_status_belongs_to_one_kind_of_agent_or_to_the_operator() {
        let definition = serde_json::to_value(DatabaseCheck::crd()).unwrap();
        let status = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            ["status"]["properties"];
        let mut fenced: Vec<&str> = OF_THE_CHECK.iter().copied().chain(["files"]).collect();
        fenced.sort_unstable();
        assert_eq!(
            status
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            fenced
        );
    }
}
