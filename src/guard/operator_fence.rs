//! The admission policy that lets the operator's own token write what the operator writes, and nothing
//! else that its roles would let it: whoever steals the token gets no cluster by it. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, Validation,
};

use super::cel::{by_operator, quote};
use super::policy::{forbid_unless, only_where, policy, rule, variable};
use super::{PROTECTED_VALUE, RETAIN};
use crate::api::names::{
    AGENT_SERVICE_ACCOUNT, DATA_VERIFIED_GATE, KEEP_FINALIZER, PROTECTED_LABEL,
};

/// Name of the policy, and of its binding, that fences the operator in.
pub const OPERATOR_FENCE_POLICY: &str = "holdfast-operator-fence";

/// What of a pod template decides what runs, and as whom.
const RUNS: &[&str] = &[
    "containers",
    "initContainers",
    "ephemeralContainers",
    "serviceAccountName",
    "securityContext",
    "hostPID",
    "hostIPC",
    "hostNetwork",
    "hostUsers",
    "runtimeClassName",
    "automountServiceAccountToken",
];
/// The volumes of an agent's pod: nothing of the node, and of other storage only claims, to read.
const AGENT_VOLUMES: &[&str] = &[
    "emptyDir",
    "secret",
    "configMap",
    "projected",
    "downwardAPI",
];
/// What of a pod's status only its kubelet says.
const OF_THE_KUBELET: &[&str] = &[
    "phase",
    "podIP",
    "podIPs",
    "hostIP",
    "hostIPs",
    "containerStatuses",
    "initContainerStatuses",
];

/// Refuses what the operator, in `operator_namespace`, never writes. Others are not evaluated at all.
///
/// Admission policies do not see admission policies, so those it can change, with a role of its own
/// that an installation may leave out.
/// <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>
pub(super) fn build_operator_fence(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let variables = vec![
        variable("kind", "request.resource.resource".to_owned()),
        variable("new", "dyn(object)".to_owned()),
        variable("old", "dyn(oldObject)".to_owned()),
        variable(
            "pod",
            "variables.kind == 'jobs' ? variables.new.spec.template.spec : variables.kind == \
             'cronjobs' ? variables.new.spec.jobTemplate.spec.template.spec : dyn({})"
                .to_owned(),
        ),
        variable(
            "containers",
            "variables.pod.?containers.orValue([]) + variables.pod.?initContainers.orValue([]) + \
             variables.pod.?ephemeralContainers.orValue([])"
                .to_owned(),
        ),
    ];
    let (apps, batch, core, access) = ("apps", "batch", "", "rbac.authorization.k8s.io");
    let rules = vec![
        rule(apps, "v1", "statefulsets", &["UPDATE"]),
        rule(apps, "v1", "deployments", &["UPDATE"]),
        rule(batch, "v1", "jobs", &["CREATE", "UPDATE"]),
        rule(batch, "v1", "cronjobs", &["CREATE", "UPDATE"]),
        rule(core, "v1", "namespaces", &["UPDATE"]),
        rule(core, "v1", "pods/status", &["UPDATE"]),
        rule(core, "v1", "persistentvolumes", &["CREATE", "UPDATE"]),
        rule(core, "v1", "persistentvolumeclaims", &["CREATE"]),
        rule(core, "v1", "serviceaccounts", &["CREATE"]),
        rule(access, "v1", "rolebindings", &["CREATE", "UPDATE"]),
    ];
    let constraints = MatchResources {
        resource_rules: Some(rules),
        ..MatchResources::default()
    };
    let validations = vec![
        fence_workloads(),
        fence_jobs(),
        fence_namespaces(),
        fence_pods(),
        fence_storage(),
        fence_reclaim_policy(),
        fence_identities(),
    ];
    only_where(
        policy(OPERATOR_FENCE_POLICY, constraints, variables, validations),
        "operator",
        by_operator(operator_namespace),
    )
}

/// CEL that is true while these fields below `path` are as they were.
fn unchanged(path: &str, fields: &[&str]) -> String {
    fields
        .iter()
        .map(|field| format!("variables.new.{path}.?{field} == variables.old.{path}.?{field}"))
        .collect::<Vec<_>>()
        .join(" && ")
}

/// It scales, marks, and corrects which claim a volume is; nothing of what runs.
fn fence_workloads() -> Validation {
    let volumes =
        |object: &str| format!("variables.{object}.spec.template.spec.?volumes.orValue([])");
    forbid_unless(
        format!(
            "!(variables.kind in ['statefulsets', 'deployments']) || ({} && \
             variables.new.spec.selector == variables.old.spec.selector && {}.all(v, \
             has(v.persistentVolumeClaim) || v in {}))",
            unchanged("spec.template.spec", RUNS),
            volumes("new"),
            volumes("old"),
        ),
        "Holdfast's operator changes nothing of what a workload runs",
    )
}

