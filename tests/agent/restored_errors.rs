//! Errors of `pg_restore`: what concerns no rows is named and left out, what does ends the restore, and a
//! broken connection is tried again.

use std::collections::BTreeSet;

use holdfast::agent::{RestoreStep, TakenSet};
use holdfast::api::{RestoreReport, RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, Watch, ask, connect, databases, roles};
use crate::support::postgres::PASSWORD;

async fn scene(sql: &str) -> (Scene, TakenSet) {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    let table = "create table orders (n int primary key, what text); insert into orders select n, 'order ' || \
        n from generate_series(1, 1000) n";
    server.execute("shop", table).await;
    server.execute("shop", sql).await;
    let set = scene.take(None).await.unwrap();
    (scene, set)
}

fn replace(scene: &Scene, set: &TakenSet) -> Restore {
    Restore::new(scene, &scene.postgres, set, RestoreTarget::Replace)
}

fn last_report(watch: &Watch<'_>) -> RestoreReport {
    watch.reports.lock().unwrap().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_no_rows_is_left_out_and_named() {
    // In a restore nothing is found without its schema.
    let (scene, set) = scene(
        "create function total() returns bigint language sql as 'select count(*) from orders'; create \
         materialized view sums as select total() as n; create view after_it as select * from sums",
    )
    .await;
    let server = &scene.postgres;
    let report = replace(&scene, &set).run().await.unwrap();
    let restored = &report.databases[0];
    assert!(restored.is_identical, "{report:?}");
    assert_eq!(restored.not_restored.len(), 1, "{report:?}");
    let what = &restored.not_restored[0];
    assert!(
        what.starts_with("MATERIALIZED VIEW DATA public.sums: ") && what.contains("does not exist"),
        "{what}"
    );
    let message = report.message.unwrap();
    assert!(
        message.contains("NOT RESTORED, which concerns no rows") && message.contains(what),
        "{message}"
    );
    assert!(report.warnings.iter().any(|warning| warning.contains(what)));
    assert_eq!(
        ask(server, "shop", "select count(*) from orders").await,
        "1000"
    );
    server
        .execute("shop", "refresh materialized view sums")
        .await;
    assert_eq!(ask(server, "shop", "select n from after_it").await, "1000");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_what_keeps_them_right_end_the_restore() {
    for (sql, says) in [
        // Its rows can't be restored.
        (
            "create table kinds (n int); insert into kinds values (1); create function known(int) returns bool \
             language sql as 'select exists (select from kinds where n = $1)'; create table of_kind (n int \
             check (known(n))); insert into of_kind values (1)",
            "kinds",
        ),
        // Without it two rows may be the same.
        (
            "create function one() returns bigint language sql immutable as 'select 1::bigint from orders limit 1'; \
             create table t (n int); create unique index on t ((n + one()))",
            "orders",
        ),
    ] {
        let (scene, set) = scene(sql).await;
        let server = &scene.postgres;
        let before = (databases(server).await, roles(server).await);
        let watch = Watch::quietly();
        let failure = replace(&scene, &set).watched(&watch).await.unwrap_err();
        assert_eq!(failure.reason, reasons::RESTORE_FAILED, "{failure:?}");
        assert!(failure.message.contains(says), "{}", failure.message);
        assert!(watch.has_seen(RestoreStep::Opened) && !watch.has_seen(RestoreStep::Restored));
        assert_eq!((databases(server).await, roles(server).await), before);
    }
}

/// A table whose rows take a while.
const SLOW: &str = "create table slow (n int check (pg_sleep(0.005)::text is not null)); insert into slow \
    select generate_series(1, 200)";

/// Ends the session of `pg_restore` so often, each time that it restores rows.
fn breaking(port: u16, times: usize) -> Watch<'static> {
    Watch::acting(move |step| {
        if step == RestoreStep::LookedAhead {
            tokio::spawn(async move {
                let client = connect(port, "postgres").await.unwrap();
                let end = "select pid, pg_terminate_backend(pid) from pg_stat_activity where datname like \
                    'shop_restore_%' and query like 'COPY %' and state = 'active'";
                // A session that was ended may be seen once more.
                let mut ended = BTreeSet::new();
                while ended.len() < times {
                    let rows = client.query(end, &[]).await.unwrap();
                    ended.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            });
        }
        Box::pin(std::future::ready(()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_tried_again() {
    let (scene, set) = scene(SLOW).await;
    let server = &scene.postgres;
    let watch = breaking(server.port(), 2);
    let report = replace(&scene, &set).watched(&watch).await.unwrap();
    assert!(report.databases[0].is_identical, "{report:?}");
    let again = report.warnings.iter();
    let again: Vec<_> = again
        .filter(|warning| warning.contains("once more"))
        .collect();
    // The same is said once; where it broke the second time may be elsewhere.
    let different: BTreeSet<_> = again.iter().collect();
    assert!(
        !again.is_empty() && different.len() == again.len(),
        "{again:?}"
    );
    assert_eq!(report.restored_bytes, report.total_bytes);
    assert_eq!(
        ask(server, "shop", "select count(*) from slow").await,
        "200"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_always_breaks_ends_the_restore_and_leaves_nothing() {
    let (scene, set) = scene(SLOW).await;
    let server = &scene.postgres;
    let before = (databases(server).await, roles(server).await);
    let watch = breaking(server.port(), 3);
    let failure = replace(&scene, &set).watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::CONNECTION_FAILED, "{failure:?}");
    assert!(failure.message.contains("is unchanged"), "{failure:?}");
    let opened = watch.steps.lock().unwrap().clone();
    let opened = opened.iter().filter(|step| **step == RestoreStep::Opened);
    assert_eq!(opened.count(), 3);
    assert!(last_report(&watch).databases[0].rows.is_none());
    assert_eq!((databases(server).await, roles(server).await), before);
}
