//! Whose an object is: a restore reaches nothing of others in its namespace, a namespace whose name is
//! used again shows nothing of the one before, and marks that came with a copy are none.

use holdfast::api::{
    ConditionStatus, ConditionType, DatabaseLedger, DatabaseRestore, RestoreState, names, reasons,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::{
    ALL_ROWS, NAME, OPERATOR_USER, Scene, Server, assert_tells, beside_others, build_claim,
    build_holder, build_plain_database, confirm_deletion, confirmation, volume_of, write_file,
};

const FALSE: ConditionStatus = ConditionStatus::False;
const TRUE: ConditionStatus = ConditionStatus::True;

/// Another claim of the namespace had a volume before, and a pod is on the one that it has now.
#[test]
fn a_restore_reaches_no_claim_pod_or_workload_of_others() {
    beside_others("whose-restore", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        scene.settle().await;
        let old = format!("{}-old", scene.namespace());
        scene.apply(&[
            build_claim(scene.namespace(), "reports"),
            build_holder(scene, "reports", "reports"),
            build_old_volume(scene, &old, "reports"),
        ]);
        scene
            .wait_kubectl("wait pod/reports --for=condition=Ready --timeout=1s")
            .await;
        let before = scene.get::<PersistentVolumeClaim>("reports").await;
        let replicas = async || {
            scene
                .get::<StatefulSet>(&server.name)
                .await
                .spec
                .unwrap()
                .replicas
        };

        scene.apply(&[build_restore(scene, "theirs", &old)]);
        assert_tells(
            &wait_blocked(scene, "theirs").await,
            &[
                "claim reports is not known to belong to ProtectedDatabase",
                "spec.extraClaims",
            ],
        );
        scene.kubectl("delete dbrestore theirs");

        // Its own by name, and still not without a word while somebody else's pod is on it.
        scene
            .change(json!({"spec": {"extraClaims": ["reports"]}}))
            .await;
        scene.wait_guarded().await;
        let uid = scene.kubectl(&format!(
            "get namespace {} -o jsonpath={{.metadata.uid}}",
            scene.namespace()
        ));
        scene.kubectl(&format!(
            "annotate pv {old} {}={uid}",
            names::NAMESPACE_UID_ANNOTATION
        ));
        scene.apply(&[build_restore(scene, "beside", &old)]);
        assert_tells(
            &wait_blocked(scene, "beside").await,
            &[
                "Pod reports uses claim reports",
                "does not control it",
                "describe pod reports",
            ],
        );
        let after = scene.get::<PersistentVolumeClaim>("reports").await;
        assert_eq!(after.uid(), before.uid());
        assert_eq!(after.metadata.deletion_timestamp, None);
        assert_eq!(replicas().await, Some(1), "nothing was scaled");
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "no pod was stopped"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
        scene.kubectl("delete dbrestore beside");
        scene.kubectl(&format!("delete pv {old} --wait=false"));
    });
}

