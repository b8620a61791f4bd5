//! Tests of the policies as text. What the API server makes of them is tested end to end.
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on should say where"
)]

use super::*;

#[test]
fn every_policy_has_a_binding_of_its_own_name() {
    for (policy, binding) in policies("holdfast-system") {
        assert_eq!(policy.metadata.name, binding.metadata.name);
        assert_eq!(policy.metadata.name.unwrap(), binding.spec.policy_name);
    }
}

#[test]
fn the_guards_fail_closed_and_deny_and_everything_else_fails_open() {
    for (policy, binding) in policies("holdfast-system") {
        let guards = GUARD_POLICIES.contains(&policy.metadata.name.as_deref().unwrap());
        let spec = policy.spec.unwrap();
        assert_eq!(
            spec.failure_policy.as_deref(),
            Some(if guards { "Fail" } else { "Ignore" })
        );
        assert_eq!(
            binding.spec.validation_actions,
            [if guards { "Deny" } else { "Warn" }]
        );
    }
}

#[test]
fn a_guard_that_fails_closed_selects_its_objects_before_any_rule_runs() {
    for (policy, _) in policies("holdfast-system") {
        let spec = policy.spec.unwrap();
        let constraints = spec.match_constraints.unwrap();
        assert!(constraints.object_selector.is_some() || spec.match_conditions.is_some());
        let wildcard = "*".to_owned();
        for rule in constraints.resource_rules.unwrap() {
            assert!(
                !rule.resources.unwrap().contains(&wildcard)
                    && !rule.api_groups.unwrap().contains(&wildcard)
            );
        }
    }
}

#[test]
fn no_expression_looks_up_a_map_without_the_optional_syntax() {
    for (policy, _) in policies("holdfast-system") {
        let text = serde_json::to_string(&policy).unwrap();
        for bare in ["annotations[", "labels[", "request.name"] {
            assert!(
                !text
                    .replace("annotations[?", "")
                    .replace("labels[?", "")
                    // Part of a message.
                    .replace("'metadata.labels['", "")
                    .replace("request.namespace", "")
                    .contains(bare),
                "{bare}"
            );
        }
    }
}

#[test]
fn messages_are_one_line_because_the_api_server_drops_those_that_are_not() {
    for (policy, _) in policies("holdfast-system") {
        for validation in policy.spec.unwrap().validations.unwrap() {
            assert!(
                !validation
                    .message_expression
                    .unwrap_or_default()
                    .contains("\\n")
            );
            assert!(
                validation
                    .message
                    .is_some_and(|message| !message.contains('\n'))
            );
        }
    }
}

/// A rule that a confirmed change may break must be in the policy that has a clock too: otherwise the
/// confirmation does not end there while no operator runs.
#[test]
fn what_a_confirmed_change_permits_ends() {
    let all = policies("holdfast-system");
    let expressions = |policy: &BoundPolicy| {
        let spec = policy.0.spec.clone().unwrap();
        let validations = spec.validations.unwrap().into_iter();
        validations
            .map(|validation| validation.expression)
            .collect::<Vec<_>>()
    };
    let name = |policy: &BoundPolicy| policy.0.metadata.name.clone().unwrap();
    let end = all
        .iter()
        .find(|policy| name(policy) == CONFIRMATION_END_POLICY);
    let end = expressions(end.unwrap()).join("\n");
    let mut permitted = 0;
    for policy in &all {
        for expression in expressions(policy) {
            let Some((kept, _)) = expression.split_once(" || variables.change_confirmed") else {
                continue;
            };
            permitted += 1;
            assert!(end.contains(kept), "{}: {kept}", name(policy));
        }
    }
    assert!(permitted >= 5, "{permitted}");
}

/// A confirmation permits what its verb says, and each policy asks for one.
#[test]
fn a_confirmation_of_one_verb_is_in_no_rule_of_the_other() {
    for (policy, _) in policies("holdfast-system") {
        let name = policy.metadata.name.unwrap();
        let spec = policy.spec.unwrap();
        let rules = spec.match_constraints.unwrap().resource_rules.unwrap();
        let operations: Vec<String> = rules
            .into_iter()
            .flat_map(|rule| rule.operations.unwrap())
            .collect();
        let only = |operation: &str| operations.iter().all(|found| found == operation);
        for validation in spec.validations.unwrap() {
            let expression = validation.expression;
            if only("DELETE") {
                assert!(
                    !expression.contains("change_confirmed"),
                    "{name}: {expression}"
                );
            }
            if name == VOLUME_POLICY || name == TEMPLATE_POLICY {
                assert!(
                    !expression.contains("deletion_confirmed"),
                    "{name}: {expression}"
                );
            }
        }
    }
}

/// A clock that does not answer closes nothing: the other policies refuse without it.
#[test]
fn without_a_clock_the_end_refuses_nothing() {
    for (policy, binding) in policies("holdfast-system") {
        let has_clock = policy.metadata.name.as_deref() == Some(CONFIRMATION_END_POLICY);
        assert_eq!(policy.spec.unwrap().param_kind.is_some(), has_clock);
        let parameters = binding.spec.param_ref;
        assert_eq!(parameters.is_some(), has_clock);
        if let Some(parameters) = parameters {
            let action = parameters.parameter_not_found_action;
            assert_eq!(action.as_deref(), Some("Allow"));
        }
    }
}
