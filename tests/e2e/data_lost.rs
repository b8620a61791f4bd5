//! The data is gone from a server that runs as before: a fresh initdb, a dropped database, dropped
//! and emptied tables, an older copy of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast::api::{
    CheckOutcome, CheckTrigger, ConditionStatus, ConditionType, DatabaseCheck, DatabaseCheckSpec,
    names, reasons,
};
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{
    DATABASE, NAME, Scene, Server, assert_ran, assert_tells, beside_others, build_database,
    build_plain_database, holdfast, outcome, volume_handle, volume_of, with_either,
};

/// The role of the checks is gone with the database that it was in, and nothing can be read.
#[test]
fn a_fresh_initdb_on_the_same_volume_is_seen_although_nobody_can_log_in() {
    with_either("initdb-granted", async |scene, server| {
        let start = scene.protect_filled(server).await;
        server.remove_data(scene);
        let fresh = server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        assert_tells(
            &message,
            &[
                "initdb has run",
                "refused the login of role \"holdfast\"",
                "The volume is the same: volume ",
                "-name pg_control",
                "kubectl holdfast grant-sql knowledge",
            ],
        );
        let check = scene.wait_judged(&fresh).await;
        let seen = check.status.as_ref().expect("a status");
        assert!(seen.evidence.is_none(), "{seen:?}");

        // It is looked at again until it can be read, and then it says what is left.
        server.grant(scene);
        scene
            .wait("a check that could read what is left", async || {
                let message = scene.condition(ConditionType::DataReset).await.message;
                if message.contains("public.knowledge_nodes: 26,337 -> 27 rows") {
                    Ok(())
                } else {
                    Err(message)
                }
            })
            .await;
        scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
    });
}

#[test]
fn a_directory_that_was_moved_aside_on_its_volume_can_be_found_by_what_the_message_says() {
    beside_others("moved-aside", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        server.shell(scene, "mv $PGDATA /var/lib/postgresql/data/moved-away");
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        let (_, command) = message.split_once(" -- ").expect("a command");
        let (command, _) = command.split_once(". ").expect("the end of it");
        let found = server.shell(scene, command);
        assert_tells(
            &found,
            &["moved-away/global/pg_control", "pgdata/global/pg_control"],
        );
    });
}

/// The server's own files say which role may log in: it is the same database, and it is another
/// role.
#[test]
fn a_role_that_was_dropped_and_created_again_is_told_from_a_wrong_secret() {
    with_either("role-changed", async |scene, server| {
        scene.protect_plainly(server).await;
        scene.kubectl(
            "patch secret pg-holdfast --type=merge -p {\"stringData\":{\"password\":\"wrong\"}}",
        );
        let refused = ask_for_a_check(scene).await;
        let verdict = refused
            .status
            .and_then(|status| status.verdict)
            .expect("a verdict");
        assert_eq!(
            (verdict.outcome, verdict.reason.as_str()),
            (CheckOutcome::Unverifiable, reasons::AUTHENTICATION_FAILED)
        );
        assert_tells(
            &verdict.message,
            &[
                "so it is the Secret that changed",
                "A volume keeps the passwords that it was made with",
                "ALTER ROLE \"holdfast\" PASSWORD",
            ],
        );

        server.sql(
            scene,
            "ALTER ROLE holdfast RENAME TO holdfast_before; CREATE ROLE holdfast LOGIN PASSWORD 'other'",
        );
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::ROLE_CHANGED).await;
        assert_tells(
            &message,
            &[
                "the database cluster is that of the last good check",
                "write it into the Secret pg-holdfast",
            ],
        );
    });
}

#[test]
fn a_fresh_initdb_on_the_same_volume_is_seen_with_what_is_left_by_a_superuser() {
    with_either("initdb", async |scene, server| {
        let server = &server.as_superuser();
        let start = scene.protect_filled(server).await;
        let before = server.sql(scene, "SELECT system_identifier FROM pg_control_system()");
        server.shell(scene, "mv $PGDATA /var/lib/postgresql/data/moved-away");
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        let now = server.sql(scene, "SELECT system_identifier FROM pg_control_system()");
        assert_ne!(before, now);
        assert_tells(
            &message,
            &[
                "initdb has run",
                &before,
                &now,
                "public.experts: 85 -> 1 rows",
                "public.knowledge_nodes: 26,337 -> 27 rows",
            ],
        );
    });
}

