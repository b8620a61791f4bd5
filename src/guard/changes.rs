//! The admission policies that refuse changes which would disarm the guard: its marks, Retain, the
//! tie between volume and claim. Builders only.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;

use super::cel::{by_operator, new_annotation, new_label, old_annotation, old_label, quote};
use super::policy::{forbid_unless, policy, rule, select_guarded, variable};
use super::refusal::{refusal_variables, refuse_unless};
use super::{PROTECTED_VALUE, RETAIN};
use crate::api::names::{
    CONFIRM_DELETION_ANNOTATION, CONFIRMED_FOR_ANNOTATION, GROUP, KEEP_FINALIZER,
    PROTECTED_BY_ANNOTATION, PROTECTED_LABEL, VERSION,
};

/// Name of the policy, and of its binding, that refuses to remove marks from guarded objects.
pub const MARKS_POLICY: &str = "holdfast-marks-guard";
/// Name of the policy, and of its binding, that refuses to give a guarded volume up.
pub const VOLUME_POLICY: &str = "holdfast-volume-guard";

/// It finishes the deletion of a namespace, and only when nothing is left in it.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// Refuses UPDATE that removes a mark. Without its last finalizer a terminating object is deleted,
/// and no DELETE is asked for, so this rule is as strict as that for deletions.
///
/// The operator, in `operator_namespace`, may remove marks from an object that nobody is deleting:
/// that is how a ProtectedDatabase is released. From a terminating object it may remove them only
/// when a user has confirmed the deletion. It can't confirm a deletion itself, with one exception:
/// a claim that a DatabaseRestore in the same namespace replaces. The volume of that claim is kept,
/// and a volume is never confirmed like that.
pub(super) fn build_marks_guard(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    let has = |object: &str| {
        format!(
            "{object}.metadata.?finalizers.orValue([]).exists(f, f == {})",
            quote(KEEP_FINALIZER)
        )
    };
    variables.extend([
        variable("by_operator", by_operator(operator_namespace)),
        variable(
            "released",
            "variables.confirmed || (variables.by_operator && \
            !has(oldObject.metadata.deletionTimestamp))"
                .to_owned(),
        ),
        variable(
            "labelled",
            format!(
                "{} != {value} || {} == {value}",
                old_label(PROTECTED_LABEL),
                new_label(PROTECTED_LABEL),
                value = quote(PROTECTED_VALUE)
            ),
        ),
        variable(
            "named",
            format!(
                "{old} == '' || {old} == {}",
                new_annotation(PROTECTED_BY_ANNOTATION),
                old = old_annotation(PROTECTED_BY_ANNOTATION)
            ),
        ),
        variable(
            "held",
            format!("!{} || {}", has("oldObject"), has("object")),
        ),
        variable(
            "finalizes",
            "request.resource.resource == 'namespaces' && request.?subResource.orValue('') == \
            'finalize'"
                .to_owned(),
        ),
    ]);
    let mark = |kept: &str, mark: &str| {
        refuse_unless(
            &format!("variables.{kept} || variables.released"),
            &format!(
                "'Holdfast refuses to remove the {mark} from ' + variables.target + ': ' + \
                 variables.guarded + '. Without the mark the next deletion would not be refused'"
            ),
            "remove the mark",
        )
    };
    let finalize = refuse_unless(
        &format!(
            "!variables.finalizes || variables.confirmed || request.userInfo.username == {}",
            quote(NAMESPACE_CONTROLLER)
        ),
        "'Holdfast refuses to finalize ' + variables.target + ': ' + variables.guarded + '. If it \
         were finalized, everything in it would be lost without another question'",
        "finalize it",
    );
    let self_confirmed = forbid_unless(
        format!(
            "!variables.by_operator || {} == {} || (request.resource.resource == \
             'persistentvolumeclaims' && {}.startsWith(oldObject.metadata.?namespace.orValue('') + \
             '/'))",
            new_annotation(CONFIRM_DELETION_ANNOTATION),
            old_annotation(CONFIRM_DELETION_ANNOTATION),
            new_annotation(CONFIRMED_FOR_ANNOTATION)
        ),
        "Holdfast's operator can't confirm a deletion; a user must. The exception is a claim that \
         a DatabaseRestore in the same namespace replaces",
    );
    let validations = vec![
        mark("labelled", &format!("label {PROTECTED_LABEL}")),
        mark("named", &format!("annotation {PROTECTED_BY_ANNOTATION}")),
        mark("held", &format!("finalizer {KEEP_FINALIZER}")),
        finalize,
        self_confirmed,
    ];
    // Subresources of built-in kinds take changes of metadata too.
    let kinds = [
        ("", "v1", "persistentvolumeclaims"),
        ("", "v1", "persistentvolumes"),
        ("", "v1", "namespaces"),
        ("apps", "v1", "statefulsets"),
        ("apps", "v1", "deployments"),
        (GROUP, VERSION, "protecteddatabases"),
        (GROUP, VERSION, "databaseledgers"),
    ];
    let mut rules = Vec::new();
    for (group, version, resource) in kinds {
        rules.push(rule(group, version, resource, &["UPDATE"]));
        if group != GROUP {
            rules.push(rule(
                group,
                version,
                &format!("{resource}/status"),
                &["UPDATE"],
            ));
        }
    }
    rules.push(rule("", "v1", "namespaces/finalize", &["UPDATE"]));
    policy(MARKS_POLICY, select_guarded(rules), variables, validations)
}

