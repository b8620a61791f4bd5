//! The operator's token, stolen: it writes what the operator writes and nothing else that its roles would
//! let it.

use holdfast::api::names;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::fenced_workloads;
use crate::support::{
    NAME, OPERATOR_USER, Scene, Server, assert_tells, beside_others, operator_config, write_file,
};

#[test]
fn the_operators_token_writes_only_what_the_operator_is_for() {
    beside_others("operator-fence", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        assert_answers(scene, &server, true).await;
        // What it is for is let through: the refusals above come from what they try.
        create(scene, &agent_job(scene)).expect("an agent's Job");
        create(scene, &settled_job(scene))
            .expect("an agent's Job with all that a user may ask for");
        create(scene, &drill_job(scene)).expect("the Job of a drill");
        let none = r#"{"spec":{"replicas":0}}"#;
        scene.kubectl(&as_operator(&format!(
            "patch statefulset {} --type=merge -p {none}",
            server.name
        )));
        fenced_workloads::assert_let_through(scene, &server);
        // A release is this, and the policies can't see whether it was asked for.
        scene.kubectl(&as_operator(&format!(
            "label pvc {} {}-",
            server.claim(),
            names::PROTECTED_LABEL
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
    scene.apply(&[
        build_volume(scene, "Retain"),
        volume_on_delete(scene),
        their_claim(scene),
        fenced_workloads::deleting_set(scene),
        fenced_workloads::unmarked_deployment(scene),
        their_job(scene),
        their_restore(scene, "theirs"),
    ]);
    let all = changes(scene, server).into_iter();
    let all = all.chain(changes_of_storage(scene));
    for (words, tells) in all.chain(fenced_workloads::changes()) {
        assert_answer(scene.try_kubectl(&as_operator(&words)), tells);
    }
    let namespace = scene.namespace();
    scene.kubectl(&format!(
        "delete pv {namespace}-theirs {namespace}-on-delete"
    ));
    scene.kubectl("delete statefulset/theirs deployment/theirs pvc/unbound");
    let answer = scene.try_kubectl(&as_operator("delete job theirs"));
    assert_answer(answer, "deletes the Jobs and CronJobs of its agents");
    scene.kubectl("delete job theirs");
    let answer = scene.try_kubectl(&as_operator("delete dbrestore theirs"));
    assert_answer(answer, "no DatabaseRestore but those of drills");
    scene.kubectl("delete dbrestore theirs");
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
pub fn as_operator(words: &str) -> String {
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
            "persistentVolumeReclaimPolicy": reclaim_policy,
            "claimRef": {"namespace": scene.namespace(), "name": "theirs"}, "hostPath": {"path": format!("/var/empty/{}", scene.namespace())}}})
}

/// One whose files go when its claim seems to be gone.
fn volume_on_delete(scene: &Scene) -> Value {
    let mut volume = build_volume(scene, "Delete");
    volume["metadata"]["name"] = json!(format!("{}-on-delete", scene.namespace()));
    volume["spec"]["claimRef"]["name"] = json!("nobodys");
    volume
}

/// A claim that nothing guards and that has no volume.
fn their_claim(scene: &Scene) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "unbound", "namespace": scene.namespace()},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "none",
            "resources": {"requests": {"storage": "1Gi"}}}})
}