#[test]
fn a_fresh_initdb_is_seen_also_without_any_rule() {
    with_either("initdb-plain", async |scene, server| {
        let start = scene.protect_plainly(server).await;
        server.remove_data(scene);
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        assert_tells(
            &message,
            &["initdb has run", "Otherwise restore from a backup: kubectl"],
        );
        scene
            .wait_condition(
                ConditionType::Stalled,
                ConditionStatus::True,
                reasons::DATA_RESET,
            )
            .await;
        // Its claim is where it belongs, and its data is not.
        assert_ran(
            &holdfast(scene, &format!("recover {NAME} -n {}", scene.namespace())),
            3,
            &[
                "not what was last known good",
                "DataReset is True",
                "initdb has run",
            ],
        );
    });
}

#[test]
fn a_dropped_database_is_seen() {
    with_either("dropped-database", async |scene, server| {
        let start = scene.protect_filled(server).await;
        server.sql_in(
            scene,
            "postgres",
            &format!("DROP DATABASE {DATABASE} WITH (FORCE)"),
        );
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::DATABASE_MISSING).await;
        assert_tells(
            &message,
            &[
                "database \"knowledge_os\" does not exist; it had 26,422 rows in 2 tables",
                "kubectl holdfast restore",
            ],
        );
    });
}

#[test]
fn a_dropped_table_is_seen() {
    with_either("dropped-table", async |scene, server| {
        scene.protect_filled(server).await;
        server.sql(scene, "DROP TABLE knowledge_nodes");
        let check = ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLES_MISSING).await;
        assert_tells(
            &message,
            &[
                "public.knowledge_nodes (had 26,337 rows)",
                &accept(scene, &check),
            ],
        );
    });
}

#[test]
fn a_renamed_schema_is_seen_until_it_has_its_name_again() {
    with_either("schema-renamed", async |scene, server| {
        scene.protect_plainly(server).await;
        server.sql(scene, "ALTER SCHEMA public RENAME TO put_away");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLES_MISSING).await;
        assert_tells(&message, &["public.knowledge_nodes (had 26,337 rows)"]);
        server.sql(scene, "ALTER SCHEMA put_away RENAME TO public");
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.wait_green().await;
    });
}

#[test]
fn nine_rows_of_ten_deleted_are_seen() {
    with_either("deleted", async |scene, server| {
        scene.protect_plainly(server).await;
        server.sql(scene, "DELETE FROM knowledge_nodes WHERE id % 10 <> 0");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::ROWS_DROPPED).await;
        assert_tells(
            &message,
            &[
                "public.knowledge_nodes: 26,337 -> 2,633 rows",
                "allows a loss of 50 %",
            ],
        );
    });
}

#[test]
fn a_truncated_table_is_seen_until_its_rows_are_back() {
    with_either("truncated", async |scene, server| {
        let start = scene.protect_filled(server).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        server.restart_pod(scene, &start).await;
        let message = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        assert_tells(
            &message,
            &[
                "1 table that had rows is empty",
                "public.knowledge_nodes: 26,337 -> 0 rows",
                "minRows is 10,000",
            ],
        );

        // What is back is green again, without a word from a person.
        server.sql(
            scene,
            "INSERT INTO knowledge_nodes SELECT n, 1, 'again' FROM generate_series(1, 26337) n",
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.wait_green().await;

        // The next loss has an event of its own, with its own figures.
        server.sql(scene, "DELETE FROM knowledge_nodes WHERE id > 9000");
        ask_for_a_check(scene).await;
        scene
            .wait_event(
                "Warning",
                reasons::ROWS_BELOW_MINIMUM,
                "public.knowledge_nodes: 26,337 -> 9,000 rows",
            )
            .await;
    });
}

#[test]
fn a_truncated_table_without_a_rule_is_a_reset_until_a_person_accepts_it() {
    with_either("truncated-plain", async |scene, server| {
        scene.protect_plainly(server).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        let suspected = ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        let command = accept(scene, &suspected);
        assert_tells(
            &message,
            &[
                "public.knowledge_nodes: 26,337 -> 0 rows",
                "allows a loss of 50 %",
                &command,
            ],
        );

        // Latched: looking again does not make it good.
        let again = ask_for_a_check(scene).await;
        assert_eq!(outcome(&again), Some(CheckOutcome::Suspected));
        scene.settle().await;
        scene.wait_reset(reasons::TABLES_EMPTIED).await;

        let (_, words) = accept(scene, &again)
            .split_once("kubectl ")
            .map(|(start, rest)| (start.to_owned(), rest.to_owned()))
            .expect("words");
        scene.kubectl(&words);
        scene.wait_green().await;
        assert_eq!(
            scene.status().await.baseline.expect("a baseline").check,
            again.name_any()
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified),
            "an empty table is the new normal"
        );
    });
}

