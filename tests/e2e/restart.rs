//! The pod or its container starts anew: the start is checked once, and the data is found to be
//! what it was.

use crate::support::{ALL_ROWS, Scene, Server, Start, beside_others, kill_container};

#[test]
fn a_deleted_pod_is_checked_once_when_it_is_back() {
    beside_others("restart-pod", async |scene| {
        let server = Server::new(scene);
        let before = scene.protect_filled(&server).await;
        let start = server.restart_pod(scene, &before).await;
        assert_ne!(start.pod_uid, before.pod_uid);
        assert_all_is_well(scene, &server, &start).await;
    });
}

#[test]
fn a_killed_container_is_checked_once_when_it_is_back() {
    beside_others("restart-container", async |scene| {
        let server = Server::seventeen(scene);
        let before = scene.protect_filled(&server).await;
        kill_container(&before);
        let start = server.wait_ready(scene, Some(&before)).await;
        assert_eq!(
            start.pod_uid, before.pod_uid,
            "only the container was restarted"
        );
        assert_ne!(start.container_id, before.container_id);
        assert_all_is_well(scene, &server, &start).await;
    });
}

/// The new start has its check, the old one keeps its own, and everything is green.
pub async fn assert_all_is_well(scene: &Scene, server: &Server, start: &Start) {
    scene.assert_checked_once(start).await;
    scene.wait_green().await;
    assert_eq!(
        scene.checks_but_of_backups().await.len(),
        2,
        "one check before the restart, one after"
    );
    assert_eq!(server.count(scene), ALL_ROWS);
}
