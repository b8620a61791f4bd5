//! A namespace keeps volumes of deleted claims, and ledgers of deleted databases, up to a number: then a new
//! claim is not guarded, or a new database has no ledger, which is said, until somebody who may delete them
//! makes room.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use kube::ResourceExt;
use serde_json::json;

use super::operator::Installation;
use crate::support::{
    Server, assert_kept, assert_tells, build_claim, build_plain_database, confirm_deletion,
    in_shard, lose_claim, reclaim_policy, volume_of,
};

#[test]
fn a_namespace_keeps_no_more_volumes_than_it_may_and_loses_none() {
    in_shard("kept-limit", async |scene| {
        let server = Server::new(scene);
        let _operator = Installation::read(scene).await.operate_keeping(scene, 1);
        let gone = format!("{}.gone", scene.namespace());
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseLedger",
            "metadata": {"name": gone},
            "spec": {"namespace": scene.namespace(), "database": "gone"},
        })]);
        server.start_filled(scene).await;
        scene.protect(&build_plain_database(scene, &server)).await;
        let told = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::TOO_MANY_LEDGERS,
            )
            .await;
        assert_tells(
            &told.message,
            &["1 DatabaseLedger of", "kubectl delete dbledger NAME"],
        );
        scene.kubectl(&format!("delete dbledger {gone}"));
        scene.wait_green().await;
        scene.settle().await;
        let kept = volume_of(scene, &server.claim()).await.name_any();
        lose_claim(scene, &server);
        scene.apply(&[build_claim(scene.namespace(), &server.claim())]);
        server.scale(scene, 1);
        let told = scene
            .wait_condition(
                ConditionType::Guarded,
                ConditionStatus::False,
                reasons::TOO_MANY_KEPT_VOLUMES,
            )
            .await;
        let remove = "kubectl holdfast unlock pv/VOLUME, then kubectl delete pv VOLUME";
        assert_tells(&told.message, &[&kept, &server.claim(), remove]);
        assert_kept(scene, &kept).await;
        let bound = format!(
            "wait pvc/{} --for=jsonpath={{.status.phase}}=Bound",
            server.claim()
        );
        scene.wait_kubectl(&format!("{bound} --timeout=1s")).await;
        let new = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&new), "Delete", "nothing of it is kept");

        confirm_deletion(scene, "pv", &kept);
        scene.kubectl(&format!("delete pv {kept} --timeout=60s"));
        scene.wait_guarded().await;
        let new = volume_of(scene, &server.claim()).await;
        assert_eq!(reclaim_policy(&new), "Retain");
    });
}
