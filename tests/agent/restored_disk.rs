//! A restore looks whether the disk has space for it, and stops before the disk is full.

use holdfast::agent::{RestoreStep, TakenSet};
use holdfast::api::{DataDisk, RestoreTarget, reasons};

use crate::backup_scene::Scene;
use crate::restored_scene::{Restore, Watch, ask, databases, roles};
use crate::support::postgres::PASSWORD;

/// A database that takes about 100 MB with its indexes, and a fifth of that as text.
async fn scene() -> (Scene, TakenSet) {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    let server = &scene.postgres;
    server.execute("postgres", "create database shop").await;
    server
        .execute(
            "shop",
            "create table narrow (n int); insert into narrow select generate_series(1, 600000); create index on \
             narrow (n); create index on narrow ((n + 1)); create index on narrow ((n + 2)); create index on \
             narrow ((n + 3)); create index on narrow ((n + 4)); create index on narrow ((n + 5))",
        )
        .await;
    server.execute("postgres", "checkpoint").await;
    let set = scene.take(None).await.unwrap();
    let size = set.manifest.databases[0].description.as_ref().unwrap().size;
    assert!(size > Some(80 << 20), "{size:?}");
    (scene, set)
}

async fn used(scene: &Scene) -> u64 {
    let query = "select pg_tablespace_size('pg_default') + (select sum(size) from pg_ls_waldir())";
    ask(&scene.postgres, "postgres", query)
        .await
        .parse()
        .unwrap()
}

fn restore(scene: &Scene, set: &TakenSet, disk: DataDisk) -> Restore {
    let mut restore = Restore::new(scene, &scene.postgres, set, RestoreTarget::Replace);
    restore.request.disk = disk;
    restore
}

fn of(capacity: u64) -> DataDisk {
    DataDisk {
        claim: Some("data-pg-0".to_owned()),
        capacity_bytes: Some(capacity),
        unknown: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_too_small_is_refused_and_one_that_gets_too_full_stops_the_restore() {
    let (scene, set) = scene().await;
    let server = &scene.postgres;
    let before = (databases(server).await, roles(server).await);

    let watch = Watch::quietly();
    let small = restore(&scene, &set, of((used(&scene).await + (5 << 20)) * 10 / 9));
    let failure = small.watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::DISK_TOO_SMALL, "{failure:?}");
    assert!(
        failure.message.contains("nothing was made") && failure.message.contains("data-pg-0"),
        "{}",
        failure.message
    );
    assert!(!watch.has_seen(RestoreStep::LookedAhead));
    assert_eq!((databases(server).await, roles(server).await), before);

    // Its rows would fit, all of it does not.
    let watch = Watch::quietly();
    let tight = restore(&scene, &set, of((used(&scene).await + (70 << 20)) * 10 / 9));
    let failure = tight.watched(&watch).await.unwrap_err();
    assert_eq!(failure.reason, reasons::DISK_TOO_SMALL, "{failure:?}");
    assert!(
        failure.message.contains("was stopped") && failure.message.contains("is unchanged"),
        "{}",
        failure.message
    );
    assert!(watch.has_seen(RestoreStep::Opened) && !watch.has_seen(RestoreStep::Restored));
    let warned = watch.reports.lock().unwrap().iter().any(|report| {
        let mut warnings = report.warnings.iter();
        warnings.any(|warning| warning.contains("stay free"))
    });
    assert!(warned, "it was known before");
    assert_eq!((databases(server).await, roles(server).await), before);

    let large = restore(&scene, &set, of(100 << 30));
    let report = large.run().await.unwrap();
    let warnings = report.warnings.join("\n");
    assert!(!warnings.contains("disk"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_disk_is_a_warning() {
    let (scene, set) = scene().await;
    let uids = ["1c9a7e02-0000", "2c9a7e02-0000", "3c9a7e02-0000"];
    let directory = "the volume is a directory";
    for ((disk, says), uid) in [
        (
            DataDisk::unknown(Some("data-pg-0"), directory.to_owned()),
            directory,
        ),
        (DataDisk::default(), "it was not asked for"),
        // A directory of a larger disk: more is on it than its claim says.
        (of(1 << 20), "not what the disk can hold"),
    ]
    .into_iter()
    .zip(uids)
    {
        let restore = restore(&scene, &set, disk).with_uid(uid);
        let report = restore.run().await.unwrap();
        let warnings = report.warnings.join("\n");
        assert!(warnings.contains(says), "{warnings}");
    }
}
