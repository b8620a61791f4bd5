//! A change of a table that waits for the dump, and every query behind it, does not wait for long.

use std::time::Duration;

use holdfast::agent::{Interrupt, take_set};
use holdfast::api::reasons;
use holdfast::store::SetState;
use tokio_postgres::Client;

use crate::backup_scene::Scene;
use crate::support::postgres::PASSWORD;

/// The dump holds its lock of the first table while it waits for the second one.
const TABLES: &str = "create table changed (id int); insert into changed values (1); create table locked \
    (id int); insert into locked values (1)";

/// A database whose dump has to wait, and who holds the lock that it waits for.
async fn held_up() -> (Scene, Client) {
    let mut scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.request.yield_seconds = Some(1);
    scene.postgres.execute("postgres", TABLES).await;
    let holder = scene.postgres.superuser("postgres").await;
    holder
        .batch_execute("begin; lock table locked in access exclusive mode")
        .await
        .unwrap();
    (scene, holder)
}

async fn wait_until_the_dump_waits(scene: &Scene) {
    let waiting = "select count(*) from pg_locks as l join pg_stat_activity as a using (pid) where not \
        l.granted and a.application_name like 'holdfast-backup %'";
    wait_for(scene, waiting).await;
}

/// Waits until this query counts something.
async fn wait_for(scene: &Scene, query: &str) {
    let client = scene.postgres.superuser("postgres").await;
    while client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_table_ends_the_dump_which_is_taken_again_afterwards() {
    let (scene, holder) = held_up().await;
    let order = scene.order();
    let (says, interrupt) = (scene.says(), Interrupt::by_hand().1);
    let (outcome, ()) = tokio::join!(take_set(&order, &says, &interrupt), async {
        wait_until_the_dump_waits(&scene).await;
        // It waits for the dump, and no longer than that.
        scene
            .postgres
            .execute("postgres", "alter table changed add column more int")
            .await;
        holder.batch_execute("rollback").await.unwrap();
    });
    let set = outcome.unwrap();
    assert_eq!(set.manifest.state, SetState::Good);
    assert_eq!(set.manifest.databases[0].rows, 2);
    assert_eq!(scene.bucket.unfinished_parts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_in_the_way_again_and_again_fails_and_says_so() {
    // Its session holds the lock as long as it lives.
    let (scene, _holder) = held_up().await;
    let order = scene.order();
    let (says, interrupt) = (scene.says(), Interrupt::by_hand().1);
    let changes = async {
        loop {
            wait_until_the_dump_waits(&scene).await;
            scene
                .postgres
                .execute(
                    "postgres",
                    "alter table changed alter column id set default 1",
                )
                .await;
        }
    };
    let outcome = tokio::select! {
        outcome = take_set(&order, &says, &interrupt) => outcome,
        () = changes => unreachable!(),
    };
    let failure = outcome.unwrap_err();
    assert_eq!(
        failure.reason,
        reasons::YIELDED_TO_DDL,
        "{}",
        failure.message
    );
    assert!(failure.message.contains("spec.backup.yieldToDDL"));
    scene.assert_nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_table_that_is_dumped_is_no_reason_to_end_the_dump() {
    let (scene, holder) = held_up().await;
    let other = scene.postgres.superuser("postgres").await;
    other
        .batch_execute("create table third (id int)")
        .await
        .unwrap();
    let order = scene.order();
    let (says, interrupt) = (scene.says(), Interrupt::by_hand().1);
    let (outcome, ()) = tokio::join!(take_set(&order, &says, &interrupt), async {
        wait_until_the_dump_waits(&scene).await;
        // A change that waits for somebody else.
        let change = scene
            .postgres
            .execute("postgres", "alter table locked add column more int");
        let release = async {
            let waiting = "select count(*) from pg_locks where not granted and mode = \
                'AccessExclusiveLock' and now() - waitstart > interval '3 s'";
            wait_for(&scene, waiting).await;
            holder.batch_execute("rollback").await.unwrap();
        };
        tokio::join!(change, release);
    });
    assert_eq!(outcome.unwrap().manifest.databases[0].tables.len(), 3);
}
