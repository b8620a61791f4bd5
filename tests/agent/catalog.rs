//! `holdfast backup` with nothing but a bucket: a set that counts, one that was demoted, one whose
//! object is damaged, a directory without a manifest. No Postgres, no cluster.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use holdfast::api::{BackupConfirmation, BackupDemotion, BackupVerdict};
use holdfast::store::{
    S3Store, SetContents, Standing, StoredVerdict, Upload, VerdictKind, fetch_catalog,
    fetch_newest_good, store_verdict,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use crate::backup_scene::{NAMES, origin};
use crate::support::object_store::{BUCKET, TestObjectStore};

/// Stores an object as the agent does.
pub async fn put(store: &S3Store, key: String, body: &[u8]) {
    let mut upload = Upload::new(store.clone(), key, 0);
    upload.write(body).await.unwrap();
    upload.complete().await.unwrap();
}

/// Stores a set and returns its directory and its manifest's digest.
async fn store_set(server: &TestObjectStore, name: &str, position: &str) -> (String, String) {
    let of = StoredSet {
        name,
        position,
        uid: "uid-1",
        cluster: None,
        taken: "2026-02-01T09:10:00Z",
    };
    store_set_of(&server.open(), &of).await
}

/// A set as it is to be.
pub struct StoredSet<'a> {
    pub name: &'a str,
    pub position: &'a str,
    /// UID of its ProtectedDatabase.
    pub uid: &'a str,
    pub cluster: Option<&'a str>,
    pub taken: &'a str,
}

