//! What a check reads from the bucket when nothing in the cluster remembers what should be there.

use std::fs;

use holdfast::agent::{Gathered, MountedFiles, gather};
use holdfast::api::{CheckRequest, CountKind, Origin, OtherBackups, reasons};
use holdfast::store::{Manifest, ObjectStore, SetState, set_suffix};

use super::check::check_request;
use crate::backup_scene::{Scene, origin};
use crate::support::object_store::write_credentials;
use crate::support::postgres::PASSWORD;

/// The first check of the scene's database, which asks its bucket.
fn first_check(scene: &Scene) -> CheckRequest {
    let mut request = check_request(scene.request.server.clone(), &[]);
    request.server.host = Some("127.0.0.1".to_owned());
    request.remembered_in = Some(scene.request.storage.clone());
    request.origin = origin();
    request
}

async fn look(scene: &Scene, files: &MountedFiles, bucket: &str) -> Gathered {
    let mut request = first_check(scene);
    let mut storage = scene.request.storage.clone();
    bucket.clone_into(&mut storage.bucket);
    request.remembered_in = Some(storage);
    gather(&request, files).await
}

/// A bucket with a set of 85,213 rows.
async fn scene_with_a_set() -> (Scene, Manifest) {
    let scene = Scene::new(&["postgres"], "postgres", PASSWORD);
    scene
        .postgres
        .execute(
            "postgres",
            "create table experts (id int); insert into experts select generate_series(1, 85213)",
        )
        .await;
    let manifest = scene.take(None).await.unwrap().manifest;
    (scene, manifest)
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
async fn a_set_of_another_namespace_with_far_more_rows_is_said_and_nothing_of_it() {
    let (scene, _) = scene_with_a_set().await;
    let mut request = first_check(&scene);
    let own = gather(&request, &scene.files).await;
    assert!(own.backup_evidence.is_some() && own.other_backups.is_none());
    "staging".clone_into(&mut request.namespace);
    let alike = gather(&request, &scene.files).await;
    assert_eq!((alike.failure, alike.backup_evidence), (None, None));
    assert_eq!(alike.other_backups, None, "it has as many rows");
    scene.postgres.execute("postgres", "truncate experts").await;
    let other = gather(&request, &scene.files).await;
    assert_eq!((&other.failure, &other.backup_evidence), (&None, &None));
    assert_eq!(other.other_backups, Some(OtherBackups::Elsewhere));
    // Neither the name of that namespace nor a number of rows is in what is reported.
    let said = format!("{other:?}");
    assert!(!said.contains("atra") && !said.contains("85213"), "{said}");
}

/// Staging and production with one bucket and prefix, a cluster that was built anew, and a namespace whose name
/// somebody else has now: none of them gets the other's past for its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_another_cluster_or_of_another_owner_of_the_name_is_not_compared_and_not_shown() {
    let (scene, manifest) = scene_with_a_set().await;
    scene.postgres.execute("postgres", "truncate experts").await;
    let of = |database: &str, namespace: &str, cluster: &str| Origin {
        database_uid: database.to_owned(),
        namespace_uids: vec![namespace.to_owned()],
        kubernetes_cluster: Some(cluster.to_owned()),
    };
    let look = async |origin: Origin| {
        let mut request = first_check(&scene);
        request.origin = origin;
        gather(&request, &scene.files).await
    };
    for (origin, whose) in [
        (
            of("uid-2", "namespace-2", "cluster-2"),
            OtherBackups::AnotherCluster,
        ),
        (
            of("uid-2", "namespace-2", "cluster-1"),
            OtherBackups::AnotherNamespace,
        ),
    ] {
        let found = look(origin).await;
        assert_eq!((&found.failure, &found.backup_evidence), (&None, &None));
        assert_eq!(found.other_backups, Some(whose));
        let said = format!("{found:?}");
        assert!(!said.contains("85213") && !said.contains("prod/"), "{said}");
    }
    // Released and protected again, in the very namespace.
    let again = look(of("uid-2", "namespace-1", "cluster-1")).await;
    assert_eq!(again.other_backups, None);
    assert_eq!(again.backup_evidence.unwrap().evidence.total_rows, 85_213);

    // As many of another cluster as are read, all of them stored later, hide none of one's own.
    let mut foreign = manifest;
    foreign.kubernetes_cluster = Some("cluster-2".to_owned());
    foreign.protected_database.uid = "uid-2".to_owned();
    let foreign = serde_json::to_vec(&foreign).unwrap();
    for number in 0..50 {
        put(
            &scene,
            &format!("20281122T110001Z-{number:08}"),
            foreign.clone(),
        )
        .await;
    }
    let own = set_suffix("uid-1", "seed");
    let mut manifest: Manifest = serde_json::from_slice(&foreign).unwrap();
    manifest.kubernetes_cluster = Some("cluster-1".to_owned());
    manifest.protected_database.uid = "uid-1".to_owned();
    let folder = format!("20200101T000000Z-{own:08x}");
    put(&scene, &folder, serde_json::to_vec(&manifest).unwrap()).await;
    for number in 50..55 {
        let folder = format!("20281122T110001Z-{number:08}");
        put(&scene, &folder, foreign.clone()).await;
    }
    let beside = look(origin()).await;
    assert_eq!(beside.failure, None);
    let path = beside.backup_evidence.unwrap().path;
    assert!(path.ends_with(&folder), "{path}");
    // A cluster that was built anew is told that there are some, however many there are.
    let anew = look(of("uid-3", "namespace-3", "cluster-3")).await;
    assert_eq!(anew.failure, None);
    assert_eq!(anew.other_backups, Some(OtherBackups::AnotherCluster));
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
