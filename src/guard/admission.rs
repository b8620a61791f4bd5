//! The admission policies that refuse deletions, with the operator up or down. Builders only; who
//! installs them is in `install`.
//!
//! A policy is one entry of [`policies`]. Its selection decides which objects its rules are
//! evaluated for at all: others are never slowed, and an error in a rule closes for the selected
//! ones only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use super::PROTECTED_VALUE;
use super::cel::{map, old_annotation, quote};
use super::changes::{MARKS_POLICY, VOLUME_POLICY, build_marks_guard, build_volume_guard};
use super::fence::{FENCE_POLICY, build_agent_fence};
use super::not_yet::build_not_yet_policy;
use super::templates::{
    OTHER_CLAIM_POLICY, TEMPLATE_POLICY, build_other_claim_warning, build_template_guard,
};
use crate::api::names::{
    CONFIRM_DELETION_ANNOTATION, GROUP, LOSS_SUMMARY_ANNOTATION, OPERATOR_SERVICE_ACCOUNT,
    PROTECTED_BY_ANNOTATION, PROTECTED_LABEL,
};

/// Name of the policy, and of its binding, that refuses to delete guarded objects.
pub const DELETION_POLICY: &str = "holdfast-deletion-guard";
/// Name of the policy, and of its binding, that refuses to delete the `CustomResourceDefinition`s
/// of Holdfast.
pub const DEFINITION_POLICY: &str = "holdfast-definition-guard";
/// Names of the policies, and of their bindings, without which nothing is refused.
pub const GUARD_POLICIES: &[&str] = &[
    DELETION_POLICY,
    DEFINITION_POLICY,
    MARKS_POLICY,
    VOLUME_POLICY,
    TEMPLATE_POLICY,
    FENCE_POLICY,
];

/// How every refusal of a deletion or of a change begins.
pub const REFUSAL: &str = "Holdfast refuses to ";

/// A kind of object whose deletion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardedResource {
    /// API group; empty for the core.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Plural, as in paths.
    pub resource: &'static str,
    /// What kubectl calls it, short.
    pub word: &'static str,
    /// What would be lost.
    pub loss: &'static str,
}

/// What the label protects. A new kind is one entry.
pub const GUARDED_RESOURCES: &[GuardedResource] = &[
    GuardedResource {
        group: "",
        version: "v1",
        resource: "persistentvolumeclaims",
        word: "pvc",
        loss: "the way to the files of the database; its next start would be an empty one",
    },
    GuardedResource {
        group: "",
        version: "v1",
        resource: "persistentvolumes",
        word: "pv",
        loss: "the files of the database; the claim would be Lost, and some storage destroys the \
            disk",
    },
    GuardedResource {
        group: "",
        version: "v1",
        resource: "namespaces",
        word: "namespace",
        loss: "every database in it, with pods, claims, Secrets and backup schedules",
    },
    GuardedResource {
        group: "apps",
        version: "v1",
        resource: "statefulsets",
        word: "statefulset",
        loss: "the running database, and its claims where their retention policy says Delete",
    },
    GuardedResource {
        group: "apps",
        version: "v1",
        resource: "deployments",
        word: "deployment",
        loss: "the running database",
    },
    GuardedResource {
        group: GROUP,
        version: crate::api::names::VERSION,
        resource: "protecteddatabases",
        word: "protdb",
        loss: "the guard, the checks and the backups of the database",
    },
    GuardedResource {
        group: GROUP,
        version: crate::api::names::VERSION,
        resource: "databaseledgers",
        word: "dbledger",
        loss: "what is remembered of the database outside its namespace: which volume holds it, \
            and what was in it",
    },
];

/// Every policy with its binding, in the order in which they are installed, for an operator in
/// `operator_namespace`.
#[must_use]
pub fn policies(
    operator_namespace: &str,
) -> Vec<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)> {
    let mut all = vec![
        (
            build_deletion_guard(),
            build_binding(DELETION_POLICY, "Deny"),
        ),
        (
            build_definition_guard(operator_namespace),
            build_binding(DEFINITION_POLICY, "Deny"),
        ),
        (
            build_marks_guard(operator_namespace),
            build_binding(MARKS_POLICY, "Deny"),
        ),
        (build_volume_guard(), build_binding(VOLUME_POLICY, "Deny")),
        (
            build_template_guard(),
            build_binding(TEMPLATE_POLICY, "Deny"),
        ),
        (build_agent_fence(), build_binding(FENCE_POLICY, "Deny")),
        (
            build_other_claim_warning(),
            build_binding(OTHER_CLAIM_POLICY, "Warn"),
        ),
    ];
    all.push(build_not_yet_policy());
    all
}

