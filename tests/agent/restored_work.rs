//! Who works with the database while it is replaced: a consumer of its changes, and writers. Nothing that was
//! acknowledged to them is lost.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use holdfast::agent::{RestoreStep, kept_name};
use holdfast::api::RestoreTarget;

use crate::backup_scene::Scene;
use crate::restored_scene::{
    Restore, UID, Watch, ask, command_after, connect, psql, small_shop, until,
};
use crate::support::postgres::{PASSWORD, TestPostgres};

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_stays_with_what_is_kept_and_keeps_it_from_being_dropped() {
    let mut postgres = TestPostgres::prepare("wal_level = logical");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    let slot = "select pg_create_logical_replication_slot('consumer', 'pgoutput')";
    server.execute("shop", slot).await;
    server
        .execute("shop", "update which set answer = 'present'")
        .await;
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    let said = report
        .warnings
        .iter()
        .find(|warning| warning.contains("replication slots stay"))
        .unwrap_or_else(|| panic!("{:?}", report.warnings));
    assert!(
        said.contains("consumer") && said.contains("need slots of their own"),
        "{said}"
    );
    let kept = kept_name("shop", UID);
    let of_slot = "select database from pg_replication_slots where slot_name = 'consumer'";
    assert_eq!(ask(server, "postgres", of_slot).await, kept);
    // Postgres itself drops an unused slot with its database without a word; the command does not.
    let message = report.message.unwrap();
    let drop = command_after(&message, "unless a replication slot is in it:");
    psql(server, "postgres", drop);
    let answer = "select answer from which";
    assert_eq!(ask(server, &kept, answer).await, "present");
    assert_eq!(ask(server, "postgres", of_slot).await, kept);
    server
        .execute("postgres", "select pg_drop_replication_slot('consumer')")
        .await;
    psql(server, "postgres", drop);
    let left = format!("select count(*) from pg_database where datname = '{kept}'");
    assert_eq!(ask(server, "postgres", &left).await, "0");
    assert_eq!(ask(server, "shop", answer).await, "backed up");
    server.execute("shop", slot).await;
}

/// Writes one row after the other, and keeps the numbers of those that were acknowledged.
async fn write(port: u16, next: &AtomicI64, stop: &AtomicBool) -> BTreeSet<i64> {
    let mut acknowledged = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let Ok(client) = connect(port, "shop").await else {
            tokio::task::yield_now().await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let insert = "insert into written values ($1)";
            if client.execute(insert, &[&number]).await.is_err() {
                break;
            }
            acknowledged.insert(number);
        }
    }
    acknowledged
}

async fn written(server: &TestPostgres, database: &str) -> BTreeSet<i64> {
    let rows = ask(server, database, "select id from written").await;
    rows.lines().map(|row| row.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_acknowledged_row_is_in_the_kept_database_or_in_the_new_one() {
    let mut postgres = TestPostgres::prepare("max_connections = 60");
    postgres.launch();
    let scene = Scene::of(postgres, &["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let table = "create table written (id bigint primary key)";
    server.execute("shop", table).await;
    let set = scene.take(None).await.unwrap();
    let (next, stop) = (AtomicI64::new(0), AtomicBool::new(false));
    let port = server.port();
    let swapped = AtomicI64::new(i64::MAX);
    let restoring = async {
        until("rows are written", async || {
            next.load(Ordering::Relaxed) > 50
        })
        .await;
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
        let before = next.load(Ordering::Relaxed);
        let watch = Watch::quietly();
        let report = restore.watched(&watch).await.unwrap();
        assert!(report.databases[0].is_identical);
        assert!(watch.has_seen(RestoreStep::Committed));
        swapped.store(next.load(Ordering::Relaxed), Ordering::Relaxed);
        assert!(
            swapped.load(Ordering::Relaxed) > before,
            "they wrote meanwhile"
        );
        until("rows are written again", async || {
            next.load(Ordering::Relaxed) > swapped.load(Ordering::Relaxed) + 50
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let ((), one, two, three, four) = tokio::join!(
        restoring,
        write(port, &next, &stop),
        write(port, &next, &stop),
        write(port, &next, &stop),
        write(port, &next, &stop)
    );
    let acknowledged: BTreeSet<i64> = [one, two, three, four].into_iter().flatten().collect();
    let kept = written(server, &kept_name("shop", UID)).await;
    let new = written(server, "shop").await;
    assert!(!kept.is_empty() && !new.is_empty(), "both were written to");
    assert!(kept.is_disjoint(&new));
    let lost: Vec<&i64> = acknowledged
        .iter()
        .filter(|id| !kept.contains(id) && !new.contains(id))
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {}", acknowledged.len());
    println!(
        "{} acknowledged, {} kept, {} new",
        acknowledged.len(),
        kept.len(),
        new.len()
    );
}