/// Jobs run as the agents' service account, without permissions on the node.
fn fence_jobs() -> Validation {
    let volumes = AGENT_VOLUMES
        .iter()
        .map(|kind| format!("has(v.{kind})"))
        .collect::<Vec<_>>()
        .join(" || ");
    forbid_unless(
        format!(
            "!(variables.kind in ['jobs', 'cronjobs']) || \
             (variables.pod.?serviceAccountName.orValue('') == {account} && \
             !variables.pod.?hostPID.orValue(false) && !variables.pod.?hostIPC.orValue(false) && \
             !variables.pod.?hostNetwork.orValue(false) && \
             variables.pod.?securityContext.?runAsNonRoot.orValue(false) && \
             variables.pod.?volumes.orValue([]).all(v, {volumes} || \
             v.?persistentVolumeClaim.?readOnly.orValue(false)) && variables.containers.all(c, \
             c.?securityContext.?runAsNonRoot.orValue(true) && \
             !c.?securityContext.?privileged.orValue(false) && \
             !c.?securityContext.?allowPrivilegeEscalation.orValue(true) && \
             c.?securityContext.?capabilities.?add.orValue([]).size() == 0))",
            account = quote(AGENT_SERVICE_ACCOUNT),
        ),
        "Holdfast's operator creates the Jobs of its agents and no others",
    )
}

/// Of a Namespace its own label, which is all that it puts there.
fn fence_namespaces() -> Validation {
    let labels = |object: &str| format!("variables.{object}.metadata.?labels.orValue({{}})");
    let (new, old, own) = (labels("new"), labels("old"), quote(PROTECTED_LABEL));
    forbid_unless(
        format!(
            "variables.kind != 'namespaces' || ({new}.all(k, k == {own} || {old}[?k].orValue('') == \
             {new}[k]) && {old}.all(k, k == {own} || k in {new}) && \
             variables.new.metadata.?annotations == variables.old.metadata.?annotations)"
        ),
        "Holdfast's operator changes its own label of a Namespace and nothing else",
    )
}

/// Of a Pod its own condition: another address would get the passwords of the checks.
fn fence_pods() -> Validation {
    let conditions = |object: &str| format!("variables.{object}.?status.?conditions.orValue([])");
    let gate = quote(DATA_VERIFIED_GATE);
    forbid_unless(
        format!(
            "variables.kind != 'pods' || ({} && {new}.all(c, c.type == {gate} || c in \
             {old}) && {old}.all(c, c.type == {gate} || c in {new}))",
            unchanged("?status", OF_THE_KUBELET),
            new = conditions("new"),
            old = conditions("old"),
        ),
        "Holdfast's operator sets its own condition of a Pod and nothing else",
    )
}

/// Claims and volumes are created marked, and volumes on Retain, for one claim.
fn fence_storage() -> Validation {
    forbid_unless(
        format!(
            "request.operation != 'CREATE' || !(variables.kind in ['persistentvolumes', \
             'persistentvolumeclaims']) || (variables.new.metadata.?labels[?{label}].orValue('') == \
             {value} && variables.new.metadata.?finalizers.orValue([]).exists(f, f == {finalizer}) \
             && (variables.kind != 'persistentvolumes' || \
             (variables.new.spec.?persistentVolumeReclaimPolicy.orValue('') == {retain} && \
             variables.new.spec.?claimRef.?name.orValue('') != '')))",
            label = quote(PROTECTED_LABEL),
            value = quote(PROTECTED_VALUE),
            finalizer = quote(KEEP_FINALIZER),
            retain = quote(RETAIN),
        ),
        "Holdfast's operator creates claims and volumes only with its marks, and volumes only on \
         Retain for one claim",
    )
}

/// Whatever was confirmed: the files stay.
fn fence_reclaim_policy() -> Validation {
    let policy = |object: &str| {
        format!("variables.{object}.spec.?persistentVolumeReclaimPolicy.orValue('')")
    };
    forbid_unless(
        format!(
            "request.operation != 'UPDATE' || variables.kind != 'persistentvolumes' || {new} == \
             {old} || {new} == {retain}",
            new = policy("new"),
            old = policy("old"),
            retain = quote(RETAIN),
        ),
        "Holdfast's operator sets the reclaim policy of a volume to Retain and to nothing else",
    )
}

/// The agents' identity, in the namespace that it is for.
fn fence_identities() -> Validation {
    let agent = quote(AGENT_SERVICE_ACCOUNT);
    forbid_unless(
        format!(
            "!(variables.kind in ['serviceaccounts', 'rolebindings']) || \
             (variables.new.metadata.?name.orValue('') == {agent} && (variables.kind != \
             'rolebindings' || variables.new.?subjects.orValue([]).all(s, s.kind == 'ServiceAccount' \
             && s.name == {agent} && s.?namespace.orValue('') == request.namespace)))"
        ),
        "Holdfast's operator creates the identity of its agents and no other",
    )
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use super::*;

    #[test]
    fn the_operators_fence_reads() {
        let fence = build_operator_fence("holdfast-system");
        insta::assert_yaml_snapshot!(serde_json::to_value(fence).unwrap());
    }
}
