//! Retention on a real server: it removes exactly what was planned, the manifest of each set first, and what
//! a killed run leaves is no set, and gone after the next one.

use std::time::Duration;

use holdfast::api::S3Profile;
use holdfast::store::Held;
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal, Seen};

use crate::catalog::{StoredSet, store_set_of};
use crate::retention_scene::{
    FOLDER, Says, UID, age, look, name_of, objects_of, request, store_aged, store_sets,
    store_unfinished, visible,
};
use crate::store_proxy::Behind;
use crate::support::object_store::{IMPATIENT, TestObjectStore};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_was_planned_is_removed_and_nothing_of_others() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 5).await;
    // Of another ProtectedDatabase of the name, of another cluster, and of another database beside it.
    let foreign = store_aged(&server, 10, "uid-2").await.path;
    let elsewhere = StoredSet {
        name: &name_of(11, UID),
        position: "0/1",
        uid: UID,
        cluster: Some("cluster-2"),
        taken: "2026-01-01T09:00:00Z",
    };
    let (elsewhere, _) = store_set_of(&server.open(), &elsewhere).await;
    age(&server, &elsewhere, 300);
    let left_behind = store_unfinished(&server, 12, UID, 8).await;
    let young = store_unfinished(&server, 13, UID, 6).await;
    let of_others = store_unfinished(&server, 14, "uid-2", 300).await;
    let before = server.objects().len();

    let says = Says::new(&sets);
    let report = look(&server.open(), &request(&server, 2), &says).await;
    assert_eq!(report.failure, None);
    let mut expected: Vec<&String> = sets[..3].iter().map(|set| &set.path).collect();
    expected.push(&left_behind);
    assert_eq!(report.removed.iter().collect::<Vec<_>>(), expected);
    assert_eq!(
        (report.left.len(), report.damaged_count),
        (0, 0),
        "{report:?}"
    );
    assert!(report.removing.is_empty(), "{report:?}");
    assert_eq!((report.sets, report.confirmed), (10, 5), "{report:?}");
    for path in &report.removed {
        assert_eq!(objects_of(&server, path), 0, "{path}");
    }
    for set in &sets[3..] {
        assert_eq!(objects_of(&server, &set.path), 3, "{}", set.path);
    }
    for path in [&foreign, &elsewhere] {
        assert_eq!(objects_of(&server, path), 2, "{path}");
    }
    for path in [&young, &of_others] {
        assert_eq!(objects_of(&server, path), 1, "{path}");
    }
    assert_eq!(server.objects().len(), before - 3 * 3 - 1);
    assert_eq!(server.unfinished_parts(), 0, "what was tried is aborted");
    let why = |path: &str| {
        let name = path.replace(&format!("{FOLDER}/"), "");
        let line = report.plan.iter().find(|line| line.set == name);
        line.map(|line| line.why.clone()).unwrap_or_default()
    };
    assert!(why(&foreign).contains("another ProtectedDatabase"));
    assert!(why(&elsewhere).contains("another ProtectedDatabase"));
    assert!(why(&young).contains("may still run"));
    // What was about to go was noted while it was there.
    let notes = says.notes.lock().unwrap().clone();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].removing.iter().collect::<Vec<_>>(), expected);

    // The next one has nothing to do.
    let report = look(&server.open(), &request(&server, 2), &Says::new(&sets[3..])).await;
    assert_eq!(
        (report.removed.len(), report.left.len()),
        (0, 0),
        "{report:?}"
    );
}

/// Refuses or stalls every removal but that of the first manifest.
fn after_the_manifest(fault: Fault) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    move |seen| {
        let is_manifest = seen.uri.path().ends_with("/manifest.json");
        if seen.operation == Operation::Delete && !(is_manifest && seen.before == 0) {
            fault.clone()
        } else {
            Fault::None
        }
    }
}

