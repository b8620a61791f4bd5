//! The operator itself: its namespace, service account and Deployment, fit for Pod Security
//! `restricted`.

use serde_json::{Value, json};

use super::access::OPERATOR;

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

/// The operator's Deployment: one replica and `Recreate`, so that two never run side by side for
/// the same databases; it works on all of them, or on those with labels.
pub fn build_deployment(image: &str, namespace: &str, databases: Option<&str>) -> Value {
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
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [build_container(image, databases)],
                },
            },
        },
    })
}

fn build_container(image: &str, databases: Option<&str>) -> Value {
    let mut variables = vec![
        json!({"name": "HOLDFAST_AGENT_IMAGE", "value": image}),
        json!({"name": "HOLDFAST_OPERATOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}),
    ];
    let limited = databases.filter(|labels| !labels.is_empty());
    variables.extend(limited.map(|labels| json!({"name": "HOLDFAST_SELECTOR", "value": labels})));
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
