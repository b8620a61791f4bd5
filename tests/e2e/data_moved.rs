//! The data is still somewhere, and the server looks elsewhere: an image that keeps it in another
//! folder, no claim at all, another volume, somebody else's server.

use std::fs;
use std::path::PathBuf;

use holdfast::api::{ConditionStatus, ConditionType, DeletionGuard, WorkloadKind, reasons};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::data_lost::{ask_for_a_check, copy};
use crate::support::{
    ALL_ROWS, Scene, Server, assert_tells, beside_others, build_claim, build_holder,
    build_plain_database, volume_handle, volume_of, with_either,
};

/// As in docker-library/postgres#1400: the newer image keeps its data in a folder that the mount of
/// the older one does not cover.
#[test]
fn a_newer_image_with_its_data_off_the_mount_is_seen_and_the_older_one_is_green_again() {
    beside_others("off-mount", async |scene| {
        let server = Server::new(scene);
        // The check waits for initdb, however slow the machine is, and must have time to count then.
        let start = scene.protect_plainly_within(&server, "5m").await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        set_image(
            scene,
            &server,
            testbed::POSTGRES_17_IMAGE,
            "/var/lib/postgresql/17/docker",
        );
        let upgraded = server.wait_ready(scene, Some(&start)).await;
        let message = scene.wait_reset(reasons::DATA_OFF_VOLUME).await;
        assert_eq!(
            server.count(scene),
            (1, 27),
            "the application has seeded it, and Kubernetes calls the pod ready"
        );
        assert_tells(
            &message,
            &[
                "the data directory /var/lib/postgresql/17/docker is on no PersistentVolumeClaim",
                &volume,
                "(it was mounted at",
            ],
        );
        server.grant(scene);
        let guarded = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::DATA_OFF_VOLUME,
            )
            .await;
        assert_tells(
            &guarded.message,
            &[
                "/var/lib/postgresql/17/docker",
                "is not on a PersistentVolumeClaim",
            ],
        );

        set_image(
            scene,
            &server,
            testbed::POSTGRES_15_IMAGE,
            "/var/lib/postgresql/data/pgdata",
        );
        server.wait_ready(scene, Some(&upgraded)).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// As when an image or a chart is changed: the data is where it was, and Postgres runs beside it.
#[test]
fn another_directory_of_the_same_claim_is_told_with_both_directories_and_put_back_is_green() {
    with_either("other-directory", async |scene, server| {
        let start = scene.protect_plainly(server).await;
        set_image(scene, server, &server.image, "/var/lib/postgresql/data/17");
        let elsewhere = server.wait_ready(scene, Some(&start)).await;
        let message = scene.wait_reset(reasons::OTHER_DATA_DIRECTORY).await;
        assert_tells(
            &message,
            &[
                "was /var/lib/postgresql/data/pgdata, is /var/lib/postgresql/data/17",
                "put the directory back",
            ],
        );
        assert!(!message.contains("restore from a backup"), "{message}");
        set_image(
            scene,
            server,
            &server.image,
            "/var/lib/postgresql/data/pgdata",
        );
        server.wait_ready(scene, Some(&elsewhere)).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

/// The same, read by a superuser, and by another part of the claim.
#[test]
fn another_sub_path_of_the_same_claim_is_told() {
    beside_others("other-sub-path", async |scene| {
        let server = Server::new(scene).as_superuser();
        let start = server.start_filled(scene).await;
        // The guard refuses to mount another part of the claim.
        let mut database = build_plain_database(scene, &server);
        database.spec.guard.deletion = DeletionGuard::Off;
        scene.protect(&database).await;
        scene.wait_verified().await;
        server.shell(scene, "mkdir /var/lib/postgresql/data/new");
        let patch = json!([{"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/0/subPath", "value": "new"}]);
        scene.kubectl(&format!(
            "patch statefulset {} --type=json -p {patch}",
            server.name
        ));
        server.wait_ready(scene, Some(&start)).await;
        let message = scene.wait_reset(reasons::OTHER_DATA_DIRECTORY).await;
        assert_tells(
            &message,
            &[
                "is /var/lib/postgresql/data/pgdata (subPath new)",
                "public.knowledge_nodes: 26,337 -> 27 rows",
            ],
        );
    });
}

/// Nothing is known but the volume: the server gives no salt, and lets nobody in.
#[test]
fn another_volume_on_which_nothing_can_be_read_is_told() {
    with_either("other-unread", async |scene, server| {
        let start = scene.protect_plainly(server).await;
        let old = volume_of(scene, &server.claim()).await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        let patch = json!([{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "POSTGRES_HOST_AUTH_METHOD", "value": "reject"}}]);
        scene.kubectl(&format!(
            "patch statefulset {} --type=json -p {patch}",
            server.name
        ));
        let rejecting = server.wait_ready(scene, Some(&start)).await;
        scene.wait_green().await;
        server.mount(scene, "other-data", &rejecting).await;
        let message = scene.wait_reset(reasons::OTHER_VOLUME_UNREAD).await;
        let new = volume_of(scene, "other-data").await;
        assert_tells(
            &message,
            &[
                "nothing on it can be read",
                "pg_hba.conf rejects",
                &old.name_any(),
                &new.name_any(),
                "kubectl holdfast recover",
            ],
        );
    });
}

fn set_image(scene: &Scene, server: &Server, image: &str, directory: &str) {
    let patch = json!([
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image},
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/3", "value": {"name": "PGDATA", "value": directory}},
    ]);
    scene.kubectl(&format!(
        "patch statefulset {} --type=json -p {patch}",
        server.name
    ));
}

#[test]
fn a_deployment_that_keeps_its_data_in_an_empty_dir_is_warned_about_before_and_told_after() {
    with_either("empty-dir", async |scene, server| {
        let server = &server.as_superuser();
        scene.apply(&deployment_on_an_empty_dir(server));
        let ready = format!(
            "wait deployment/{} --for=condition=Available --timeout=1s",
            server.name
        );
        scene.wait_kubectl(&ready).await;
        let mut database = build_plain_database(scene, server);
        database.spec.workload.kind = Some(WorkloadKind::Deployment);
        scene.protect(&database).await;
        scene.wait_verified().await;
        let warned = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::NO_CLAIMS,
            )
            .await;
        assert_tells(
            &warned.message,
            &["its data is lost when the pod is deleted"],
        );

        scene.kubectl(&format!("delete pod -l app={}", server.name));
        scene.wait_kubectl(&ready).await;
        let message = scene.wait_reset(reasons::DATA_OFF_VOLUME).await;
        assert_tells(
            &message,
            &[
                "the data directory /var/lib/postgresql/data/pgdata is on no PersistentVolumeClaim, so it \
                 starts empty with every pod",
            ],
        );
    });
}

fn deployment_on_an_empty_dir(server: &Server) -> Vec<Value> {
    let mut manifests = server.build_manifests();
    manifests.retain(|manifest| manifest["kind"] != "PersistentVolumeClaim");
    for set in manifests
        .iter_mut()
        .filter(|manifest| manifest["kind"] == "StatefulSet")
    {
        set["kind"] = "Deployment".into();
        set["spec"]
            .as_object_mut()
            .expect("a spec")
            .remove("serviceName");
        set["spec"]["template"]["spec"]["volumes"][1] = json!({"name": "data", "emptyDir": {}});
    }
    manifests
}

/// Somebody else's server, with the same password, answers under the name that the application and
/// the checks use.
#[test]
fn the_server_of_another_tenant_behind_the_same_service_is_seen() {
    with_either("other-tenant", async |scene, server| {
        server.start_filled(scene).await;
        let mut database = build_plain_database(scene, server);
        database.spec.connection.host = Some(server.name.clone());
        scene.protect(&database).await;
        scene.wait_green().await;
        let mut other = Server {
            name: "other-postgres".to_owned(),
            ..server.clone()
        };
        other.claim = crate::support::DataClaim::Named("other-data".to_owned());
        let manifests = other.build_manifests();
        scene.apply(&manifests);
        other.wait_ready(scene, None).await;
        other.fill(scene);
        // It has the same database, and nobody protects it.
        let second = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::SECOND_SERVER,
            )
            .await;
        let stop = format!("scale statefulset {} --replicas=0", other.name);
        assert_tells(&second.message, &[&server.claim(), &stop]);

        scene.kubectl(&format!(
            "patch service {} -p {}",
            server.name,
            json!({"spec": {"selector": {"app": other.name}}})
        ));
        let answers = format!(
            "get endpoints {} -o jsonpath={{.subsets[0].addresses[0].targetRef.name}}",
            server.name
        );
        scene
            .wait("the Service to lead to the other server", async || {
                let pod = scene.try_kubectl(&answers)?;
                if pod == other.pod() { Ok(()) } else { Err(pod) }
            })
            .await;
        let selected = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::OTHER_SERVER_SELECTED,
            )
            .await;
        assert_tells(&selected.message, &[&server.name, &other.pod(), &stop]);
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        assert_tells(
            &message,
            &[
                "another server answers at spec.connection.host (knowledge-postgres)",
                "system identifier",
            ],
        );
    });
}

