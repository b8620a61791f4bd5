//! The invariants find what does not hold: whatever makes a set less than its manifest says.

use std::fs;
use std::time::Duration;

use holdfast::store::{S3Store, SMALLEST_PART, Upload};
use serde_json::Value;

use super::invariants::{check_bucket, check_sessions};
use crate::backup_scene::{FOLDER, Scene};
use crate::store::noise;
use crate::support::postgres::PASSWORD;

const TABLE: &str = "create table t as select n from generate_series(1, 100) n";

async fn whole_set() -> Scene {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene.postgres.execute("postgres", TABLE).await;
    scene.take(None).await.unwrap();
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_says_and_is_not_there_is_found() {
    let scene = whole_set().await;
    let file = |name: &str| scene.bucket.file(&format!("{FOLDER}/{name}"));
    let contents = check_bucket(&scene).await.unwrap();
    assert_eq!(
        (contents.sets.len(), contents.without_manifest.len()),
        (1, 0)
    );
    let expect = async |what: &str, part: &str| {
        let Err(found) = check_bucket(&scene).await else {
            panic!("{what} is not found");
        };
        assert!(
            found.contains("false success") && found.contains(part),
            "{what}: {found}"
        );
    };

    let (dump, manifest) = (file("dump.pgc.zst"), file("manifest.json"));
    let (stored, said) = (fs::read(&dump).unwrap(), fs::read(&manifest).unwrap());
    let mut damaged = stored.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&dump, damaged).unwrap();
    expect("a damaged object", "is another object").await;
    fs::write(&dump, &stored[..stored.len() - 1]).unwrap();
    expect("a short object", "is another object").await;
    fs::write(&dump, &stored).unwrap();

    let globals = file("globals.sql.zst");
    let taken = fs::read(&globals).unwrap();
    fs::remove_file(&globals).unwrap();
    expect("an object that is gone", "is not there").await;
    fs::write(&globals, taken).unwrap();

    let mut more: Value = serde_json::from_slice(&said).unwrap();
    more["databases"][0]["rows"] = 101.into();
    more["databases"][0]["tables"][0]["rows"] = 101.into();
    fs::write(&manifest, serde_json::to_vec(&more).unwrap()).unwrap();
    expect("a row too many", "has the rows").await;
    fs::write(&manifest, &said).unwrap();

    let stray = file("dump-other.pgc.zst");
    fs::write(&stray, b"stray").unwrap();
    expect("an object of no manifest", "its objects are").await;
    fs::remove_file(&stray).unwrap();
    fs::remove_file(&manifest).unwrap();
    let contents = check_bucket(&scene).await.unwrap();
    assert_eq!(
        (contents.sets.len(), contents.without_manifest.len()),
        (0, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_upload_and_a_session_are_found() {
    let scene = whole_set().await;
    let store: S3Store = scene.bucket.open();
    let mut upload = Upload::new(store, format!("{FOLDER}/other"), 0);
    upload.write(&noise(SMALLEST_PART + 1)).await.unwrap();
    upload.seal().await.unwrap();
    // As if its agent were killed.
    std::mem::forget(upload);
    assert_eq!(check_bucket(&scene).await.unwrap().uploads, 1);

    let observer = super::lane::own_session(&scene).await;
    let soon = Duration::from_millis(500);
    check_sessions(&observer, soon).await.unwrap();
    let _left = scene.postgres.superuser("postgres").await;
    let found = check_sessions(&observer, soon).await.unwrap_err();
    assert!(found.contains("sessions are left"), "{found}");
}
