//! Copies of a set in another bucket: what is there is a whole set, or none that anybody sees, wherever the
//! copy is killed; and nothing is overwritten.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use holdfast::api::S3Storage;
use holdfast::store::{
    CopiedSet, CopyOrder, S3Store, SetContents, Standing, StoreError, StoreErrorKind, StoreLimits,
    StoredVerdict, copy_set, fetch_catalog, verify_set,
};
use serde::{Deserialize, Serialize};

use crate::backup_scene::{FOLDER, Scene, bulky};
use crate::catalog::{StoredSet, confirmed, put, store_set_of};
use crate::errands;
use crate::random::Random;
use crate::support::object_store::{BUCKET, IMPATIENT, TestObjectStore};
use crate::support::postgres::PASSWORD;

const NAME: &str = "copied::copies_a_set";

/// Two buckets and the set that is to be in both.
struct Pair {
    first: TestObjectStore,
    second: TestObjectStore,
    sha256: String,
}

impl Pair {
    async fn with_small_set() -> Self {
        let first = TestObjectStore::start();
        let set = StoredSet {
            name: FOLDER.rsplit('/').next().unwrap(),
            position: "0/1",
            uid: "uid-1",
            cluster: None,
            taken: "2026-02-01T09:10:00Z",
        };
        let (path, sha256) = store_set_of(&first.open(), &set).await;
        assert_eq!(path, FOLDER);
        Self {
            first,
            second: TestObjectStore::start(),
            sha256,
        }
    }

    async fn copy(&self, verdict: Option<&StoredVerdict>) -> Result<CopiedSet, StoreError> {
        let order = CopyOrder {
            from: FOLDER,
            to: FOLDER,
            manifest_sha256: &self.sha256,
            verdict,
        };
        copy_set(&self.first.open(), &self.second.open(), &order).await
    }
}

/// Every set that is to be seen in a bucket, with whether it counts; each of its objects is read.
async fn sets(server: &TestObjectStore) -> Vec<Standing> {
    let store = server.open();
    let mut standings = Vec::new();
    for set in fetch_catalog(&store, "prod", "atra", "knowledge")
        .await
        .unwrap()
    {
        if let (SetContents::Set(record), Some((manifest, _))) =
            (&set.facts.contents, &set.manifest)
        {
            let faults = verify_set(&store, &set.facts.path, manifest).await.unwrap();
            assert_eq!((faults, set.faults), (Vec::new(), Vec::new()));
            standings.push(record.standing);
        }
    }
    standings
}

/// The objects of the set, in the one bucket and in the other.
fn assert_same(first: &TestObjectStore, second: &TestObjectStore) {
    let of_set = |server: &TestObjectStore| {
        let mut objects = server.objects();
        objects.retain(|key| !key.contains("/verdict-"));
        objects
    };
    assert_eq!(of_set(first), of_set(second));
    for key in of_set(first) {
        assert!(first.read(&key) == second.read(&key), "{key}");
    }
    assert_eq!(second.unfinished_parts(), 0);
}

#[tokio::test]
async fn a_copy_is_the_same_set_and_a_second_one_sends_nothing() {
    let pair = Pair::with_small_set().await;
    let copied = pair.copy(None).await.unwrap();
    assert_eq!((copied.sent, copied.found), (2, 0));
    assert_same(&pair.first, &pair.second);
    assert_eq!(sets(&pair.second).await, [Standing::Unconfirmed]);
    // What a check has said since is all that is stored.
    let verdict = StoredVerdict::new(&confirmed(), &pair.sha256);
    for _ in 0..2 {
        let again = pair.copy(Some(&verdict)).await.unwrap();
        assert_eq!((again.sent, again.found), (0, 2));
    }
    assert_eq!(pair.second.objects().len(), 3);
    assert_eq!(sets(&pair.second).await, [Standing::Confirmed]);

    // The command that needs nothing but a bucket reads the copy as any other.
    let listed = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args([
            "backup",
            "--bucket",
            BUCKET,
            "--prefix",
            "prod",
            "--path-style",
        ])
        .args(["--endpoint", &format!("http://{}", pair.second.address())])
        .arg("--credentials")
        .arg(pair.second.credentials())
        .args(["list", "atra/knowledge"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = text.lines().find(|line| line.ends_with(FOLDER)).unwrap();
    assert!(line.starts_with("confirmed"), "{text}");
}

#[tokio::test]
async fn what_is_damaged_in_the_first_bucket_is_not_copied() {
    let pair = Pair::with_small_set().await;
    let file = pair.first.file(&format!("{FOLDER}/dump.pgc.zst"));
    let stored = fs::read(&file).unwrap();
    let mut damaged = stored.clone();
    damaged[0] ^= 1;
    fs::write(&file, damaged).unwrap();
    let error = pair.copy(None).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert!(error.message.contains("dump.pgc.zst"), "{error}");
    assert_eq!(pair.second.objects(), Vec::<String>::new());

    fs::write(&file, stored).unwrap();
    let manifest = pair.first.file(&format!("{FOLDER}/manifest.json"));
    fs::write(
        &manifest,
        [fs::read(&manifest).unwrap(), b" ".to_vec()].concat(),
    )
    .unwrap();
    let error = pair.copy(None).await.unwrap_err();
    assert!(error.message.contains("another manifest"), "{error}");
    assert_eq!(pair.second.objects(), Vec::<String>::new());
}

/// By whatever name and below whatever prefix: it is lost together with the set.
#[tokio::test]
async fn the_bucket_of_the_set_is_no_place_for_its_copy() {
    let pair = Pair::with_small_set().await;
    let before = pair.first.objects();
    for to in [FOLDER, "elsewhere/atra/knowledge/20260201T091000Z-00000001"] {
        let order = CopyOrder {
            from: FOLDER,
            to,
            manifest_sha256: &pair.sha256,
            verdict: None,
        };
        let error = copy_set(&pair.first.open(), &pair.first.open(), &order)
            .await
            .unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::SameBucket, "{error}");
    }
    assert_eq!(pair.first.objects(), before);
    assert_eq!(pair.first.unfinished_parts(), 0);
}

#[tokio::test]
async fn what_is_in_the_way_is_not_overwritten() {
    for name in ["dump.pgc.zst", "manifest.json"] {
        let pair = Pair::with_small_set().await;
        let key = format!("{FOLDER}/{name}");
        put(&pair.second.open(), key.clone(), b"of somebody else").await;
        let error = pair.copy(None).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::AlreadyExists, "{error}");
        assert!(error.message.contains(&key), "{error}");
        assert_eq!(pair.second.objects(), std::slice::from_ref(&key));
        assert_eq!(pair.second.read(&key), b"of somebody else");
    }
}

