//! The operator dies at a write of a DatabaseRestore that swaps one volume for another: the next
//! one ends it, and both volumes are kept.

use std::time::Instant;

use holdfast::api::{DatabaseRestore, RestoreState, names, reasons};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::worker::Worker;
use super::{Crashes, run_workers, tell};
use crate::support::{NAME, build_claim, in_shard, lose_claim, reclaim_policy, volume_of};

#[test]
fn a_crash_of_a_restore_keeps_both_volumes_and_the_next_operator_ends_it() {
    in_shard("crash-restore", async |scene| {
        let crashes = Crashes::at(&[
            "PATCH persistentvolumes",
            "DELETE persistentvolumeclaims",
            "POST persistentvolumeclaims",
        ]);
        run_workers(scene, async |worker, start| {
            worker.protect().await;
            let first = worker.operate();
            worker.wait_done(&start).await;
            let volumes = replace_volume(worker).await;
            first.kill().await;
            let (mut present, mut tried) = (1, 0);
            while let Some(point) = crashes.take() {
                let began = Instant::now();
                let wanted = &volumes[1 - present];
                tried += 1;
                let name = format!("swap-{tried}");
                let uid = format!("get protdb {NAME} -o jsonpath={{.metadata.uid}}");
                let uid = worker.scene.kubectl(&uid);
                worker.scene.apply(&[json!({
                    "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": name, "namespace": worker.scene.namespace()},
                    "spec": {"database": NAME, "from": {"volume": wanted}, "into": "Replace", "confirm": uid},
                })]);
                worker
                    .operate_until_crash(point, wait_final(worker, &name))
                    .await;
                let successor = worker.operate();
                wait_final(worker, &name).await;
                assert_swapped(worker, wanted, &volumes).await;
                successor.kill().await;
                present = 1 - present;
                tell(point, began);
            }
        })
        .await;
    });
}

/// Gives the server a fresh volume under the same claim. Returns the names of the volume with the
/// data and of the fresh one.
async fn replace_volume(worker: &Worker) -> [String; 2] {
    let (scene, claim) = (&worker.scene, worker.server.claim());
    let right = volume_of(scene, &claim).await.name_any();
    lose_claim(scene, &worker.server);
    scene.apply(&[build_claim(scene.namespace(), &claim)]);
    worker.server.scale(scene, 1);
    worker.server.wait_ready(scene, None).await;
    scene.wait_reset(reasons::VOLUME_REPLACED).await;
    [right, volume_of(scene, &claim).await.name_any()]
}

/// Waits until a restore has ended: the data verified, or found not to be the data.
async fn wait_final(worker: &Worker, name: &str) {
    let restores = worker.scene.api::<DatabaseRestore>();
    worker
        .scene
        .wait("the restore to end", async || {
            let status = restores
                .get(name)
                .await
                .map_err(|error| error.to_string())?
                .status
                .unwrap_or_default();
            if status.state.is_some_and(RestoreState::is_final) {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await;
}

async fn assert_swapped(worker: &Worker, wanted: &str, volumes: &[String; 2]) {
    let scene = &worker.scene;
    assert_eq!(
        volume_of(scene, &worker.server.claim()).await.name_any(),
        wanted
    );
    let set = scene.get::<StatefulSet>(&worker.server.name).await;
    assert_eq!(set.spec.as_ref().and_then(|spec| spec.replicas), Some(1));
    assert!(
        !set.annotations()
            .contains_key(names::REPLICAS_BEFORE_ANNOTATION),
        "{:?}",
        set.annotations()
    );
    let api: Api<PersistentVolume> = Api::all(scene.client.clone());
    for volume in volumes {
        let volume = api.get(volume).await.expect("both volumes are kept");
        assert_eq!(reclaim_policy(&volume), "Retain");
        assert!(volume.metadata.deletion_timestamp.is_none(), "{volume:?}");
    }
}
