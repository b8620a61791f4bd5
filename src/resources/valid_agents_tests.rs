//! What can't be asked of agents' pods is refused by name, and the schema's rules say the same.
#![allow(clippy::unwrap_used, reason = "tests")]

use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::*;
use crate::api::ProtectedDatabase;

fn errors(agents: Value) -> Vec<String> {
    let agents = serde_json::from_value(agents).unwrap();
    let errors = agent_errors("spec.agents", &agents).into_iter();
    errors.map(|error| error.field).collect()
}

#[test]
fn what_can_be_asked_for_is_not_refused() {
    let all = json!({
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
        "nodeSelector": {"kubernetes.io/os": "linux", "disk": "fast"},
        "labels": {"team": "data"}, "annotations": {"sidecar.istio.io/inject": "true"},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "securityContext": {
            "runAsUser": 1000, "supplementalGroups": [2000], "runAsNonRoot": true, "privileged": false,
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "Localhost", "localhostProfile": "agent.json"},
            "seLinuxOptions": {"level": "s0:c1", "type": "container_t"},
        },
    });
    assert_eq!(errors(all), Vec::<String>::new());
    assert_eq!(
        errors(json!({"assignedUser": true, "securityContext": {"supplementalGroups": [1]}})),
        Vec::<String>::new()
    );
}

#[test]
fn what_can_not_be_asked_for_is_refused_by_name() {
    for (agents, field) in [
        (
            json!({"labels": {"holdfast.dev/database": "other"}}),
            "labels",
        ),
        (
            json!({"labels": {"app.kubernetes.io/managed-by": "me"}}),
            "labels",
        ),
        (
            json!({"annotations": {"batch.kubernetes.io/x": ""}}),
            "annotations",
        ),
        (json!({"env": [{"name": "PGPASSWORD"}]}), "env"),
        (json!({"env": [{"name": "HOLDFAST_REQUEST"}]}), "env"),
        (json!({"env": [{"name": "LD_PRELOAD"}]}), "env"),
        (json!({"env": [{"name": "PATH"}]}), "env"),
        (
            json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
            "nodeSelector",
        ),
        (
            json!({"assignedUser": true, "securityContext": {"runAsUser": 7}}),
            "assignedUser",
        ),
        (
            json!({"securityContext": {"privileged": true}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": true}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"runAsNonRoot": false}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"runAsUser": 0}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"supplementalGroups": [0]}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seLinuxOptions": {"user": "root"}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
            "securityContext",
        ),
    ] {
        assert_eq!(
            errors(agents.clone()),
            [format!("spec.agents.{field}")],
            "{agents}"
        );
    }
}

/// What the API server would refuse in each pod: nothing would be checked, and every Job refused.
#[test]
fn what_no_pod_can_be_is_refused_by_name() {
    let spread = |change: Value| {
        let mut constraint =
            json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"});
        json_patch::merge(&mut constraint, &change);
        json!({"topologySpreadConstraints": [constraint]})
    };
    let nodes = |asked: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [asked]}],
        }}}})
    };
    let pods = |change: Value| {
        let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}});
        json_patch::merge(&mut term, &change);
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let weight = json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}},
    ]}}});
    let long = "x".repeat(64);
    for (agents, field) in [
        (
            json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
            "resources",
        ),
        (
            json!({"resources": {"requests": {"cpu": "1100m"}, "limits": {"cpu": 1}}}),
            "resources",
        ),
        (
            json!({"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}}),
            "resources",
        ),
        (json!({"resources": {"limits": {"cpu": -1}}}), "resources"),
        (json!({"resources": {"limits": {"cpu": "-1"}}}), "resources"),
        (
            json!({"resources": {"limits": {"cpu": "one"}}}),
            "resources",
        ),
        (
            json!({"resources": {"limits": {"memory": "1 Gi"}}}),
            "resources",
        ),
        (
            json!({"resources": {"limits": {"memory": "1GiB"}}}),
            "resources",
        ),
        (json!({"resources": {"limits": {"cpus": 1}}}), "resources"),
        (json!({"labels": {"a b": ""}}), "labels"),
        (json!({"labels": {"a": "b c"}}), "labels"),
        (json!({"labels": {"a": long}}), "labels"),
        (json!({"labels": {"a/b/c": ""}}), "labels"),
        (json!({"annotations": {"a b": ""}}), "annotations"),
        (json!({"annotations": {"": ""}}), "annotations"),
        (json!({"nodeSelector": {"a": "b c"}}), "nodeSelector"),
        (json!({"env": [{"name": "1A"}]}), "env"),
        (json!({"env": [{"name": "A=B"}]}), "env"),
        (json!({"env": [{"name": "A", "value": "\u{0}"}]}), "env"),
        (
            json!({"tolerations": [{"operator": "Sometimes"}]}),
            "tolerations",
        ),
        (
            json!({"tolerations": [{"key": "a", "effect": "Never"}]}),
            "tolerations",
        ),
        (json!({"tolerations": [{"value": "a"}]}), "tolerations"),
        (json!({"tolerations": [{"key": "a b"}]}), "tolerations"),
        (
            json!({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}),
            "tolerations",
        ),
        (
            json!({"tolerations": [{"key": "a", "tolerationSeconds": 1}]}),
            "tolerations",
        ),
        (json!({"priorityClassName": "A"}), "priorityClassName"),
        (json!({"runtimeClassName": "a b"}), "runtimeClassName"),
        (
            json!({"imagePullSecrets": [{"name": "a/b"}]}),
            "imagePullSecrets",
        ),
        (
            json!({"imagePullSecrets": [{"name": ""}]}),
            "imagePullSecrets",
        ),
        (spread(json!({"maxSkew": 0})), "topologySpreadConstraints"),
        (
            spread(json!({"topologyKey": ""})),
            "topologySpreadConstraints",
        ),
        (
            spread(json!({"whenUnsatisfiable": "Maybe"})),
            "topologySpreadConstraints",
        ),
        (
            spread(json!({"minDomains": 2, "whenUnsatisfiable": "ScheduleAnyway"})),
            "topologySpreadConstraints",
        ),
        (
            spread(json!({"nodeTaintsPolicy": "Maybe"})),
            "topologySpreadConstraints",
        ),
        (
            spread(json!({"matchLabelKeys": ["a"]})),
            "topologySpreadConstraints",
        ),
        (nodes(json!({"key": "a", "operator": "In"})), "affinity"),
        (
            nodes(json!({"key": "a", "operator": "Exists", "values": ["b"]})),
            "affinity",
        ),
        (
            nodes(json!({"key": "a", "operator": "Gt", "values": ["b"]})),
            "affinity",
        ),
        (
            nodes(json!({"key": "a b", "operator": "Exists"})),
            "affinity",
        ),
        (nodes(json!({"key": "a", "operator": "Maybe"})), "affinity"),
        (pods(json!({"topologyKey": ""})), "affinity"),
        (pods(json!({"namespaces": ["A"]})), "affinity"),
        (
            pods(json!({"labelSelector": {"matchLabels": {"a": "b c"}}})),
            "affinity",
        ),
        (
            pods(
                json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}),
            ),
            "affinity",
        ),
        (weight, "affinity"),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "../a"}}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "a"}}}),
            "securityContext",
        ),
    ] {
        assert_eq!(
            errors(agents.clone()),
            [format!("spec.agents.{field}")],
            "{agents}"
        );
    }
}