async fn wait_for_deletes(behind: &Behind, count: usize) {
    while behind.count(Operation::Delete) < count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_after_the_manifest_leaves_no_set_and_the_next_one_finishes() {
    let denied = Refusal::new(403, "AccessDenied", "Access Denied");
    for fault in [Fault::Refuse(denied), Fault::Stall] {
        let is_killed = matches!(fault, Fault::Stall);
        let behind = Behind::start(Dialect::default(), after_the_manifest(fault));
        let server = &behind.server;
        let sets = store_sets(server, 2).await;
        let store = behind.open(S3Profile::Generic, IMPATIENT);
        let says = Says::new(&sets);
        let mut asked = request(server, 1);
        // One that is killed ends while the second object is about to go.
        let report = tokio::select! {
            report = look(&store, &asked, &says) => Some(report),
            () = wait_for_deletes(&behind, 2), if is_killed => None,
        };
        assert_eq!(report.is_none(), is_killed);
        let deleted = behind.proxy.seen(Operation::Delete);
        let first = format!("{}/manifest.json", sets[0].path);
        assert!(deleted[0].uri.path().ends_with(&first), "{deleted:?}");
        // Half removed it is no set: it is in no list, and nobody restores from it.
        let seen = visible(server).await;
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].0, sets[1].path);
        assert_eq!(objects_of(server, &sets[0].path), 2);
        let noted = says.notes.lock().unwrap()[0].removing.clone();
        assert_eq!(noted, [sets[0].path.clone()]);
        if let Some(report) = report {
            assert_eq!(report.removing, noted);
            assert!(
                report.left[0].why.contains("could not be removed"),
                "{report:?}"
            );
        }
        // The next run knows what was begun, however young it is, and says nothing of a loss.
        asked.removing = noted;
        let report = look(&server.open(), &asked, &Says::new(&sets)).await;
        assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
        assert_eq!(report.damaged_count, 0, "{report:?}");
        assert!(report.removing.is_empty(), "{report:?}");
        assert_eq!(objects_of(server, &sets[0].path), 0);
        // One that was killed before it could say so has removed it all the same.
        let report = look(&server.open(), &asked, &Says::new(&sets)).await;
        assert_eq!(report.removed, [sets[0].path.clone()], "{report:?}");
        assert_eq!(report.damaged_count, 0, "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_before_it_is_noted_and_a_manifest_that_stays_keeps_its_set() {
    let denied = Refusal::new(403, "AccessDenied", "Access Denied");
    let behind = Behind::start(Dialect::default(), move |seen| {
        if seen.operation == Operation::Delete {
            Fault::Refuse(denied.clone())
        } else {
            Fault::None
        }
    });
    let sets = store_sets(&behind.server, 2).await;
    let before = behind.server.objects();
    let mut deaf = Says::new(&sets);
    deaf.is_deaf = true;
    let asked = request(&behind.server, 1);
    let report = look(&behind.server.open(), &asked, &deaf).await;
    assert!(
        report
            .failure
            .unwrap()
            .message
            .contains("could not be noted")
    );
    assert_eq!(behind.server.objects(), before);
    // The key may not delete: everything stays whole, and that is said.
    let store = behind.open(S3Profile::Generic, IMPATIENT);
    let report = look(&store, &asked, &Says::new(&sets)).await;
    assert_eq!(behind.server.objects(), before);
    assert!(report.removed.is_empty(), "{report:?}");
    assert!(
        report.left[0]
            .why
            .contains("its manifest could not be removed"),
        "{report:?}"
    );
    assert_eq!(visible(&behind.server).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_only_looks_removes_nothing_and_says_what_it_would() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    let before = server.objects();
    let mut asked = request(&server, 1);
    asked.removes = false;
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(server.objects(), before);
    let removed = report.plan.iter().filter(|line| line.remove);
    assert_eq!(removed.count(), 2, "{report:?}");
    asked.removes = true;
    asked.retention = None;
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(server.objects(), before);
    assert_eq!(
        report.held.as_deref(),
        Some("spec.backup.retention is not set")
    );
}

/// Whoever set no rules has asked for no removal. What failed backups have left is named, so that it does not take
/// space for ever without a word.
#[tokio::test(flavor = "multi_thread")]
async fn without_rules_nothing_goes_and_what_failed_backups_left_is_named() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 2).await;
    let left_behind = store_unfinished(&server, 12, UID, 8).await;
    store_unfinished(&server, 13, UID, 6).await;
    store_unfinished(&server, 14, "uid-2", 300).await;
    let before = server.objects();
    let mut asked = request(&server, 1);
    asked.retention = None;
    let report = look(&server.open(), &asked, &Says::new(&sets)).await;
    assert_eq!(server.objects(), before, "{report:?}");
    assert_eq!(report.left.len(), 1, "{report:?}");
    assert_eq!(report.left[0].path, left_behind);
    assert!(
        report.left[0].why.contains("without spec.backup.retention"),
        "{report:?}"
    );
    // While anything else holds, nothing is said to be left behind: what the cluster says is not known.
    let held = Says::new(&sets).held(Held::ClusterUnread);
    let report = look(&server.open(), &asked, &held).await;
    assert!(report.left.is_empty(), "{report:?}");
    assert_eq!(server.objects(), before);
}
