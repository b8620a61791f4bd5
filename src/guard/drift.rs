//! Whether a policy that the API server has is the one that this operator builds. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use serde::Serialize;
use serde_json::Value;

/// Which of the two objects is not the one that was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Policy,
    Binding,
}

/// What keeps a policy of ours from being in force as built. `None` when both objects say what the
/// builders say, nothing less and nothing more; the defaults that the API server fills in are
/// passed over.
#[must_use]
pub fn policy_difference(
    present: (
        &ValidatingAdmissionPolicy,
        &ValidatingAdmissionPolicyBinding,
    ),
    built: (
        &ValidatingAdmissionPolicy,
        &ValidatingAdmissionPolicyBinding,
    ),
) -> Option<Changed> {
    if present.0.metadata.name != built.0.metadata.name
        || !is_built(&value(&present.0.spec), &value(&built.0.spec))
    {
        return Some(Changed::Policy);
    }
    if present.1.metadata.name != built.1.metadata.name
        || !is_built(&value(&present.1.spec), &value(&built.1.spec))
    {
        return Some(Changed::Binding);
    }
    None
}

pub(super) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or(Value::Null)
}

/// Whether `present` is what was built, except for defaults: one field more can take every object out
/// of a policy's reach.
pub(super) fn is_built(present: &Value, built: &Value) -> bool {
    match (present, built) {
        (Value::Object(present), Value::Object(built)) => {
            built.iter().all(|(key, value)| {
                present
                    .get(key)
                    .is_some_and(|present| is_built(present, value))
            }) && present
                .iter()
                .all(|(key, value)| built.contains_key(key) || is_default(key, value))
        }
        (Value::Array(present), Value::Array(built)) => {
            present.len() == built.len()
                && present
                    .iter()
                    .zip(built)
                    .all(|(present, built)| is_built(present, built))
        }
        (present, built) => present == built,
    }
}

/// Whether a field that was not built means nothing: what the API server fills in, or nothing at
/// all.
fn is_default(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.iter().all(|(key, value)| is_default(key, value)),
        Value::String(text) => key == "matchPolicy" && text == "Equivalent",
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use k8s_openapi::api::admissionregistration::v1::{MatchCondition, MatchResources};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    use super::super::policies;
    use super::*;

    #[test]
    fn what_was_built_is_in_force_also_with_the_defaults_of_the_api_server() {
        for (policy, binding) in policies("holdfast-system") {
            assert_eq!(
                policy_difference((&policy, &binding), (&policy, &binding)),
                None
            );
            let mut defaulted = policy.clone();
            let constraints = defaulted
                .spec
                .as_mut()
                .unwrap()
                .match_constraints
                .as_mut()
                .unwrap();
            constraints.match_policy = Some("Equivalent".to_owned());
            constraints.namespace_selector = Some(LabelSelector::default());
            constraints.object_selector.get_or_insert_default();
            assert_eq!(
                policy_difference((&defaulted, &binding), (&policy, &binding)),
                None
            );
        }
    }

    #[test]
    fn each_loosening_is_seen() {
        for (policy, binding) in policies("holdfast-system") {
            let loosened = |change: &dyn Fn(&mut ValidatingAdmissionPolicy)| {
                let mut changed = policy.clone();
                change(&mut changed);
                assert!(
                    policy_difference((&changed, &binding), (&policy, &binding))
                        == Some(Changed::Policy)
                );
            };
            loosened(&|policy| policy.metadata.name = Some("another".to_owned()));
            loosened(&|policy| policy.spec = None);
            loosened(&|policy| policy.spec.as_mut().unwrap().validations = None);
            loosened(&|policy| {
                policy.spec.as_mut().unwrap().failure_policy = Some("other".to_owned());
            });
            loosened(&|policy| {
                let never = MatchCondition {
                    name: "never".to_owned(),
                    expression: "false".to_owned(),
                };
                policy
                    .spec
                    .as_mut()
                    .unwrap()
                    .match_conditions
                    .get_or_insert_default()
                    .push(never);
            });
            loosened(&|policy| {
                let constraints = policy
                    .spec
                    .as_mut()
                    .unwrap()
                    .match_constraints
                    .as_mut()
                    .unwrap();
                constraints.namespace_selector = Some(LabelSelector {
                    match_labels: Some([("a".to_owned(), "b".to_owned())].into()),
                    ..LabelSelector::default()
                });
            });
            loosened(&|policy| {
                let constraints = policy
                    .spec
                    .as_mut()
                    .unwrap()
                    .match_constraints
                    .as_mut()
                    .unwrap();
                constraints.exclude_resource_rules = constraints.resource_rules.clone();
            });
        }
    }

    #[test]
    fn each_loosening_of_a_binding_is_seen() {
        for (policy, binding) in policies("holdfast-system") {
            let mut audits = binding.clone();
            audits.spec.validation_actions = vec!["Audit".to_owned()];
            assert!(
                policy_difference((&policy, &audits), (&policy, &binding))
                    == Some(Changed::Binding)
            );
            let mut elsewhere = binding.clone();
            elsewhere.spec.policy_name = "another".to_owned();
            assert!(
                policy_difference((&policy, &elsewhere), (&policy, &binding))
                    == Some(Changed::Binding)
            );
            let mut narrow = binding.clone();
            narrow.spec.match_resources = Some(MatchResources {
                namespace_selector: Some(LabelSelector {
                    match_labels: Some([("a".to_owned(), "b".to_owned())].into()),
                    ..LabelSelector::default()
                }),
                ..MatchResources::default()
            });
            assert!(
                policy_difference((&policy, &narrow), (&policy, &binding))
                    == Some(Changed::Binding)
            );
        }
    }
}
