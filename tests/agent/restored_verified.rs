//! What is not as the manifest says never takes the place of anything, and only what the restore made is
//! dropped.

use holdfast::agent::{RestoreStep, restored_name};
use holdfast::api::{RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, UID, Watch, ask, databases, plain_dump, small_shop};
use crate::support::postgres::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_found_and_nothing_is_swapped() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    server
        .execute("shop", "select lo_from_bytea(4242, 'bytes')")
        .await;
    let set = scene.take(None).await.unwrap();
    let before = (databases(server).await, plain_dump(server, "shop"));
    let name = restored_name("shop", UID);
    for (change, named) in [
        ("delete from orders where id = 7", "orders"),
        ("update orders set what = 'order 8' where id = 7", "orders"),
        ("truncate which", "which"),
        ("drop table which", "which"),
        ("create table more as select 1", "more"),
        ("insert into orders (what) values ('x')", "orders"),
        ("select lo_unlink(4242)", "large objects"),
        ("select lo_put(4242, 0, 'B')", "large objects"),
    ] {
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
        let watch = Watch::running(server, RestoreStep::Restored, &name, change);
        let failure = restore.watched(&watch).await.expect_err(change);
        assert_eq!(
            failure.reason,
            reasons::RESTORE_DIFFERS,
            "{change}: {}",
            failure.message
        );
        assert!(
            failure.message.contains(named),
            "{change}: {}",
            failure.message
        );
        assert!(!watch.has_seen(RestoreStep::Verified) && !watch.has_seen(RestoreStep::DoorClosed));
        assert_eq!(
            (databases(server).await, plain_dump(server, "shop")),
            before,
            "{change}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_database_with_the_mark_of_the_restore_is_dropped() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    small_shop(server).await;
    let set = scene.take(None).await.unwrap();
    let name = restored_name("shop", UID);
    for comment in [
        "'mine now'".to_owned(),
        "null".to_owned(),
        "'holdfast restore 7c9a7e02-5f6d-4d1c-9a57-0d3b8f2b6a11 making of shop'".to_owned(),
        format!("'holdfast restore {UID} kept of shop'"),
    ] {
        // Somebody claims it, and breaks it.
        let claim = format!("comment on database {name} is {comment}; delete from orders");
        let restore = Restore::new(&scene, server, &set, RestoreTarget::Replace);
        let watch = Watch::running(server, RestoreStep::Restored, &name, &claim);
        restore.watched(&watch).await.unwrap_err();
        let there = format!("select count(*) from pg_database where datname = '{name}'");
        assert_eq!(ask(server, "postgres", &there).await, "1", "{comment}");
        // Nor does the next start take it for its own.
        let failure = restore.run().await.unwrap_err();
        assert_eq!(failure.reason, reasons::RESTORE_REFUSED, "{comment}");
        assert!(
            failure.message.contains(&name),
            "{comment}: {}",
            failure.message
        );
        assert_eq!(ask(server, "postgres", &there).await, "1", "{comment}");
        server
            .execute("postgres", &format!("drop database {name}"))
            .await;
    }
}
