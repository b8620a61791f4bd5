//! The admission policies that refuse changes which would disarm the guard: its marks, Retain, the
//! tie between volume and claim. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    NamedRuleWithOperations, ValidatingAdmissionPolicy, Validation, Variable,
};

use super::cel::{by_operator, new_annotation, new_label, old_annotation, old_label, quote};
use super::of_nobody::of_nobody;
use super::policy::{forbid_unless, policy, rule, select_guarded, variable};
use super::refusal::{Asks, refusal_variables, refuse_bad_confirmations, refuse_unless};
use super::{PROTECTED_VALUE, RETAIN};
use crate::api::ConfirmedVerb;
use crate::api::names::{
    ACCEPT_NAMESPACE_ANNOTATION, CARRIED_OUT_ANNOTATION, CONFIRM_CHANGE_ANNOTATION,
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
/// and no DELETE is asked for, so this rule is as strict as that for deletions. It also refuses to
/// switch the guard off, which removes all marks, and to write a confirmation that is none.
///
/// The operator, in `operator_namespace`, may remove marks from an object that nobody is deleting:
/// that is how a ProtectedDatabase is released. From a terminating object it may remove them only
/// when a user has confirmed the deletion. It can't confirm anything itself, with one exception: the
/// deletion of a claim that a DatabaseRestore in the same namespace replaces. The volume of that
/// claim is kept, and a volume is never confirmed like that. It may remove a confirmation.
pub(super) fn build_marks_guard(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let mut variables = refusal_variables();
    variables.extend(marks_variables(operator_namespace));
    let mark = |kept: &str, mark: &str| {
        refuse_unless(
            &format!("variables.{kept} || variables.released"),
            &format!(
                "'Holdfast refuses to remove the {mark} from ' + variables.target + ': ' + \
                 variables.guarded + '. Without the mark the next deletion would not be refused'"
            ),
            "remove the mark",
            Asks::ForWhatIsUnderWay,
        )
    };
    let deletion = Asks::For(ConfirmedVerb::Delete);
    let finalize = refuse_unless(
        &format!(
            "!variables.finalizes || {} || request.userInfo.username == {}",
            deletion.confirmed(),
            quote(NAMESPACE_CONTROLLER)
        ),
        "'Holdfast refuses to finalize ' + variables.target + ': ' + variables.guarded + '. If it \
         were finalized, everything in it would be lost without another question'",
        "finalize it",
        deletion,
    );
    let unwritten = |annotation: &str| {
        let (new, old) = (new_annotation(annotation), old_annotation(annotation));
        format!("{new} == '' || {new} == {old}")
    };
    let self_confirmed = forbid_unless(
        format!(
            "!variables.by_operator || (({}) && ({} || (request.resource.resource == \
             'persistentvolumeclaims' && {}.startsWith(oldObject.metadata.?namespace.orValue('') + \
             '/'))))",
            unwritten(CONFIRM_CHANGE_ANNOTATION),
            unwritten(CONFIRM_DELETION_ANNOTATION),
            new_annotation(CONFIRMED_FOR_ANNOTATION)
        ),
        "Holdfast's operator can't confirm a deletion or a change; a user must. The exception is \
         a claim that a DatabaseRestore in the same namespace replaces",
    );
    let accepts_nothing = forbid_unless(
        format!(
            "!variables.by_operator || {} == {}",
            new_annotation(ACCEPT_NAMESPACE_ANNOTATION),
            old_annotation(ACCEPT_NAMESPACE_ANNOTATION)
        ),
        "Holdfast's operator can't accept a namespace for what a DatabaseLedger remembers; a user \
         must",
    );
    let carried_out = [new_annotation, old_annotation].map(|read| read(CARRIED_OUT_ANNOTATION));
    let replays_nothing = forbid_unless(
        format!(
            "request.resource.resource != 'protecteddatabases' || variables.by_operator || {}",
            carried_out.join(" == ")
        ),
        "Holdfast refuses to change which DatabaseRestores were carried out for this \
         ProtectedDatabase: a tool that creates one again would have it carried out again. Leave the \
         annotation holdfast.dev/restores-carried-out as it is",
    );
    let mut validations = vec![
        mark("labelled", &format!("label {PROTECTED_LABEL}")),
        mark("named", &format!("annotation {PROTECTED_BY_ANNOTATION}")),
        mark("held", &format!("finalizer {KEEP_FINALIZER}")),
        finalize,
        switched_off(),
        self_confirmed,
        accepts_nothing,
        replays_nothing,
    ];
    validations.extend(refuse_bad_confirmations());
    policy(
        MARKS_POLICY,
        select_guarded(metadata_changes()),
        variables,
        validations,
    )
}

/// Every change of the metadata of what is guarded.
pub(super) fn metadata_changes() -> Vec<NamedRuleWithOperations> {
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
    rules
}

/// Whether each mark is kept, and who asks.
pub(super) fn marks_variables(operator_namespace: &str) -> Vec<Variable> {
    let has = |object: &str| {
        format!(
            "{object}.metadata.?finalizers.orValue([]).exists(f, f == {})",
            quote(KEEP_FINALIZER)
        )
    };
    vec![
        variable("by_operator", by_operator(operator_namespace)),
        variable("of_nobody", of_nobody()),
        variable(
            "released",
            format!(
                "{} || variables.of_nobody || (variables.by_operator && !has(oldObject.metadata.deletionTimestamp))",
                Asks::ForWhatIsUnderWay.confirmed()
            ),
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
                "request.resource.resource in ['statefulsets', 'deployments'] || {old} == '' || {old} \
                 == {}",
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
    ]
}

/// CEL that is true unless a request switches the guard of a database off.
pub(super) fn guard_stays_on() -> String {
    let guard = |object: &str| format!("dyn({object}).spec.?guard.?deletion.orValue('Deny')");
    format!(
        "request.resource.resource != 'protecteddatabases' || {} != 'Off' || {} == 'Off'",
        guard("object"),
        guard("oldObject"),
    )
}

/// Refuses to switch the guard of a database off: the operator would remove every mark.
fn switched_off() -> Validation {
    let change = Asks::For(ConfirmedVerb::Change);
    refuse_unless(
        &format!("{} || {}", guard_stays_on(), change.confirmed()),
        "'Holdfast refuses to switch the guard of ' + variables.target + ' off: every mark would be \
         removed, and nothing would refuse to delete its claims and volumes'",
        "switch it off",
        change,
    )
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
    variables.extend(volume_variables());
    let change = Asks::For(ConfirmedVerb::Change);
    let confirmed = change.confirmed();
    let validations = vec![
        refuse_unless(
            &format!("variables.kept || {confirmed}"),
            "'Holdfast refuses to change the reclaim policy of ' + variables.target + ' from \
             Retain to ' + object.spec.?persistentVolumeReclaimPolicy.orValue('nothing') + ': ' + \
             variables.guarded + '. The storage would delete the files of the database together \
             with the claim'",
            "change it",
            change,
        ),
        refuse_unless(
            &format!("variables.bound || {confirmed}"),
            "'Holdfast refuses to unbind ' + variables.target + ' from PersistentVolumeClaim ' + \
             variables.claim + ': ' + variables.guarded + '. Another claim could take the volume, \
             and Postgres would start on an empty one'",
            "unbind it",
            change,
        ),
        refuse_unless(
            &format!("variables.moved.size() == 0 || {confirmed}"),
            "'Holdfast refuses to change ' + variables.moved.join(', ') + ' of ' + variables.target \
             + ': ' + variables.guarded + '. No pod might be able to mount the volume any more, and \
             nodeAffinity can not be changed back'",
            "change it",
            change,
        ),
    ];
    let rules = vec![
        rule("", "v1", "persistentvolumes", &["UPDATE"]),
        rule("", "v1", "persistentvolumes/status", &["UPDATE"]),
    ];
    policy(VOLUME_POLICY, select_guarded(rules), variables, validations)
}

/// Whether Retain is kept, the claim, and the place.
pub(super) fn volume_variables() -> Vec<Variable> {
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
    vec![
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
        // that this claim is gone for good, and so does Failed, where the storage could not delete
        // the volume: without the UID it waits for the next claim of the same name, and for no
        // other.
        variable(
            "bound",
            format!(
                "!has(oldObject.spec.claimRef) || ({} && {} && ({} || {} == '' || ({} == '' && {} \
                 in ['Released', 'Failed'])))",
                same("namespace"),
                same("name"),
                same("uid"),
                claim("oldObject", "uid"),
                claim("object", "uid"),
                "oldObject.?status.?phase.orValue('')",
            ),
        ),
    ]
}
