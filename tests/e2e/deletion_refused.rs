//! Somebody deletes what holds the data: the API server refuses, says what would be lost and how to
//! confirm, and does what is confirmed.

use std::path::Path;
use std::time::Duration;

use holdfast::api::{
    ConditionStatus, ConditionType, ConfirmedVerb, ProtectedDatabase, names, reasons,
};
use holdfast::guard::definition_names;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

use crate::support::{
    ALL_ROWS, NAME, Scene, Server, assert_tells, beside_others, build_claim, confirm_change,
    confirmation, confirmation_before, type_command, volume_handle, volume_of,
};

#[test]
fn nothing_that_leads_to_the_data_can_be_deleted() {
    beside_others("refuse", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        assert_everything_is_refused(scene, &server).await;
        scene.settle().await;
        let refused = scene.refused("delete pvc knowledge-data --wait=false");
        let contents = "it holds database knowledge_os with 26,422 rows in 2 tables, seen at 20";
        assert_tells(
            &refused,
            &[
                contents,
                "; the last good backup is knowledge-backup-first of 20",
                "If it were deleted, Postgres would start on an empty volume",
                &format!("kubectl holdfast status knowledge -n {}", scene.namespace()),
            ],
        );
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod was not touched"
        );
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

#[test]
fn the_definitions_can_not_be_deleted() {
    beside_others("refuse-crd", async |scene| {
        assert_definitions_are_refused(scene);
    });
}

/// Tries to delete every definition. The server decides on a dry run as on a real one, and a
/// failure takes nothing along.
pub fn assert_definitions_are_refused(scene: &Scene) {
    for definition in definition_names() {
        let refused = scene.refused(&format!("delete crd {definition} --dry-run=server"));
        let wanted = [
            "Holdfast refuses to delete",
            definition,
            "every object of this kind",
            names::CONFIRM_DELETION_ANNOTATION,
        ];
        assert_tells(&refused, &wanted);
    }
}

#[test]
fn deleting_all_claims_leaves_the_guarded_one() {
    beside_others("refuse-all", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        scene.apply(&[
            build_claim(scene.namespace(), "a-sibling"),
            build_claim(scene.namespace(), "z-sibling"),
        ]);

        let claims = scene.api::<PersistentVolumeClaim>();
        let refused = claims
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await;
        let refused = refused
            .expect_err("the collection holds a guarded claim")
            .to_string();
        assert_tells(
            &refused,
            &["Holdfast refuses to delete PersistentVolumeClaim knowledge-data"],
        );
        let refused = scene.refused("delete pvc --all --wait=false");
        assert_tells(
            &refused,
            &["Holdfast refuses to delete PersistentVolumeClaim knowledge-data"],
        );

        scene
            .wait("the siblings, which nobody guards, to go", async || {
                let left: Vec<String> = scene
                    .list::<PersistentVolumeClaim>()
                    .await
                    .iter()
                    .map(ResourceExt::name_any)
                    .collect();
                if left == ["knowledge-data"] {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            })
            .await;
        assert!(
            scene
                .get::<PersistentVolumeClaim>("knowledge-data")
                .await
                .metadata
                .deletion_timestamp
                .is_none()
        );
        scene.settle().await;
        scene.wait_green().await;
    });
}

#[test]
fn a_confirmation_of_another_object_confirms_nothing() {
    beside_others("refuse-uid", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let other = scene.database().await.uid().expect("a UID");
        let own = scene.kubectl("get pvc knowledge-data -o jsonpath={.metadata.uid}");
        let day = Duration::from_hours(24);
        let later = format!("{own}/2099-02-01T09:30:00Z");
        for value in [
            "true".to_owned(),
            own.clone(),
            confirmation(&other),
            confirmation_before(&own, day),
            later,
            format!("{own}/2026-02-31T09:30:00Z"),
        ] {
            for verb in ConfirmedVerb::ALL {
                let refused = scene.refused(&format!(
                    "annotate pvc knowledge-data {}={value} --overwrite",
                    verb.annotation()
                ));
                assert_tells(&refused, &["denied request"]);
            }
            assert_tells(
                &scene.refused("delete pvc knowledge-data --wait=false"),
                &["Holdfast refuses to delete"],
            );
        }
        let refused = scene.refused(&format!(
            "annotate pvc knowledge-data {}={own}",
            names::CONFIRM_DELETION_ANNOTATION
        ));
        let tells = [
            "Holdfast refuses to take this for a confirmation",
            "The clock of the API server says 20",
            "kubectl holdfast unlock pvc/knowledge-data",
        ];
        assert_tells(&refused, &tells);
        // The verb is in the name of the annotation.
        confirm_change(scene, "pvc", "knowledge-data");
        assert_tells(
            &scene.refused("delete pvc knowledge-data --wait=false"),
            &["Holdfast refuses to delete"],
        );
        assert!(
            scene
                .get::<PersistentVolumeClaim>("knowledge-data")
                .await
                .metadata
                .deletion_timestamp
                .is_none()
        );
    });
}