/// What would take files of unguarded claims along, or can't be taken back.
fn changes_of_storage(scene: &Scene) -> Vec<(String, &'static str)> {
    let namespace = scene.namespace();
    let patch = |target: &str, spec: Value| {
        format!("patch {target} --type=merge -p {}", json!({"spec": spec}))
    };
    let (of_a_claim, of_storage) = (
        "to no other claim, and takes none",
        "changes nothing of where a volume is",
    );
    let (on_delete, kept) = (
        format!("pv {namespace}-on-delete"),
        format!("pv {namespace}-theirs"),
    );
    let uid = json!({"uid": "00000000-0000-0000-0000-000000000000"});
    vec![
        (patch(&on_delete, json!({"claimRef": uid})), of_a_claim),
        // Not in the same write either.
        (
            patch(
                &on_delete,
                json!({"claimRef": uid, "persistentVolumeReclaimPolicy": "Retain"}),
            ),
            of_a_claim,
        ),
        (patch(&on_delete, json!({"claimRef": null})), of_a_claim),
        (
            patch(&kept, json!({"mountOptions": ["noexec"]})),
            of_storage,
        ),
        (
            patch(
                &kept,
                json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
                    [{"key": "nowhere", "operator": "Exists"}]}]}}}),
            ),
            of_storage,
        ),
        (
            patch("pvc unbound", json!({"volumeName": "anybodys"})),
            of_storage,
        ),
    ]
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
        // What nobody has thought of by name is refused as well.
        (
            set_of(
                "hostAliases",
                json!([{"ip": "10.0.0.1", "hostnames": ["api"]}]),
            ),
            of_a_workload,
        ),
        (set_of("shareProcessNamespace", json!(true)), of_a_workload),
        (
            format!(
                "patch statefulset {set} --type=merge -p \
                 {{\"spec\":{{\"template\":{{\"metadata\":{{\"annotations\":{{\"a\":\"b\"}}}}}}}}}}"
            ),
            of_a_workload,
        ),
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
        (
            format!(
                "patch namespace {} --type=merge -p {}",
                scene.namespace(),
                owned_by_nobody()
            ),
            "changes no owner",
        ),
        (
            format!(
                "patch pvc {} --type=merge -p {}",
                server.claim(),
                owned_by_nobody()
            ),
            "changes no owner",
        ),
        (
            format!(
                "patch pv {} --type=merge -p \
                 {{\"spec\":{{\"claimRef\":{{\"namespace\":\"default\",\"name\":\"x\",\"uid\":null}}}}}}",
                volume["metadata"]["name"].as_str().unwrap_or_default()
            ),
            "to no other claim",
        ),
        (
            format!(
                "patch protdb {NAME} --type=merge -p \
                 {{\"spec\":{{\"connection\":{{\"host\":\"db.example.com\"}}}}}}"
            ),
            "what a ProtectedDatabase asks for",
        ),
        (
            "delete job theirs --wait=false".to_owned(),
            "deletes the Jobs and CronJobs of its agents and no others",
        ),
    ]
}

/// Garbage collection deletes what belongs to something that is not there.
fn owned_by_nobody() -> Value {
    json!({"metadata": {"ownerReferences": [{
        "apiVersion": "v1", "kind": "Namespace", "name": "nobody",
        "uid": "00000000-0000-0000-0000-000000000000",
    }]}})
}

/// A Job that is none of the operator's business.
fn their_job(scene: &Scene) -> Value {
    let mut job = agent_job(scene);
    job["metadata"]["name"] = json!("theirs");
    // Nothing is to run.
    job["spec"]["suspend"] = json!(true);
    job
}

/// A restore that a user asks for. There is no such database.
fn their_restore(scene: &Scene, name: &str) -> Value {
    json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
        "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {"database": "nobody", "from": {"latestGood": true}, "into": "Beside"}})
}

/// A drill's Job, as far as the fence looks: a server beside the agent.
fn drill_job(scene: &Scene) -> Value {
    let mut job = agent_job(scene);
    let pod = &mut job["spec"]["template"]["spec"];
    pod["automountServiceAccountToken"] = json!(false);
    pod["initContainers"] = json!([{"name": "scratch", "image": "any", "restartPolicy": "Always",
        "securityContext": {"allowPrivilegeEscalation": false},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch/data"}]}]);
    let claim = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}}});
    pod["volumes"] = json!([
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "s3", "secret": {"secretName": "s3"}},
    ]);
    job
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

