//! How far a backup is, while a real dump runs: the numbers grow, and end with those of the manifest.

use std::pin::pin;

use holdfast::agent::{Interrupt, take_set};
use holdfast::api::BackupProgress;

use crate::backup_scene::{Scene, bulky};
use crate::support::postgres::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_of_a_dump_grow_to_those_of_its_manifest() {
    let mut scene = Scene::new(&["postgres", "second"], "postgres", PASSWORD);
    scene.request.exclude_table_data = vec!["public.cache".to_owned()];
    let filled = format!(
        "{} create table a (id int); insert into a select generate_series(1, 1000); create table empty (id \
         int); create table cache (data text); insert into cache select repeat(n::text, 1000) from \
         generate_series(1, 10000) n; analyze;",
        bulky(20_000)
    );
    scene.postgres.execute("postgres", &filled).await;
    scene
        .postgres
        .execute("postgres", "create database second")
        .await;
    let (order, says) = (scene.order(), scene.says());
    let (mut shown, interrupt) = (order.meter.subscribe(), Interrupt::by_hand().1);
    let mut seen: Vec<BackupProgress> = Vec::new();
    let set = {
        let mut taking = pin!(take_set(&order, &says, &interrupt));
        loop {
            tokio::select! {
                set = &mut taking => break set.unwrap(),
                _ = shown.changed() => seen.extend(shown.borrow_and_update().clone()),
            }
        }
    };
    let of = |database: &str| -> Vec<&BackupProgress> {
        let of_it = |one: &&BackupProgress| one.database.as_deref() == Some(database);
        seen.iter().filter(of_it).collect()
    };
    let main = of("postgres");
    assert!(main.is_sorted_by_key(|one| (one.dumped_bytes, one.tables_done)));
    assert!(main.is_sorted_by_key(|one| one.stored_bytes));
    let manifest = &set.manifest.databases[0];
    let raw = i64::try_from(set.manifest.objects[1].raw_size).unwrap();
    assert_eq!(set.manifest.objects[1].name, manifest.object);
    let between = main
        .iter()
        .filter(|one| (1..raw).contains(&one.dumped_bytes));
    assert!(between.count() > 3, "{main:?}");
    let last = main[main.len() - 1];
    assert_eq!(last.dumped_bytes, raw);
    assert_eq!(manifest.tables.len(), 3, "{:?}", manifest.tables);
    assert_eq!(
        (last.tables_done, last.tables),
        (Some(3), Some(3)),
        "{last:?}"
    );
    assert!(
        last.stored_bytes > 0 && last.message.starts_with("3 of 3 tables, "),
        "{last:?}"
    );
    // Only an estimate, and without the table whose rows are left out.
    let estimate = last.total_bytes.unwrap();
    assert!(
        (raw / 2..raw * 2).contains(&estimate),
        "{estimate} of {raw}"
    );
    assert!(
        !of("second").is_empty(),
        "each database has its own numbers"
    );
}