#[test]
fn a_confirmed_claim_goes_and_its_volume_stays() {
    beside_others("confirm", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let volume = volume_of(scene, "knowledge-data").await;
        let refused = scene.refused("delete pvc knowledge-data --wait=false");

        // What the message tells to type, typed.
        type_command(scene, &refused);
        scene.kubectl("delete pvc knowledge-data --wait=false");
        server.scale(scene, 0);

        scene
            .wait("the claim to go", async || {
                match scene
                    .api::<PersistentVolumeClaim>()
                    .get_opt("knowledge-data")
                    .await
                {
                    Ok(None) => Ok(()),
                    Ok(Some(claim)) => Err(format!("finalizers {:?}", claim.metadata.finalizers)),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await;
        let left: PersistentVolume = Api::all(scene.client.clone())
            .get(&volume.name_any())
            .await
            .expect("the volume survives");
        assert_eq!(left.uid(), volume.uid());
        assert!(left.metadata.deletion_timestamp.is_none());
        assert!(
            Path::new(&volume_handle(&left))
                .join("pgdata/PG_VERSION")
                .is_file(),
            "the files are there"
        );
        let said = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_NOT_FOUND,
            )
            .await;
        assert_tells(&said.message, &["knowledge-data", "does not exist"]);
        delete_the_kept_volume(scene, &left).await;
    });
}

/// The volume that a confirmed deletion of its claim has left behind is guarded like any other, and
/// goes like any other.
async fn delete_the_kept_volume(scene: &Scene, volume: &PersistentVolume) {
    let name = volume.name_any();
    let refused = scene.refused(&format!("delete pv {name} --wait=false"));
    type_command(scene, &refused);
    scene.kubectl(&format!("delete pv {name} --wait=false"));
    scene
        .wait(
            "the volume to go",
            async || match Api::<PersistentVolume>::all(scene.client.clone())
                .get_opt(&name)
                .await
            {
                Ok(None) => Ok(()),
                Ok(Some(volume)) => Err(format!("finalizers {:?}", volume.metadata.finalizers)),
                Err(error) => Err(error.to_string()),
            },
        )
        .await;
    assert!(
        Path::new(&volume_handle(volume))
            .join("pgdata/PG_VERSION")
            .is_file(),
        "Retain leaves the files also then"
    );
    std::fs::remove_dir_all(volume_handle(volume))
        .expect("the files of a volume that nobody knows any more");
}

/// Tries to delete whatever leads to the data, and sees that the answer helps and nothing has
/// happened.
pub async fn assert_everything_is_refused(scene: &Scene, server: &Server) {
    // Large, and awaited in many tests.
    Box::pin(assert_each_is_refused(scene, server)).await;
}

async fn assert_each_is_refused(scene: &Scene, server: &Server) {
    let volume = volume_of(scene, &server.claim()).await.name_any();
    let claim = server.claim();
    let namespace = scene.namespace();
    let targets = [
        ("pvc", "PersistentVolumeClaim", claim.as_str()),
        ("pv", "PersistentVolume", volume.as_str()),
        ("statefulset", "StatefulSet", server.name.as_str()),
        ("namespace", "Namespace", namespace),
        ("protdb", "ProtectedDatabase", NAME),
    ];
    for (word, kind, name) in targets {
        let refused = scene.refused(&format!("delete {word} {name} --wait=false"));
        let uid = scene.kubectl(&format!("get {word} {name} -o jsonpath={{.metadata.uid}}"));
        let confirmation = format!(
            "{}={uid}/$(date -u +%FT%TZ)",
            names::CONFIRM_DELETION_ANNOTATION
        );
        let wanted = [
            &format!("Holdfast refuses to delete {kind} {name}"),
            "If it were deleted, ",
            &format!("kubectl holdfast unlock {word}/{name}"),
            &format!("kubectl annotate {word} {name}"),
            &confirmation,
        ];
        assert_tells(&refused, &wanted);
    }
    // Without its pods and guarded claims it may go: nothing is lost by that.
    let orphaning = scene.warned(&format!(
        "delete statefulset {} --cascade=orphan --wait=false --dry-run=server",
        server.name
    ));
    assert_tells(
        &orphaning,
        &["Holdfast warns", "Create it again under the same name"],
    );

    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    let volumes: Api<PersistentVolume> = Api::all(scene.client.clone());
    let left = [
        scene.get::<PersistentVolumeClaim>(&claim).await.metadata,
        volumes.get(&volume).await.expect("the volume").metadata,
        scene.get::<StatefulSet>(&server.name).await.metadata,
        namespaces
            .get(namespace)
            .await
            .expect("the namespace")
            .metadata,
        scene.get::<ProtectedDatabase>(NAME).await.metadata,
        scene.get::<Pod>(&server.pod()).await.metadata,
    ];
    let going: Vec<&ObjectMeta> = left
        .iter()
        .filter(|metadata| metadata.deletion_timestamp.is_some())
        .collect();
    assert!(going.is_empty(), "{going:?}");
}