/// Refuses DELETE of every labelled object of [`GUARDED_RESOURCES`].
///
/// The label is selected by the API server itself, before any CEL: on an object that does not carry
/// it the policy costs nothing and can't fail. Deletecollection arrives here item by item, without
/// `request.name`.
fn build_deletion_guard() -> ValidatingAdmissionPolicy {
    let mut variables = confirmation_variables();
    variables.extend([
        owner(),
        stake(),
        variable("loss", map_by_resource(|resource| resource.loss)),
        why(),
        look(),
    ]);
    let message = "'Holdfast refuses to delete ' + variables.target + ': ' + variables.why + '. \
        What would be lost: ' + variables.stake + variables.loss";
    let mut constraints = select_guarded();
    constraints.resource_rules = Some(
        GUARDED_RESOURCES
            .iter()
            .map(|resource| {
                rule(
                    resource.group,
                    resource.version,
                    resource.resource,
                    &["DELETE"],
                )
            })
            .collect(),
    );
    ValidatingAdmissionPolicy {
        metadata: metadata(DELETION_POLICY),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(constraints),
            variables: Some(variables),
            validations: Some(vec![refused(
                "variables.confirmed",
                message,
                "delete again",
            )]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// Refuses DELETE of our `CustomResourceDefinition`s: with one go all its objects, without being
/// asked again.
///
/// They are known by the group in their name, not by a label, so that taking a label off disarms
/// nothing.
///
/// It also refuses the operator, in `operator_namespace`, definitions of any other group: it may
/// create, to put ours back, and a role can't limit that to names. What others create is not
/// evaluated.
fn build_definition_guard(operator_namespace: &str) -> ValidatingAdmissionPolicy {
    let operator = quote(&format!(
        "system:serviceaccount:{operator_namespace}:{OPERATOR_SERVICE_ACCOUNT}"
    ));
    let ours = |object: &str| {
        format!(
            "{object}.metadata.name.endsWith({})",
            quote(&format!(".{GROUP}"))
        )
    };
    let only_ours = Validation {
        expression: format!("request.operation != 'CREATE' || {}", ours("object")),
        message: Some(
            "Holdfast's operator creates definitions of its own group only, to put them back"
                .to_owned(),
        ),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    };
    let mut variables = confirmation_variables();
    variables.push(variable(
        "look",
        "'kubectl get ' + oldObject.metadata.name + ' -A'".to_owned(),
    ));
    let message = "'Holdfast refuses to delete ' + variables.target + '. What would be lost: every \
                   object of this kind in the whole cluster, without being asked again'";
    ValidatingAdmissionPolicy {
        metadata: metadata(DEFINITION_POLICY),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![rule(
                    "apiextensions.k8s.io",
                    "v1",
                    "customresourcedefinitions",
                    &["CREATE", "DELETE"],
                )]),
                ..MatchResources::default()
            }),
            match_conditions: Some(vec![MatchCondition {
                name: "ours".to_owned(),
                expression: format!(
                    "request.operation == 'CREATE' ? request.userInfo.username == {operator} : {}",
                    ours("oldObject")
                ),
            }]),
            variables: Some(variables),
            validations: Some(vec![
                refused(
                    "request.operation == 'CREATE' || variables.confirmed",
                    message,
                    "delete again",
                ),
                only_ours,
            ]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// Selects guarded objects by their label, before any CEL. An object that is to lose the label is
/// selected as it was.
pub(super) fn select_guarded() -> MatchResources {
    MatchResources {
        object_selector: Some(LabelSelector {
            match_labels: Some([(PROTECTED_LABEL.to_owned(), PROTECTED_VALUE.to_owned())].into()),
            ..LabelSelector::default()
        }),
        ..MatchResources::default()
    }
}

/// A rule whose message, a CEL expression, ends with a command to look first and the exact one that
/// confirms.
pub(super) fn refused(allowed: &str, message: &str, again: &str) -> Validation {
    let how_to_confirm = format!(
        "'. Look first: ' + variables.look + '. If it really must be, confirm, then {again}: \
         kubectl annotate ' + variables.word + ' ' + oldObject.metadata.name + variables.place + ' \
         --overwrite ' + variables.confirmation + '=' + oldObject.metadata.uid"
    );
    Validation {
        expression: allowed.to_owned(),
        message: Some(
            "Holdfast guards this object; what was asked for must be confirmed by its UID"
                .to_owned(),
        ),
        message_expression: Some(format!("{message} + {how_to_confirm}")),
        reason: Some("Forbidden".to_owned()),
    }
}

/// The ProtectedDatabase that an object's annotation names.
pub(super) fn owner() -> Variable {
    variable("owner", old_annotation(PROTECTED_BY_ANNOTATION))
}

/// What the operator has noted on the object, as the beginning of a list.
pub(super) fn stake() -> Variable {
    let noted = old_annotation(LOSS_SUMMARY_ANNOTATION);
    variable(
        "stake",
        format!("{noted} == '' ? '' : {noted} + '; with it goes '"),
    )
}

/// Why an object is guarded.
pub(super) fn why() -> Variable {
    variable(
        "why",
        "request.resource.resource == 'namespaces' ? 'it holds databases that are guarded' : \
         request.resource.resource == 'protecteddatabases' ? 'it guards a database' : \
         variables.owner == '' ? 'a ProtectedDatabase guards it' : 'ProtectedDatabase ' + \
         variables.owner + ' guards it'"
            .to_owned(),
    )
}

/// A command that shows what is at stake.
pub(super) fn look() -> Variable {
    variable(
        "look",
        "request.resource.resource == 'namespaces' ? 'kubectl get protdb -n ' + \
         oldObject.metadata.name : !variables.owner.contains('/') ? 'kubectl get protdb -A' : \
         'kubectl describe protdb ' + variables.owner.split('/')[1] + ' -n ' + \
         variables.owner.split('/')[0]"
            .to_owned(),
    )
}

/// What every refusal needs: how to name the object, and whether a person has confirmed its
/// deletion by its own UID.
pub(super) fn confirmation_variables() -> Vec<Variable> {
    vec![
        variable("confirmation", quote(CONFIRM_DELETION_ANNOTATION)),
        variable(
            "confirmed",
            format!(
                "{} == oldObject.metadata.uid",
                old_annotation(CONFIRM_DELETION_ANNOTATION)
            ),
        ),
        variable(
            "word",
            format!(
                "{}[?request.resource.resource].orValue(request.resource.resource)",
                words()
            ),
        ),
        variable(
            "place",
            "request.resource.resource == 'namespaces' || \
             oldObject.metadata.?namespace.orValue('') == '' ? '' : ' -n ' + \
             oldObject.metadata.namespace"
                .to_owned(),
        ),
        variable(
            "target",
            "request.kind.kind + ' ' + oldObject.metadata.name + (variables.place == '' ? '' : ' \
             in namespace ' + oldObject.metadata.namespace)"
                .to_owned(),
        ),
    ]
}

fn words() -> String {
    map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, resource.word))
        .chain([("customresourcedefinitions", "crd")]))
}

