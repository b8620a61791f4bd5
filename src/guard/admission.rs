//! The admission policies that refuse deletions, with the operator up or down. Builders only; who installs them is in `install`.
//!
//! A policy is one entry of [`policies`]. Its selection decides which objects its rules are evaluated for at all: others are
//! never slowed, and an error in a rule closes for the selected ones only.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use super::PROTECTED_VALUE;
use super::cel::{map, old_annotation, quote};
use super::not_yet::build_not_yet_policies;
use crate::api::names::{CONFIRM_DELETION_ANNOTATION, GROUP, PROTECTED_BY_ANNOTATION, PROTECTED_LABEL};

/// Name of the policy, and of its binding, that refuses to delete guarded objects.
pub const DELETION_POLICY: &str = "holdfast-deletion-guard";
/// Name of the policy, and of its binding, that refuses to delete the `CustomResourceDefinition`s of Holdfast.
pub const DEFINITION_POLICY: &str = "holdfast-definition-guard";
/// Names of the policies, and of their bindings, without which nothing is refused.
pub const GUARD_POLICIES: &[&str] = &[DELETION_POLICY, DEFINITION_POLICY];

/// A kind of object whose deletion is refused.
struct GuardedResource {
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    /// What kubectl calls it, short.
    word: &'static str,
    /// What would be lost.
    loss: &'static str,
}

/// What the label protects. A new kind is one entry.
const GUARDED_RESOURCES: &[GuardedResource] = &[
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
        loss: "the files of the database; the claim would be Lost, and some storage destroys the disk",
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
    GuardedResource { group: "apps", version: "v1", resource: "deployments", word: "deployment", loss: "the running database" },
    GuardedResource {
        group: GROUP,
        version: crate::api::names::VERSION,
        resource: "protecteddatabases",
        word: "protdb",
        loss: "the guard, the checks and the backups of the database",
    },
];

/// Every policy with its binding, in the order in which they are installed.
#[must_use]
pub fn policies() -> Vec<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)> {
    let mut all = vec![
        (build_deletion_guard(), build_binding(DELETION_POLICY, "Deny")),
        (build_definition_guard(), build_binding(DEFINITION_POLICY, "Deny")),
    ];
    all.extend(build_not_yet_policies());
    all
}

