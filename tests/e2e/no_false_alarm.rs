//! Nothing is wrong: data that grows, shrinks within what is allowed, or is empty on purpose raises
//! nothing, whoever asks and however often.

use holdfast::api::{CheckOutcome, CheckTrigger, ConditionStatus, ConditionType, reasons};
use serde_json::json;

use crate::data_lost::ask_for_a_check;
use crate::support::{
    Scene, Server, assert_tells, beside_others, build_database, build_plain_database, outcome,
    with_either,
};

#[test]
fn growth_and_empty_tables_raise_nothing_after_restarts_and_when_asked() {
    beside_others("growth", async |scene| {
        let server = Server::new(scene);
        let mut start = server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE on_leave (id int); CREATE TABLE audit (id int)",
        );
        let mut database = build_database(scene, &server);
        database.spec.backup = None;
        let empty = json!({"name": "public.on_leave", "minRows": 0, "maxDropPercent": 0});
        database
            .spec
            .verification
            .tables
            .push(serde_json::from_value(empty).expect("a rule"));
        scene.protect(&database).await;
        scene.wait_green().await;

        for round in 1..=2 {
            let grow = format!(
                "INSERT INTO experts SELECT 1000 * {round} + n, 'new' FROM generate_series(1, 100) \
                 n; CREATE TABLE extra_{round} (id int)"
            );
            server.sql(scene, &grow);
            start = server.restart_pod(scene, &start).await;
            assert_eq!(
                outcome(&scene.wait_judged(&start).await),
                Some(CheckOutcome::Verified)
            );
            scene.wait_green().await;
        }
        // Within what is allowed: 15 % of the nodes, and small tables that no rule names.
        server.sql(
            scene,
            "DELETE FROM knowledge_nodes WHERE id % 100 < 15; DROP TABLE extra_1, audit",
        );
        let check = ask_for_a_check(scene).await;
        assert_eq!(
            outcome(&check),
            Some(CheckOutcome::Verified),
            "{:?}",
            check.status
        );
        scene.wait_green().await;
        assert_no_alarm_ever(scene).await;
    });
}

#[test]
fn what_tables_without_a_rule_do_every_day_is_said_and_is_no_reset() {
    with_either("every-day", async |scene, server| {
        server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE queue AS SELECT n FROM generate_series(1, 5000) n; CREATE TABLE \
             request_log AS SELECT n FROM generate_series(1, 90000) n; CREATE TABLE notes AS SELECT n \
             FROM generate_series(1, 300) n; CREATE TABLE legacy AS TABLE notes; CREATE TABLE \
             notes__dbt_backup AS TABLE notes",
        );
        let mut database = build_plain_database(scene, server);
        // A busy machine does not count 90,000 rows within the 10 ms that are the default.
        database.spec.verification.counting_budget = "30s".to_owned();
        scene.protect(&database).await;
        scene.wait_green().await;
        server.sql(
            scene,
            "TRUNCATE queue; DELETE FROM request_log WHERE n > 9000; ALTER TABLE notes RENAME TO \
             remarks; DROP TABLE legacy, notes__dbt_backup",
        );
        let check = ask_for_a_check(scene).await;
        assert_eq!(
            outcome(&check),
            Some(CheckOutcome::Verified),
            "{:?}",
            check.status
        );
        let said = scene
            .wait_condition(
                ConditionType::DataChanged,
                ConditionStatus::True,
                reasons::TABLES_CHANGED,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "public.queue: 5,000 -> 0 rows",
                "public.request_log: 90,000 -> 9,000 rows",
                "public.legacy does not exist (had 300 rows)",
                "{name: public.queue, volatile: true}",
            ],
        );
        assert!(!said.message.contains("__dbt_backup"), "{}", said.message);
        let verified = scene.condition(ConditionType::DataVerified).await;
        assert_tells(&verified.message, &["public.notes is now public.remarks"]);
        scene.wait_green().await;
        assert_no_alarm_ever(scene).await;
    });
}

