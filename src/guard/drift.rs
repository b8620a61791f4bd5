//! Whether a policy that the API server has is the one that this operator builds. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use serde::Serialize;
use serde_json::Value;

use super::version::is_newer;

/// What keeps a policy from being known to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The policy is not the one that was built.
    Policy,
    /// Its binding is not the one that was built.
    Binding,
    /// The policy says that a newer version has installed it, and does not have all rules of this
    /// version: it is that version's to restore, and what it refuses can't be told here.
    Newer,
}

/// What keeps a policy of ours from being known to be in force. `None` when both objects say what the
/// builders say, nothing less and nothing more; the defaults that the API server fills in are
/// passed over. A newer version's may say more, which only refuses more.
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
    if policy_differs(present.0, built.0) {
        return Some(Changed::Policy);
    }
    if binding_differs(present.1, built.1) {
        return Some(Changed::Binding);
    }
    let is_proven = is_built(&value(&present.0.spec), &value(&built.0.spec))
        || has_every_rule(present.0, built.0);
    (!is_proven).then_some(Changed::Newer)
}

/// Whether a policy is to be restored: it is not the one that was built, and not a newer version's
/// either.
#[must_use]
pub fn policy_differs(
    present: &ValidatingAdmissionPolicy,
    built: &ValidatingAdmissionPolicy,
) -> bool {
    present.metadata.name != built.metadata.name
        || !(is_built(&value(&present.spec), &value(&built.spec))
            || is_newer_policy(present, built))
}

/// The same for a binding.
#[must_use]
pub fn binding_differs(
    present: &ValidatingAdmissionPolicyBinding,
    built: &ValidatingAdmissionPolicyBinding,
) -> bool {
    present.metadata.name != built.metadata.name
        || !(is_built(&value(&present.spec), &value(&built.spec))
            || is_newer_binding(present, built))
}

/// Whether a newer version has installed a policy, which still fails closed. What it says is that
/// version's.
fn is_newer_policy(present: &ValidatingAdmissionPolicy, built: &ValidatingAdmissionPolicy) -> bool {
    let fails = |policy: &ValidatingAdmissionPolicy| {
        let spec = policy.spec.as_ref();
        spec.and_then(|spec| spec.failure_policy.clone())
    };
    // Whom it is about is compared: a policy for nobody refuses nothing. One may be for more.
    let rules = |policy: &ValidatingAdmissionPolicy| {
        let constraints = policy.spec.as_ref()?.match_constraints.as_ref()?;
        constraints.resource_rules.clone()
    };
    let (rules, wanted) = (rules(present), rules(built));
    let has_every_kind = wanted.iter().flatten().all(|wanted| {
        let mut rules = rules.iter().flatten();
        rules.any(|rule| is_built(&value(rule), &value(wanted)))
    });
    let reaches = |policy: &ValidatingAdmissionPolicy| {
        let spec = policy.spec.as_ref();
        spec.map(|spec| {
            let mut constraints = spec.match_constraints.clone();
            if let Some(constraints) = &mut constraints {
                constraints.resource_rules = None;
            }
            (spec.match_conditions.clone(), constraints)
        })
    };
    let refuses = |policy: &ValidatingAdmissionPolicy| {
        let validations = policy
            .spec
            .as_ref()
            .and_then(|spec| spec.validations.as_ref());
        validations.map_or(0, Vec::len)
    };
    is_newer(&present.metadata)
        && fails(present) == fails(built)
        && refuses(present) >= refuses(built)
        && has_every_kind
        && is_built(&value(&reaches(present)), &value(&reaches(built)))
}

/// Whether a policy has every rule that was built, word for word, with all that they compute. More
/// rules refuse more.
fn has_every_rule(present: &ValidatingAdmissionPolicy, built: &ValidatingAdmissionPolicy) -> bool {
    let (Some(present), Some(built)) = (&present.spec, &built.spec) else {
        return false;
    };
    let variables = present.variables.as_deref().unwrap_or_default();
    let validations = present.validations.as_deref().unwrap_or_default();
    let mut computed = built.variables.iter().flatten();
    let mut rules = built.validations.iter().flatten();
    present.param_kind == built.param_kind
        && computed.all(|built| variables.contains(built))
        && rules.all(|built| {
            let mut same = validations.iter();
            same.any(|rule| rule.expression == built.expression)
        })
}

