//! A claim mounted above the image's VOLUME: the runtime mounts an empty directory over it, and the
//! data goes with each restart of the container. It is said before, and the repair is let through.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use serde_json::json;

use crate::support::{
    ALL_ROWS, Scene, Server, Start, assert_tells, beside_others, build_plain_database, holdfast,
    with_either,
};

const ABOVE: &str = "/var/lib/postgresql";
const VOLUME: &str = "/var/lib/postgresql/data";

/// A filled server whose claim is mounted one directory too high.
async fn start_above(scene: &Scene, server: &Server) -> Start {
    let mut manifests = server.build_manifests();
    for set in manifests
        .iter_mut()
        .filter(|manifest| manifest["kind"] == "StatefulSet")
    {
        set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] =
            ABOVE.into();
    }
    scene.apply(&manifests);
    let start = server.wait_ready(scene, None).await;
    server.grant(scene);
    server.fill(scene);
    scene.protect(&build_plain_database(scene, server)).await;
    scene.wait_verified().await;
    start
}

async fn wait_said(scene: &Scene) -> String {
    scene
        .wait_condition(
            ConditionType::Guarded,
            ConditionStatus::False,
            reasons::DATA_IN_IMAGE_VOLUME,
        )
        .await
        .message
}

#[test]
fn a_claim_above_the_images_volume_is_said_before_the_loss_and_can_be_repaired() {
    with_either("image-volume", async |scene, server| {
        let start = start_above(scene, server).await;
        let said = wait_said(scene).await;
        assert_tells(
            &said,
            &[
                "is not on a PersistentVolumeClaim",
                "declares VOLUME /var/lib/postgresql/data",
                "do not restart the pod",
                "mountPath: /var/lib/postgresql/data with subPath: pgdata",
            ],
        );
        let doctor = holdfast(scene, &format!("doctor -n {}", scene.namespace()));
        assert_tells(
            &doctor.printed,
            &["declares VOLUME /var/lib/postgresql/data"],
        );

        let (_, copy) = said.split_once("The copy: ").expect("a command");
        let (copy, _) = copy.split_once(". The change").expect("its end");
        let (_, script) = copy.split_once("sh -c '").expect("a script");
        server.shell(scene, script.trim_end_matches('\''));

        let path = "/spec/template/spec/containers/0/volumeMounts/0";
        let elsewhere = json!([{"op": "replace", "path": path, "value": {"name": "data", "mountPath": "/elsewhere"}}]);
        let refused = scene.refused(&format!(
            "patch statefulset {} --type=json -p {elsewhere}",
            server.name
        ));
        assert_tells(&refused, &["refuses to remove the mount at"]);
        let repair = json!([{"op": "replace", "path": path, "value": {"name": "data", "mountPath": VOLUME, "subPath": "pgdata"}}]);
        scene.kubectl(&format!(
            "patch statefulset {} --type=json -p {repair}",
            server.name
        ));
        let repaired = server.wait_ready(scene, Some(&start)).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS);
        server.restart_pod(scene, &repaired).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS, "the data is on the claim");
        let set = scene.kubectl("get statefulset -o yaml");
        assert!(!set.contains("holdfast.dev/mount-repair"), "{set}");
    });
}

#[test]
fn data_in_the_images_volume_is_lost_with_the_container_and_not_called_initdb_on_the_claim() {
    beside_others("image-volume-lost", async |scene| {
        let server = Server::new(scene);
        let start = start_above(scene, &server).await;
        wait_said(scene).await;
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::DATA_OFF_VOLUME).await;
        assert_tells(
            &message,
            &["is on no PersistentVolumeClaim, so it starts empty with every pod"],
        );
    });
}

#[test]
fn a_claim_above_it_with_its_data_beside_the_images_volume_is_green() {
    beside_others("image-volume-beside", async |scene| {
        let server = Server::new(scene);
        let mut manifests = server.build_manifests();
        for set in manifests
            .iter_mut()
            .filter(|manifest| manifest["kind"] == "StatefulSet")
        {
            let container = &mut set["spec"]["template"]["spec"]["containers"][0];
            container["volumeMounts"][0]["mountPath"] = ABOVE.into();
            container["env"][3]["value"] = "/var/lib/postgresql/pgdata".into();
        }
        scene.apply(&manifests);
        server.wait_ready(scene, None).await;
        server.grant(scene);
        server.fill(scene);
        scene.protect(&build_plain_database(scene, &server)).await;
        scene.wait_green().await;
    });
}
