//! What retention must not take for granted, on a real server: that a directory without a manifest was never a
//! set, that what is in the bucket was taken by this cluster, that the newest set can be read back, that rules
//! are what their author meant, and that the storage says all of a lock.

use std::fs;

use holdfast::api::{ObjectLock, ObjectLockMode, S3Profile, reasons};
use holdfast::store::{Held, SetContents, fetch_catalog, fetch_lock};
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal};

use crate::retention_scene::{
    Says, UID, age, look, name_of, objects_of, request, store_sets, visible,
};
use crate::store_proxy::Behind;
use crate::support::object_store::{IMPATIENT, TestObjectStore};

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_lost_its_manifest_is_damaged_and_nothing_more_of_it_goes() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    fs::remove_file(server.file(&format!("{}/manifest.json", sets[0].path))).unwrap();
    let asked = request(&server, 1);
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(report.removed, [sets[1].path.clone()], "{report:?}");
    assert_eq!(objects_of(&server, &sets[0].path), 2, "{report:?}");
    assert_eq!(report.damaged[0].path, sets[0].path, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_sets_of_a_clone_neither_count_nor_go() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 5).await;
    // The cluster has taken two; the others are of a clone of it, with the same UIDs, and newer.
    let says = Says::new(&sets[..2]);
    let copy = format!("{}-copy", sets[1].path);
    fs::create_dir(server.file(&copy)).unwrap();
    for entry in fs::read_dir(server.file(&sets[1].path)).unwrap() {
        let entry = entry.unwrap();
        let to = server.file(&copy).join(entry.file_name());
        fs::copy(entry.path(), to).unwrap();
    }
    let before = server.objects();
    let report = look(&server.open(), &request(&server, 2), &says).await;
    assert_eq!(server.objects(), before, "{report:?}");
    assert_eq!(report.confirmed, 2, "{report:?}");
    // The newest that the cluster knows never goes, whatever the bucket has.
    let report = look(&server.open(), &request(&server, 1), &says).await;
    assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_unless_the_newest_set_has_the_bytes_that_were_stored() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    let dump = server.file(&format!("{}/dump.pgc.zst", sets[2].path));
    let kept = fs::read(&dump).unwrap();
    // One bit, which no listing shows.
    let mut rotten = kept.clone();
    rotten[4] ^= 1;
    fs::write(&dump, rotten).unwrap();
    age(&server, &sets[2].path, 38);
    let asked = request(&server, 1);
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert!(report.removed.is_empty(), "{report:?}");
    let held = report.held.unwrap();
    assert!(held.contains("has other bytes than were stored"), "{held}");
    assert_eq!(report.damaged[0].path, sets[2].path);
    fs::write(&dump, kept).unwrap();
    age(&server, &sets[2].path, 38);
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(report.removed.len(), 2, "{report:?}");
    assert!(report.read_back.unwrap().starts_with("all of"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_removes_a_few_sets_only_the_oldest_first() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 9).await;
    let report = look(&server.open(), &request(&server, 1), &Says::new(&sets)).await;
    let oldest = sets[..4].iter().map(|set| set.path.clone());
    assert_eq!(report.removed, oldest.collect::<Vec<_>>(), "{report:?}");
    assert_eq!(report.postponed, 4, "{report:?}");
    assert_eq!(visible(&server).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_the_bucket_or_the_cluster_meanwhile_counts() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    // Of the two that stay one loses its dump, so another one must stay in its place.
    let dump = server.file(&format!("{}/dump.pgc.zst", sets[2].path));
    let says = Says::new(&sets).while_asked(move |asked, _| {
        if asked == 2 {
            fs::remove_file(&dump).unwrap();
        }
    });
    let report = look(&server.open(), &request(&server, 2), &says).await;
    assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
    assert!(
        report.left[0].why.contains("one of the last 2 confirmed"),
        "{report:?}"
    );
    // The cluster demotes the last but one right before the second set goes.
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    let says = Says::new(&sets).while_asked(|asked, view| {
        if asked == 3 {
            view.taken[2].verdict = Some(crate::catalog::demoted());
        }
    });
    let report = look(&server.open(), &request(&server, 2), &says).await;
    assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
    // Suspended right before.
    for held in [Held::Suspended, Held::StorageChanged] {
        let says = Says::new(&sets[1..]).while_asked(move |asked, view| {
            if asked > 1 {
                view.held = Some(held);
            }
        });
        let report = look(&server.open(), &request(&server, 1), &says).await;
        assert!(report.removed.is_empty(), "{report:?}");
        assert_eq!(report.held, Some(held.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_the_storage_does_not_give_or_of_a_newer_format_is_of_that_set_alone() {
    for (code, is_damage) in [("AccessDenied", true), ("InvalidObjectState", false)] {
        let first = format!("{}/manifest.json", name_of(0, UID));
        let refusal = Refusal::new(403, code, "not for the object's storage class");
        let behind = Behind::start(Dialect::default(), move |seen| {
            let is_first = seen.uri.path().ends_with(&first);
            if seen.operation == Operation::Get && is_first {
                Fault::Refuse(refusal.clone())
            } else {
                Fault::None
            }
        });
        let sets = store_sets(&behind.server, 3).await;
        let store = behind.open(S3Profile::Generic, IMPATIENT);
        let report = look(&store, &request(&behind.server, 1), &Says::new(&sets)).await;
        assert_eq!(report.failure, None, "{code}: {report:?}");
        assert_eq!(report.removed, [sets[1].path.clone()], "{code}");
        assert_eq!(report.damaged_count, i64::from(is_damage), "{code}");
    }
    // Where no manifest can be read, the look has failed, and no set is called damaged.
    let behind = Behind::start(Dialect::default(), |seen| {
        if seen.operation == Operation::Get && seen.uri.path().ends_with("/manifest.json") {
            Fault::Refuse(Refusal::new(403, "AccessDenied", "Access Denied"))
        } else {
            Fault::None
        }
    });
    let sets = store_sets(&behind.server, 2).await;
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let report = look(&store, &request(&behind.server, 1), &Says::new(&sets)).await;
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.reason, reasons::STORAGE_DENIED);
    assert_eq!((report.damaged_count, report.obstacle), (0, None));
    // Of a format that this version does not know.
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 2).await;
    let manifest = server.file(&format!("{}/manifest.json", sets[0].path));
    let text = fs::read_to_string(&manifest).unwrap();
    let newer = text.replace(r#""formatVersion":1"#, r#""formatVersion":99"#);
    assert_ne!(newer, text);
    fs::write(&manifest, newer).unwrap();
    let read = fetch_catalog(&server.open(), "prod", "atra", "knowledge").await;
    let read = read.unwrap();
    assert!(matches!(
        &read[0].facts.contents,
        SetContents::Unreadable(why) if why.contains("its format is 99")
    ));
    let before = server.objects();
    let report = look(&server.open(), &request(&server, 1), &Says::new(&sets)).await;
    assert_eq!(server.objects(), before, "{report:?}");
    assert_eq!(report.damaged_count, 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_the_storage_does_not_tell_of_is_not_known() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 1).await;
    // The bucket answers HEAD without a word about locks, as it does to a key that may not see them.
    let mut storage = server.storage();
    storage.object_lock = Some(ObjectLock {
        mode: ObjectLockMode::Governance,
        days: 2,
    });
    let store = server.open_as(&storage, IMPATIENT).unwrap();
    let unknown = fetch_lock(&store, &sets[0].path).await.unwrap_err();
    assert!(unknown.message.contains("how long"), "{unknown:?}");
    let without = server.open();
    assert_eq!(fetch_lock(&without, &sets[0].path).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_away_says_nothing_of_the_next_backup() {
    let behind = Behind::start(Dialect::default(), |_| {
        Fault::Refuse(Refusal::new(503, "SlowDown", "later"))
    });
    let sets = store_sets(&behind.server, 2).await;
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let report = look(&store, &request(&behind.server, 1), &Says::new(&sets)).await;
    let failure = report.failure.expect("a failure");
    assert_eq!(failure.reason, reasons::STORAGE_UNREACHABLE);
    assert_eq!(report.obstacle, None);
}
