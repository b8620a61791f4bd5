//! A second volume object for the storage of a guarded one: without the guard, its claim is deleted and
//! the provisioner removes the files of both.

use std::path::Path;

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::support::{
    ALL_ROWS, Scene, Server, assert_tells, beside_others, build_claim, build_holder,
    reclaim_policy, volume_handle, volume_of,
};

#[test]
fn a_second_volume_for_the_same_storage_is_set_to_retain_and_named() {
    beside_others("same-storage", async |scene| {
        let server = Server::seventeen(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        let guarded = volume_of(scene, &server.claim()).await;
        let name = format!("{}-twin", scene.namespace());
        scene.apply(&[build_twin(scene, &guarded, &name)]);
        let twin = wait_retained(scene, &name).await;
        assert_eq!(twin.labels().len(), 0, "it is not the database's own");
        let told = scene
            .wait_told(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::GUARDED,
                &[&name, "is for the same storage as", &guarded.name_any()],
            )
            .await;
        assert_tells(&told.message, &["kubectl get pv"]);

        // What took the files away: a claim of its own, deleted.
        let mut claim = build_claim(scene.namespace(), "twin");
        claim["spec"]["volumeName"] = name.clone().into();
        scene.apply(&[claim]);
        scene
            .wait_kubectl("wait pvc/twin --for=jsonpath={.status.phase}=Bound --timeout=1s")
            .await;
        assert_use_is_said(scene, &name).await;
        scene.kubectl("delete pvc twin --timeout=60s");
        scene
            .wait_kubectl(&format!(
                "wait pv/{name} --for=jsonpath={{.status.phase}}=Released --timeout=1s"
            ))
            .await;
        // On Retain the object goes and nothing else does.
        scene.kubectl(&format!("delete pv {name} --timeout=60s"));
        assert!(
            Path::new(&volume_handle(&guarded)).is_dir(),
            "the files are there"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// A pod with the other claim may write to the files of the database.
async fn assert_use_is_said(scene: &Scene, volume: &str) {
    scene.apply(&[build_holder(scene, "beside", "twin")]);
    let told = scene
        .wait_told(
            ConditionType::Guarded,
            ConditionStatus::False,
            reasons::SAME_STORAGE,
            &[volume, "pod beside may write to it through", "twin"],
        )
        .await;
    assert_tells(
        &told.message,
        &["two servers on the same files", "delete pod beside"],
    );
    scene.kubectl("delete pod beside --force --grace-period=0");
    scene
        .wait_told(
            ConditionType::Guarded,
            ConditionStatus::True,
            reasons::GUARDED,
            &[volume],
        )
        .await;
}

/// Another object for the same directory, on Delete, that the provisioner takes for its own.
fn build_twin(scene: &Scene, guarded: &PersistentVolume, name: &str) -> Value {
    let mut spec = json!(guarded.spec);
    spec["persistentVolumeReclaimPolicy"] = "Delete".into();
    spec["claimRef"] = json!({"namespace": scene.namespace(), "name": "twin"});
    let provisioner = "pv.kubernetes.io/provisioned-by";
    json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name,
            "annotations": {provisioner: guarded.annotations().get(provisioner)}},
        "spec": spec})
}

async fn wait_retained(scene: &Scene, name: &str) -> PersistentVolume {
    let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
    scene
        .wait(&format!("volume {name} to be on Retain"), async || {
            let volume = volumes.get(name).await.map_err(|error| error.to_string())?;
            match reclaim_policy(&volume).as_str() {
                "Retain" => Ok(volume),
                other => Err(other.to_owned()),
            }
        })
        .await
}
