//! The policies were taken away and no operator ran when the claim was deleted: `kubectl holdfast
//! recover` brings it back all the same, by itself.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::guard_removed::BindingsRemoved;
use super::operator_down::OperatorDown;
use crate::support::{
    ALL_ROWS, NAME, Scene, Server, Start, alone, assert_ran, holdfast, volume_of,
};

#[test]
fn a_claim_that_only_the_finalizer_holds_comes_back_without_the_operator() {
    alone("recover-held", async |scene| {
        let server = Server::new(scene);
        let start = protect(scene, &server).await;
        let volume = volume_of(scene, "knowledge-data")
            .await
            .metadata
            .name
            .expect("a name");
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;
        scene.kubectl("delete pvc knowledge-data --wait=false");

        let recovered = holdfast(
            scene,
            &format!("recover {NAME} -n {} --yes", scene.namespace()),
        );
        assert_ran(
            &recovered,
            0,
            &[
                "Terminating",
                &format!("Claim knowledge-data is Bound to volume {volume} again"),
            ],
        );
        server.wait_ready(scene, Some(&start)).await;
        assert_back(scene, &server).await;
        down.end().await;
        removed.wait_mended().await;
        scene.settle().await;
        scene.wait_guarded().await;
        scene
            .wait_condition(
                ConditionType::DataVerified,
                ConditionStatus::True,
                reasons::VERIFIED,
            )
            .await;
    });
}

#[test]
fn a_claim_whose_finalizers_were_stripped_comes_back_under_its_running_pod() {
    alone("recover-stripped", async |scene| {
        let server = Server::new(scene);
        let start = protect(scene, &server).await;
        let volume = volume_of(scene, "knowledge-data")
            .await
            .metadata
            .name
            .expect("a name");
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;
        scene.kubectl("delete pvc knowledge-data --wait=false");
        scene.kubectl(
            "patch pvc knowledge-data --type=merge -p {\"metadata\":{\"finalizers\":null}}",
        );
        assert!(
            scene
                .api::<PersistentVolumeClaim>()
                .get_opt("knowledge-data")
                .await
                .expect("an answer")
                .is_none()
        );

        let recovered = holdfast(scene, &format!("recover {NAME} -n {}", scene.namespace()));
        assert_ran(
            &recovered,
            0,
            &[&format!(
                "Claim knowledge-data is Bound to volume {volume} again"
            )],
        );
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod runs on"
        );
        assert_back(scene, &server).await;
        down.end().await;
        removed.wait_mended().await;
        let next = server.restart_pod(scene, &start).await;
        assert_back(scene, &server).await;
        scene.assert_checked_once(&next).await;
        scene.wait_guarded().await;
    });
}

#[test]
fn a_volume_that_was_tied_to_another_claim_comes_back_under_its_running_pod() {
    alone("recover-retied", async |scene| {
        let server = Server::new(scene);
        let start = protect(scene, &server).await;
        let volume = volume_of(scene, "knowledge-data")
            .await
            .metadata
            .name
            .expect("a name");
        let down = OperatorDown::begin(scene).await;
        let removed = BindingsRemoved::begin(scene, &server).await;
        let other =
            "{\"spec\":{\"claimRef\":{\"name\":\"nobody\",\"uid\":null,\"resourceVersion\":null}}}";
        scene.kubectl(&format!("patch pv {volume} --type=merge -p {other}"));
        scene
            .wait_kubectl(
                "wait pvc/knowledge-data --for=jsonpath={.status.phase}=Lost --timeout=1s",
            )
            .await;
        down.end().await;
        removed.wait_mended().await;
        scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::CLAIM_LOST,
            )
            .await;

        let recovered = holdfast(scene, &format!("recover {NAME} -n {}", scene.namespace()));
        let told = [
            "whose claim does not exist",
            "confirm the change of PersistentVolume",
            "Claim knowledge-data is Bound to volume",
        ];
        assert_ran(&recovered, 0, &told);
        assert_eq!(
            server.wait_ready(scene, None).await,
            start,
            "the pod runs on"
        );
        assert_back(scene, &server).await;
        scene.wait_guarded().await;
    });
}

async fn protect(scene: &Scene, server: &Server) -> Start {
    let start = scene.protect_plainly(server).await;
    scene.settle().await;
    start
}

async fn assert_back(scene: &Scene, server: &Server) {
    assert_eq!(server.count(scene), ALL_ROWS);
    let claim = scene.get::<PersistentVolumeClaim>("knowledge-data").await;
    assert!(claim.metadata.deletion_timestamp.is_none(), "{claim:?}");
}