/// What says where a volume is and how it is mounted. `nodeAffinity` can be set once and never taken
/// back: <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#node-affinity>.
const PLACE_OF_A_VOLUME: &[&str] = &[
    "nodeAffinity",
    "mountOptions",
    "storageClassName",
    "accessModes",
];

/// Refuses UPDATE of a guarded volume that would lose its data: Retain is changed, or the claim
/// that it is bound to, or reserved for, or where and how it is mounted.
pub(super) fn build_volume_guard() -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    let retained = quote(RETAIN);
    let policy_of =
        |object: &str| format!("{object}.spec.?persistentVolumeReclaimPolicy.orValue('')");
    let claim = |object: &str, field: &str| format!("{object}.spec.?claimRef.?{field}.orValue('')");
    let same = |field: &str| {
        format!(
            "{} == {}",
            claim("object", field),
            claim("oldObject", field)
        )
    };
    variables.extend([
        variable(
            "kept",
            format!(
                "{} != {retained} || {} == {retained}",
                policy_of("oldObject"),
                policy_of("object")
            ),
        ),
        variable(
            "claim",
            format!(
                "{} + '/' + {}",
                claim("oldObject", "namespace"),
                claim("oldObject", "name")
            ),
        ),
        variable(
            "moved",
            PLACE_OF_A_VOLUME
                .iter()
                .map(|field| {
                    format!(
                        "(dyn(object).spec.?{field} == dyn(oldObject).spec.?{field} ? [] : \
                         ['{field}'])"
                    )
                })
                .collect::<Vec<_>>()
                .join(" + "),
        ),
        // The binder fills in the UID of the claim that a volume is reserved for. Released means
        // that this claim is gone for good: without its UID the volume waits for the next claim of
        // the same name, and for no other.
        variable(
            "bound",
            format!(
                "!has(oldObject.spec.claimRef) || ({} && {} && ({} || {} == '' || ({} == '' && {} \
                 == 'Released')))",
                same("namespace"),
                same("name"),
                same("uid"),
                claim("oldObject", "uid"),
                claim("object", "uid"),
                "oldObject.?status.?phase.orValue('')",
            ),
        ),
    ]);
    let validations = vec![
        refuse_unless(
            "variables.kept || variables.confirmed",
            "'Holdfast refuses to change the reclaim policy of ' + variables.target + ' from \
             Retain to ' + object.spec.?persistentVolumeReclaimPolicy.orValue('nothing') + ': ' + \
             variables.guarded + '. The storage would delete the files of the database together \
             with the claim'",
            "change it",
        ),
        refuse_unless(
            "variables.bound || variables.confirmed",
            "'Holdfast refuses to unbind ' + variables.target + ' from PersistentVolumeClaim ' + \
             variables.claim + ': ' + variables.guarded + '. Another claim could take the volume, \
             and Postgres would start on an empty one'",
            "unbind it",
        ),
        refuse_unless(
            "variables.moved.size() == 0 || variables.confirmed",
            "'Holdfast refuses to change ' + variables.moved.join(', ') + ' of ' + variables.target \
             + ': ' + variables.guarded + '. No pod might be able to mount the volume any more, and \
             nodeAffinity can not be changed back'",
            "change it",
        ),
    ];
    let rules = vec![
        rule("", "v1", "persistentvolumes", &["UPDATE"]),
        rule("", "v1", "persistentvolumes/status", &["UPDATE"]),
    ];
    policy(VOLUME_POLICY, select_guarded(rules), variables, validations)
}
