//! What keeps retention from removing, on a real server: a reset, a set that changed meanwhile, a lock, a
//! newest confirmed set that can't be read. And the daily comparison that finds what others have removed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use holdfast::agent::{KnownBackup, MountedFiles, rehearse_backup};
use holdfast::api::{ObjectLock, ObjectLockMode, S3Profile, S3Storage, reasons};
use holdfast::store::{Held, S3Store, Standing, StoredVerdict, fetch_catalog, store_verdict};
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal};

use crate::catalog::{StoredSet, confirmed, demoted, put, store_set_of};
use crate::retention_scene::{
    Says, UID, look, name_of, objects_of, request, store_aged, store_sets, visible,
};
use crate::store_locks::{LOCKED, make_locked_bucket, other_client};
use crate::store_proxy::Behind;
use crate::support::object_store::{IMPATIENT, TestObjectStore, write_credentials};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_while_anything_holds_and_not_when_it_begins_to() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    let before = server.objects();
    let asked = request(&server, 1);
    for held in [
        Held::DataReset,
        Held::DataNotVerified,
        Held::ClusterUnread,
        Held::DatabaseGone,
        Held::SuspectStands,
    ] {
        let report = look(&server.open(), &asked, &Says::new(&sets).held(held)).await;
        assert_eq!(server.objects(), before);
        assert_eq!(report.held, Some(held.to_string()));
    }
    // A check finds a reset after one set went.
    let says = Says::new(&sets).while_asked(|asked, view| {
        if asked > 2 {
            view.held = Some(Held::DataReset);
        }
    });
    let report = look(&server.open(), &asked, &says).await;
    assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
    assert_eq!(report.left.len(), 2, "{report:?}");
    assert!(report.left[0].why.contains("a reset of the data stands"));
    assert!(report.removing.is_empty(), "{report:?}");
    assert_eq!(visible(&server).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_when_the_newest_confirmed_set_has_gone_or_can_not_be_read() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    let asked = request(&server, 1);
    let newest = sets[2].path.clone();
    // The newest is damaged right before the first removal.
    let dump = server.file(&format!("{newest}/dump.pgc.zst"));
    let kept = fs::read(&dump).unwrap();
    let at = dump.clone();
    let says = Says::new(&sets).while_asked(move |asked, _| {
        if asked == 2 {
            fs::write(&at, b"cut").unwrap();
        }
    });
    let report = look(&server.open(), &asked, &says).await;
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(visible(&server).await.len(), 3);
    fs::write(&dump, kept).unwrap();
    // A verdict beside it can't be read: it may say that it never counts.
    let unreadable = format!("{newest}/verdict-20260101T000000Z-00000000.json");
    put(&server.open(), unreadable.clone(), b"no JSON").await;
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(report.held, Some(Held::NewestConfirmedUnread.to_string()));
    fs::remove_file(server.file(&unreadable)).unwrap();
    fs::write(server.file(&format!("{newest}/manifest.json")), b"{").unwrap();
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(report.held, Some(Held::NewestConfirmedUnread.to_string()));
    assert_eq!(visible(&server).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_changed_since_it_was_planned_is_left() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    let manifest = server.file(&format!("{}/manifest.json", sets[0].path));
    let another = fs::read(server.file(&format!("{}/manifest.json", sets[1].path))).unwrap();
    let at = manifest.clone();
    let says = Says::new(&sets).while_asked(move |asked, _| {
        if asked == 2 {
            fs::write(&at, &another).unwrap();
        }
    });
    let report = look(&server.open(), &request(&server, 1), &says).await;
    assert_eq!(report.removed, [sets[1].path.clone()], "{report:?}");
    assert_eq!(report.left.len(), 1, "{report:?}");
    assert!(manifest.exists());
    assert_eq!(objects_of(&server, &sets[0].path), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_a_restore_reads_is_left_until_it_has_ended() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    let asked = request(&server, 1);
    let first = sets[0].path.clone();
    // From the beginning, and once it was planned.
    for since in [0, 1] {
        let read = first.clone();
        let says = Says::new(&sets).while_asked(move |asked, view| {
            if asked > since {
                view.restoring.insert(read.clone());
            }
        });
        let report = look(&server.open(), &asked, &says).await;
        assert!(!report.removed.contains(&first), "{report:?}");
        assert_eq!(objects_of(&server, &first), 3, "{since}");
        if since == 0 {
            let planned = report.plan.iter().any(|line| {
                first.ends_with(&line.set) && !line.remove && line.why.contains("DatabaseRestore")
            });
            assert!(planned, "{:?}", report.plan);
            assert_eq!(report.removed.len(), 2, "the others go: {report:?}");
        }
    }
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(report.removed, [first], "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_another_backup_runs_in_is_left() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 2).await;
    let running = sets[0].path.clone();
    let says = Says::new(&sets).while_asked(move |asked, view| {
        if asked == 2 {
            view.running.insert(running.clone());
        }
    });
    let report = look(&server.open(), &request(&server, 1), &says).await;
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(visible(&server).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_has_demoted_counts_for_nothing_in_the_bucket_either() {
    let server = TestObjectStore::start();
    let mut sets = store_sets(&server, 3).await;
    // The bucket has not heard of it yet; of the two that are left one is to stay beside the newest.
    sets[1].verdict = Some(demoted());
    let report = look(&server.open(), &request(&server, 2), &Says::new(&sets)).await;
    assert!(report.removed.is_empty(), "{report:?}");
    let standings: Vec<Standing> = visible(&server)
        .await
        .into_iter()
        .map(|set| set.1)
        .collect();
    assert_eq!(
        standings,
        [Standing::Confirmed, Standing::Demoted, Standing::Confirmed]
    );
}

/// In a bucket with versions the storage would say that it has removed a locked object, and hide it.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_set_is_left_whole_and_that_is_said() {
    let server = TestObjectStore::start();
    let client = other_client(&server);
    make_locked_bucket(&client).await;
    let storage = S3Storage {
        bucket: LOCKED.to_owned(),
        profile: Some(S3Profile::Generic),
        object_lock: Some(ObjectLock {
            mode: ObjectLockMode::Governance,
            days: 2,
        }),
        ..server.storage()
    };
    let store = server.open_as(&storage, IMPATIENT).unwrap();
    let mut sets = Vec::new();
    for number in 0..2 {
        let set = StoredSet {
            name: &name_of(number, UID),
            position: &format!("0/{}", number + 1),
            uid: UID,
            cluster: Some("cluster-1"),
            taken: &format!("2026-02-{:02}T09:00:00Z", number + 1),
        };
        let (path, sha256) = store_set_of(&store, &set).await;
        let verdict = StoredVerdict::new(&confirmed(), &sha256);
        store_verdict(&store, &path, &verdict).await.unwrap();
        sets.push(KnownBackup {
            path,
            manifest_sha256: Some(sha256),
            verdict: Some(confirmed()),
        });
        // The storage's clock has seconds.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let mut asked = request(&server, 1);
    asked.storage = storage;
    let report = look(&store, &asked, &Says::new(&sets)).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(report.left.len(), 1, "{report:?}");
    assert!(
        report.left[0].why.contains("it is locked until"),
        "{report:?}"
    );
    let listed = fetch_catalog(&store, "prod", "atra", "knowledge").await;
    assert_eq!(listed.unwrap().len(), 2, "nothing is hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_removed_or_changed_is_named() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 5).await;
    let foreign = store_aged(&server, 10, "uid-2").await.path;
    let remove = |key: String| fs::remove_file(server.file(&key)).unwrap();
    remove(format!("{}/dump.pgc.zst", sets[0].path));
    fs::write(
        server.file(&format!("{}/dump.pgc.zst", sets[1].path)),
        b"cut",
    )
    .unwrap();
    fs::remove_dir_all(server.file(&sets[2].path)).unwrap();
    remove(format!("{}/manifest.json", sets[3].path));
    remove(format!("{foreign}/dump.pgc.zst"));
    let mut asked = request(&server, 1);
    asked.removes = false;
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert_eq!(report.damaged_count, 4, "{report:?}");
    let named = report
        .damaged
        .iter()
        .map(|one| (one.path.as_str(), one.is_gone));
    let expected = [(3, false), (2, true), (1, false), (0, false)];
    let expected = expected.map(|(index, is_gone)| (sets[index].path.as_str(), is_gone));
    assert_eq!(named.collect::<Vec<_>>(), expected);
    let why: Vec<&str> = report.damaged.iter().map(|one| one.why.as_str()).collect();
    assert!(why[0].contains("manifest is missing"), "{why:?}");
    assert!(why[1].contains("nothing of it"), "{why:?}");
    assert!(why[2].contains("3 bytes instead of"), "{why:?}");
    assert!(why[3].contains("`dump.pgc.zst` is missing"), "{why:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_the_next_backup_would_fail_is_said_and_the_sets_are_compared_nevertheless() {
    let behind = Behind::start(Dialect::default(), |seen| {
        if seen.operation == Operation::Create {
            Fault::Refuse(Refusal::new(403, "AccessDenied", "Access Denied"))
        } else {
            Fault::None
        }
    });
    let sets = store_sets(&behind.server, 3).await;
    fs::remove_dir_all(behind.server.file(&sets[1].path)).unwrap();
    let mut asked = request(&behind.server, 5);
    asked.removes = false;
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let report = look(&store, &asked, &Says::new(&sets)).await;
    let failure = report.failure.clone().unwrap();
    assert_eq!(failure.reason, reasons::STORAGE_DENIED, "{report:?}");
    assert_eq!(report.obstacle, Some(failure), "{report:?}");
    assert_eq!(report.damaged_count, 1, "{report:?}");
}

/// Retention has a key of its own, and the next backup will have another one: that is what it is tried with.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_is_rehearsed_with_its_own_key_and_not_with_that_of_retention() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 2).await;
    let mut asked = request(&server, 5);
    asked.removes = false;
    asked.backup_storage = Some(server.storage());
    let revoked = tempfile::tempdir().unwrap();
    write_credentials(revoked.path(), "test", "no longer valid");
    let files = |credentials: &Path| MountedFiles {
        s3_credentials: credentials.to_path_buf(),
        s3_ca: server.authority(),
        ..MountedFiles::default()
    };
    let before = server.objects();
    let mut report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!((&report.failure, &report.obstacle), (&None, &None));
    rehearse_backup(&asked, &files(revoked.path()), IMPATIENT, &mut report).await;
    let obstacle = report.obstacle.clone().unwrap();
    assert_eq!(obstacle.reason, reasons::STORAGE_DENIED, "{obstacle:?}");
    assert!(
        obstacle.message.contains("generic s3-auth "),
        "{obstacle:?}"
    );
    // It is put right, and said no more.
    rehearse_backup(&asked, &files(server.credentials()), IMPATIENT, &mut report).await;
    assert_eq!(report.obstacle, None);
    let nowhere = files(Path::new("/nowhere"));
    rehearse_backup(&asked, &nowhere, IMPATIENT, &mut report).await;
    let obstacle = report.obstacle.clone().unwrap();
    assert_eq!(obstacle.reason, reasons::SECRET_MISSING, "{obstacle:?}");
    assert_eq!((server.objects(), server.unfinished_parts()), (before, 0));

    // What the storage answers to the key of retention says nothing of the next backup.
    let storage = server.storage();
    let denied = S3Store::open_within(
        &storage,
        "atra",
        revoked.path(),
        &server.authority(),
        IMPATIENT,
    );
    let report = look(&denied.unwrap(), &asked, &Says::new(&sets)).await;
    assert_eq!(report.failure.unwrap().reason, reasons::STORAGE_DENIED);
    assert_eq!(report.obstacle, None);
}
