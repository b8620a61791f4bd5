//! A sample of the sets is read whole: a bit that was flipped in the bucket is found, and that set does not
//! count any more; what can't be read, or is read differently twice, demotes nothing.

use std::fs;

use holdfast::agent::{ClusterView, KnownBackup, look_at_sets};
use holdfast::api::{CatalogReport, CatalogRequest, S3Profile, SampleReport, reasons};
use holdfast::store::{SetContents, Standing, fetch_newest_good, fetch_set};
use testbed::storage_proxy::{Dialect, Fault, Operation, Refusal, Seen};

use crate::backup_scene::{NAMES, origin};
use crate::retention_scene::{Says, look, request, store_sets, visible};
use crate::store_proxy::Behind;
use crate::support::object_store::{IMPATIENT, TestObjectStore};

/// More than all sets of these tests have.
const ALL: u64 = 1 << 20;

fn asked(server: &TestObjectStore) -> CatalogRequest {
    CatalogRequest {
        sample_bytes: ALL,
        ..request(server, 1)
    }
}

fn flip_a_bit(server: &TestObjectStore, path: &str) {
    let file = server.file(&format!("{path}/dump.pgc.zst"));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn sample(report: &CatalogReport) -> &SampleReport {
    report.sample.as_ref().unwrap()
}

/// The sets that were read and are as they were stored, and those that are damaged.
fn read(report: &CatalogReport) -> (Vec<String>, Vec<String>) {
    let (whole, damaged): (Vec<_>, Vec<_>) = sample(report)
        .read
        .iter()
        .partition(|read| read.found.damage.is_none());
    let paths = |reads: Vec<&holdfast::api::SetRead>| {
        let mut paths: Vec<String> = reads.iter().map(|read| read.path.clone()).collect();
        paths.sort();
        paths
    };
    (paths(whole), paths(damaged))
}

#[tokio::test]
async fn a_flipped_bit_is_found_and_its_set_does_not_count_any_more() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    let paths: Vec<String> = sets.iter().map(|set| set.path.clone()).collect();
    let newest = paths.last().unwrap();
    flip_a_bit(&server, newest);

    // A listing does not see it, and so no look did.
    let unread = CatalogRequest {
        removes: false,
        sample_bytes: 0,
        ..asked(&server)
    };
    let report = look(&server.open(), &unread, &Says::new(&sets)).await;
    assert_eq!(
        (report.damaged_count, report.sample, report.failure),
        (0, None, None)
    );
    assert!(
        visible(&server)
            .await
            .iter()
            .all(|set| set.1 == Standing::Confirmed)
    );

    let report = look(&server.open(), &asked(&server), &Says::new(&sets)).await;
    assert_eq!(report.failure, None);
    assert_eq!(read(&report), (paths[..3].to_vec(), vec![newest.clone()]));
    let mut damage = sample(&report)
        .read
        .iter()
        .filter_map(|read| read.found.damage.as_ref());
    let damage = damage.next().unwrap();
    let (stored, found) = digests(&server, newest).await;
    assert!(
        damage.contains("`dump.pgc.zst`") && damage.contains(&stored) && damage.contains(&found),
        "{damage}"
    );
    // Nothing was removed, although three sets were to go.
    assert_eq!(report.held.as_deref(), Some("a set was found damaged"));
    assert_eq!(report.removed, Vec::<String>::new());
    // Beside the manifest, so that whoever has only the bucket sees it.
    let standings: Vec<Standing> = visible(&server).await.iter().map(|set| set.1).collect();
    assert_eq!(
        standings,
        [
            Standing::Confirmed,
            Standing::Confirmed,
            Standing::Confirmed,
            Standing::Demoted
        ]
    );
    let set = fetch_set(&server.open(), newest).await.unwrap();
    let reasons: Vec<_> = set
        .verdicts
        .read
        .iter()
        .filter_map(|one| one.reason.as_deref())
        .collect();
    assert_eq!(reasons, [reasons::SET_DAMAGED]);
    let good = fetch_newest_good(&server.open(), "prod", NAMES, &origin())
        .await
        .unwrap();
    assert_eq!(good.own.map(|(path, _)| path).as_ref(), Some(&paths[2]));
}

/// The SHA-256 that the manifest has of the dump, and that of its bytes.
async fn digests(server: &TestObjectStore, path: &str) -> (String, String) {
    use sha2::{Digest as _, Sha256};
    let set = fetch_set(&server.open(), path).await.unwrap();
    let (manifest, _) = set.manifest.unwrap();
    let bytes = server.read(&format!("{path}/dump.pgc.zst"));
    (
        manifest.objects[0].sha256.clone(),
        hex::encode(Sha256::digest(bytes)),
    )
}