#[test]
fn a_check_that_does_not_exist_is_not_accepted() {
    beside_others("accept-nothing", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.kubectl(&format!(
            "annotate protdb {NAME} {}=no-such-check",
            names::ACCEPT_CHECK_ANNOTATION
        ));
        let said = scene
            .wait_condition(
                ConditionType::Stalled,
                ConditionStatus::True,
                reasons::ACCEPTED_CHECK_INVALID,
            )
            .await;
        assert_tells(
            &said.message,
            &["DatabaseCheck no-such-check", "does not exist"],
        );
        scene
            .assert_condition(
                ConditionType::DataVerified,
                ConditionStatus::True,
                reasons::VERIFIED,
            )
            .await;
    });
}

/// What a person does to have the data looked at, until the check is judged.
pub async fn ask_for_a_check(scene: &Scene) -> DatabaseCheck {
    let created = create_check(scene).await;
    scene.wait_judged_check(&created.name_any()).await
}

/// Creates a check that says no more than whose.
pub async fn create_check(scene: &Scene) -> DatabaseCheck {
    let spec = DatabaseCheckSpec {
        database: NAME.to_owned(),
        trigger: CheckTrigger::Manual,
        target: None,
    };
    let mut check = DatabaseCheck::new("", spec);
    check.metadata.name = None;
    check.metadata.generate_name = Some("by-hand-".to_owned());
    scene
        .api::<DatabaseCheck>()
        .create(&PostParams::default(), &check)
        .await
        .expect("a check")
}

/// The command that accepts a check, as messages have it.
fn accept(scene: &Scene, check: &DatabaseCheck) -> String {
    let annotation = names::ACCEPT_CHECK_ANNOTATION;
    format!(
        "kubectl annotate protdb -n {} {NAME} {annotation}={} --overwrite",
        scene.namespace(),
        check.name_any()
    )
}

/// An older copy of the volume is the same cluster of data, and its write-ahead log is behind.
#[test]
fn an_older_copy_of_the_data_directory_is_a_rollback() {
    with_either("rolled-back", async |scene, server| {
        let start = scene.protect_filled(server).await;
        server.scale(scene, 0);
        scene
            .wait_kubectl(&format!(
                "wait --for=delete pod/{} --timeout=1s",
                server.pod()
            ))
            .await;
        let files = PathBuf::from(volume_handle(&volume_of(scene, &server.claim()).await));
        let snapshot = files.with_extension("last-week");
        copy(&files, &snapshot);
        server.scale(scene, 1);
        let later = server.wait_ready(scene, Some(&start)).await;
        server.sql(
            scene,
            "INSERT INTO experts SELECT 1000 + n, 'new' FROM generate_series(1, 100) n",
        );
        ask_for_a_check(scene).await;
        scene.wait_green().await;

        server.scale(scene, 0);
        scene
            .wait_kubectl(&format!(
                "wait --for=delete pod/{} --timeout=1s",
                server.pod()
            ))
            .await;
        fs::remove_dir_all(&files).expect("the newer files");
        fs::rename(&snapshot, &files).expect("last week's files");
        server.scale(scene, 1);
        server.wait_ready(scene, Some(&later)).await;
        let message = scene.wait_reset(reasons::ROLLED_BACK).await;
        assert_tells(
            &message,
            &[
                "an older state of it",
                "write-ahead log",
                "public.experts: 185 -> 85 rows",
            ],
        );
    });
}

#[test]
fn a_database_that_was_dropped_and_made_anew_is_seen_even_with_all_its_rows() {
    with_either("made-anew", async |scene, server| {
        scene.protect_plainly(server).await;
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
        let message = scene.wait_reset(reasons::DATABASE_RECREATED).await;
        assert_tells(
            &message,
            &["database \"knowledge_os\" was dropped and created again (object id"],
        );
    });
}

