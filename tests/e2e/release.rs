//! Somebody stops protecting a database on purpose: every mark goes, nothing hangs, and no data
//! goes with it.

use std::io::Write as _;

use holdfast::api::{
    ConditionStatus, ConditionType, ConfirmedVerb, DatabaseBackup, ProtectedDatabase, names,
    reasons,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::ObjectMeta;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::{
    ALL_ROWS, NAME, Scene, Server, assert_tells, beside_others, confirm_deletion, names_of,
    reclaim_policy, type_command, volume_of,
};

#[test]
fn a_confirmed_release_takes_the_marks_off_and_deletes_no_data() {
    beside_others("release", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        let backups = names_of(&scene.list::<DatabaseBackup>().await);
        let path = scene
            .get::<DatabaseBackup>(&backups[0])
            .await
            .status
            .expect("a status")
            .path
            .expect("a path");
        let objects = scene.testbed.object_keys(&path).expect("the bucket");
        assert!(objects.len() >= 3, "{objects:?}");

        release(scene).await;

        assert_released(scene, &server).await;
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod was not touched"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
        assert_eq!(
            names_of(&scene.list::<DatabaseBackup>().await),
            backups,
            "the backups outlive the ProtectedDatabase"
        );
        assert_eq!(
            scene.testbed.object_keys(&path).expect("the bucket"),
            objects
        );

        // Nothing refuses any more, now that nothing is guarded.
        scene.kubectl(&format!("delete statefulset {} --timeout=60s", server.name));
        scene.kubectl("delete pvc knowledge-data --timeout=60s");
    });
}

#[test]
fn a_guard_that_is_switched_off_leaves_no_mark_and_keeps_retain() {
    beside_others("release-off", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let off = format!(
            "patch protdb {NAME} --type=merge -p {{\"spec\":{{\"guard\":{{\"deletion\":\"Off\"}}}}}}"
        );
        // What is confirmed is a change, by the command of the refusal.
        confirm_deletion(scene, "protdb", NAME);
        let refused = scene.refused(&off);
        assert_tells(
            &refused,
            &["refuses to switch the guard of ProtectedDatabase"],
        );
        type_command(scene, &refused);
        assert_tells(
            &scene.warned(&off),
            &["Holdfast warns: spec.guard.deletion is Off"],
        );
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::GUARD_OFF,
            )
            .await;
        scene.settle().await;
        assert_released(scene, &server).await;
        let database = scene.database().await;
        for verb in ConfirmedVerb::ALL {
            assert!(!database.annotations().contains_key(verb.annotation()));
        }
        let said = scene
            .wait_condition(
                ConditionType::Ready,
                ConditionStatus::False,
                reasons::GUARD_OFF,
            )
            .await;
        assert_tells(&said.message, &["To guard it: kubectl -n "]);

        // Created without a guard, it says so too.
        let other = json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {"name": "other"},
            "spec": {
                "guard": {"deletion": "Off"}, "workload": {"name": server.name},
                "connection": {
                    "database": "knowledge_os", "credentialsSecret": {"name": "pg-holdfast"},
                },
            },
        });
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(other.to_string().as_bytes())
            .expect("a file");
        let create = format!("create --dry-run=server -f {}", file.path().display());
        assert_tells(
            &scene.warned(&create),
            &[
                "Holdfast warns: spec.guard.deletion is Off",
                "patch protdb other",
            ],
        );

        scene
            .change(json!({"spec": {"guard": {"deletion": "Deny"}}}))
            .await;
        scene.wait_guarded().await;
    });
}

/// Stops protecting the database on purpose.
pub async fn release(scene: &Scene) {
    confirm_deletion(scene, "protdb", NAME);
    scene.kubectl(&format!("delete protdb {NAME} --wait=false"));
    scene
        .wait("the ProtectedDatabase to go", async || {
            match scene.api::<ProtectedDatabase>().get_opt(NAME).await {
                Ok(None) => Ok(()),
                Ok(Some(database)) => Err(format!(
                    "{:?} {:?}",
                    database.metadata.finalizers, database.status
                )),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
}

/// No mark is left anywhere but on the ProtectedDatabase; the volume is as safe as before.
pub async fn assert_released(scene: &Scene, server: &Server) {
    let volume = volume_of(scene, &server.claim()).await;
    assert_eq!(
        reclaim_policy(&volume),
        "Retain",
        "a release is not a reason to let the storage delete the volume"
    );
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let released = [
        volume.metadata,
        scene
            .get::<PersistentVolumeClaim>(&server.claim())
            .await
            .metadata,
        scene.get::<StatefulSet>(&server.name).await.metadata,
        namespaces
            .get(scene.namespace())
            .await
            .expect("the namespace")
            .metadata,
    ];
    for metadata in &released {
        assert!(!is_marked(metadata), "{metadata:?}");
        assert!(metadata.deletion_timestamp.is_none(), "{metadata:?}");
    }
}

fn is_marked(metadata: &ObjectMeta) -> bool {
    let label = metadata
        .labels
        .iter()
        .flatten()
        .any(|(key, _)| key == names::PROTECTED_LABEL);
    let annotation = metadata
        .annotations
        .iter()
        .flatten()
        .any(|(key, _)| key == names::PROTECTED_BY_ANNOTATION);
    let finalizer = metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == names::KEEP_FINALIZER);
    label || annotation || finalizer
}
