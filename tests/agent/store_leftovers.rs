//! What a backup leaves behind that was killed, and who may clean it up.

use holdfast::api::S3Profile;
use holdfast::store::{
    ObjectStore as _, S3Store, SMALLEST_PART, SetPath, StoreErrorKind, Upload, database_folder,
    set_suffix,
};
use jiff::Timestamp;
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal};

use crate::store::noise;
use crate::store_proxy::{Behind, first};
use crate::support::object_store::{IMPATIENT, TestObjectStore};

fn path(database: &str, uid: &str, seed: &str) -> SetPath {
    let suffix = set_suffix(uid, seed);
    SetPath::new("prod", "atra", database, Timestamp::UNIX_EPOCH, suffix)
}

/// An upload whose agent was killed: nothing of it runs on, not even its end.
async fn kill_one(store: &S3Store, path: &SetPath) {
    let mut upload = Upload::new(store.clone(), path.key("dump.pgc.zst"), 0);
    upload.write(&noise(SMALLEST_PART + 1)).await.unwrap();
    upload.seal().await.unwrap();
    std::mem::forget(upload);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_aborts_what_a_kill_left_and_nothing_of_others() {
    let server = TestObjectStore::start();
    let store = server.open();
    let (own, others) = (
        path("knowledge", "uid-1", "a"),
        path("knowledge", "uid-2", "a"),
    );
    let neighbour = path("knowledge-2", "uid-1", "a");
    for path in [&own, &others, &neighbour] {
        kill_one(&store, path).await;
    }
    let folder = database_folder("prod", "atra", "knowledge");
    let new = path("knowledge", "uid-1", "b");
    let rehearsed = store.rehearse(&folder, &new).await.unwrap();
    assert!(rehearsed.now.is_some(), "the storage's own time is known");
    assert_eq!(rehearsed.unfinished.len(), 2, "{rehearsed:?}");
    assert!(rehearsed.left_over(&folder, "uid-1", false).is_empty());
    let left = rehearsed.left_over(&folder, "uid-1", true);
    for upload in &left {
        store.abort(upload).await.unwrap();
    }
    let mut rest: Vec<String> = store
        .fetch_unfinished("")
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.upload.key)
        .collect();
    rest.sort();
    let mut expected = [others.key("dump.pgc.zst"), neighbour.key("dump.pgc.zst")];
    expected.sort();
    assert_eq!(rest, expected);
    assert_eq!(server.objects(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_aborted_until_none_of_its_parts_is_there() {
    // As if a part that was on its way had arrived after the first abort.
    let late = Fault::Refuse(Refusal {
        status: 204,
        body: Some(""),
        ..Refusal::default()
    });
    let behind = Behind::start(Dialect::default(), first(Operation::Abort, 1, late));
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let mut upload = Upload::new(store, "prod/key".to_owned(), 0);
    upload.write(&noise(SMALLEST_PART + 1)).await.unwrap();
    upload.seal().await.unwrap();
    upload.abort().await;
    assert_eq!(behind.count(Operation::Abort), 2);
    behind.assert_nothing_is_left("aborted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_finds_before_the_dump_what_would_fail_after_it() {
    let behind = Behind::start(
        Dialect::default(),
        first(
            Operation::Part,
            usize::MAX,
            Fault::Refuse(Refusal::new(403, "QuotaExceeded", "Full")),
        ),
    );
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let folder = database_folder("prod", "atra", "knowledge");
    let error = store
        .rehearse(&folder, &path("knowledge", "uid-1", "a"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    behind.assert_nothing_is_left("rehearsed");
    let denied = Fault::Refuse(Refusal {
        status: 403,
        body: Some(""),
        ..Refusal::default()
    });
    let behind = Behind::start(Dialect::default(), first(Operation::Head, 9, denied));
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let error = store
        .rehearse(&folder, &path("knowledge", "uid-1", "a"))
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        StoreErrorKind::Denied,
        "a key that may not read: {error}"
    );
    behind.assert_nothing_is_left("rehearsed");
}
