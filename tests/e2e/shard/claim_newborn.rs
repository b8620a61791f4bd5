//! A claim that was born a moment ago, on a StorageClass that deletes: what is said of it before it
//! is guarded, and when it is deleted right then.

use std::path::Path;
use std::sync::Arc;

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::between::{Between, Write};
use super::operator::{Installation, Operator};
use crate::support::{
    ALL_ROWS, Server, assert_tells, build_plain_database, in_shard, reclaim_policy, volume_handle,
    volume_of,
};

/// How many lost writes show that the operator does not take them for done.
const LOST: usize = 3;

#[test]
fn a_new_claim_is_called_guarded_only_after_its_volume_was_read_back_on_retain() {
    in_shard("newborn", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let volume = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&volume), "Delete");
        let path = format!("/api/v1/persistentvolumes/{}", volume.name_any());
        scene.protect(&build_plain_database(scene, &server)).await;
        let installation = Installation::read(scene).await;

        // Whatever is answered to its writes, it believes what it reads.
        let losing = Arc::new(Between::new().losing(&path));
        let operator =
            installation.operate_through(scene, losing.build_client(installation.config.clone()));
        scene
            .wait("the volume to be set to Retain over and over", async || {
                let tried = losing
                    .writes()
                    .iter()
                    .filter(|write| write.path == path)
                    .count();
                if tried >= LOST {
                    Ok(())
                } else {
                    Err(format!("{tried}"))
                }
            })
            .await;
        operator.kill().await;
        assert_eq!(
            guarded_said(&losing.writes())
                .into_iter()
                .find(|said| said == "True"),
            None
        );

        let honest = Arc::new(Between::new());
        let operator =
            installation.operate_through(scene, honest.build_client(installation.config.clone()));
        scene.wait_guarded().await;
        operator.kill().await;
        let writes = honest.writes();
        let retained = writes.iter().position(|write| {
            write.path == path && write.answer.is_success() && write.body.contains("Retain")
        });
        let retained = retained.expect("the volume set to Retain");
        assert_eq!(
            guarded_said(&writes[..retained])
                .into_iter()
                .find(|said| said == "True"),
            None,
            "Retain comes first"
        );
        assert!(guarded_said(&writes[retained..]).contains(&"True".to_owned()));
        let _operator = installation.operate(scene);
        scene.wait_green().await;
    });
}

#[test]
fn a_new_claim_that_is_deleted_before_it_was_marked_keeps_its_files_as_long_as_its_pod_runs() {
    in_shard("newborn-deleted", async |scene| {
        let server = Server::new(scene);
        let start = server.start_filled(scene).await;
        let volume = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&volume), "Delete");
        scene.protect(&build_plain_database(scene, &server)).await;
        scene.kubectl(&format!("delete pvc {} --wait=false", server.claim()));
        let _operator = Operator::start(scene).await;

        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_TERMINATING,
            )
            .await;
        let tells = [
            "knowledge-data was deleted without confirmation",
            "Its volume is on Retain",
            "still has the data: do not stop it",
        ];
        assert_tells(&said.message, &tells);
        scene
            .wait("the volume to be on Retain", async || match reclaim_policy(
                &volume_of(scene, &server.claim()).await,
            )
            .as_str()
            {
                "Retain" => Ok(()),
                other => Err(other.to_owned()),
            })
            .await;
        assert_eq!(server.wait_ready(scene, None).await, start);
        assert_eq!(server.count(scene), ALL_ROWS);

        // It goes with its pod, as Kubernetes has it; the volume does not.
        server.scale(scene, 0);
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
        assert_tells(&said.message, &["knowledge-data", "does not exist"]);
        let kept: PersistentVolume = Api::all(scene.client.clone())
            .get(&volume.name_any())
            .await
            .expect("the volume");
        assert!(kept.metadata.deletion_timestamp.is_none());
        assert!(
            Path::new(&volume_handle(&kept))
                .join("pgdata/PG_VERSION")
                .is_file()
        );
        assert_tells(
            &scene.refused(&format!("delete pv {} --wait=false", volume.name_any())),
            &["Holdfast refuses to delete"],
        );
        let claims = scene.status().await.claims;
        assert_eq!(
            (claims.len(), claims[0].volume.as_str(), claims[0].guarded),
            (1, volume.name_any().as_str(), true),
            "{claims:?}"
        );
    });
}

/// Nothing held it and its volume was on Delete: it is gone, and nobody says otherwise.
#[test]
fn a_new_claim_that_was_gone_before_anybody_looked_is_said_to_be_gone() {
    in_shard("newborn-gone", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let volume = volume_of(scene, &server.claim()).await;
        server.scale(scene, 0);
        scene.kubectl(&format!(
            "wait --for=delete pod/{} --timeout=120s",
            server.pod()
        ));
        scene.protect(&build_plain_database(scene, &server)).await;
        scene.kubectl(&format!("delete pvc {} --timeout=60s", server.claim()));
        let _operator = Operator::start(scene).await;

        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
        assert_tells(&said.message, &["knowledge-data", "does not exist"]);
        scene
            .wait_condition(
                ConditionType::Ready,
                ConditionStatus::False,
                reasons::NOT_READY,
            )
            .await;
        scene.settle().await;
        scene
            .assert_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
        assert_eq!(
            scene.status().await.claims,
            [],
            "nothing is claimed of what is not there"
        );
        let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
        scene
            .wait(
                "the volume to go, as its StorageClass asks: why Retain is set first",
                async || match volumes.get_opt(&volume.name_any()).await {
                    Ok(None) => Ok(()),
                    seen => Err(format!("{seen:?}")),
                },
            )
            .await;
        assert_eq!(scene.list::<PersistentVolumeClaim>().await, []);
    });
}

/// What was written of the condition Guarded, in order.
fn guarded_said(writes: &[Write]) -> Vec<String> {
    let statuses = writes.iter().filter(|write| {
        write.path.ends_with("/status") && write.path.contains("/protecteddatabases/")
    });
    let said = statuses.filter_map(|write| {
        let body: Value = serde_json::from_str(&write.body).expect("JSON");
        let conditions = body["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let guarded = conditions
            .into_iter()
            .find(|condition| condition["type"] == ConditionType::Guarded.as_str())?;
        Some(guarded["status"].as_str().unwrap_or_default().to_owned())
    });
    said.collect()
}