/// A copy that is made by a process of its own, so that it can be killed.
#[derive(Serialize, Deserialize)]
struct Errand {
    source: S3Storage,
    source_credentials: PathBuf,
    target: S3Storage,
    target_credentials: PathBuf,
    sha256: String,
}

fn open(storage: &S3Storage, credentials: &std::path::Path) -> S3Store {
    let limits = StoreLimits {
        budget: Duration::from_secs(10),
        ..IMPATIENT
    };
    S3Store::open_within(storage, "atra", credentials, credentials, limits).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test of its own: the test below starts it as an agent that it may kill"]
async fn copies_a_set() {
    let errand: Errand = errands::read();
    let order = CopyOrder {
        from: FOLDER,
        to: FOLDER,
        manifest_sha256: &errand.sha256,
        verdict: None,
    };
    let source = open(&errand.source, &errand.source_credentials);
    let target = open(&errand.target, &errand.target_credentials);
    copy_set(&source, &target, &order).await.unwrap();
}

/// A real set with several parts, from one real bucket to another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_killed_anywhere_is_gone_on_with_and_nobody_sees_a_part_of_it() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", &bulky(30_000)).await;
    let set = scene.take(None).await.unwrap();
    let second = TestObjectStore::start();
    let folder = tempfile::tempdir().unwrap();
    let errand = Errand {
        source: scene.bucket.storage(),
        source_credentials: scene.bucket.credentials().to_path_buf(),
        target: second.storage(),
        target_credentials: second.credentials().to_path_buf(),
        sha256: set.manifest_sha256.clone(),
    };
    let mut random = Random::new(7);
    let mut killed = 0;
    for round in 0..6 {
        let mut child = errands::start(NAME, folder.path(), &errand);
        if round == 0 {
            // In the midst of an upload, for certain.
            while second.unfinished_parts() < 1 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        } else {
            let pause = Duration::from_millis(20 + random.number() % 400);
            tokio::time::sleep(pause).await;
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().await.ok();
        child.wait().await.ok();
        // None, or all of it.
        let visible = sets(&second).await.len();
        let is_whole = second
            .objects()
            .iter()
            .any(|key| key.ends_with("/manifest.json"));
        assert_eq!(visible, usize::from(is_whole));
        if round == 0 {
            assert_eq!(visible, 0);
            assert!(
                second.unfinished_parts() > 0,
                "the kill left an upload behind"
            );
        }
    }
    assert!(killed > 0, "it was killed at least once before it was done");
    let order = CopyOrder {
        from: FOLDER,
        to: FOLDER,
        manifest_sha256: &set.manifest_sha256,
        verdict: None,
    };
    copy_set(&scene.bucket.open(), &second.open(), &order)
        .await
        .unwrap();
    assert_same(&scene.bucket, &second);
    assert_eq!(sets(&second).await, [Standing::Unconfirmed]);
    let again = copy_set(&scene.bucket.open(), &second.open(), &order)
        .await
        .unwrap();
    assert_eq!(
        (again.sent, again.found),
        (0, set.manifest.objects.len() + 1)
    );
}
