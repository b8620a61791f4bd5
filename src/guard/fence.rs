//! The admission policy that lets the token of an agent's Job write nothing but the status of its
//! own check, backup or restore. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, Validation, Variable,
};

use super::cel::quote;
use super::policy::{forbid_unless, only_where, policy, rule, variable};
use crate::api::names::{
    AGENT_SERVICE_ACCOUNT, CATALOG_JOB_PREFIX, COPY_JOB_PREFIX, FILES_JOB_PREFIX, GROUP,
    RESTORE_JOB_PREFIX, VERSION,
};

/// Name of the policy, and of its binding, that fences agents in.
pub const FENCE_POLICY: &str = "holdfast-agent-fence";

/// The claim of a bound token that names its pod.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// A pod's name is its Job's, cut after this many characters with the hyphen, and five random ones.
const POD_BASE_LIMIT: usize = 58;
const POD_SUFFIX: usize = 5;
/// What the UID of an object looks like.
const UID_PATTERN: &str = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/// What a check's own agent writes, and the operator. The agents that look for files write the rest
/// of the status and nothing of this.
const OF_THE_CHECK: &[&str] = &[
    "startTime",
    "completionTime",
    "evidence",
    "failure",
    "backupObstacle",
    "image",
    "otherBackups",
    "backupEvidence",
    "withoutLogin",
    "verdict",
];

/// What a backup's own agent writes, and the operator. The agents that look at the sets in the bucket
/// write the rest of the status and nothing of this.
const OF_THE_BACKUP: &[&str] = &[
    "state",
    "reason",
    "message",
    "startTime",
    "progress",
    "completionTime",
    "durationSeconds",
    "bucket",
    "endpoint",
    "path",
    "manifestSha256",
    "storedBytes",
    "rawBytes",
    "restoreObstacles",
    "tables",
    "rows",
    "files",
    "systemIdentifier",
    "findings",
    "snapshot",
    "confirmed",
    "demoted",
    "drill",
    "lastRead",
];

/// Refuses what an agent writes about anything but its own Job: it runs beside a database that is
/// not trusted.
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
                "variables.name != '' && request.resource.resource != 'databaserestores' && \
                 variables.pods.exists(p, size(p) == size(variables.base) + {POD_SUFFIX} && \
                 p.startsWith(variables.base))"
            ),
        ),
        // A Job that restores is called after the UID of its DatabaseRestore: no other object's Job can
        // be, and one of the restore's name is another object's.
        variable(
            "restores",
            format!(
                "request.operation == 'UPDATE' && request.resource.resource == 'databaserestores' && \
                 variables.pods.exists(p, p.startsWith({} + oldObject.metadata.uid + '-'))",
                quote(RESTORE_JOB_PREFIX)
            ),
        ),
        variable(
            "isOfRestore",
            format!(
                "variables.pods.exists(p, p.matches('^{RESTORE_JOB_PREFIX}{UID_PATTERN}-[a-z0-9]+$'))"
            ),
        ),
    ];
    variables.extend(of_named_jobs());
    let is_other = "request.operation != 'UPDATE' || request.resource.resource != 'databasechecks'";
    let unchanged =
        |field: &str| format!("dyn(object).?status.?{field} == dyn(oldObject).?status.?{field}");
    let all_unchanged = |fields: &[&str]| {
        let each = fields.iter().map(|field| unchanged(field));
        each.collect::<Vec<_>>().join(" && ")
    };
    let is_no_backup =
        "request.operation != 'UPDATE' || request.resource.resource != 'databasebackups'";
    let mut validations = vec![
        forbid_unless(
            "variables.own || variables.looksForFiles || variables.looksAtSets || \
             variables.copiesSet || variables.restores"
                .to_owned(),
            "Holdfast refuses this write: an agent reports only about the check, backup or \
             restore of its own Job",
        ),
        forbid_unless(
            "request.?subResource.orValue('') == 'status' || (request.operation == 'CREATE' && \
             request.resource.resource == 'databasebackups')"
                .to_owned(),
            "Holdfast refuses this write: an agent writes only to the status of its object; the \
             one object that it may create is the DatabaseBackup of its own Job",
        ),
        forbid_unless(
            format!("{is_other} || {}", unchanged("verdict")),
            "Holdfast refuses this write: an agent reports evidence; only the operator writes the \
             verdict",
        ),
        forbid_unless(
            format!(
                "{is_no_backup} || ({})",
                all_unchanged(&["confirmed", "demoted", "drill", "lastRead"])
            ),
            "Holdfast refuses this write: an agent reports its backup; only the operator says \
             whether it counts, and whether it is proven",
        ),
        forbid_unless(
            format!(
                "!variables.looksForFiles || ({})",
                all_unchanged(OF_THE_CHECK)
            ),
            "Holdfast refuses this write: an agent that looks for files reports only files, not \
             the data",
        ),
        forbid_unless(
            format!(
                "{is_other} || variables.looksForFiles || {}",
                unchanged("files")
            ),
            "Holdfast refuses this write: an agent that checks the data does not report files",
        ),
        forbid_unless(
            format!(
                "!variables.looksAtSets || ({})",
                all_unchanged(OF_THE_BACKUP)
            ),
            "Holdfast refuses this write: an agent that looks at the sets in the bucket reports only \
             those, not the backup",
        ),
        forbid_unless(
            format!(
                "{is_no_backup} || variables.looksAtSets || {}",
                unchanged("catalog")
            ),
            "Holdfast refuses this write: an agent that takes a backup does not report what is in the \
             bucket",
        ),
        forbid_unless(
            format!(
                "!variables.copiesSet || ({} && {})",
                all_unchanged(OF_THE_BACKUP),
                unchanged("catalog")
            ),
            "Holdfast refuses this write: an agent that copies a set reports only the copy, not the \
             backup",
        ),
        forbid_unless(
            format!(
                "{is_no_backup} || variables.copiesSet || {}",
                unchanged("copies")
            ),
            "Holdfast refuses this write: only the agent that copies a set reports copies of it",
        ),
    ];
    validations.extend(of_restores());
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
    only_where(
        policy(FENCE_POLICY, constraints, variables, validations),
        "agents",
        format!(
            "request.userInfo.username.startsWith('system:serviceaccount:') && \
             request.userInfo.username.endsWith({})",
            quote(&format!(":{AGENT_SERVICE_ACCOUNT}"))
        ),
    )
}

