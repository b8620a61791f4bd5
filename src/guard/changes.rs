//! The admission policies that refuse changes which would disarm the guard: its marks, Retain, the
//! tie between volume and claim. Builders only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec, Validation, Variable,
};

use super::admission::{
    confirmation_variables, look, metadata, owner, refused, rule, select_guarded, variable, why,
};
use super::cel::{new_annotation, new_label, old_annotation, old_label, quote};
use super::{PROTECTED_VALUE, RETAIN};
use crate::api::names::{
    CONFIRM_DELETION_ANNOTATION, CONFIRMED_FOR_ANNOTATION, GROUP, KEEP_FINALIZER,
    OPERATOR_SERVICE_ACCOUNT, PROTECTED_BY_ANNOTATION, PROTECTED_LABEL, VERSION,
};

/// Name of the policy, and of its binding, that refuses to take marks off guarded objects.
pub const MARKS_POLICY: &str = "holdfast-marks-guard";
/// Name of the policy, and of its binding, that refuses to let go of a guarded volume.
pub const VOLUME_POLICY: &str = "holdfast-volume-guard";

/// The one who finishes the deletion of a namespace, and only when nothing is left in it.
const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// Refuses UPDATE that takes off a mark. The last finalizer off a terminating object deletes it
/// without a DELETE, so this is the same wall.
///
/// The operator, in `operator_namespace`, may take marks off what nobody is deleting: how a
/// ProtectedDatabase is released. What is being deleted it may let go of only when a person has
/// confirmed that. It can't confirm but for a claim whose place a DatabaseRestore in the same
/// namespace gives to another volume: the claim's own volume is kept, and no volume is ever let go
/// of like that.
pub(super) fn build_marks_guard(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let operator = format!("system:serviceaccount:{operator_namespace}:{OPERATOR_SERVICE_ACCOUNT}");
    let mut variables = change_variables();
    let has = |object: &str| {
        format!(
            "{object}.metadata.?finalizers.orValue([]).exists(f, f == {})",
            quote(KEEP_FINALIZER)
        )
    };
    variables.extend([
        variable(
            "by_operator",
            format!("request.userInfo.username == {}", quote(&operator)),
        ),
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
    let mark = |kept: &str, what: &str| {
        refused(
            &format!("variables.{kept} || variables.released"),
            &format!(
                "'Holdfast refuses to take the {what} off ' + variables.target + ': ' + \
                 variables.why + '. What would be lost: the guard; the next deletion would not be \
                 refused'"
            ),
            "take it off again",
        )
    };
    let finalize = refused(
        &format!(
            "!variables.finalizes || variables.confirmed || request.userInfo.username == {}",
            quote(NAMESPACE_CONTROLLER)
        ),
        "'Holdfast refuses to finalize ' + variables.target + ': ' + variables.why + '. What would \
         be lost: the namespace with everything in it would go without being asked again'",
        "finalize it again",
    );
    let self_confirmed = Validation {
        expression: format!(
            "!variables.by_operator || {} == {} || (request.resource.resource == \
             'persistentvolumeclaims' && {}.startsWith(oldObject.metadata.?namespace.orValue('') + \
             '/'))",
            new_annotation(CONFIRM_DELETION_ANNOTATION),
            old_annotation(CONFIRM_DELETION_ANNOTATION),
            new_annotation(CONFIRMED_FOR_ANNOTATION)
        ),
        message: Some(
            "Holdfast's operator can't confirm a deletion: only people do. For a claim it hands on \
             what a DatabaseRestore confirms"
                .to_owned(),
        ),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    };
    let validations = vec![
        mark("labelled", &format!("label {PROTECTED_LABEL}")),
        mark("named", &format!("annotation {PROTECTED_BY_ANNOTATION}")),
        mark("held", &format!("finalizer {KEEP_FINALIZER}")),
        finalize,
        self_confirmed,
    ];
    let mut constraints = select_guarded();
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
    constraints.resource_rules = Some(rules);
    policy(MARKS_POLICY, constraints, variables, validations)
}

/// Refuses UPDATE of a guarded volume that gives its data up: Retain taken back, or the claim that
/// it is bound to, or reserved for, changed.
pub(super) fn build_volume_guard() -> ValidatingAdmissionPolicy {
    let mut variables = change_variables();
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
        refused(
            "variables.kept || variables.confirmed",
            "'Holdfast refuses to set ' + variables.target + ' from Retain to ' + \
             object.spec.?persistentVolumeReclaimPolicy.orValue('nothing') + ': ' + variables.why \
             + '. What would be lost: the files of the database, as soon as its claim goes'",
            "set it again",
        ),
        refused(
            "variables.bound || variables.confirmed",
            "'Holdfast refuses to part ' + variables.target + ' from claim ' + variables.claim + \
             ': ' + variables.why + '. What would be lost: the way to the files of the database; \
             another claim could take the volume'",
            "change it again",
        ),
    ];
    let mut constraints = select_guarded();
    constraints.resource_rules = Some(vec![
        rule("", "v1", "persistentvolumes", &["UPDATE"]),
        rule("", "v1", "persistentvolumes/status", &["UPDATE"]),
    ]);
    policy(VOLUME_POLICY, constraints, variables, validations)
}

/// What every rule about a change needs: the object's name, its owner, and whether it is confirmed.
pub(super) fn change_variables() -> Vec<Variable> {
    let mut variables = confirmation_variables();
    variables.extend([owner(), why(), look()]);
    variables
}

/// A policy that fails closed for the guarded objects that it selects.
pub(super) fn policy(
    name: &str,
    constraints: MatchResources,
    variables: Vec<Variable>,
    validations: Vec<Validation>,
) -> ValidatingAdmissionPolicy {
    ValidatingAdmissionPolicy {
        metadata: metadata(name),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(constraints),
            variables: Some(variables),
            validations: Some(validations),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}