/// Refuses DELETE of every labelled object of [`GUARDED_RESOURCES`].
///
/// The label is selected by the API server itself, before any CEL: on an object that does not carry it the policy costs nothing
/// and can't fail. Deletecollection arrives here item by item, without `request.name`.
fn build_deletion_guard() -> ValidatingAdmissionPolicy {
    let mut variables = confirmation_variables();
    variables.extend([
        variable("owner", old_annotation(PROTECTED_BY_ANNOTATION)),
        variable("loss", map_by_resource(|resource| resource.loss)),
        variable(
            "why",
            "request.resource.resource == 'namespaces' ? 'it holds databases that are guarded' : request.resource.resource == 'protecteddatabases' ? 'it guards a database' \
             : variables.owner == '' ? 'a ProtectedDatabase guards it' : 'ProtectedDatabase ' + variables.owner + ' guards it'"
                .to_owned(),
        ),
        variable(
            "look",
            "request.resource.resource == 'namespaces' ? 'kubectl get protdb -n ' + oldObject.metadata.name : !variables.owner.contains('/') ? 'kubectl get protdb -A' \
             : 'kubectl describe protdb ' + variables.owner.split('/')[1] + ' -n ' + variables.owner.split('/')[0]"
                .to_owned(),
        ),
    ]);
    let message = format!(
        "'Holdfast refuses to delete ' + variables.target + ': ' + variables.why + '. What would be lost: ' + variables.loss + {HOW_TO_CONFIRM}"
    );
    let mut constraints = MatchResources {
        object_selector: Some(LabelSelector {
            match_labels: Some([(PROTECTED_LABEL.to_owned(), PROTECTED_VALUE.to_owned())].into()),
            ..LabelSelector::default()
        }),
        ..MatchResources::default()
    };
    constraints.resource_rules =
        Some(GUARDED_RESOURCES.iter().map(|resource| rule(resource.group, resource.version, resource.resource, &["DELETE"])).collect());
    ValidatingAdmissionPolicy {
        metadata: metadata(DELETION_POLICY),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(constraints),
            variables: Some(variables),
            validations: Some(vec![confirmed(message, "Holdfast guards this object: its deletion must be confirmed")]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// Refuses DELETE of our `CustomResourceDefinition`s: with one go all its objects, without being asked again.
///
/// They are known by the group in their name, not by a label, so that taking a label off disarms nothing.
fn build_definition_guard() -> ValidatingAdmissionPolicy {
    let mut variables = confirmation_variables();
    variables.push(variable("look", "'kubectl get ' + oldObject.metadata.name + ' -A'".to_owned()));
    let message = format!(
        "'Holdfast refuses to delete ' + variables.target + '. What would be lost: every object of this kind in the whole cluster, without being \
         asked again' + {HOW_TO_CONFIRM}"
    );
    ValidatingAdmissionPolicy {
        metadata: metadata(DEFINITION_POLICY),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![rule("apiextensions.k8s.io", "v1", "customresourcedefinitions", &["DELETE"])]),
                ..MatchResources::default()
            }),
            match_conditions: Some(vec![MatchCondition {
                name: "ours".to_owned(),
                expression: format!("oldObject.metadata.name.endsWith({})", quote(&format!(".{GROUP}"))),
            }]),
            variables: Some(variables),
            validations: Some(vec![confirmed(message, "Holdfast guards its own kinds: the deletion of this one must be confirmed")]),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// The end of every message: the exact command that confirms, and one to look first. CEL, to be put after a `+`.
const HOW_TO_CONFIRM: &str = "'. Look first: ' + variables.look + '. If it really must go, confirm, then delete again: kubectl annotate ' + variables.word \
    + ' ' + oldObject.metadata.name + variables.place + ' --overwrite ' + variables.confirmation + '=' + oldObject.metadata.uid";

/// What every refusal needs: how to name the object, and whether a person has confirmed its deletion by its own UID.
fn confirmation_variables() -> Vec<Variable> {
    vec![
        variable("confirmation", quote(CONFIRM_DELETION_ANNOTATION)),
        variable("confirmed", format!("{} == oldObject.metadata.uid", old_annotation(CONFIRM_DELETION_ANNOTATION))),
        variable("word", format!("{}[?request.resource.resource].orValue(request.resource.resource)", words())),
        variable(
            "place",
            "request.resource.resource == 'namespaces' || oldObject.metadata.?namespace.orValue('') == '' ? '' : ' -n ' + oldObject.metadata.namespace".to_owned(),
        ),
        variable(
            "target",
            "request.kind.kind + ' ' + oldObject.metadata.name + (variables.place == '' ? '' : ' in namespace ' + oldObject.metadata.namespace)".to_owned(),
        ),
    ]
}

fn words() -> String {
    map(GUARDED_RESOURCES.iter().map(|resource| (resource.resource, resource.word)).chain([("customresourcedefinitions", "crd")]))
}

fn map_by_resource(value: impl Fn(&GuardedResource) -> &'static str) -> String {
    let literal = map(GUARDED_RESOURCES.iter().map(|resource| (resource.resource, value(resource))));
    format!("{literal}[?request.resource.resource].orValue('')")
}

fn confirmed(message_expression: String, message: &str) -> Validation {
    Validation {
        expression: "variables.confirmed".to_owned(),
        message: Some(message.to_owned()),
        message_expression: Some(message_expression),
        reason: Some("Forbidden".to_owned()),
    }
}

pub(super) fn variable(name: &str, expression: String) -> Variable {
    Variable { name: name.to_owned(), expression }
}

pub(super) fn rule(group: &str, version: &str, resource: &str, operations: &[&str]) -> NamedRuleWithOperations {
    NamedRuleWithOperations {
        api_groups: Some(vec![group.to_owned()]),
        api_versions: Some(vec![version.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        operations: Some(operations.iter().map(|operation| (*operation).to_owned()).collect()),
        scope: Some("*".to_owned()),
        resource_names: None,
    }
}

pub(super) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
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