/// The mount leads to another volume with a copy of the data that is older than what was last known
/// good.
#[test]
fn another_volume_with_an_older_copy_is_a_rollback_and_both_volumes_are_named() {
    with_either("older-copy", async |scene, server| {
        let start = scene.protect_plainly(server).await;
        scene.apply(&[
            build_claim(scene.namespace(), "older-copy"),
            build_holder(scene, "holder", "older-copy"),
        ]);
        scene
            .wait_kubectl("wait pod/holder --for=condition=Ready --timeout=1s")
            .await;
        server.scale(scene, 0);
        scene
            .wait_kubectl(&format!(
                "wait --for=delete pod/{} --timeout=1s",
                server.pod()
            ))
            .await;
        let (old, new) = (
            volume_of(scene, &server.claim()).await,
            volume_of(scene, "older-copy").await,
        );
        let (from, to) = (
            PathBuf::from(volume_handle(&old)),
            PathBuf::from(volume_handle(&new)),
        );
        fs::remove_dir(&to).expect("an empty folder");
        copy(&from, &to);
        scene.kubectl("delete pod holder --force --grace-period=0");
        server.scale(scene, 1);
        let later = server.wait_ready(scene, Some(&start)).await;
        server.sql(
            scene,
            "INSERT INTO experts SELECT 1000 + n, 'new' FROM generate_series(1, 100) n",
        );
        ask_for_a_check(scene).await;
        scene.wait_green().await;

        server.mount(scene, "older-copy", &later).await;
        let message = scene.wait_reset(reasons::ROLLED_BACK).await;
        assert_tells(
            &message,
            &["an older state of it", &old.name_any(), &new.name_any()],
        );
    });
}
