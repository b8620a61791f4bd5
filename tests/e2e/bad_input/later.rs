//! What is missing now and comes later, and what is there now and goes later: the operator's own
//! tries find out, at a growing distance.

use holdfast::api::{CheckOutcome, ConditionStatus, ConditionType, DatabaseCheck, reasons};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::calm::{Calm, assert_never_reset};
use crate::support::{
    NAME, Scene, Server, assert_tells, beside_others, build_database, names_of, outcome,
};

const UNKNOWN: ConditionStatus = ConditionStatus::Unknown;

#[test]
fn a_secret_that_comes_late_is_found_by_the_next_try_and_one_that_goes_is_no_reset() {
    beside_others("bad-later", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let mut database = build_database(scene, &server);
        database.spec.backup = None;
        let secret = database.spec.connection.credentials_secret.as_mut();
        "late".clone_into(&mut secret.expect("a Secret").name);

        scene.protect(&database).await;
        let said = scene
            .wait_condition(
                ConditionType::DataVerified,
                UNKNOWN,
                reasons::SECRET_MISSING,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.connection.credentialsSecret",
                "Secret `late`",
                "kubectl create secret generic late",
            ],
        );
        scene.apply(&[build_secret(scene, &json!({"username": "admin"}))]);
        let tried = wait_tries(scene, 2).await;
        scene
            .wait_told(
                ConditionType::DataVerified,
                UNKNOWN,
                reasons::SECRET_MISSING,
                &["key `password`", "Secret `late`"],
            )
            .await;
        assert!(
            distance(&tried[0], &tried[1]) >= SignedDuration::from_secs(9),
            "the second try waits"
        );

        scene.apply(&[build_secret(
            scene,
            &json!({"username": "admin", "password": "correct-horse-battery-staple"}),
        )]);
        scene.wait_verified().await;
        let tried = wait_tries(scene, 3).await;
        assert_eq!(
            tried.iter().map(outcome).collect::<Vec<_>>(),
            [
                Some(CheckOutcome::Unverifiable),
                Some(CheckOutcome::Unverifiable),
                Some(CheckOutcome::Verified)
            ]
        );
        assert!(
            distance(&tried[1], &tried[2]) >= SignedDuration::from_secs(19),
            "the third try waits longer"
        );
        let mut jobs = scene.agent_jobs("check").await;
        jobs.sort();
        assert_eq!(jobs, names_of(&tried), "each try has one Job");
        calm.assert_kept(scene).await;

        scene.kubectl("delete secret late");
        ask(scene, "asked-without").await;
        let said = scene
            .wait_condition(
                ConditionType::DataVerified,
                UNKNOWN,
                reasons::SECRET_MISSING,
            )
            .await;
        assert_tells(&said.message, &["Secret `late`"]);
        scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::False,
                reasons::VERIFIED,
            )
            .await;
        scene
            .assert_condition(
                ConditionType::Guarded,
                ConditionStatus::True,
                reasons::GUARDED,
            )
            .await;
        scene.apply(&[build_secret(
            scene,
            &json!({"username": "admin", "password": "correct-horse-battery-staple"}),
        )]);
        ask(scene, "asked-with").await;
        scene.wait_verified().await;
        calm.assert_kept(scene).await;
        assert_never_reset(scene).await;
    });
}

fn build_secret(scene: &Scene, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late", "namespace": scene.namespace()}, "stringData": data})
}

/// Asks for a check by hand and waits until it is judged.
async fn ask(scene: &Scene, name: &str) {
    scene.apply(&[
        json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": {"name": name, "namespace": scene.namespace()}, "spec": {"database": NAME}}),
    ]);
    scene.wait_judged_check(name).await;
}

async fn wait_tries(scene: &Scene, tries: usize) -> Vec<DatabaseCheck> {
    scene
        .wait(&format!("{tries} tries that ended"), async || {
            let checks = scene.checks().await;
            let ended = checks
                .iter()
                .filter(|check| outcome(check).is_some())
                .count();
            if ended == tries {
                Ok(checks)
            } else {
                Err(format!("{ended} of {} have", checks.len()))
            }
        })
        .await
}

/// From the end of one try to the beginning of the next.
fn distance(before: &DatabaseCheck, after: &DatabaseCheck) -> SignedDuration {
    let ended = before
        .status
        .as_ref()
        .and_then(|status| status.completion_time.clone())
        .expect("an end");
    let began: Timestamp = after.creation_timestamp().expect("a beginning").0;
    began.duration_since(ended.0)
}