/// Whether a newer version has installed a binding, which still refuses by the same policy.
fn is_newer_binding(
    present: &ValidatingAdmissionPolicyBinding,
    built: &ValidatingAdmissionPolicyBinding,
) -> bool {
    let reaches = |binding: &ValidatingAdmissionPolicyBinding| {
        value(&binding.spec.match_resources.clone().unwrap_or_default())
    };
    is_newer(&present.metadata)
        && present.spec.policy_name == built.spec.policy_name
        && present.spec.validation_actions == built.spec.validation_actions
        && present.spec.param_ref == built.spec.param_ref
        && is_built(&reaches(present), &reaches(built))
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

    use k8s_openapi::api::admissionregistration::v1::{
        MatchCondition, MatchResources, ParamKind, ParamRef, Validation,
    };
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    use super::super::policies;
    use super::*;
    use crate::api::names::DEFINITION_VERSION_ANNOTATION;

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

    /// An older operator would undo an upgrade. One that refuses nothing is no newer version of ours.
    #[test]
    fn what_a_newer_version_has_installed_is_left_alone_as_long_as_it_refuses() {
        for (policy, binding) in policies("holdfast-system") {
            let of_version = |version: &str| {
                let annotation = (DEFINITION_VERSION_ANNOTATION.to_owned(), version.to_owned());
                let (mut policy, mut binding) = (policy.clone(), binding.clone());
                policy.metadata.annotations = Some([annotation.clone()].into());
                binding.metadata.annotations = Some([annotation].into());
                policy.spec.as_mut().unwrap().variables = None;
                let validations = policy.spec.as_mut().unwrap().validations.as_mut().unwrap();
                validations[0].expression = "what that version refuses".to_owned();
                binding.spec.match_resources = Some(MatchResources::default());
                (policy, binding)
            };
            let difference =
                |present: &(_, _)| policy_difference((&present.0, &present.1), (&policy, &binding));
            assert_eq!(difference(&of_version("99.0.0")), Some(Changed::Newer));
            assert!(
                !policy_differs(&of_version("99.0.0").0, &policy),
                "it is not restored"
            );
            assert_eq!(difference(&of_version("0.0.1")), Some(Changed::Policy));
            assert_eq!(difference(&of_version("any")), Some(Changed::Policy));
            let mut open = of_version("99.0.0");
            open.0.spec.as_mut().unwrap().failure_policy = Some("other".to_owned());
            assert_eq!(difference(&open), Some(Changed::Policy));
            let mut empty = of_version("99.0.0");
            empty.0.spec.as_mut().unwrap().validations = None;
            assert_eq!(difference(&empty), Some(Changed::Policy));
            let mut of_nobody = of_version("99.0.0");
            of_nobody.0.spec.as_mut().unwrap().match_conditions = Some(vec![MatchCondition {
                name: "nobody".to_owned(),
                expression: "false".to_owned(),
            }]);
            assert_eq!(difference(&of_nobody), Some(Changed::Policy));
            let mut elsewhere = of_version("99.0.0");
            let labels = [("kept".to_owned(), "out".to_owned())].into();
            elsewhere.1.spec.match_resources = Some(MatchResources {
                namespace_selector: Some(LabelSelector {
                    match_labels: Some(labels),
                    ..LabelSelector::default()
                }),
                ..MatchResources::default()
            });
            assert_eq!(difference(&elsewhere), Some(Changed::Binding));
            let mut fewer = of_version("99.0.0");
            let constraints = fewer.0.spec.as_mut().unwrap().match_constraints.as_mut();
            let rules = constraints.unwrap().resource_rules.as_mut().unwrap();
            rules.pop();
            assert_eq!(difference(&fewer), Some(Changed::Policy));
            let mut unbound = of_version("99.0.0");
            unbound.1.spec.validation_actions = vec!["Audit".to_owned()];
            assert_eq!(difference(&unbound), Some(Changed::Binding));
            let mut of_another = of_version("99.0.0");
            of_another.1.spec.policy_name = "another".to_owned();
            assert_eq!(difference(&of_another), Some(Changed::Binding));
            let mut by_others = of_version("99.0.0");
            by_others.1.spec.param_ref = Some(ParamRef {
                name: Some("another".to_owned()),
                ..ParamRef::default()
            });
            assert_eq!(difference(&by_others), Some(Changed::Binding));
        }
    }

    /// Whoever may write a policy may write any version on it: the word of the object is no proof. What
    /// has every rule of this version refuses at least as much.
    #[test]
    fn a_newer_version_is_believed_only_for_the_rules_that_are_known_here() {
        for (policy, binding) in policies("holdfast-system") {
            let newer = |change: &dyn Fn(&mut ValidatingAdmissionPolicy)| {
                let mut newer = policy.clone();
                let annotation = (
                    DEFINITION_VERSION_ANNOTATION.to_owned(),
                    "99.0.0".to_owned(),
                );
                newer.metadata.annotations = Some([annotation].into());
                change(&mut newer);
                policy_difference((&newer, &binding), (&policy, &binding))
            };
            assert_eq!(newer(&|_| {}), None, "an upgrade that changes no rule");
            let more = |policy: &mut ValidatingAdmissionPolicy| {
                let spec = policy.spec.as_mut().unwrap();
                let rule = Validation {
                    expression: "object.spec.more".to_owned(),
                    ..Validation::default()
                };
                spec.validations.as_mut().unwrap().insert(0, rule);
                let constraints = spec.match_constraints.as_mut().unwrap();
                let kinds = constraints.resource_rules.as_mut().unwrap();
                let mut further = kinds[0].clone();
                further.resources = Some(vec!["cronjobs".to_owned()]);
                kinds.push(further);
            };
            assert_eq!(newer(&more), None, "it refuses more");
            let by_others = |policy: &mut ValidatingAdmissionPolicy| {
                policy.spec.as_mut().unwrap().param_kind = Some(ParamKind {
                    api_version: Some("v1".to_owned()),
                    kind: Some("ConfigMap".to_owned()),
                });
            };
            assert_eq!(newer(&by_others), Some(Changed::Newer), "parameters");
            let rules = policy.spec.as_ref().unwrap().validations.as_ref().unwrap();
            for place in 0..rules.len() {
                let open = |policy: &mut ValidatingAdmissionPolicy| {
                    let spec = policy.spec.as_mut().unwrap();
                    let expression = &mut spec.validations.as_mut().unwrap()[place].expression;
                    *expression = format!("true || ({expression})");
                };
                assert_eq!(newer(&open), Some(Changed::Newer), "rule {place}");
            }
            let variables = policy.spec.as_ref().unwrap().variables.as_ref();
            for place in 0..variables.map_or(0, Vec::len) {
                let other = |policy: &mut ValidatingAdmissionPolicy| {
                    let spec = policy.spec.as_mut().unwrap();
                    spec.variables.as_mut().unwrap()[place].expression = "true".to_owned();
                };
                assert_eq!(newer(&other), Some(Changed::Newer), "variable {place}");
            }
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
