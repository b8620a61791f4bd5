//! `kubectl holdfast` as people and scripts use it: status in words, a deletion confirmed by name
//! or UID, databases found that nobody protects.

use std::io::Write as _;
use std::process::Stdio;

use holdfast::api::{ConditionStatus, ConditionType, names, reasons};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::support::{
    NAME, Scene, Server, assert_ran, assert_tells, beside_others, holdfast, holdfast_answered,
    volume_of,
};

#[test]
fn status_tells_a_green_database_from_a_reset_one() {
    beside_others("plugin-status", async |scene| {
        let server = Server::new(scene);
        let namespace = scene.namespace();
        assert_ran(
            &holdfast(scene, &format!("status -n {namespace}")),
            0,
            &["There is no ProtectedDatabase", "kubectl holdfast doctor"],
        );

        let start = scene.protect_filled(&server).await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let claim = format!(
            "{}: volume {volume}, Retain, guarded, mounted",
            server.claim()
        );
        let headline = format!("{namespace}/{NAME}: ready");
        let green = holdfast(scene, &format!("status {NAME} -n {namespace}"));
        assert_ran(
            &green,
            0,
            &[
                &headline,
                "deletions are refused",
                &claim,
                "last check     Verified",
                "Complete: ",
                "next backup    20",
            ],
        );
        assert!(!green.printed.contains("What to do"), "{}", green.printed);
        assert_ran(
            &holdfast(scene, &format!("status -o table -n {namespace}")),
            0,
            &["GUARDED", NAME, "yes"],
        );

        server.remove_data(scene);
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        let reset = holdfast(scene, &format!("status -n {namespace}"));
        assert_ran(
            &reset,
            3,
            &[
                "NOT READY",
                "THE DATA LOOKS RESET (ClusterReinitialized)",
                "What to do:",
                message.trim(),
            ],
        );
        let report = holdfast(scene, &format!("status {NAME} -n {namespace} -o json"));
        let report: Value = serde_json::from_str(&report.printed).expect("JSON");
        assert_eq!(report["ready"], json!(false));
        assert_eq!(
            report["status"]["baseline"]["check"],
            json!(scene.status().await.baseline.expect("a baseline").check)
        );

        assert_ran(
            &holdfast(scene, &format!("status no-such -n {namespace}")),
            1,
            &["does not exist", "kubectl get protecteddatabases"],
        );
        assert_ran(
            &holdfast(scene, "status --context no-such"),
            1,
            &["no-such", "kubectl config get-contexts"],
        );
    });
}

#[test]
fn a_claim_is_unlocked_by_its_name_and_then_goes() {
    beside_others("plugin-unlock", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        scene.settle().await;
        let claim = server.claim();
        let unlock = format!("unlock pvc/{claim} -n {}", scene.namespace());
        let uid = scene
            .get::<PersistentVolumeClaim>(&claim)
            .await
            .uid()
            .expect("a UID");

        let wrong = holdfast_answered(scene, &unlock, "knowledge");
        assert_ran(
            &wrong,
            4,
            &[
                "database knowledge_os with 26,422 rows in 2 tables",
                "type its name",
                "nothing was changed",
            ],
        );
        let script = format!("{unlock} --yes --uid {uid}");
        assert_ran(
            &holdfast(scene, &unlock),
            4,
            &["not a terminal", &format!("kubectl holdfast {script}")],
        );
        let other = scene.database().await.uid().expect("a UID");
        assert_ran(
            &holdfast(scene, &format!("{unlock} --yes --uid {other}")),
            4,
            &[&uid, &other, "nothing was changed"],
        );
        assert_ran(&holdfast(scene, &format!("{unlock} --yes")), 2, &["--uid"]);
        assert_still_refused(scene, &claim).await;

        assert_ran(
            &holdfast(scene, &script),
            0,
            &["Confirmed until 20", "in 15 minutes", "--revoke"],
        );
        assert_ran(
            &holdfast(scene, &format!("{unlock} --revoke")),
            0,
            &["the confirmation was removed"],
        );
        assert_still_refused(scene, &claim).await;

        let right = holdfast_answered(scene, &unlock, &claim);
        let delete = format!("delete pvc {claim} -n {}", scene.namespace());
        assert_ran(
            &right,
            0,
            &[
                "ProtectedDatabase",
                "last good backup",
                &format!("kubectl {delete}"),
            ],
        );
        server.scale(scene, 0);
        scene.kubectl(&format!("{delete} --timeout=300s"));
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
    });
}

async fn assert_still_refused(scene: &Scene, claim: &str) {
    assert_tells(
        &scene.refused(&format!("delete pvc {claim} --wait=false")),
        &["Holdfast refuses to delete"],
    );
    let metadata = scene.get::<PersistentVolumeClaim>(claim).await.metadata;
    let confirmation = metadata
        .annotations
        .iter()
        .flatten()
        .find(|(key, _)| *key == names::CONFIRM_DELETION_ANNOTATION);
    assert_eq!((confirmation, metadata.deletion_timestamp), (None, None));
}

