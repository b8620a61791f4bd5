//! The operator dies at any write of a DatabaseRestore that swaps one volume for another: the next
//! one ends it, and both volumes are kept.

use std::time::Instant;

use holdfast::api::{DatabaseRestore, RestoreState, names, reasons};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::lane::Lane;
use super::{Crashes, OperatorDown, run_lanes};
use crate::support::{NAME, alone, build_claim, lose_claim, reclaim_policy, volume_of};

#[test]
fn a_crash_at_any_write_of_a_restore_keeps_both_volumes_and_the_next_operator_ends_it() {
    alone("crash-restore", async |scene| {
        let down = OperatorDown::begin(scene).await;
        let crashes = Crashes::new(&[
            "PATCH databaserestores/status",
            "PATCH persistentvolumes",
            "PATCH statefulsets",
            "PATCH persistentvolumeclaims",
            "DELETE persistentvolumeclaims",
            "POST persistentvolumeclaims",
        ]);
        run_lanes(scene, &crashes, async |lane, start, crashes| {
            lane.protect().await;
            let first = lane.operate();
            lane.wait_done(&start).await;
            let volumes = replace_volume(lane).await;
            first.kill().await;
            let (mut present, mut tried) = (1, 0);
            while let Some(doom) = crashes.take() {
                let began = Instant::now();
                let wanted = &volumes[1 - present];
                tried += 1;
                let name = format!("swap-{tried}");
                lane.scene.apply(&[json!({
                    "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": name, "namespace": lane.scene.namespace()},
                    "spec": {"database": NAME, "from": {"volume": wanted}, "into": "Replace", "confirm": NAME},
                })]);
                let death = lane.operate_until_death(doom, wait_final(lane, &name)).await;
                let successor = lane.operate();
                wait_final(lane, &name).await;
                assert_swapped(lane, wanted, &volumes).await;
                successor.kill().await;
                present = 1 - present;
                crashes.record(doom, death.as_deref(), began);
            }
        })
        .await;
        crashes.assert_tried();
        down.end().await;
    });
}

/// Gives the server a fresh volume under the same claim. Returns the names of the volume with the
/// data and of the fresh one.
async fn replace_volume(lane: &Lane) -> [String; 2] {
    let (scene, claim) = (&lane.scene, lane.server.claim());
    let right = volume_of(scene, &claim).await.name_any();
    lose_claim(scene, &lane.server);
    scene.apply(&[build_claim(scene.namespace(), &claim)]);
    lane.server.scale(scene, 1);
    lane.server.wait_ready(scene, None).await;
    scene.wait_reset(reasons::VOLUME_REPLACED).await;
    [right, volume_of(scene, &claim).await.name_any()]
}

/// Waits until a restore has ended: the data verified, or found not to be the data.
async fn wait_final(lane: &Lane, name: &str) {
    let restores = lane.scene.api::<DatabaseRestore>();
    lane.scene
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

async fn assert_swapped(lane: &Lane, wanted: &str, volumes: &[String; 2]) {
    let scene = &lane.scene;
    assert_eq!(
        volume_of(scene, &lane.server.claim()).await.name_any(),
        wanted
    );
    let set = scene.get::<StatefulSet>(&lane.server.name).await;
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