#[test]
fn copies_and_detached_partitions_raise_nothing() {
    with_either("copies", async |scene, server| {
        server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE orders AS SELECT n FROM generate_series(1, 90000) n; CREATE TABLE events \
             (month int, n int) PARTITION BY LIST (month); CREATE TABLE events_1 PARTITION OF events \
             FOR VALUES IN (1); CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2); INSERT \
             INTO events SELECT 1 + n % 2, n FROM generate_series(1, 80000) n; CREATE SCHEMA repack; \
             CREATE TABLE repack.table_1 AS TABLE orders; CREATE TABLE orders__dbt_tmp AS TABLE \
             orders; CREATE TABLE orders__dbt_backup AS TABLE orders",
        );
        server.sql_in(scene, "postgres", "CREATE DATABASE scratch");
        scene.protect(&build_plain_database(scene, server)).await;
        scene.wait_green().await;
        server.sql(
            scene,
            "CREATE TABLE orders_new AS TABLE orders; DROP TABLE orders; ALTER TABLE orders_new \
             RENAME TO orders; ALTER TABLE events DETACH PARTITION events_1; DROP SCHEMA repack \
             CASCADE; DROP TABLE orders__dbt_tmp, orders__dbt_backup",
        );
        let check = ask_for_a_check(scene).await;
        assert_eq!(
            outcome(&check),
            Some(CheckOutcome::Verified),
            "{:?}",
            check.status
        );
        scene
            .wait_condition(
                ConditionType::DataChanged,
                ConditionStatus::False,
                reasons::UNCHANGED,
            )
            .await;
        server.sql(scene, "DROP TABLE events_1");
        server.sql_in(scene, "postgres", "DROP DATABASE scratch");
        let check = ask_for_a_check(scene).await;
        assert_eq!(outcome(&check), Some(CheckOutcome::Verified));
        let said = scene
            .wait_condition(
                ConditionType::DataChanged,
                ConditionStatus::True,
                reasons::TABLES_CHANGED,
            )
            .await;
        assert_tells(
            &said.message,
            &[
                "public.events_1 does not exist",
                "do not exist any more: scratch",
            ],
        );
        assert_no_alarm_ever(scene).await;
    });
}

#[test]
fn a_check_that_a_person_asks_for_is_told_what_to_look_at_and_judged() {
    beside_others("by-hand", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_plainly(&server).await;
        let check = ask_for_a_check(scene).await;
        let target = check.spec.target.clone().expect("a target");
        assert_eq!(
            (target.pod_uid.as_str(), target.container_id.as_str()),
            (start.pod_uid.as_str(), start.container_id.as_str())
        );
        assert_eq!(target.volumes.len(), 1, "{target:?}");
        assert_eq!(target.volumes[0].claim, "knowledge-data");
        let verdict = check.status.expect("a status").verdict.expect("a verdict");
        assert_eq!(
            (verdict.outcome, verdict.reason.as_str()),
            (CheckOutcome::Verified, reasons::VERIFIED)
        );
        assert!(
            verdict.baseline.is_some(),
            "it was compared with the first check"
        );
        scene.assert_checked_once(&start).await;
    });
}

#[test]
fn a_changed_rule_is_looked_at_without_waiting_for_a_restart() {
    beside_others("rule", async |scene| {
        let server = Server::new(scene);
        let start = scene.protect_filled(&server).await;
        let rules = |minimum: i64| json!({"spec": {"verification": {"tables": [{"name": "public.experts", "minRows": minimum}]}}});
        scene.change(rules(1000)).await;
        let message = scene.wait_reset(reasons::ROWS_BELOW_MINIMUM).await;
        assert_tells(
            &message,
            &["public.experts: 85 -> 85 rows", "minRows is 1,000"],
        );
        scene.change(rules(85)).await;
        scene.wait_green().await;
        assert_eq!(
            scene.checks_of(&start).await.len(),
            1,
            "what a person changed is no restart"
        );
    });
}

#[test]
fn a_check_on_schedule_is_made_and_judged() {
    beside_others("schedule", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        let mut database = build_database(scene, &server);
        database.spec.backup = None;
        database.spec.verification.schedule = Some("* * * * *".to_owned());
        scene.protect(&database).await;
        scene.wait_green().await;
        let check = scene
            .wait("a judged check on schedule", async || {
                let checks = scene.checks().await;
                let scheduled = checks.iter().find(|check| {
                    check.spec.trigger == CheckTrigger::Schedule && outcome(check).is_some()
                });
                scheduled
                    .cloned()
                    .ok_or_else(|| format!("{} checks, none on schedule has ended", checks.len()))
            })
            .await;
        assert_eq!(outcome(&check), Some(CheckOutcome::Verified));
        assert_no_alarm_ever(scene).await;
    });
}

/// No check has ever suspected anything, and no event has ever warned of a reset.
pub async fn assert_no_alarm_ever(scene: &Scene) {
    scene.settle().await;
    let suspected: Vec<_> = scene
        .checks()
        .await
        .into_iter()
        .filter(|check| outcome(check) == Some(CheckOutcome::Suspected))
        .collect();
    assert!(suspected.is_empty(), "{suspected:?}");
    let reset = scene.condition(ConditionType::DataReset).await;
    assert_eq!(reset.status, "False");
    assert_tells(&reset.message, &["found the data as expected"]);
    let events = scene.kubectl(
        "get events --field-selector involvedObject.kind=ProtectedDatabase -o \
        jsonpath={.items[*].message}",
    );
    assert!(!events.contains("DataReset is True"), "{events}");
}