#[test]
fn unlock_names_what_each_kind_would_take_along() {
    beside_others("plugin-kinds", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let namespace = scene.namespace();
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let database = format!(
            "ProtectedDatabase {namespace}/{NAME}: database knowledge_os of StatefulSet {}",
            server.name
        );
        for object in [
            format!("pv/{volume}"),
            format!("sts/{}", server.name),
            format!("ns/{namespace}"),
            format!("protdb/{NAME}"),
            "crd/protecteddatabases.holdfast.dev".to_owned(),
        ] {
            assert_ran(
                &holdfast(scene, &format!("unlock {object} -n {namespace}")),
                4,
                &["If it is deleted:", &database, "last check:"],
            );
        }
        scene.kubectl("create deployment bystander --image=localhost/bystander --replicas=0");
        let bystander = holdfast(scene, &format!("unlock deploy/bystander -n {namespace}"));
        assert_ran(
            &bystander,
            0,
            &["does not guard Deployment bystander", "nothing was changed"],
        );
    });
}

#[test]
fn doctor_finds_what_nobody_protects() {
    beside_others("plugin-doctor", async |scene| {
        let namespace = scene.namespace();
        let doctor = format!("doctor -n {namespace}");
        assert_ran(&holdfast(scene, &doctor), 0, &["is known to be a Postgres"]);

        let server = Server::seventeen(scene);
        let protected = server.start_seeded(scene).await;
        scene.apply(&[build_careless(&server)]);
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let found = holdfast(scene, &doctor);
        let on_delete = format!(
            "volume {volume} of claim {} has reclaim policy Delete",
            server.claim()
        );
        let off_claim = "the data directory is on no claim: /var/lib/postgresql/data/pgdata is \
            on volume data: an emptyDir";
        let retention = "persistentVolumeClaimRetentionPolicy.whenDeleted is Delete";
        assert_ran(
            &found,
            3,
            &[
                "UNPROTECTED",
                &on_delete,
                off_claim,
                retention,
                "2 of them unprotected",
                "kind: ProtectedDatabase",
            ],
        );

        // What is printed is accepted, and protects.
        let manifests = holdfast(scene, &format!("{doctor} --manifests")).printed;
        assert_eq!(
            manifests.matches("kind: ProtectedDatabase").count(),
            2,
            "{manifests}"
        );
        let accepted = apply(scene, &manifests, &["--dry-run=server"]);
        assert_eq!(
            accepted.matches("created (server dry run)").count(),
            2,
            "{accepted}"
        );
        scene.kubectl("delete statefulset careless");
        apply(
            scene,
            &holdfast(scene, &format!("{doctor} --manifests")).printed,
            &[],
        );
        let name = &server.name;
        let words = format!("wait protdb/{name} --for=condition=Ready --timeout=300s");
        scene.kubectl(&words);
        assert_eq!(
            server.wait_ready(scene, None).await,
            protected,
            "the pod was not touched"
        );
        // No backup is asked for yet, and nothing else is wrong.
        let well = holdfast(scene, &doctor);
        assert_ran(
            &well,
            3,
            &[
                &format!("protected by {namespace}/{name}"),
                "has no spec.backup",
                "1 finding.",
            ],
        );
    });
}

/// The server once more, on an emptyDir, without a pod.
fn build_careless(server: &Server) -> Value {
    let all = server.build_manifests();
    let mut set = all
        .into_iter()
        .find(|object| object["kind"] == "StatefulSet")
        .expect("a StatefulSet");
    set["metadata"]["name"] = "careless".into();
    set["spec"]["replicas"] = 0.into();
    set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] = "unused".into();
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
    let labels = json!({"app": "careless"});
    set["spec"]["selector"]["matchLabels"] = labels.clone();
    set["spec"]["template"]["metadata"]["labels"] = labels;
    let volumes = set["spec"]["template"]["spec"]["volumes"]
        .as_array_mut()
        .expect("volumes");
    volumes.push(json!({"name": "data", "emptyDir": {}}));
    set
}

fn apply(scene: &Scene, manifests: &str, more: &[&str]) -> String {
    let mut command = scene.testbed.command("kubectl").expect("kubectl");
    command
        .args(["apply", "-f", "-"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut kubectl = command.spawn().expect("kubectl apply");
    kubectl
        .stdin
        .take()
        .expect("its input")
        .write_all(manifests.as_bytes())
        .expect("the manifests to be read");
    let output = kubectl.wait_with_output().expect("kubectl apply");
    assert!(
        output.status.success(),
        "{}\n{manifests}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
