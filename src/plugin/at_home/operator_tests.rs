//! What is read of an operator's Deployment, and what is reported of it.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::api::ProtectedDatabase;

pub fn deployment(image: &str, more: &Value) -> Deployment {
    let labels = json!({"app.kubernetes.io/name": "holdfast", COMPONENT_LABEL: "operator"});
    let mut env = vec![json!({"name": IMAGE_VARIABLE, "value": image})];
    env.extend(more.as_array().into_iter().flatten().cloned());
    serde_json::from_value(json!({
        "metadata": {"name": "holdfast", "namespace": "holdfast-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"spec": {"containers": [
            {"name": "injected", "image": "mesh"},
            {"name": "holdfast", "image": "other", "env": env},
        ]}}},
        "status": {"availableReplicas": 1},
    }))
    .unwrap()
}

fn operator(more: &Value) -> Operator {
    read_operator(&deployment("holdfast:test", more)).unwrap()
}

fn findings(operator: &Operator) -> Vec<String> {
    let judged = judge_operator(operator, "kubectl apply").into_iter();
    judged.filter_map(Result::err).collect()
}

fn database(labels: &Value) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "labels": labels},
        "spec": {"workload": {"name": "pg"}, "connection": {"database": "app"}},
    }))
    .unwrap()
}

#[test]
fn an_operator_is_available_and_of_this_version() {
    let of = |image: &str| read_operator(&deployment(image, &json!([]))).unwrap();
    assert_eq!(
        findings(&of(&format!("host:5000/holdfast:v{VERSION}"))),
        [""; 0]
    );
    assert_eq!(findings(&of("host:5000/holdfast@sha256:0")), [""; 0]);
    assert_eq!(findings(&of("holdfast:test")), [""; 0]);
    assert!(findings(&of("host/holdfast:0.0.9"))[0].contains("version 0.0.9"));
    let mut down = of("holdfast:test");
    down.is_available = false;
    assert!(findings(&down)[0].contains("no available pod"));
}

#[test]
fn why_the_operator_has_no_pod_is_quoted() {
    let mut refused = deployment("holdfast:test", &json!([]));
    refused.status = serde_json::from_value(json!({"conditions": [{
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"holdfast-1\" is forbidden: label team is missing",
    }]}))
    .unwrap();
    let said = findings(&read_operator(&refused).unwrap());
    assert!(
        said[0].contains("no available pod (its pod is not created: \"pods")
            && said[0].contains("label team is missing"),
        "{said:?}"
    );
}

#[test]
fn every_setting_is_read_and_what_can_not_be_read_is_not_guessed() {
    let all = operator(&json!([
        {"name": SELECTOR_VARIABLE, "value": "shard=a"},
        {"name": LIMIT_VARIABLE, "value": "7"},
        {"name": AGENTS_VARIABLE, "value": r#"{"labels":{"a":"$$b"}}"#},
    ]));
    let settings = &all.settings;
    assert_eq!(settings.selector.as_deref(), Some("shard=a"));
    assert_eq!(settings.kept_volume_limit.as_deref(), Some("7"));
    assert_eq!(settings.agents.as_deref(), Some(r#"{"labels":{"a":"$b"}}"#));
    assert_eq!(settings.image, "holdfast:test");
    assert_eq!(all.not_known, [""; 0]);
    let twice = operator(&json!([
        {"name": LIMIT_VARIABLE, "value": "7"},
        {"name": LIMIT_VARIABLE, "value": "8"},
    ]));
    assert_eq!(twice.settings.kept_volume_limit.as_deref(), Some("8"));

    let elsewhere = json!({"configMapKeyRef": {"name": "a", "key": "b"}});
    let hidden = operator(&json!([{"name": SELECTOR_VARIABLE, "valueFrom": elsewhere}]));
    assert!(
        hidden.not_known[0].contains(SELECTOR_VARIABLE),
        "{:?}",
        hidden.not_known
    );
}

#[test]
fn settings_that_an_operator_can_not_start_with_are_findings() {
    for (variable, value) in [
        (AGENTS_VARIABLE, r#"{"labels":{"a b":""}}"#),
        (SELECTOR_VARIABLE, "a b"),
        (LIMIT_VARIABLE, "0"),
    ] {
        let wrong = operator(&json!([{"name": variable, "value": value}]));
        let said = findings(&wrong);
        assert!(said.iter().any(|said| said.contains(variable)), "{said:?}");
    }
}

/// An operator of another selector works, and not for this database.
#[test]
fn a_database_has_exactly_one_operator() {
    let mine = operator(&json!([{"name": SELECTOR_VARIABLE, "value": "shard=a"}]));
    let rest = operator(&json!([{"name": SELECTOR_VARIABLE, "value": "!shard"}]));
    let elsewhere = operator(&json!([{"name": NAMESPACE_VARIABLE, "value": "shop"}]));
    let judge = |operators: &[Operator], labels: &Value| {
        judge_selection(operators, ("atra", "knowledge"), &database(labels))
    };
    let both = [mine.clone(), rest.clone()];
    assert!(judge(&both, &json!({"shard": "a"})).is_ok());
    assert!(judge(&both, &json!({})).is_ok());
    let none = judge(&both, &json!({"shard": "b"})).unwrap_err();
    assert!(
        none.contains("no operator works on it") && none.contains("shard=a"),
        "{none}"
    );
    let twice = judge(&[mine.clone(), mine], &json!({"shard": "a"})).unwrap_err();
    assert!(twice.contains("at once"), "{twice}");
    let other = judge(&[elsewhere], &json!({})).unwrap_err();
    assert!(other.contains(NAMESPACE_VARIABLE), "{other}");
}

#[test]
fn another_deployment_is_no_operator() {
    let mut other = deployment("holdfast:test", &json!([]));
    other.metadata.name = Some("web".to_owned());
    let spec = other.spec.as_mut().unwrap();
    spec.selector.match_labels = None;
    assert!(read_operator(&other).is_none());
}