/// The same with everything that `spec.agents` can ask for.
fn settled_job(scene: &Scene) -> Value {
    let mut job = agent_job(scene);
    let pod = &mut job["spec"]["template"]["spec"];
    for (field, value) in [
        ("nodeSelector", json!({"kubernetes.io/os": "linux"})),
        (
            "tolerations",
            json!([{"key": "dedicated", "operator": "Exists"}]),
        ),
        ("affinity", json!({"podAntiAffinity": {}})),
        (
            "topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ),
        ("imagePullSecrets", json!([{"name": "registry"}])),
        (
            "securityContext",
            json!({
                "runAsNonRoot": true, "fsGroup": 1, "supplementalGroups": [2],
                "seccompProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"level": "s0"},
            }),
        ),
    ] {
        pod[field] = value;
    }
    let container = &mut pod["containers"][0];
    container["env"] = json!([{"name": "HTTPS_PROXY", "value": "http://proxy"}]);
    container["resources"] = json!({"limits": {"cpu": "1"}});
    // What webhooks of others add, and what can't hurt.
    pod["dnsConfig"] = json!({"options": [{"name": "ndots", "value": "1"}]});
    pod["volumes"] = json!([{"name": "ca", "configMap": {"name": "ca"}},
        {"name": "bundle", "projected": {"sources": [{"configMap": {"name": "ca"}}]}}]);
    let evicted = json!([{"type": "DisruptionTarget", "status": "True"}]);
    job["spec"]["podFailurePolicy"] =
        json!({"rules": [{"action": "Ignore", "onPodConditions": evicted}]});
    job
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
    for (path, value, named) in [
        (
            "hostAliases",
            json!([{"ip": "10.0.0.1", "hostnames": ["api"]}]),
            "spec.template.spec.hostAliases is none of theirs",
        ),
        (
            "dnsConfig",
            json!({"nameservers": ["10.0.0.1"]}),
            "spec.template.spec.dnsConfig.nameservers is",
        ),
        (
            "dnsPolicy",
            json!("Default"),
            "spec.template.spec.dnsPolicy is",
        ),
        (
            "schedulerName",
            json!("mine"),
            "spec.template.spec.schedulerName is",
        ),
        (
            "shareProcessNamespace",
            json!(true),
            "spec.template.spec.shareProcessNamespace is",
        ),
        ("nodeName", json!("node"), "spec.template.spec.nodeName is"),
        ("hostname", json!("api"), "spec.template.spec.hostname is"),
    ] {
        let mut job = agent_job(scene);
        job["spec"]["template"]["spec"][path] = value;
        all.push((job, named));
    }
    let secret = json!({"secretKeyRef": {"name": "knowledge-auth", "key": "password"}});
    for (path, value) in [
        ("env", json!([{"name": "X", "valueFrom": secret}])),
        (
            "envFrom",
            json!([{"secretRef": {"name": "knowledge-auth"}}]),
        ),
        ("ports", json!([{"containerPort": 80, "hostPort": 80}])),
    ] {
        let mut job = agent_job(scene);
        job["spec"]["template"]["spec"]["containers"][0][path] = value;
        all.push((job, "the Jobs of its agents and no others"));
    }
    // A server beside the agent gets no key, is asked nothing, and its volume is no copy of another.
    let token = json!([{"serviceAccountToken": {"path": "token", "audience": "vault"}}]);
    let copied = json!({"kind": "PersistentVolumeClaim", "name": "knowledge-data"});
    for (path, value) in [
        ("/initContainers/0/name", json!("another")),
        ("/initContainers/0/volumeMounts/0/name", json!("s3")),
        (
            "/initContainers/0/env",
            json!([{"name": "X", "value": "y"}]),
        ),
        ("/volumes/1/projected/sources", token),
        (
            "/volumes/0/ephemeral/volumeClaimTemplate/spec/dataSource",
            copied,
        ),
    ] {
        let mut job = drill_job(scene);
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let template = &mut job["spec"]["template"]["spec"];
        template.pointer_mut(parent).expect("a part of the Job")[field] = value;
        all.push((job, "the Jobs of its agents and no others"));
    }
    all.push((
        their_restore(scene, "mine"),
        "no DatabaseRestore but those of drills",
    ));
    let mut many = agent_job(scene);
    many["spec"]["parallelism"] = json!(50);
    all.push((many, "the Jobs of its agents and no others"));
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
