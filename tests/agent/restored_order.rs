//! A restore may put rows and large objects in another order than the dump had; that is no difference.

use holdfast::agent::{RestoreStep, restored_name};
use holdfast::api::{RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, UID, Watch};
use crate::support::postgres::PASSWORD;

/// `pg_restore` fills earlier pages where a row fits in.
const VARYING: &str = "create table varying as select n as id, repeat('x', \
    (random() * 300)::int) as text from generate_series(1, 20000) n";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_varying_width_are_the_same_in_another_order() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    server.execute("shop", VARYING).await;
    let set = scene.take(None).await.unwrap();
    let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
    let report = restore.run().await.unwrap();
    assert!(report.databases[0].is_identical, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_values_that_changed_places_are_a_difference() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    server.execute("shop", VARYING).await;
    let set = scene.take(None).await.unwrap();
    let name = restored_name("shop", UID);
    for change in [
        "update varying set text = text || 'y' where id = 7",
        "update varying set id = case id when 1 then 2 else 1 end, text = 'z' where id in (1, 2)",
        "update varying set id = 8 where id = 7",
    ] {
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
        let watch = Watch::running(server, RestoreStep::Restored, &name, change);
        let failure = restore.watched(&watch).await.expect_err(change);
        assert_eq!(failure.reason, reasons::RESTORE_DIFFERS, "{change}");
    }
}
