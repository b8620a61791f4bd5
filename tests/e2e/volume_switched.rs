//! The incident of `incidents/002-volume-switched.txt`: Postgres comes up on another volume, seeds
//! itself, and everything looks healthy.

use holdfast::api::{CheckOutcome, reasons};
use kube::ResourceExt;

use crate::support::{ALL_ROWS, NAME, assert_tells, build_claim, outcome, volume_of, with_either};

/// The role of the checks is on the old volume: what is on the new one can't be read.
#[test]
fn a_switched_volume_is_seen_although_nobody_can_log_in_and_mounted_back_is_green() {
    with_either("switched-granted", async |scene, server| {
        let start = scene.protect_filled(server).await;
        let old = volume_of(scene, "knowledge-data").await;
        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        let switched = server.mount(scene, "other-data", &start).await;
        let message = scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let new = volume_of(scene, "other-data").await;
        let wanted = [
            old.name_any(),
            new.name_any(),
            "claim knowledge-data".to_owned(),
            "claim other-data".to_owned(),
            "refused the login of role \"holdfast\"".to_owned(),
            format!("kubectl holdfast recover {NAME}"),
        ];
        assert_tells(&message, &wanted.each_ref().map(String::as_str));
        server.mount(scene, "knowledge-data", &switched).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS);
    });
}

#[test]
fn a_switched_volume_is_seen_and_the_old_one_mounted_back_is_green() {
    with_either("switched", async |scene, server| {
        let server = &server.as_superuser();
        let start = scene.protect_filled(server).await;
        let old = volume_of(scene, "knowledge-data").await;

        scene.apply(&[build_claim(scene.namespace(), "other-data")]);
        let switched = server.mount(scene, "other-data", &start).await;
        let message = scene.wait_reset(reasons::VOLUME_REPLACED).await;
        let new = volume_of(scene, "other-data").await;
        assert_eq!(
            server.count(scene),
            (1, 27),
            "the application has seeded the empty volume, and Kubernetes calls the pod ready"
        );
        let wanted = [
            old.name_any(),
            new.name_any(),
            "claim knowledge-data".to_owned(),
            "claim other-data".to_owned(),
            "public.experts: 85 -> 1 rows".to_owned(),
            "public.knowledge_nodes: 26,337 -> 27 rows".to_owned(),
            format!("kubectl get pv {} {}", old.name_any(), new.name_any()),
        ];
        assert_tells(&message, &wanted.each_ref().map(String::as_str));
        assert_tells(
            &scene.kubectl(&format!("get protdb {NAME}")),
            &["VolumeReplaced"],
        );
        assert_tells(
            &scene.kubectl(&format!("describe protdb {NAME}")),
            &[&old.name_any(), &new.name_any()],
        );
        assert_eq!(
            outcome(&scene.wait_judged(&switched).await),
            Some(CheckOutcome::Suspected)
        );

        // Both volumes are kept: the old one has the data, and what was written to the new one may
        // be wanted too.
        scene.wait_guarded().await;
        assert_tells(
            &scene.refused("delete pvc knowledge-data --wait=false"),
            &["Holdfast refuses to delete"],
        );

        let back = server.mount(scene, "knowledge-data", &switched).await;
        scene.assert_checked_once(&back).await;
        scene.wait_green().await;
        assert_eq!(server.count(scene), ALL_ROWS);
        assert_eq!(
            scene.checks_but_of_backups().await.len(),
            3,
            "three starts, three checks"
        );
        scene
            .wait_event("Normal", reasons::VERIFIED, "DataReset is False")
            .await;
    });
}