#[test]
fn a_schema_that_was_made_anew_and_seeded_is_called_a_seed() {
    with_either("seeded", async |scene, server| {
        scene.protect_filled(server).await;
        server.sql(
            scene,
            "DELETE FROM knowledge_nodes WHERE id > 27; DELETE FROM experts WHERE id > 1",
        );
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::SEED_ROWS_ONLY).await;
        assert_tells(
            &message,
            &[
                "all that is left is 28 rows in 2 tables",
                "public.experts: 85 -> 1 rows",
            ],
        );
    });
}

#[test]
fn a_loss_of_rows_that_min_rows_does_not_hide_is_seen() {
    with_either("min-rows", async |scene, server| {
        server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 200000) n; ANALYZE orders",
        );
        let mut database = build_plain_database(scene, server);
        let rule = json!({"name": "public.orders", "minRows": 1000});
        database
            .spec
            .verification
            .tables
            .push(serde_json::from_value(rule).expect("a rule"));
        scene.protect(&database).await;
        scene.wait_green().await;
        server.sql(scene, "DELETE FROM orders WHERE id > 1500");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::ROWS_DROPPED).await;
        assert_tells(&message, &["public.orders: 200,000 -> 1,500 rows"]);
    });
}

#[test]
fn small_tables_that_are_dropped_together_are_seen() {
    with_either("small-tables", async |scene, server| {
        server.start_filled(scene).await;
        server.sql(
            scene,
            "DROP TABLE knowledge_nodes; CREATE TABLE roles AS SELECT n AS id FROM \
             generate_series(1, 40) n; CREATE TABLE settings AS TABLE roles",
        );
        scene.protect(&build_plain_database(scene, server)).await;
        scene.wait_green().await;
        server.sql(scene, "DROP TABLE experts, roles, settings");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLES_MISSING).await;
        assert_tells(
            &message,
            &["3 tables do not exist", "public.experts (had 85 rows)"],
        );
    });
}

#[test]
fn an_old_dump_that_is_restored_over_the_data_is_seen() {
    with_either("old-dump", async |scene, server| {
        server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE notes (id serial PRIMARY KEY, n int); INSERT INTO notes (n) SELECT \
             generate_series(1, 900)",
        );
        server.shell(
            scene,
            "pg_dump -U admin -Fc -f /var/lib/postgresql/data/dump knowledge_os",
        );
        server.sql(
            scene,
            "INSERT INTO notes (n) SELECT generate_series(1, 90); INSERT INTO knowledge_nodes SELECT \
             100000 + n, 1, 'new' FROM generate_series(1, 2000) n",
        );
        scene.protect(&build_plain_database(scene, server)).await;
        scene.wait_green().await;
        server.shell(
            scene,
            "pg_restore -U admin --clean -d knowledge_os /var/lib/postgresql/data/dump",
        );
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::OLDER_DATA).await;
        assert_tells(
            &message,
            &[
                "an older state of the data was put over the newer one",
                "public.notes: 990 -> 900 rows",
            ],
        );
    });
}

#[test]
fn most_of_very_many_tables_dropped_are_seen() {
    beside_others("many-tables", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        // One transaction would need more locks than there are.
        server.sql(
            scene,
            "DO $$ BEGIN FOR n IN 1..1500 LOOP EXECUTE format('CREATE TABLE part_%s (id int)', n); \
             IF n % 50 = 0 THEN COMMIT; END IF; END LOOP; END $$",
        );
        scene.protect(&build_database(scene, &server)).await;
        scene.wait_green().await;
        server.sql(
            scene,
            "DO $$ BEGIN FOR n IN 400..1500 LOOP EXECUTE format('DROP TABLE part_%s', n); IF n % 50 \
             = 0 THEN COMMIT; END IF; END LOOP; END $$",
        );
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLE_COUNT_DROPPED).await;
        assert_tells(&message, &["of 1,502 tables", "only 401 are left"]);
    });
}

#[test]
fn a_loss_in_small_steps_is_seen() {
    beside_others("small-steps", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        server.sql(scene, "DELETE FROM knowledge_nodes WHERE id % 10 < 4");
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.settle().await;
        server.sql(scene, "DELETE FROM knowledge_nodes WHERE id % 10 < 6");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::ROWS_DWINDLED).await;
        assert_tells(
            &message,
            &["within 7 days", "public.knowledge_nodes: 26,337 -> "],
        );
    });
}

/// Copies a folder with owners and modes.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("--archive")
        .args([from, to])
        .status()
        .expect("cp");
    assert!(status.success(), "a copy of {}", from.display());
}
