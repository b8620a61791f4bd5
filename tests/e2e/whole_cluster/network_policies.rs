//! Everything is denied, by a controller that enforces network policies: the flows of docs/agents.md are enough
//! for checks and backups, and nothing else is open.

use serde_json::{Value, json};

use crate::chart::{CHART, helm};
use crate::support::{OPERATOR_NAMESPACE, Scene, Server, alone, build_database, write_file};

/// A pod that asks for nothing but what is tried in it.
fn build_pod(scene: &Scene, name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": scene.namespace(), "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 999,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": testbed::POSTGRES_15_IMAGE,
                "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"],
                "securityContext": {"allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// Nothing in, nothing out.
fn deny_all(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    })
}

/// Whether a pod can connect to `HOST/PORT`.
fn reaches(scene: &Scene, pod: &str, target: &str) -> bool {
    let connect = format!("exec {pod} -- timeout 3 bash -c </dev/tcp/{target}");
    scene.try_kubectl(&connect).is_ok()
}

/// Waits until a pod can connect to these targets, or to none of them.
async fn wait_reach(scene: &Scene, pod: &str, targets: &[&str], is_open: bool) {
    let what = format!("{pod} to reach {targets:?}: {is_open}");
    scene
        .wait(&what, async || {
            let others = targets
                .iter()
                .filter(|target| reaches(scene, pod, target) != is_open);
            let others: Vec<&&str> = others.collect();
            if others.is_empty() {
                Ok(())
            } else {
                Err(format!("{others:?}"))
            }
        })
        .await;
}

#[test]
fn the_flows_of_the_page_are_enough_where_everything_is_denied() {
    alone("network-policies", async |scene| {
        let namespace = scene.namespace();
        let server = Server::new(scene);
        let agent =
            json!({"app.kubernetes.io/managed-by": "holdfast", "holdfast.dev/task": "probe"});
        scene.apply(&[
            build_pod(scene, "agent", &agent),
            build_pod(scene, "stranger", &json!({})),
        ]);
        server.start_filled(scene).await;
        scene.kubectl("wait pod agent stranger --for=condition=Ready --timeout=120s");
        // By name, so that DNS is tried too.
        let database = format!("{}.{namespace}.svc.cluster.local/5432", server.name);
        let bucket = testbed::endpoint();
        let bucket = bucket.trim_start_matches("http://").replace(':', "/");
        let (_, bucket_port) = bucket.split_once('/').expect("a port");
        let api = "kubernetes.default.svc.cluster.local/443";
        // What the kubelet of the node listens on is in no table.
        let kubelet = bucket.replace(bucket_port, "10250");
        let flows = [database.as_str(), bucket.as_str(), api];
        let all = [database.as_str(), bucket.as_str(), api, kubelet.as_str()];
        wait_reach(scene, "agent", &all, true).await;
        wait_reach(scene, "stranger", &all, true).await;

        let _enforcer = scene
            .testbed
            .enforce_network_policies()
            .expect("a controller of NetworkPolicies");
        scene.apply(&[deny_all(namespace), deny_all(OPERATOR_NAMESPACE)]);
        wait_reach(scene, "agent", &all, false).await;

        let policies = helm(
            scene,
            &format!(
                "template holdfast {CHART} --namespace {OPERATOR_NAMESPACE} --show-only \
                 templates/network-policies.yaml --set networkPolicies.enabled=true --set \
                 networkPolicies.namespaces={{{namespace}}} --set \
                 networkPolicies.ingressDeniedNamespaces={{{namespace}}} --set \
                 networkPolicies.storagePorts={{{bucket_port}}}"
            ),
        );
        let file = write_file(&policies);
        scene
            .testbed
            .kubectl(&["apply", "-f", &file.path().display().to_string()])
            .expect("the policies of the chart");
        wait_reach(scene, "agent", &flows, true).await;
        assert!(!reaches(scene, "agent", &kubelet), "it is in no table");
        for target in all {
            assert!(!reaches(scene, "stranger", target), "{target}");
        }

        // A connection that stands is not asked about: the operator begins anew.
        let restart = format!("-n {OPERATOR_NAMESPACE} rollout restart deployment/holdfast");
        scene.kubectl(&restart);
        let status = restart.replace("restart", "status");
        scene.kubectl(&format!("{status} --timeout=120s"));
        scene.protect(&build_database(scene, &server)).await;
        scene.wait_green().await;
        scene.settle().await;
        scene.kubectl(&format!(
            "-n {OPERATOR_NAMESPACE} delete networkpolicy --all"
        ));
    });
}
