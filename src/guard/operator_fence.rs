//! The admission policy that lets the operator's own token write what the operator writes, and nothing
//! else that its roles would let it: whoever steals the token gets no cluster by it. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, Validation,
};

use super::cel::{by_operator, quote};
use super::job_fence::{fence_jobs, job_variables};
use super::policy::{forbid_naming, forbid_unless, only_where, policy, rule, variable};
use super::{PROTECTED_VALUE, RETAIN};
use crate::api::names::{
    AGENT_SERVICE_ACCOUNT, DATA_VERIFIED_GATE, GROUP, KEEP_FINALIZER, PROTECTED_LABEL,
    REPLICAS_BEFORE_ANNOTATION, VERSION,
};

/// Name of the policy, and of its binding, that fences the operator in.
pub const OPERATOR_FENCE_POLICY: &str = "holdfast-operator-fence";

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
/// Admission policies do not see admission policies, so those it can change, with the role
/// `holdfast-repair`, which an installation may leave out.
/// <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>
pub(super) fn build_operator_fence(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let mut variables = vec![
        variable("kind", "request.resource.resource".to_owned()),
        variable("new", "dyn(object)".to_owned()),
        variable("old", "dyn(oldObject)".to_owned()),
    ];
    let of_jobs = job_variables().into_iter();
    variables.extend(of_jobs.map(|(name, expression)| variable(name, expression)));
    variables.extend([
        variable("changed_in_workload", changed_in_workload()),
        variable("changed_in_namespace", changed_in_namespace()),
    ]);
    let (apps, batch, core, access) = ("apps", "batch", "", "rbac.authorization.k8s.io");
    let rules = vec![
        rule(apps, "v1", "statefulsets", &["UPDATE"]),
        rule(apps, "v1", "deployments", &["UPDATE"]),
        rule(batch, "v1", "jobs", &["CREATE", "UPDATE", "DELETE"]),
        rule(batch, "v1", "cronjobs", &["CREATE", "UPDATE", "DELETE"]),
        rule(core, "v1", "namespaces", &["UPDATE"]),
        rule(core, "v1", "pods/status", &["UPDATE"]),
        rule(core, "v1", "persistentvolumes", &["CREATE", "UPDATE"]),
        rule(core, "v1", "persistentvolumeclaims", &["CREATE", "UPDATE"]),
        rule(GROUP, VERSION, "protecteddatabases", &["UPDATE"]),
        rule(GROUP, VERSION, "databaserestores", &["CREATE", "DELETE"]),
        rule(core, "v1", "serviceaccounts", &["CREATE"]),
        rule(access, "v1", "rolebindings", &["CREATE", "UPDATE"]),
    ];
    let constraints = MatchResources {
        resource_rules: Some(rules),
        ..MatchResources::default()
    };
    let mut validations = vec![
        forbid_naming(
            "variables.changed_in_workload",
            "Holdfast's operator changes nothing of what a workload runs",
            "is not as it was",
        ),
        fence_owners(),
        fence_databases(),
        fence_restores(),
        fence_scaling(),
        fence_workloads_of_others(),
        fence_claim_references(),
        forbid_naming(
            "variables.changed_in_namespace",
            "Holdfast's operator changes its own label of a Namespace and nothing else",
            "is not as it was",
        ),
        fence_volumes_and_claims(),
        fence_pods(),
        fence_storage(),
        fence_reclaim_policy(),
        fence_identities(),
    ];
    validations.extend(fence_jobs());
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

/// CEL that is true while each field `k` of `path` is as it was, whatever fields there are, beside those
/// of which `free` is true. Both objects are gone through, so that no field is removed either.
fn unchanged_beside(path: &str, free: &str) -> String {
    let (new, old) = (
        format!("variables.new.{path}"),
        format!("variables.old.{path}"),
    );
    format!("[{new}, {old}].all(m, m.all(k, {free} || {new}[?k] == {old}[?k]))")
}

/// What of a workload is not as it was, as paths. It scales, marks, and corrects which claim a volume is;
/// nothing of what runs, whatever fields there are. Both objects are gone through, so that no field is
/// removed either.
fn changed_in_workload() -> String {
    let volumes =
        |object: &str| format!("variables.{object}.spec.template.spec.?volumes.orValue([])");
    let changed = |path: &str, free: &str| {
        let (new, old) = (
            format!("variables.new.{path}"),
            format!("variables.old.{path}"),
        );
        let filter = format!("filter(k, !({free}) && {new}[?k] != {old}[?k])");
        format!("({new}.{filter} + {old}.{filter}).map(k, '{path}.' + k)")
    };
    format!(
        "!(variables.kind in ['statefulsets', 'deployments']) ? [] : {} + {} + {} + {}.filter(v, \
         !has(v.persistentVolumeClaim) && !(v in {})).map(v, 'spec.template.spec.volumes[' + v.name + \
         ']')",
        changed("spec", "k in ['replicas', 'template']"),
        changed("spec.template", "k == 'spec'"),
        changed("spec.template.spec", "k == 'volumes'"),
        volumes("new"),
        volumes("old"),
    )
}

/// Nobody's owner: garbage collection deletes an object whose owner is not there. Of finalizers its own.
fn fence_owners() -> Validation {
    let others = |object: &str| {
        format!(
            "variables.{object}.metadata.?finalizers.orValue([]).filter(f, f != {})",
            quote(KEEP_FINALIZER)
        )
    };
    forbid_unless(
        format!(
            "request.operation != 'UPDATE' || !(variables.kind in ['statefulsets', 'deployments', \
             'namespaces', 'pods', 'persistentvolumes', 'persistentvolumeclaims', \
             'protecteddatabases']) || (variables.new.metadata.?ownerReferences == \
             variables.old.metadata.?ownerReferences && {} == {})",
            others("new"),
            others("old")
        ),
        "Holdfast's operator changes no owner and no finalizer but its own",
    )
}

/// What a ProtectedDatabase asks for is its users' word: another host would get the passwords.
fn fence_databases() -> Validation {
    forbid_unless(
        "variables.kind != 'protecteddatabases' || variables.new.spec == variables.old.spec"
            .to_owned(),
        "Holdfast's operator changes nothing of what a ProtectedDatabase asks for",
    )
}

/// Only users say what is restored over what is there, or beside it. The operator runs drills, which touch
/// nothing, and removes old ones of its own.
fn fence_restores() -> Validation {
    forbid_unless(
        "variables.kind != 'databaserestores' || (request.operation == 'DELETE' ? \
         variables.old.spec.into == 'Scratch' && \
         variables.old.metadata.?ownerReferences.orValue([]).exists(o, o.kind == 'ProtectedDatabase') : \
         variables.new.spec.into == 'Scratch' && !has(variables.new.spec.acceptSuspect))"
            .to_owned(),
        "Holdfast's operator creates and deletes no DatabaseRestore but those of drills",
    )
}

/// Where a StatefulSet deletes the claims of the pods that it stops, its pods are not stopped: the claims
/// may be of no database, and then nothing holds them.
fn fence_scaling() -> Validation {
    let replicas = |object: &str| format!("variables.{object}.spec.?replicas.orValue(1)");
    forbid_unless(
        format!(
            "variables.kind != 'statefulsets' || {} >= {} || \
             variables.old.spec.?persistentVolumeClaimRetentionPolicy.?whenScaled.orValue('') != \
             'Delete'",
            replicas("new"),
            replicas("old")
        ),
        "Holdfast's operator stops no pods of a StatefulSet with whenScaled: Delete, which would \
         delete their claims",
    )
}

/// It scales a workload and says which claim a volume is only for a database: where the label or the note
/// of a recovery was before. A recovery whose database has no label there, because the guard is off or the
/// workload was just created, may stop its pods if it notes in the same write how many there were.
fn fence_workloads_of_others() -> Validation {
    let replicas = |object: &str| format!("variables.{object}.spec.?replicas.orValue(1)");
    let note = |object: &str| {
        let key = quote(REPLICAS_BEFORE_ANNOTATION);
        format!("variables.{object}.metadata.?annotations[?{key}].orValue('')")
    };
    forbid_unless(
        format!(
            "!(variables.kind in ['statefulsets', 'deployments']) || \
             variables.old.metadata.?labels[?{label}].orValue('') == {value} || {old_note} != '' || \
             (variables.new.spec.template.spec.?volumes == variables.old.spec.template.spec.?volumes && \
             ({new_replicas} == {old_replicas} || ({new_replicas} == 0 && {new_note} == \
             string({old_replicas}))))",
            label = quote(PROTECTED_LABEL),
            value = quote(PROTECTED_VALUE),
            old_note = note("old"),
            new_note = note("new"),
            new_replicas = replicas("new"),
            old_replicas = replicas("old"),
        ),
        "Holdfast's operator scales no workload that carries no mark of Holdfast, and mounts no claim in \
         it; kubectl holdfast recover does it with your own permissions",
    )
}

/// A volume stays the volume of its claim: another one's pods would read the files. And a volume that
/// seems to have lost its claim is deleted by the volume controller, unless it is on Retain; so only then
/// the claim's UID is changed: removed after the claim has gone, and added for the next one.
fn fence_claim_references() -> Validation {
    let same = ["namespace", "name"].map(|field| {
        format!("variables.new.spec.?claimRef.?{field} == variables.old.spec.?claimRef.?{field}")
    });
    let uid = |object: &str| format!("variables.{object}.spec.?claimRef.?uid.orValue('')");
    let (new, old) = (uid("new"), uid("old"));
    forbid_unless(
        format!(
            "variables.kind != 'persistentvolumes' || request.operation != 'UPDATE' || \
             variables.new.spec.?claimRef == variables.old.spec.?claimRef || \
             (variables.old.spec.?persistentVolumeReclaimPolicy.orValue('') == {retain} && \
             (variables.old.spec.?claimRef.?name.orValue('') == '' || ({same})) && ({old} == '' || \
             {new} == {old} || ({new} == '' && variables.old.?status.?phase.orValue('') != \
             'Bound')))",
            retain = quote(RETAIN),
            same = same.join(" && "),
        ),
        "Holdfast's operator gives the volume of a claim to no other claim, and takes none from a \
         claim that has it or while it is not on Retain",
    )
}

/// Of an existing volume or claim it writes Retain and `claimRef`, which have rules of their own; nothing
/// else, some of which can never be taken back.
fn fence_volumes_and_claims() -> Validation {
    forbid_unless(
        format!(
            "request.operation != 'UPDATE' || !(variables.kind in ['persistentvolumes', \
             'persistentvolumeclaims']) || ({})",
            unchanged_beside(
                "spec",
                "(variables.kind == 'persistentvolumes' && k in ['persistentVolumeReclaimPolicy', \
                 'claimRef'])"
            )
        ),
        "Holdfast's operator changes nothing of where a volume is, and nothing of what a claim asks \
         for",
    )
}

/// What of a Namespace is not as it was, as paths, beside its own label, which is all that it puts there.
fn changed_in_namespace() -> String {
    let labels = |object: &str| format!("variables.{object}.metadata.?labels.orValue({{}})");
    let (new, old, own) = (labels("new"), labels("old"), quote(PROTECTED_LABEL));
    format!(
        "variables.kind != 'namespaces' ? [] : ({new}.filter(k, k != {own} && {old}[?k].orValue('') != \
         {new}[k]) + {old}.filter(k, k != {own} && !(k in {new}))).map(k, 'metadata.labels.' + k) \
         + (variables.new.metadata.?annotations == variables.old.metadata.?annotations ? [] : \
         ['metadata.annotations'])"
    )
}

/// Of a Pod its own condition: another address would get the passwords of the checks.
fn fence_pods() -> Validation {
    let conditions = |object: &str| format!("variables.{object}.?status.?conditions.orValue([])");
    let gate = quote(DATA_VERIFIED_GATE);
    forbid_unless(
        format!(
            "variables.kind != 'pods' || (variables.new.metadata.?labels == \
             variables.old.metadata.?labels && variables.new.metadata.?annotations == \
             variables.old.metadata.?annotations && {} && {new}.all(c, c.type == {gate} || c in \
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
