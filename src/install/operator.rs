//! The operator itself: its namespace, service account and Deployment, fit for Pod Security
//! `restricted`.

use serde_json::{Value, json};

use super::access::OPERATOR;
use crate::resources::parse_agent_defaults;

/// User and group of the operator.
const USER: i64 = 65532;
/// Port of the probes and of the metrics.
pub const HTTP_PORT: u16 = 8080;

/// The namespace of the operator; it admits restricted pods only.
pub fn build_namespace(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": namespace,
            "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
                "pod-security.kubernetes.io/audit": "restricted",
            },
        },
    })
}

/// The operator's service account.
pub fn build_service_account(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": OPERATOR, "namespace": namespace}})
}

/// Variables of the operator's environment, and what each is set to; none leaves its default.
type Settings<'a> = &'a [(&'a str, Option<&'a str>)];

/// The operator's Deployment: one replica and `Recreate`, so that two never run side by side for
/// the same databases; it works on all of them, or on those with labels. `agents` are the defaults for
/// agents' pods; where the cluster assigns users to them, it assigns one to the operator too.
pub fn build_deployment(
    image: &str,
    namespace: &str,
    settings: Settings<'_>,
    agents: Option<&str>,
) -> Value {
    let agents = agents.filter(|defaults| !defaults.is_empty());
    let defaults = agents.and_then(|defaults| parse_agent_defaults(defaults).ok());
    let mut security = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    if defaults.is_none_or(|defaults| defaults.assigned_user != Some(true)) {
        security["runAsUser"] = json!(USER);
        security["runAsGroup"] = json!(USER);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": OPERATOR, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector()},
            "template": {
                "metadata": {"labels": selector()},
                "spec": {
                    "serviceAccountName": OPERATOR,
                    // There is no image for another one.
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "securityContext": security,
                    "containers": [build_container(image, settings, agents)],
                },
            },
        },
    })
}

fn build_container(image: &str, settings: Settings<'_>, agents: Option<&str>) -> Value {
    let mut variables = vec![
        json!({"name": "HOLDFAST_AGENT_IMAGE", "value": image}),
        json!({"name": "HOLDFAST_OPERATOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}),
    ];
    let set = settings.iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(json!({"name": name, "value": value}))
    });
    variables.extend(set);
    // The kubelet takes a dollar for the beginning of another variable.
    variables.extend(
        agents.map(
            |defaults| json!({"name": "HOLDFAST_AGENTS", "value": defaults.replace('$', "$$")}),
        ),
    );
    json!({
        "name": OPERATOR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["operator"],
        "env": variables,
        "ports": [{"name": "http", "containerPort": HTTP_PORT}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 2, "timeoutSeconds": 2},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

/// The labels by which the Deployment finds its pods; they can't be changed later.
pub(super) fn selector() -> Value {
    json!({"app.kubernetes.io/name": "holdfast", "app.kubernetes.io/component": "operator"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(agents: Option<&str>) -> Value {
        build_deployment("image", "holdfast-system", &[], agents)["spec"]["template"]["spec"].take()
    }

    #[test]
    fn the_operator_runs_on_linux_only() {
        let pod = deployment(None);
        assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    }

    #[test]
    fn where_the_cluster_assigns_users_the_operator_has_none_of_its_own() {
        let user = |pod: &Value| pod["securityContext"]["runAsUser"].as_i64();
        assert_eq!(user(&deployment(None)), Some(USER));
        assert_eq!(user(&deployment(Some("{}"))), Some(USER));
        let assigned = deployment(Some(r#"{"assignedUser": true}"#));
        assert_eq!(user(&assigned), None);
        assert_eq!(assigned["securityContext"]["runAsNonRoot"], true);
    }
}
