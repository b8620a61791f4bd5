//! The parts that every admission policy is put together from. Nothing here knows a particular
//! policy.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use super::PROTECTED_VALUE;
use super::cel::quote;
use crate::api::names::{GROUP, PROTECTED_LABEL, VERSION};

/// A policy with its binding.
pub type BoundPolicy = (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding);

/// A policy that fails closed for the objects that it selects.
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
            // The API server leaves an empty list out, and would never have what was built.
            variables: (!variables.is_empty()).then_some(variables),
            validations: Some(validations),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// Binds a policy that refuses.
pub(super) fn denying(policy: ValidatingAdmissionPolicy) -> BoundPolicy {
    bind(policy, "Deny")
}

/// Binds a policy that warns and never refuses.
pub(super) fn warning(policy: ValidatingAdmissionPolicy) -> BoundPolicy {
    bind(policy, "Warn")
}

fn bind(policy: ValidatingAdmissionPolicy, action: &str) -> BoundPolicy {
    let name = policy.metadata.name.clone().unwrap_or_default();
    let binding = ValidatingAdmissionPolicyBinding {
        metadata: metadata(&name),
        spec: ValidatingAdmissionPolicyBindingSpec {
            policy_name: name,
            validation_actions: vec![action.to_owned()],
            ..ValidatingAdmissionPolicyBindingSpec::default()
        },
    };
    (policy, binding)
}

/// Evaluates a policy only for requests of which this is true; others cost nothing.
pub(super) fn only_where(
    mut policy: ValidatingAdmissionPolicy,
    name: &str,
    expression: String,
) -> ValidatingAdmissionPolicy {
    if let Some(spec) = &mut policy.spec {
        spec.match_conditions = Some(vec![MatchCondition {
            name: name.to_owned(),
            expression,
        }]);
    }
    policy
}

/// Lets a policy fail open: a warning is no reason to refuse anything.
pub(super) fn failing_open(mut policy: ValidatingAdmissionPolicy) -> ValidatingAdmissionPolicy {
    if let Some(spec) = &mut policy.spec {
        spec.failure_policy = Some("Ignore".to_owned());
    }
    policy
}

/// A policy that warns when a ProtectedDatabase is created, or when a part of it is changed. The
/// operator's own writes change no spec, so they are not warned about.
pub(super) fn database_warning(
    name: &str,
    part: &str,
    warnings: Vec<Validation>,
) -> ValidatingAdmissionPolicy {
    let constraints = MatchResources {
        resource_rules: Some(vec![rule(
            GROUP,
            VERSION,
            "protecteddatabases",
            &["CREATE", "UPDATE"],
        )]),
        ..MatchResources::default()
    };
    let warns = failing_open(policy(name, constraints, Vec::new(), warnings));
    let last = part.rsplit('.').next().unwrap_or(part);
    let last = last.trim_start_matches('?');
    only_where(
        warns,
        &format!("{last}-changed"),
        format!("request.operation == 'CREATE' || object.{part} != oldObject.{part}"),
    )
}

/// Selects guarded objects by their label, before any CEL. An object that is to lose the label is
/// selected as it was.
pub(super) fn select_guarded(rules: Vec<NamedRuleWithOperations>) -> MatchResources {
    MatchResources {
        object_selector: Some(LabelSelector {
            match_labels: Some([(PROTECTED_LABEL.to_owned(), PROTECTED_VALUE.to_owned())].into()),
            ..LabelSelector::default()
        }),
        resource_rules: Some(rules),
        ..MatchResources::default()
    }
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

/// A rule whose message is always the same text.
pub(super) fn forbid_unless(allowed: String, message: &str) -> Validation {
    Validation {
        expression: allowed,
        message: Some(message.to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

/// A rule about a list of paths of the object that must be empty: its message names the first in the order
/// of the alphabet, so that it is the same each time.
pub(super) fn forbid_naming(list: &str, message: &str, is: &str) -> Validation {
    let said = quote(&format!("{message}; "));
    Validation {
        message_expression: Some(format!(
            "{said} + {list}.min() + {}",
            quote(&format!(" {is}"))
        )),
        ..forbid_unless(format!("{list}.size() == 0"), message)
    }
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