/// What the operator's token may not do, whatever its plan says.
#[test]
fn the_operator_deletes_only_claims_that_a_restore_has_confirmed() {
    beside_others("whose-fence", async |scene| {
        scene.apply(&[build_claim(scene.namespace(), "loose")]);
        let uid = scene.kubectl("get pvc loose -o jsonpath={.metadata.uid}");
        let operator = format!("--as={OPERATOR_USER}");
        let delete = format!("delete pvc loose --dry-run=server {operator}");
        assert_tells(
            &scene.refused(&delete),
            &["deletes only one whose deletion is confirmed"],
        );
        let annotate = |key: &str, value: &str| {
            scene.kubectl(&format!("annotate pvc loose --overwrite {key}={value}"));
        };
        annotate(names::CONFIRM_DELETION_ANNOTATION, &confirmation(&uid));
        assert_tells(
            &scene.refused(&delete),
            &["no DatabaseRestore of its namespace"],
        );
        annotate(names::CONFIRMED_FOR_ANNOTATION, "elsewhere/back");
        assert_tells(
            &scene.refused(&delete),
            &["no DatabaseRestore of its namespace"],
        );
        annotate(
            names::CONFIRMED_FOR_ANNOTATION,
            &format!("{}/back", scene.namespace()),
        );
        annotate(
            names::CONFIRMED_FOR_DATABASE_ANNOTATION,
            &format!("{}/{NAME}", scene.namespace()),
        );
        annotate(
            names::PROTECTED_BY_ANNOTATION,
            &format!("{}/other", scene.namespace()),
        );
        assert_tells(
            &scene.refused(&delete),
            &["another ProtectedDatabase guards it"],
        );
        // It can't confirm it either.
        scene.kubectl(&format!(
            "annotate pvc loose {}-",
            names::CONFIRM_DELETION_ANNOTATION
        ));
        let confirm = format!(
            "annotate pvc loose {}={} {operator}",
            names::CONFIRM_DELETION_ANNOTATION,
            confirmation(&uid)
        );
        assert_tells(
            &scene.refused(&confirm),
            &["another ProtectedDatabase guards it"],
        );
        annotate(
            names::PROTECTED_BY_ANNOTATION,
            &format!("{}/{NAME}", scene.namespace()),
        );
        scene.kubectl(&confirm);
        scene.kubectl(&delete);
    });
}

/// Everything is confirmed and deleted, the namespace included; then somebody else gets the name.
#[test]
fn a_namespace_name_that_is_used_again_shows_nothing_until_it_is_accepted() {
    beside_others("whose-name", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        scene.settle().await;
        let (namespace, claim) = (scene.namespace(), server.claim());
        let volume = volume_of(scene, &claim).await.name_any();
        confirm_deletion(scene, "protdb", NAME);
        scene.kubectl(&format!("delete protdb {NAME} --timeout=300s"));
        scene.kubectl(&format!("delete namespace {namespace} --timeout=300s"));
        let ledgers: Api<DatabaseLedger> = Api::all(scene.client.clone());
        let ledger = names::ledger(namespace, NAME);
        let before = ledgers.get(&ledger).await.expect("the ledger");

        scene.kubectl(&format!("create namespace {namespace}"));
        scene.kubectl(&format!(
            "label namespace {namespace} pod-security.kubernetes.io/enforce=restricted"
        ));
        server.start_filled(scene).await;
        scene.protect(&build_plain_database(scene, &server)).await;
        let said = scene
            .wait_condition(ConditionType::Stalled, TRUE, reasons::NAMESPACE_REPLACED)
            .await;
        let uid = scene.kubectl(&format!(
            "get namespace {namespace} -o jsonpath={{.metadata.uid}}"
        ));
        let command = format!(
            "kubectl annotate dbledger {ledger} --overwrite {}={uid}",
            names::ACCEPT_NAMESPACE_ANNOTATION
        );
        assert_tells(&said.message, &[&command]);
        scene.apply(&[build_restore(scene, "back", &volume)]);
        wait_blocked(scene, "back").await;
        scene
            .wait_condition(ConditionType::Guarded, FALSE, reasons::NAMESPACE_REPLACED)
            .await;
        let database = serde_json::to_value(scene.database().await.status).expect("JSON");
        for hidden in [volume.as_str(), "experts", "knowledge_nodes"] {
            assert!(!database.to_string().contains(hidden), "{database}");
        }
        let now = ledgers.get(&ledger).await.expect("the ledger");
        assert_eq!(now.status, before.status, "nothing of it was overwritten");

        // It would go on as soon as the namespace is accepted.
        scene.kubectl("delete dbrestore back");
        scene.kubectl(command.trim_start_matches("kubectl "));
        scene
            .wait_condition(ConditionType::DataReset, TRUE, reasons::VOLUME_REPLACED)
            .await;
        let kept = scene.kubectl(&format!(
            "get pv {volume} -o jsonpath={{.spec.persistentVolumeReclaimPolicy}}"
        ));
        assert_eq!(kept, "Retain");
    });
}

