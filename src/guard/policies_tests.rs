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