/// Whether the agent is that of a Job which is called after the UID of the object: a name may be as long as names
/// can be, and cut in that of the pod. A Job that looks for files is called after its check, one that looks at
/// the sets in the bucket after the backup that gets its report, one that copies a set after its backup.
fn of_named_jobs() -> [Variable; 3] {
    let named = |name: &str, resource: &str, prefix: &str| {
        variable(
            name,
            format!(
                "request.operation == 'UPDATE' && request.resource.resource == '{resource}' && \
                 variables.pods.exists(p, p.startsWith({} + oldObject.metadata.uid + '-'))",
                quote(prefix)
            ),
        )
    };
    [
        named("looksForFiles", "databasechecks", FILES_JOB_PREFIX),
        named("looksAtSets", "databasebackups", CATALOG_JOB_PREFIX),
        named("copiesSet", "databasebackups", COPY_JOB_PREFIX),
    ]
}

/// An agent that restores reports how far it is, in the one field that is its own: which set it is, and
/// whether the restore is done, says the operator.
fn of_restores() -> [Validation; 2] {
    let status = |object: &str| format!("dyn({object}).?status.orValue({{}})");
    let (new, old) = (status("object"), status("oldObject"));
    [
        forbid_unless(
            "!variables.isOfRestore || variables.restores".to_owned(),
            "Holdfast refuses this write: an agent that restores a backup writes only to the status of its \
             own DatabaseRestore",
        ),
        forbid_unless(
            format!(
                "request.operation != 'UPDATE' || request.resource.resource != 'databaserestores' || \
                 [{new}, {old}].all(s, s.all(k, k == 'report' || {new}[?k] == {old}[?k]))"
            ),
            "Holdfast refuses this write: an agent that restores a backup writes status.report; only the \
             operator says which backup it is, and how far the restore is",
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use kube::CustomResourceExt as _;

    use super::*;
    use crate::api::{DatabaseBackup, DatabaseCheck};

    #[test]
    fn the_fence_reads() {
        insta::assert_yaml_snapshot!(serde_json::to_value(build_agent_fence()).unwrap());
    }

    #[test]
    fn every_field_of_a_backups_status_belongs_to_one_kind_of_agent_or_to_the_operator() {
        let definition = serde_json::to_value(DatabaseBackup::crd()).unwrap();
        let status = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            ["status"]["properties"];
        let fields = status.as_object().unwrap().keys();
        let mut fenced: Vec<&str> = OF_THE_BACKUP
            .iter()
            .copied()
            .chain(["catalog", "copies"])
            .collect();
        fenced.sort_unstable();
        assert_eq!(fields.map(String::as_str).collect::<Vec<_>>(), fenced);
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
