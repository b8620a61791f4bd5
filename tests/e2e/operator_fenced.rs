//! The operator's token, stolen: it writes what the operator writes and nothing else that its roles would
//! let it.

use holdfast::api::names;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{
    OPERATOR_USER, Scene, Server, assert_tells, beside_others, operator_config, write_file,
};

#[test]
fn the_operators_token_writes_only_what_the_operator_is_for() {
    beside_others("operator-fence", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        assert_answers(scene, &server, true).await;
        // What it is for is let through: the refusals above come from what they try.
        create(scene, &agent_job(scene)).expect("an agent's Job");
        let none = r#"{"spec":{"replicas":0}}"#;
        scene.kubectl(&as_operator(&format!(
            "patch statefulset {} --type=merge -p {none}",
            server.name
        )));
    });
}

/// Tries everything that the operator never writes; `guard_removed` tries it again without the fence.
pub async fn assert_answers(scene: &Scene, server: &Server, is_fenced: bool) {
    let assert_answer = |answer: Result<String, String>, tells: &str| match answer {
        Err(complaint) if is_fenced => assert_tells(&complaint, &[tells]),
        Ok(_) if !is_fenced => {}
        other => panic!("{tells}: {other:?}"),
    };
    scene.apply(&[build_volume(scene, "Retain")]);
    for (words, tells) in changes(scene, server) {
        assert_answer(scene.try_kubectl(&as_operator(&words)), tells);
    }
    scene.kubectl(&format!("delete pv {}-theirs", scene.namespace()));
    for condition in [
        json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}),
        json!({"conditions": [{"type": "Ready", "status": "False"}]}),
    ] {
        let answer = patch_pod(scene, &server.pod(), condition).await;
        assert_answer(answer, "its own condition of a Pod");
    }
    for (manifest, tells) in creations(scene) {
        assert_answer(create(scene, &manifest), tells);
    }
}

/// On trial, with the operator's permissions.
fn as_operator(words: &str) -> String {
    format!("{words} --dry-run=server --as={OPERATOR_USER}")
}

fn create(scene: &Scene, manifest: &Value) -> Result<String, String> {
    let file = write_file(&manifest.to_string());
    scene.try_kubectl(&as_operator(&format!(
        "create --validate=false -f {}",
        file.path().display()
    )))
}

/// Writes into a Pod's status, on trial. Not by `kubectl`, which reads it first, and that the operator
/// may not.
async fn patch_pod(scene: &Scene, pod: &str, status: Value) -> Result<String, String> {
    let client = Client::try_from(operator_config(scene).await).expect("a client");
    let pods: Api<Pod> = Api::namespaced(client, scene.namespace());
    let trial = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"status": status}));
    let answer = pods.patch_status(pod, &trial, &patch).await;
    answer
        .map(|_| String::new())
        .map_err(|error| error.to_string())
}

/// A volume that nothing else guards.
fn build_volume(scene: &Scene, reclaim_policy: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": format!("{}-theirs", scene.namespace())},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": reclaim_policy, "hostPath": {"path": "/"}}})
}

fn changes(scene: &Scene, server: &Server) -> Vec<(String, &'static str)> {
    let set = &server.name;
    let volume = build_volume(scene, "Retain");
    let of_a_workload = "changes nothing of what a workload runs";
    let of_a_namespace = "its own label of a Namespace";
    let set_of = |path: &str, value: Value| {
        let place = format!("/spec/template/spec/{path}");
        let changes = json!([{"op": "add", "path": place, "value": value}]);
        format!("patch statefulset {set} --type=json -p {changes}")
    };
    vec![
        (
            set_of("containers/0/image", json!("elsewhere")),
            of_a_workload,
        ),
        (set_of("containers/0/command", json!(["sh"])), of_a_workload),
        (set_of("hostPID", json!(true)), of_a_workload),
        (set_of("serviceAccountName", json!("admin")), of_a_workload),
        (
            set_of(
                "volumes/-",
                json!({"name": "node", "hostPath": {"path": "/"}}),
            ),
            of_a_workload,
        ),
        (
            format!(
                "patch pv {} --type=merge -p \
                 {{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}",
                volume["metadata"]["name"].as_str().unwrap_or_default()
            ),
            "to Retain and to nothing else",
        ),
        (
            format!(
                "label namespace {} pod-security.kubernetes.io/enforce=privileged --overwrite",
                scene.namespace()
            ),
            of_a_namespace,
        ),
        (
            format!("annotate namespace {} owner=me", scene.namespace()),
            of_a_namespace,
        ),
    ]
}

/// A Job as the operator creates them, as far as the fence looks.
fn agent_job(scene: &Scene) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "agent", "namespace": scene.namespace()},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "serviceAccountName": names::AGENT_SERVICE_ACCOUNT,
            "hostNetwork": false, "securityContext": {"runAsNonRoot": true, "runAsUser": 999},
            "containers": [{"name": "agent", "image": "any",
                "securityContext": {"allowPrivilegeEscalation": false}}],
            "volumes": [{"name": "work", "emptyDir": {}}],
        }}},
    })
}

fn creations(scene: &Scene) -> Vec<(Value, &'static str)> {
    let namespace = scene.namespace();
    let mut all = Vec::new();
    let node = json!({"name": "node", "hostPath": {"path": "/"}});
    let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": "knowledge-data"}});
    for (path, value) in [
        ("/serviceAccountName", json!("default")),
        ("/hostNetwork", json!(true)),
        ("/securityContext", json!({})),
        ("/containers/0/securityContext", json!({"privileged": true})),
        ("/volumes/0", node),
        ("/volumes/0", claim),
    ] {
        let mut job = agent_job(scene);
        let template = &mut job["spec"]["template"]["spec"];
        *template.pointer_mut(path).expect("a part of the Job") = value;
        all.push((job, "the Jobs of its agents and no others"));
    }
    let object = |version: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": version, "kind": kind,
            "metadata": {"name": format!("{namespace}-theirs"), "namespace": namespace}});
        for (field, value) in rest.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        object
    };
    let of_storage = "only with its marks";
    all.push((
        object(
            "v1",
            "PersistentVolumeClaim",
            json!({"spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        of_storage,
    ));
    all.push((build_volume(scene, "Delete"), of_storage));
    let of_identities = "the identity of its agents and no other";
    all.push((object("v1", "ServiceAccount", json!({})), of_identities));
    let group = "rbac.authorization.k8s.io";
    all.push((
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({"roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": names::AGENT_CLUSTER_ROLE},
                "subjects": [{"kind": "ServiceAccount", "name": names::AGENT_SERVICE_ACCOUNT, "namespace": namespace}]}),
        ),
        of_identities,
    ));
    all
}