fn map_by_resource(value: impl Fn(&GuardedResource) -> &'static str) -> String {
    let literal = map(GUARDED_RESOURCES
        .iter()
        .map(|resource| (resource.resource, value(resource))));
    format!("{literal}[?request.resource.resource].orValue('')")
}

pub(super) fn variable(name: &str, expression: String) -> Variable {
    Variable {
        name: name.to_owned(),
        expression,
    }
}

pub(super) fn rule(
    group: &str,
    version: &str,
    resource: &str,
    operations: &[&str],
) -> NamedRuleWithOperations {
    NamedRuleWithOperations {
        api_groups: Some(vec![group.to_owned()]),
        api_versions: Some(vec![version.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        operations: Some(
            operations
                .iter()
                .map(|operation| (*operation).to_owned())
                .collect(),
        ),
        scope: Some("*".to_owned()),
        resource_names: None,
    }
}

pub(super) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

pub(super) fn build_binding(policy: &str, action: &str) -> ValidatingAdmissionPolicyBinding {
    ValidatingAdmissionPolicyBinding {
        metadata: metadata(policy),
        spec: ValidatingAdmissionPolicyBindingSpec {
            policy_name: policy.to_owned(),
            validation_actions: vec![action.to_owned()],
            ..ValidatingAdmissionPolicyBindingSpec::default()
        },
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