/// The manifest of a claim was copied to another namespace, with the marks on it.
#[test]
fn marks_that_came_with_a_copy_are_none() {
    beside_others("whose-copy", async |scene| {
        let server = Server::new(scene);
        let mut copied = build_claim(scene.namespace(), &server.claim());
        copied["metadata"]["labels"] = json!({names::PROTECTED_LABEL: "true"});
        copied["metadata"]["annotations"] = json!({
            names::PROTECTED_BY_ANNOTATION: "elsewhere/knowledge",
            names::LOSS_SUMMARY_ANNOTATION: "nothing. Delete it: kubectl delete pvc --all",
        });
        // Not by an apply: what another apply leaves out stays.
        let manifest = write_file(&copied.to_string());
        scene.kubectl(&format!("create -f {}", manifest.path().display()));
        let refused = scene.refused(&format!("delete pvc {}", server.claim()));
        assert!(
            !refused.contains("--all") && !refused.contains("elsewhere"),
            "{refused}"
        );
        scene.protect_plainly(&server).await;
        let claim = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
        assert_eq!(
            claim.annotations()[names::PROTECTED_BY_ANNOTATION],
            format!("{}/{NAME}", scene.namespace())
        );
        let refused = scene.refused(&format!("delete pvc {}", server.claim()));
        assert_tells(&refused, &["it holds database knowledge"]);
        assert!(!refused.contains("--all"), "{refused}");
    });
}

async fn wait_blocked(scene: &Scene, name: &str) -> String {
    let restores = scene.api::<DatabaseRestore>();
    scene
        .wait(
            &format!("DatabaseRestore {name} to be Blocked"),
            async || {
                let found = restores
                    .get(name)
                    .await
                    .map_err(|error| error.to_string())?;
                let status = found.status.unwrap_or_default();
                if status.state == Some(RestoreState::Blocked) {
                    Ok(status.message.unwrap_or_default())
                } else {
                    Err(format!("{status:?}"))
                }
            },
        )
        .await
}

fn build_restore(scene: &Scene, name: &str, volume: &str) -> Value {
    let uid = scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.metadata.uid}}"));
    json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
        "metadata": {"name": name, "namespace": scene.namespace()},
        "spec": {"database": NAME, "from": {"volume": volume}, "into": "Replace", "confirm": uid},
    })
}

/// A volume that a claim of that name had before.
fn build_old_volume(scene: &Scene, name: &str, claim: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "local-path",
        "hostPath": {"path": format!("/var/empty/{name}")},
        "claimRef": {"namespace": scene.namespace(), "name": claim,
            "uid": "00000000-0000-0000-0000-000000000001"}}})
}

/// Where no database is guarded, the label of a workload is nobody's: it can be deleted, and its namespace.
#[test]
fn marks_of_nobody_hold_nothing() {
    beside_others("marks-of-nobody", async |scene| {
        let copied = |kind: &str, version: &str, name: &str, spec: Value| {
            json!({"apiVersion": version, "kind": kind, "metadata": {
                "name": name, "namespace": scene.namespace(),
                "labels": {names::PROTECTED_LABEL: "true"}}, "spec": spec})
        };
        let deployment = |name: &str| {
            copied(
                "Deployment",
                "apps/v1",
                name,
                json!({
                "replicas": 0, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "web", "image": "web"}]}}}),
            )
        };
        scene.apply(&[deployment("copied")]);
        scene.kubectl("delete deployment copied --timeout=60s");

        // Beside a guarded database the label of a workload is the operator's.
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        scene.apply(&[deployment("labelled")]);
        assert_tells(
            &scene.refused("delete deployment labelled --wait=false --dry-run=server"),
            &["Holdfast refuses to delete"],
        );
    });
}
