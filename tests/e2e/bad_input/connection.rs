//! A server that can't be reached, logged in to or looked at as the spec says.

use holdfast::api::{ConditionStatus, ConditionType, reasons};
use serde_json::{Value, json};

use super::calm::{Calm, assert_never_reset, assert_no_secret_shown, wait_said};
use crate::support::{Server, beside_others, build_database};

const WRONG_PASSWORD: &str = "wrong-battery-horse-staple";

struct Mistake {
    patch: Value,
    reason: &'static str,
    tells: Vec<&'static str>,
}

/// One mistake after the other, each corrected by the next.
fn mistakes() -> Vec<Mistake> {
    vec![
        Mistake {
            patch: json!({"connection": {"port": 5432, "database": "nothing"}}),
            reason: reasons::DATABASE_NOT_FOUND,
            tells: vec![
                "spec.connection.database",
                "\"nothing\"",
                "create it, or correct the field",
                "edit protdb",
            ],
        },
        Mistake {
            patch: json!({"connection": {"database": "knowledge_os"}, "verification": {"tables": [{"name": "public.experts"}, {"name": "public.nothing"}]}}),
            reason: reasons::TABLE_NOT_FOUND,
            tells: vec![
                "spec.verification.tables[1].name",
                "public.nothing",
                "create it, or correct the name",
            ],
        },
        Mistake {
            patch: json!({"verification": {"tables": [{"name": "public.experts", "minRows": 80}]}, "connection": {"credentialsSecret": {"name": "nowhere"}}}),
            reason: reasons::SECRET_MISSING,
            tells: vec![
                "spec.connection.credentialsSecret",
                "`nowhere`",
                "kubectl create secret generic nowhere",
            ],
        },
        Mistake {
            patch: json!({"connection": {"credentialsSecret": {"name": "pg-auth"}, "tls": {"mode": "Require"}}}),
            reason: reasons::TLS_FAILED,
            tells: vec!["spec.connection.tls", "Require"],
        },
        Mistake {
            patch: json!({"connection": {"tls": {"mode": "Prefer"}, "credentialsSecret": {"name": "wrong-auth"}}}),
            reason: reasons::AUTHENTICATION_FAILED,
            tells: vec![
                "spec.connection.credentialsSecret",
                "wrong-auth",
                "\"admin\"",
                "kubectl create secret generic wrong-auth",
            ],
        },
        Mistake {
            patch: json!({"connection": {"credentialsSecret": {"name": "pg-auth"}, "host": "no-such-host"}}),
            reason: reasons::CONNECTION_FAILED,
            tells: vec!["no-such-host:5432", "Nothing is known about the data"],
        },
    ]
}

#[test]
fn a_server_that_cannot_be_looked_at_is_unknown_with_the_field_to_correct_and_never_a_reset() {
    beside_others("bad-connection", async |scene| {
        let calm = Calm::before(scene).await;
        let server = Server::new(scene);
        server.start_filled(scene).await;
        scene.apply(&[json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong-auth", "namespace": scene.namespace()},
            "stringData": {"username": "admin", "password": WRONG_PASSWORD}})]);
        let mut database = build_database(scene, &server);
        database.spec.backup = None;
        database.spec.connection.port = 5433;
        database.spec.verification.timeout = "3s".to_owned();

        scene.protect(&database).await;
        wait_said(
            scene,
            ConditionType::DataVerified,
            reasons::CONNECTION_FAILED,
            &["spec.connection.port", "5433", "network policies"],
        )
        .await;
        scene
            .assert_condition(
                ConditionType::DataReset,
                ConditionStatus::Unknown,
                reasons::NEVER_CHECKED,
            )
            .await;
        for mistake in mistakes() {
            scene.change(json!({"spec": mistake.patch})).await;
            wait_said(
                scene,
                ConditionType::DataVerified,
                mistake.reason,
                &mistake.tells,
            )
            .await;
            scene
                .assert_condition(
                    ConditionType::DataVerified,
                    ConditionStatus::Unknown,
                    mistake.reason,
                )
                .await;
            scene
                .assert_condition(
                    ConditionType::Guarded,
                    ConditionStatus::True,
                    reasons::GUARDED,
                )
                .await;
            scene
                .assert_condition(
                    ConditionType::Ready,
                    ConditionStatus::False,
                    reasons::NOT_READY,
                )
                .await;
            assert_never_reset(scene).await;
        }
        let tried = scene.checks().await.len();
        assert!(
            tried <= 2 * (mistakes().len() + 1),
            "{tried} checks for {} mistakes",
            mistakes().len() + 1
        );

        scene
            .change(json!({"spec": {"connection": {"host": null}}}))
            .await;
        scene.wait_verified().await;
        calm.assert_kept(scene).await;
        assert_no_secret_shown(scene, &[WRONG_PASSWORD, "correct-horse-battery-staple"]).await;
    });
}
