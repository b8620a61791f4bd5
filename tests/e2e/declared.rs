//! A change that looks like a reset and is meant: declared before it is made, as a major upgrade
//! is, and told apart from a loss in the same hour.

use holdfast::api::{CheckOutcome, ConditionStatus, ConditionType, DeclaredChange, names, reasons};
use k8s_openapi::jiff::{Timestamp, ToSpan};
use kube::ResourceExt;

use crate::data_lost::ask_for_a_check;
use crate::support::{DATABASE, NAME, Scene, Server, assert_tells, beside_others, outcome};

/// What `pg_upgrade` leaves is another cluster of data with the same rows; between the two there is
/// an empty one.
#[test]
fn a_declared_upgrade_is_accepted_when_its_rows_are_there_and_not_before() {
    beside_others("declared", async |scene| {
        let server = Server::new(scene).as_superuser();
        let start = scene.protect_plainly(&server).await;
        let declared = declare(scene).await;

        server.shell(
            scene,
            &format!(
                "pg_dump -U admin --format=custom --file=/var/lib/postgresql/data/dump {DATABASE}"
            ),
        );
        server.shell(scene, "mv $PGDATA /var/lib/postgresql/data/old");
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        assert_tells(
            &message,
            &[
                "a change was declared beforehand, but this is a loss",
                "of 26,422 rows only 28 are left",
                "The declaration stays valid",
            ],
        );

        server.shell(
            scene,
            &format!(
                "pg_restore -U admin --clean --dbname={DATABASE} /var/lib/postgresql/data/dump"
            ),
        );
        let upgraded = ask_for_a_check(scene).await;
        let verdict = upgraded
            .status
            .as_ref()
            .and_then(|status| status.verdict.clone())
            .expect("a verdict");
        assert_eq!(
            (verdict.outcome, verdict.declared_by.as_deref()),
            (CheckOutcome::Verified, Some(declared.as_str()))
        );
        scene.wait_verified().await;
        assert_eq!(
            scene.status().await.baseline.expect("a baseline").check,
            upgraded.name_any()
        );
        scene.settle().await;
        scene.wait_verified().await;

        // What was declared was one change.
        server.sql_in(
            scene,
            "postgres",
            "ALTER DATABASE knowledge_os RENAME TO put_away",
        );
        server.sql_in(
            scene,
            "postgres",
            "CREATE DATABASE knowledge_os TEMPLATE put_away",
        );
        ask_for_a_check(scene).await;
        scene.wait_reset(reasons::DATABASE_RECREATED).await;
    });
}

#[test]
fn a_declared_migration_is_accepted_without_a_word_and_one_that_was_not_is_told() {
    beside_others("migrated", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        server.sql(
            scene,
            "CREATE TABLE legacy AS SELECT n AS id FROM generate_series(1, 500) n; CREATE TABLE \
             legacy_owners AS TABLE legacy; CREATE TABLE legacy_groups AS TABLE legacy",
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        declare(scene).await;
        server.sql(
            scene,
            "DROP TABLE legacy, legacy_owners, legacy_groups; CREATE TABLE modern (id int)",
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene
            .wait(
                "DataVerified to say that the change was declared",
                async || {
                    let verified = scene.condition(ConditionType::DataVerified).await;
                    let is_said = ["a change (TablesMissing) that the annotation", "used up"]
                        .iter()
                        .all(|part| verified.message.contains(part));
                    if is_said && verified.status == "True" {
                        Ok(())
                    } else {
                        Err(format!("{verified:?}"))
                    }
                },
            )
            .await;
        scene.wait_green().await;
    });
}

#[test]
fn a_declaration_that_says_nothing_sensible_is_told_and_accepts_nothing() {
    beside_others("declared-badly", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        let check = scene.status().await.baseline.expect("a baseline").check;
        for (value, told) in [
            ("always".to_owned(), "is not CHECK/TIME"),
            (
                format!("{check}/2199-01-01T00:00:00Z"),
                "more than 7 days ahead",
            ),
        ] {
            scene.kubectl(&format!(
                "annotate protdb {NAME} --overwrite {}={value}",
                names::ACCEPT_NEXT_CHANGE_ANNOTATION
            ));
            scene
                .wait(&format!("Stalled to say {told}"), async || {
                    let stalled = scene.condition(ConditionType::Stalled).await;
                    if stalled.message.contains(told) {
                        Ok(())
                    } else {
                        Err(format!("{stalled:?}"))
                    }
                })
                .await;
            scene
                .assert_condition(
                    ConditionType::Stalled,
                    ConditionStatus::True,
                    reasons::ACCEPTED_CHECK_INVALID,
                )
                .await;
        }
        server.sql(scene, "TRUNCATE knowledge_nodes");
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Suspected)
        );
    });
}

/// Declares the next change, as `kubectl holdfast accept --next` does; returns the declaration.
async fn declare(scene: &Scene) -> String {
    let since = scene.status().await.baseline.expect("a baseline").check;
    let declared = DeclaredChange {
        since,
        until: Timestamp::now() + 2.hours(),
    }
    .to_string();
    scene.kubectl(&format!(
        "annotate protdb {NAME} {}={declared}",
        names::ACCEPT_NEXT_CHANGE_ANNOTATION
    ));
    declared
}
