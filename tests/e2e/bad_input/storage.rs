//! A bucket that is not there, does not let us in or can't be reached, and encryption for a key that is
//! none.

use holdfast::api::{BackupState, ConditionStatus, ConditionType, DatabaseBackup, reasons};
use k8s_openapi::api::batch::v1::CronJob;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::calm::{Calm, assert_never_reset, assert_no_secret_shown, wait_said};
use crate::support::{Scene, Server, assert_tells, beside_others, build_database, names_of};

const FALSE: ConditionStatus = ConditionStatus::False;
/// The API server can't see that its checksum is wrong.
const MISTYPED: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pq";
const WRONG_KEY: &str = "wrong-key-of-the-bucket";

/// The change, the reason, and what the message says.
fn mistakes() -> Vec<(Value, &'static str, Vec<&'static str>)> {
    vec![
        (
            json!({"backup": {"encryption": null, "storage": {"s3": {"bucket": "no-such-bucket"}}}}),
            reasons::BUCKET_NOT_FOUND,
            vec!["spec.backup.storage.s3.bucket", "no-such-bucket"],
        ),
        (
            json!({"backup": {"storage": {"s3": {"bucket": "holdfast", "credentialsSecret": {"name": "s3-wrong"}}}}}),
            reasons::STORAGE_DENIED,
            vec!["spec.backup.storage.s3.credentialsSecret", "s3-wrong"],
        ),
        (
            json!({"backup": {"storage": {"s3": {"credentialsSecret": {"name": "s3-nowhere"}}}}}),
            reasons::SECRET_MISSING,
            vec![
                "spec.backup.storage.s3.credentialsSecret",
                "s3-nowhere",
                "kubectl create secret",
            ],
        ),
        (
            json!({"backup": {"storage": {"s3": {"credentialsSecret": {"name": "s3-auth"}, "endpoint": "http://10.90.0.1:7", "retryTimeout": "5s"}}}}),
            reasons::STORAGE_UNREACHABLE,
            vec!["spec.backup.storage.s3.endpoint", "10.90.0.1:7"],
        ),
    ]
}

#[test]
fn a_bucket_that_takes_nothing_is_told_with_the_field_and_tried_a_bounded_number_of_times() {
    beside_others("bad-bucket", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        server.start_filled(scene).await;
        scene.apply(&[json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-wrong", "namespace": scene.namespace()},
            "stringData": {"accessKeyId": "testbed", "secretAccessKey": WRONG_KEY}})]);
        let database = build_database(scene, &server);
        let mut encrypted = serde_json::to_value(&database).expect("JSON");
        encrypted["spec"]["backup"]["encryption"] = json!({"ageRecipients": [MISTYPED]});
        scene
            .protect(&serde_json::from_value(encrypted).expect("a ProtectedDatabase"))
            .await;
        scene.wait_verified().await;
        assert_encryption_stops_backups(scene, &calm).await;

        for (position, (patch, reason, tells)) in mistakes().into_iter().enumerate() {
            scene.change(json!({"spec": patch})).await;
            wait_said(scene, ConditionType::BackupFresh, reason, &tells).await;
            scene
                .assert_condition(ConditionType::BackupFresh, FALSE, reason)
                .await;
            scene.wait_verified().await;
            if position == 0 {
                calm.assert_kept(scene).await;
            }
            let tried = names_of(&scene.list::<DatabaseBackup>().await);
            assert_eq!(
                tried.len(),
                position + 1,
                "one try for each correction, the next in a minute: {tried:?}"
            );
        }
        assert!(
            objects(scene).is_empty(),
            "nothing is left of what failed: {:?}",
            objects(scene)
        );
        let failed = scene.list::<DatabaseBackup>().await;
        assert!(
            failed
                .iter()
                .all(|backup| state(backup) == Some(BackupState::Failed)),
            "{failed:?}"
        );

        let endpoint = testbed::ObjectStoreInfo::default().endpoint;
        scene
            .change(json!({"spec": {"backup": {"storage": {"s3": {"endpoint": endpoint}}}}}))
            .await;
        scene.wait_green().await;
        assert!(
            objects(scene)
                .iter()
                .any(|key| key.ends_with("/manifest.json")),
            "{:?}",
            objects(scene)
        );
        assert_no_secret_shown(
            scene,
            &[WRONG_KEY, "testbed-secret", "correct-horse-battery-staple"],
        )
        .await;
        assert_never_reset(scene).await;

        // A Job that has ended holds its name: without its DatabaseBackup it must not be asked for
        // over and over.
        scene
            .api::<DatabaseBackup>()
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .expect("a deletion");
        let jobs = scene.agent_jobs("backup").await;
        calm.assert_kept(scene).await;
        let left = scene.agent_jobs("backup").await;
        // The CronJob's history limit takes away the oldest ones meanwhile.
        assert!(
            left.iter().all(|job| jobs.contains(job)),
            "no other than {jobs:?}: {left:?}"
        );
    });
}

async fn assert_encryption_stops_backups(scene: &Scene, calm: &Calm) {
    let said = scene
        .wait_condition(ConditionType::BackupFresh, FALSE, reasons::INVALID_SPEC)
        .await;
    assert_tells(
        &said.message,
        &[
            "spec.backup.encryption.ageRecipients[0]",
            "not a public key of age",
            "no backup is taken",
        ],
    );
    scene
        .assert_condition(
            ConditionType::Stalled,
            ConditionStatus::True,
            reasons::INVALID_SPEC,
        )
        .await;
    calm.assert_kept(scene).await;
    assert!(scene.list::<CronJob>().await.is_empty(), "no CronJob");
    assert!(scene.agent_jobs("backup").await.is_empty(), "no Job");
    assert!(
        objects(scene).is_empty(),
        "nothing has left unencrypted: {:?}",
        objects(scene)
    );
}

fn state(backup: &DatabaseBackup) -> Option<BackupState> {
    backup.status.as_ref()?.state
}

/// The keys of the namespace in the bucket.
fn objects(scene: &Scene) -> Vec<String> {
    scene
        .testbed
        .object_keys(&format!("end-to-end/{}/", scene.namespace()))
        .expect("the bucket")
}
