//! An operator works on the databases that its selector matches and on no others; a database goes
//! from one operator to the next by a label.

use holdfast::api::{DatabaseCheck, DatabaseRestore, ProtectedDatabaseStatus};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use serde_json::json;

use super::operator::Operator;
use crate::support::{
    NAME, OPERATOR_NAMESPACE, SHARD_LABEL, Server, assert_tells, build_plain_database, in_shard,
    volume_of,
};

#[test]
fn a_database_of_another_operator_is_left_alone_until_its_label_says_otherwise() {
    in_shard("selected", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        scene.protect(&build_plain_database(scene, &server)).await;
        let volume = volume_of(scene, &server.claim()).await.name_any();
        let uid = scene.kubectl(&format!("get protdb {NAME} -o jsonpath={{.metadata.uid}}"));
        scene.apply(&[json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "back", "namespace": scene.namespace()},
            "spec": {"database": NAME, "from": {"volume": volume}, "into": "Replace", "confirm": uid},
        })]);

        // Another database of the same scene that is the installed operator's own shows that it has
        // been at work here: what it does not do by then, it has left alone.
        let neighbour = scene.another("selected-other");
        neighbour.leave_shard();
        let other = Server::new(&neighbour);
        neighbour.protect_plainly(&other).await;
        neighbour.settle().await;
        assert_eq!(scene.status().await, ProtectedDatabaseStatus::default());
        assert_eq!(scene.database().await.finalizers(), [] as [String; 0]);
        let claim = scene.get::<PersistentVolumeClaim>(&server.claim()).await;
        assert!(claim.labels().is_empty(), "{:?}", claim.labels());
        assert_eq!(scene.list::<DatabaseCheck>().await, []);
        assert_eq!(scene.get::<DatabaseRestore>("back").await.status, None);

        let operator = Operator::start(scene).await;
        scene.wait_green().await;
        operator.kill().await;
        let checks = scene.checks().await.len();
        scene
            .change(json!({"metadata": {"labels": {SHARD_LABEL: null}}}))
            .await;
        scene.settle().await;
        scene.wait_green().await;
        assert_eq!(
            scene.checks().await.len(),
            checks,
            "what one operator has found good the next does not look at again"
        );
    });
}

#[test]
fn a_selector_that_can_not_be_read_is_refused_before_anything_starts() {
    in_shard("selector-wrong", async |scene| {
        let mut command = scene.testbed.command("holdfast").expect("holdfast");
        let ended = command
            .args([
                "operator",
                "--agent-image",
                "none",
                "--selector",
                "shard in (a",
            ])
            .args(["--operator-namespace", OPERATOR_NAMESPACE])
            .output()
            .expect("an end");
        assert!(!ended.status.success());
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_tells(&said, &["--selector", "has no closing parenthesis"]);
    });
}