#[test]
fn what_a_pod_can_be_is_let_through() {
    for agents in [
        json!({"tolerations": [{"operator": "Exists"}, {"key": "a"}, {"key": "a.b/c", "operator": "Equal",
            "value": "d", "effect": "NoExecute", "tolerationSeconds": 5}]}),
        json!({"resources": {"requests": {"cpu": "0.5", "memory": "1e9"}, "limits": {"cpu": "500m", "memory": "1G"}}}),
        json!({"priorityClassName": "", "runtimeClassName": "gvisor", "imagePullSecrets": [{"name": "a.b"}]}),
        json!({"annotations": {"Vendor.Example/Key_1": "any thing"}}),
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}],
             "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]},
        ]}}}}),
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "minDomains": 2, "matchLabelKeys": ["a"], "labelSelector": {}}]}),
    ] {
        assert_eq!(errors(agents.clone()), Vec::<String>::new(), "{agents}");
    }
}

/// The rules of the schema are texts, so nothing else keeps them like the lists here. Everything that
/// they go through is bounded: the API server refuses a definition whose rules may cost too much.
#[test]
fn the_schema_refuses_the_same_and_bounds_everything() {
    let definition = serde_json::to_value(ProtectedDatabase::crd()).unwrap();
    let agents = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        ["properties"]["agents"];
    let properties = &agents["properties"];
    let rule = |field: &str| properties[field]["x-kubernetes-validations"].to_string();
    for prefix in RESERVED_VARIABLES {
        assert!(
            rule("env").contains(&format!("startsWith('{prefix}')")),
            "{prefix}"
        );
    }
    for prefix in RESERVED_KEYS {
        for field in ["labels", "annotations"] {
            assert!(
                rule(field).contains(&format!("startsWith('{prefix}')")),
                "{field} {prefix}"
            );
        }
    }
    let context = properties["securityContext"]["x-kubernetes-validations"].to_string();
    for word in PROFILES.iter().chain(SELINUX_TYPES) {
        assert!(context.contains(&format!("'{word}'")), "{word}");
    }
    assert_bounded("agents", agents);
}

fn assert_bounded(path: &str, schema: &Value) {
    let Some(fields) = schema.as_object() else {
        return;
    };
    let has = |field: &str| fields.contains_key(field);
    match schema["type"].as_str() {
        Some("array") => assert!(has("maxItems"), "{path}"),
        Some("string") => assert!(has("maxLength") || has("enum"), "{path}"),
        Some("object") if has("additionalProperties") => assert!(has("maxProperties"), "{path}"),
        _ => {}
    }
    assert_bounded(&format!("{path}[]"), &schema["items"]);
    assert_bounded(&format!("{path}{{}}"), &schema["additionalProperties"]);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        assert_bounded(&format!("{path}.{name}"), property);
    }
}
