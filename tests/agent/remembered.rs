//! What a check reads from the bucket when nothing in the cluster remembers what should be there.

use std::fs;

use holdfast::agent::{Gathered, MountedFiles, gather};
use holdfast::api::{CountKind, reasons};
use holdfast::store::{Manifest, ObjectStore, SetState};

use super::check::check_request;
use crate::backup_scene::Scene;
use crate::support::object_store::write_credentials;
use crate::support::postgres::PASSWORD;

async fn look(scene: &Scene, files: &MountedFiles, bucket: &str) -> Gathered {
    let mut request = check_request(scene.request.server.clone(), &[]);
    request.server.host = Some("127.0.0.1".to_owned());
    let mut storage = scene.request.storage.clone();
    bucket.clone_into(&mut storage.bucket);
    request.remembered_in = Some(storage);
    gather(&request, files).await
}

async fn put(scene: &Scene, folder: &str, body: Vec<u8>) {
    scene
        .bucket
        .open()
        .put(&format!("prod/atra/knowledge/{folder}/manifest.json"), body)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_a_set_of_ones_own_says_which_namespace_has_one() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table experts (id int); insert into experts select generate_series(1, 85)",
        )
        .await;
    scene.take(None).await.unwrap();
    let mut request = check_request(scene.request.server.clone(), &[]);
    request.server.host = Some("127.0.0.1".to_owned());
    request.remembered_in = Some(scene.request.storage.clone());
    let own = gather(&request, &scene.files).await;
    assert!(own.backup_evidence.is_some() && own.backup_elsewhere.is_none());
    "staging".clone_into(&mut request.namespace);
    let other = gather(&request, &scene.files).await;
    assert_eq!((other.failure, other.backup_evidence), (None, None));
    let elsewhere = other.backup_elsewhere.unwrap();
    assert_eq!((elsewhere.namespace.as_str(), elsewhere.rows), ("atra", 85));
    assert!(
        elsewhere.path.starts_with("prod/atra/knowledge/"),
        "{elsewhere:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_good_set_says_what_was_there_and_nothing_else_does() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table experts (id int); insert into experts select generate_series(1, 85)",
        )
        .await;
    let bucket = scene.request.storage.bucket.clone();
    let nothing = look(&scene, &scene.files, &bucket).await;
    assert_eq!(
        (nothing.backup_evidence, nothing.failure),
        (None, None),
        "an empty bucket remembers nothing"
    );

    let good = scene.take(None).await.unwrap().manifest;
    let changed = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        serde_json::to_vec(&manifest).unwrap()
    };
    // All of these are stored later, and by their names most of them are newer.
    put(
        &scene,
        "20270101T000000Z-00000001",
        changed(&|manifest| manifest.state = SetState::Suspect),
    )
    .await;
    put(
        &scene,
        "20270102T000000Z-00000001",
        changed(&|manifest| manifest.format_version = 99),
    )
    .await;
    put(
        &scene,
        "20270103T000000Z-00000001",
        changed(&|manifest| manifest.protected_database.name = "other".to_owned()),
    )
    .await;
    put(
        &scene,
        "20270104T000000Z-00000001",
        b"{\"formatVersion\": \"<script>\"".to_vec(),
    )
    .await;
    scene
        .bucket
        .open()
        .put(
            "prod/atra/knowledge/20270105T000000Z-00000001/dump.pgc.zst",
            vec![1],
        )
        .await
        .unwrap();
    put(
        &scene,
        "20250101T000000Z-00000001",
        changed(&|manifest| manifest.identity.wal_position = "0/1".to_owned()),
    )
    .await;

    scene.postgres.execute("postgres", "truncate experts").await;
    let found = look(&scene, &scene.files, &bucket).await;
    assert_eq!(found.failure, None);
    let remembered = found.backup_evidence.unwrap();
    assert_eq!(
        remembered.path,
        "prod/atra/knowledge/20261121T110001Z-00000007"
    );
    let table = &remembered.evidence.tables[0];
    assert_eq!(
        (table.name.as_str(), table.rows, table.count),
        ("public.experts", 85, CountKind::Exact)
    );
    assert_eq!(
        remembered.evidence.identity.system_identifier,
        found.evidence.unwrap().identity.system_identifier
    );
    assert_eq!(
        (
            remembered.evidence.total_rows,
            remembered.evidence.identity.timeline
        ),
        (85, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_set_is_so_by_its_write_ahead_log_and_by_no_clock_of_a_node() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute("postgres", "create table experts (id int)")
        .await;
    let bucket = scene.request.storage.bucket.clone();
    let good = scene.take(None).await.unwrap().manifest;
    let at = |position: &str, state: SetState| {
        let mut manifest = good.clone();
        position.clone_into(&mut manifest.identity.wal_position);
        manifest.state = state;
        serde_json::to_vec(&manifest).unwrap()
    };
    // The clock of one node is a year behind, that of another a year ahead.
    put(
        &scene,
        "20251121T110001Z-00000001",
        at("FF/2", SetState::Good),
    )
    .await;
    put(
        &scene,
        "20271121T110001Z-00000001",
        at("FF/1", SetState::Good),
    )
    .await;
    let found = look(&scene, &scene.files, &bucket).await;
    assert_eq!(
        found.backup_evidence.unwrap().path,
        "prod/atra/knowledge/20251121T110001Z-00000001"
    );

    for number in 0..51 {
        // Stored last, and the last by its name among those of the same second.
        let folder = format!("20281122T110001Z-{number:08}");
        put(&scene, &folder, at("FF/3", SetState::Suspect)).await;
    }
    let hidden = look(&scene, &scene.files, &bucket).await;
    assert_eq!(hidden.backup_evidence, None);
    let failure = hidden.failure.unwrap();
    assert_eq!(failure.reason, reasons::BACKUPS_UNREADABLE);
    assert!(
        failure.message.contains("do not count"),
        "it is not treated as a database without a past: {}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_can_not_be_read_is_a_failure_and_one_that_does_not_exist_is_none() {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    let none = look(&scene, &scene.files, "no-such-bucket").await;
    assert_eq!(
        (none.backup_evidence, none.failure),
        (None, None),
        "where there is no bucket there is no backup"
    );

    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path(), "test", "wrong");
    let wrong = MountedFiles {
        s3_credentials: folder.path().to_path_buf(),
        ..scene.files.clone()
    };
    let denied = look(&scene, &wrong, &scene.request.storage.bucket).await;
    let failure = denied.failure.unwrap();
    assert_eq!(failure.reason, reasons::STORAGE_DENIED);
    assert!(
        failure.message.contains("the backups could not be read")
            && !failure.message.contains("wrong"),
        "{}",
        failure.message
    );
    assert!(
        denied.evidence.is_some(),
        "what was found is told all the same"
    );

    fs::remove_file(folder.path().join("accessKeyId")).unwrap();
    let missing = look(&scene, &wrong, &scene.request.storage.bucket).await;
    assert_eq!(missing.failure.unwrap().reason, reasons::SECRET_MISSING);
}
