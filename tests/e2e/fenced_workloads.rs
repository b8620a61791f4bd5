//! What the operator's token may not change in the workloads of others: how many pods they have, and which
//! claims they mount. Tried by `operator_fenced`.

use holdfast::api::names;
use serde_json::{Value, json};

use crate::operator_fenced::as_operator;
use crate::support::{Scene, Server};

/// What the refusal says.
const UNMARKED: &str = "scales no workload that carries no mark of Holdfast";

/// A StatefulSet that deletes the claims of the pods that it stops. Nothing is to run.
pub fn deleting_set(scene: &Scene) -> Value {
    let mut set = workload(scene, "StatefulSet");
    set["spec"]["serviceName"] = json!("theirs");
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Delete"});
    set
}

/// A Deployment that Holdfast has nothing to do with. Nothing is to run.
pub fn unmarked_deployment(scene: &Scene) -> Value {
    workload(scene, "Deployment")
}

fn workload(scene: &Scene, kind: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": "theirs", "namespace": scene.namespace()},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": kind}},
            "template": {"metadata": {"labels": {"app": kind}},
                "spec": {"nodeSelector": {"nowhere": "theirs"},
                    "containers": [{"name": "any", "image": "any"}],
                    "volumes": [{"name": "data",
                        "persistentVolumeClaim": {"claimName": "unbound"}}]}}}})
}

/// Words for `kubectl`, and what their refusal says.
pub fn changes() -> Vec<(String, &'static str)> {
    let replicas = |number: i32| json!({"spec": {"replicas": number}});
    let mount = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "another"}}]);
    let mounting = json!({"spec": {"template": {"spec": {"volumes": mount}}}});
    let mut of_a_lie = replicas(0);
    of_a_lie["metadata"] = noted("7");
    // What a recovery may write without a mark stops pods, and mounts nothing.
    let mut at_once = mounting.clone();
    at_once["spec"]["replicas"] = json!(0);
    at_once["metadata"] = noted("1");
    let mut growing = replicas(3);
    growing["metadata"] = noted("1");
    let mut all: Vec<(String, &'static str)> = [
        replicas(0),
        replicas(3),
        mounting,
        of_a_lie,
        at_once,
        growing,
    ]
    .iter()
    .map(|change| (patch("deployment theirs", change), UNMARKED))
    .collect();
    all.push((
        patch("statefulset theirs", &replicas(0)),
        "with whenScaled: Delete",
    ));
    all
}

/// What a recovery writes is let through: a scale-down with its note, and in a marked workload a claim.
pub fn assert_let_through(scene: &Scene, server: &Server) {
    scene.apply(&[unmarked_deployment(scene)]);
    let mut stop = json!({"spec": {"replicas": 0}});
    stop["metadata"] = noted("1");
    scene.kubectl(&as_operator(&patch("deployment theirs", &stop)));
    let claim = "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName";
    let change = json!([{"op": "replace", "path": claim, "value": "another"}]);
    scene.kubectl(&as_operator(&format!(
        "patch statefulset {} --type=json -p {change}",
        server.name
    )));
    scene.kubectl("delete deployment/theirs");
}

fn noted(replicas: &str) -> Value {
    json!({"annotations": {names::REPLICAS_BEFORE_ANNOTATION: replicas}})
}

fn patch(target: &str, change: &Value) -> String {
    format!("patch {target} --type=merge -p {change}")
}