#[tokio::test]
async fn all_sets_are_read_in_turn_within_what_is_permitted() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 4).await;
    let set = fetch_set(&server.open(), &sets[0].path).await.unwrap();
    let bytes: u64 = set
        .manifest
        .unwrap()
        .0
        .objects
        .iter()
        .map(|object| object.size)
        .sum();
    // For one set a day, beside the newest.
    let asked = CatalogRequest {
        removes: false,
        sample_bytes: 2 * bytes,
        ..asked(&server)
    };
    let mut order: Vec<String> = Vec::new();
    for _ in 0..3 {
        let reads = order.iter().map(|path| (path.clone(), now())).collect();
        let says = Says::with(ClusterView {
            reads,
            ..view(&sets)
        });
        let report = look(&server.open(), &asked, &says).await;
        order.extend(sample(&report).read.iter().map(|read| read.path.clone()));
    }
    // The newest once, then those that are known to be whole for the longest time, the oldest first.
    let paths: Vec<&String> = [3, 0, 1, 2]
        .iter()
        .map(|place: &usize| &sets[*place].path)
        .collect();
    assert_eq!(order[..4].iter().collect::<Vec<_>>(), paths);

    // No sooner than the next day.
    let says = Says::new(&sets);
    let mut report = look(&server.open(), &asked, &says).await;
    let first = sample(&report).clone();
    look_at_sets(&server.open(), &asked, &says, &mut report).await;
    assert_eq!(sample(&report), &first);
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn view(sets: &[KnownBackup]) -> ClusterView {
    ClusterView {
        taken: sets.to_vec(),
        newest_confirmed: sets.last().map(|set| set.path.clone()),
        ..ClusterView::default()
    }
}

/// What happens to a read of a dump.
fn at_dumps(
    fault: impl Fn(usize) -> Fault + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Fault + Send + Sync + 'static {
    let before = std::sync::atomic::AtomicUsize::new(0);
    move |seen| {
        if seen.operation == Operation::Get && seen.uri.path().ends_with("/dump.pgc.zst") {
            fault(before.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        } else {
            Fault::None
        }
    }
}

fn other_bytes() -> Fault {
    Fault::AnswerAfter(Refusal {
        status: 200,
        body: Some("bytes of nobody"),
        ..Refusal::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_demotes_nothing() {
    type Told = (
        &'static str,
        Box<dyn Fn(usize) -> Fault + Send + Sync>,
        &'static str,
    );
    let refused = |status, code| move |_: usize| Fault::Refuse(Refusal::new(status, code, "no"));
    let cases: Vec<Told> = vec![
        (
            "denied",
            Box::new(refused(403, "AccessDenied")),
            "could not be read",
        ),
        (
            "busy",
            Box::new(refused(503, "SlowDown")),
            "could not be read",
        ),
        (
            "gone",
            Box::new(refused(404, "NoSuchKey")),
            "could not be read",
        ),
        (
            "no bucket",
            Box::new(refused(404, "NoSuchBucket")),
            "could not be read",
        ),
        (
            "cut",
            Box::new(|_: usize| Fault::CutBefore),
            "could not be read",
        ),
        (
            "archived",
            Box::new(refused(403, "InvalidObjectState")),
            "could not be read",
        ),
        // The storage gives other bytes once.
        (
            "two reads that differ",
            Box::new(|before: usize| {
                if before == 0 {
                    other_bytes()
                } else {
                    Fault::None
                }
            }),
            "two reads of `dump.pgc.zst` differ",
        ),
        // The same page each time, and the storage says itself how large the object is.
        (
            "a page in place of it",
            Box::new(|_: usize| other_bytes()),
            "can't be relied on",
        ),
    ];
    for (what, fault, said) in cases {
        let behind = Behind::start(Dialect::default(), at_dumps(fault));
        let sets = store_sets(&behind.server, 1).await;
        let asked = CatalogRequest {
            removes: false,
            ..asked(&behind.server)
        };
        let store = behind.open(S3Profile::Generic, IMPATIENT);
        let report = look(&store, &asked, &Says::new(&sets)).await;
        let sample = sample(&report);
        assert!(sample.read.is_empty(), "{what}");
        let [unread] = sample.unread.as_slice() else {
            panic!("{what}: {sample:?}");
        };
        assert!(
            unread.path == sets[0].path && unread.why.contains(said),
            "{what}: {}",
            unread.why
        );
        let set = fetch_set(&behind.server.open(), &sets[0].path)
            .await
            .unwrap();
        let SetContents::Set(record) = set.facts.contents else {
            panic!("{what}: no set");
        };
        assert_eq!(record.standing, Standing::Confirmed, "{what}");
    }
}

#[tokio::test]
async fn no_look_demotes_more_than_one_set() {
    let server = TestObjectStore::start();
    let sets = store_sets(&server, 3).await;
    for set in &sets[..2] {
        flip_a_bit(&server, &set.path);
    }
    let report = look(&server.open(), &asked(&server), &Says::new(&sets)).await;
    assert_eq!(read(&report).1, [sets[0].path.clone()]);
    let unread: Vec<&String> = sample(&report).unread.iter().map(|one| &one.path).collect();
    assert_eq!(unread, [&sets[1].path]);
}