/// Stores a set through a client and returns its directory and its manifest's digest.
pub async fn store_set_of(store: &S3Store, of: &StoredSet<'_>) -> (String, String) {
    let StoredSet {
        name,
        position,
        uid,
        cluster,
        taken,
    } = of;
    let path = format!("prod/atra/knowledge/{name}");
    let dump = zstd::encode_all(&b"PGDMP and more"[..], 1).unwrap();
    put(store, format!("{path}/dump.pgc.zst"), &dump).await;
    let manifest = serde_json::json!({
        "formatVersion": 1, "state": "good", "backup": "b",
        "protectedDatabase": {"namespace": "atra", "name": "knowledge", "uid": uid},
        "kubernetesCluster": cluster,
        "identity": {
            "systemIdentifier": "7597042323410313218", "initializedAt": "2026-01-19T12:34:56Z", "timeline": 1,
            "walPosition": position, "nextTransactionId": "1234", "snapshotTime": taken, "inRecovery": false,
        },
        "serverVersion": "15.18", "clientVersion": "15.18", "holdfastVersion": "0.1.0",
        "databases": [{
            "name": "knowledge_os", "object": "dump.pgc.zst", "rows": 85, "tables": [],
            "largeObjects": {"count": 0, "bytes": 0}, "extensions": [],
        }],
        "objects": [{
            "name": "dump.pgc.zst", "size": dump.len(), "sha256": hex::encode(Sha256::digest(&dump)),
            "storeChecksum": "x", "rawSize": 14, "compression": "zstd",
        }],
        "recipients": [],
        "durations": {
            "startedAt": "2026-02-01T09:10:00Z", "completedAt": "2026-02-01T09:10:05Z", "dumpSeconds": 5, "globalsSeconds": 0,
        },
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    put(store, format!("{path}/manifest.json"), &manifest).await;
    (path, hex::encode(Sha256::digest(&manifest)))
}

fn time() -> Time {
    Time("2026-02-01T09:20:00Z".parse().unwrap())
}

pub fn confirmed() -> BackupVerdict {
    BackupVerdict::Confirmed(BackupConfirmation {
        check: "knowledge-2".to_owned(),
        time: time(),
    })
}

pub fn demoted() -> BackupVerdict {
    BackupVerdict::Demoted(BackupDemotion {
        reason: "TablesEmptied".to_owned(),
        check: "knowledge-3".to_owned(),
        time: time(),
    })
}

async fn standings(server: &TestObjectStore) -> Vec<Option<Standing>> {
    let sets = fetch_catalog(&server.open(), "prod", "atra", "knowledge")
        .await
        .unwrap();
    sets.iter()
        .map(|set| match &set.facts.contents {
            SetContents::Set(record) => Some(record.standing),
            _ => None,
        })
        .collect()
}

fn holdfast(server: &TestObjectStore, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args([
            "backup",
            "--bucket",
            BUCKET,
            "--prefix",
            "prod",
            "--path-style",
        ])
        .args(["--endpoint", &format!("http://{}", server.address())])
        .arg("--credentials")
        .arg(server.credentials())
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn a_verdict_is_stored_once_and_a_demoted_set_is_not_the_newest_good_one() {
    let server = TestObjectStore::start();
    let store = server.open();
    let (first, first_sha256) = store_set(&server, "20260201T090000Z-00000001", "0/1").await;
    let (second, second_sha256) = store_set(&server, "20260201T091000Z-00000002", "0/2").await;
    let newest = || async {
        let found = fetch_newest_good(&store, "prod", NAMES, &origin()).await;
        found.unwrap().own.map(|(path, _)| path)
    };
    assert_eq!(newest().await.as_ref(), Some(&second));
    for _ in 0..2 {
        let verdict = StoredVerdict::new(&confirmed(), &first_sha256);
        store_verdict(&store, &first, &verdict).await.unwrap();
        let verdict = StoredVerdict::new(&demoted(), &second_sha256);
        store_verdict(&store, &second, &verdict).await.unwrap();
    }
    let verdicts = server.objects();
    let verdicts = verdicts.iter().filter(|key| key.contains("/verdict-"));
    assert_eq!(verdicts.count(), 2, "each is stored once");
    assert_eq!(
        standings(&server).await,
        [Some(Standing::Confirmed), Some(Standing::Demoted)]
    );
    assert_eq!(newest().await.as_ref(), Some(&first));
    // A later confirmation does not bring it back, and one of another manifest says nothing.
    let verdict = StoredVerdict::new(&confirmed(), &second_sha256);
    store_verdict(&store, &second, &verdict).await.unwrap();
    assert_eq!(newest().await.as_ref(), Some(&first));
    let (third, _) = store_set(&server, "20260201T092000Z-00000003", "0/3").await;
    let verdict = StoredVerdict::new(&demoted(), &first_sha256);
    assert_eq!(verdict.verdict, VerdictKind::Demoted);
    store_verdict(&store, &third, &verdict).await.unwrap();
    assert_eq!(newest().await.as_ref(), Some(&third));
    // Where there is no set, no verdict is left behind.
    let nowhere = "prod/atra/knowledge/20260201T093000Z-00000004";
    assert!(store_verdict(&store, nowhere, &verdict).await.is_err());
    assert!(server.objects().iter().all(|key| !key.starts_with(nowhere)));
}

/// What is beside a manifest and can't be read may say that the set never counts.
#[tokio::test]
async fn a_set_with_a_verdict_that_can_not_be_read_counts_for_nobody() {
    let server = TestObjectStore::start();
    let store = server.open();
    let (first, sha256) = store_set(&server, "20260201T090000Z-00000001", "0/1").await;
    let verdict = StoredVerdict::new(&confirmed(), &sha256);
    store_verdict(&store, &first, &verdict).await.unwrap();
    assert_eq!(standings(&server).await, [Some(Standing::Confirmed)]);
    let unreadable = format!("{first}/verdict-20260101T000000Z-00000000.json");
    for body in [
        &b"no JSON"[..],
        br#"{"verdict": "revoked"}"#,
        &vec![b' '; 20_000],
    ] {
        put(&store, unreadable.clone(), body).await;
        assert_eq!(standings(&server).await, [Some(Standing::Unknown)]);
        let newest = fetch_newest_good(&store, "prod", NAMES, &origin()).await;
        assert!(newest.is_err(), "which one is the newest good is not known");
        fs::remove_file(server.file(&unreadable)).unwrap();
    }
    assert_eq!(standings(&server).await, [Some(Standing::Confirmed)]);
    // Old verdicts without end hide none: the newest are read, and the rest is not known.
    for number in 0..100 {
        let old = StoredVerdict {
            check: format!("old-{number}"),
            manifest_sha256: "of another manifest".to_owned(),
            time: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            ..verdict.clone()
        };
        store_verdict(&store, &first, &old).await.unwrap();
    }
    assert_eq!(standings(&server).await, [Some(Standing::Unknown)]);
    let verdict = StoredVerdict::new(&demoted(), &sha256);
    store_verdict(&store, &first, &verdict).await.unwrap();
    assert_eq!(standings(&server).await, [Some(Standing::Demoted)]);
}

#[tokio::test]
async fn the_command_lists_verifies_and_fetches_with_only_the_bucket() {
    let server = TestObjectStore::start();
    let store = server.open();
    let (first, sha256) = store_set(&server, "20260201T090000Z-00000001", "0/1").await;
    let verdict = StoredVerdict::new(&confirmed(), &sha256);
    store_verdict(&store, &first, &verdict).await.unwrap();
    let (second, sha256) = store_set(&server, "20260201T091000Z-00000002", "0/2").await;
    let verdict = StoredVerdict::new(&demoted(), &sha256);
    store_verdict(&store, &second, &verdict).await.unwrap();
    let unfinished = "prod/atra/knowledge/20260201T092000Z-00000003";
    put(&store, format!("{unfinished}/globals.sql.zst"), b"x").await;

    for arguments in [&["list"][..], &["list", "atra/knowledge"]] {
        let listed = holdfast(&server, arguments);
        let text = said(&listed);
        assert!(listed.status.success(), "{text}");
        let state = |path: &str| {
            let line = text.lines().find(|line| line.ends_with(path));
            line.and_then(|line| line.split_whitespace().next())
        };
        assert_eq!(state(&first), Some("confirmed"), "{text}");
        assert_eq!(state(&second), Some("demoted"), "{text}");
        assert_eq!(state(unfinished), Some("unfinished"), "{text}");
    }
    let shown = said(&holdfast(&server, &["show", &second]));
    assert!(shown.contains("demoted by check knowledge-3"), "{shown}");
    assert!(holdfast(&server, &["verify", &first]).status.success());

    // The newest confirmed one stays, and so does what is newer and does not count.
    let planned = said(&holdfast(&server, &["plan", "atra/knowledge"]));
    let plan = |path: &str| {
        let line = planned.lines().find(|line| line.contains(path));
        line.and_then(|line| line.split_whitespace().next())
    };
    for path in [first.as_str(), second.as_str(), unfinished] {
        assert_eq!(plan(path), Some("keep"), "{planned}");
    }

    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("set");
    let fetch = || holdfast(&server, &["fetch", &first, "--to", to.to_str().unwrap()]);
    let fetched = fetch();
    assert!(fetched.status.success(), "{}", said(&fetched));
    let stored = server.read(&format!("{first}/dump.pgc.zst"));
    assert_eq!(fs::read(to.join("dump.pgc.zst")).unwrap(), stored);
    let again = fetch();
    assert!(!again.status.success(), "{}", said(&again));
    assert!(said(&again).contains("must not exist"), "{}", said(&again));

    damage(&server.file(&format!("{first}/dump.pgc.zst")));
    let verified = holdfast(&server, &["verify", &first]);
    assert!(!verified.status.success(), "{}", said(&verified));
    assert!(
        said(&verified).contains("other bytes"),
        "{}",
        said(&verified)
    );
    let other = folder.path().join("damaged");
    let fetched = holdfast(&server, &["fetch", &first, "--to", other.to_str().unwrap()]);
    assert!(!fetched.status.success(), "{}", said(&fetched));
    assert!(fs::read_dir(&other).unwrap().next().is_none());

    fs::remove_file(server.file(&format!("{first}/dump.pgc.zst"))).unwrap();
    assert_eq!(
        standings(&server).await,
        [Some(Standing::Incomplete), Some(Standing::Demoted), None]
    );
}

/// Flips one bit of a file and keeps its size.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[0] ^= 1;
    fs::write(file, bytes).unwrap();
}
