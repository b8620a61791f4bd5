//! The sets of a cluster that is gone: `kubectl holdfast adopt` lists them with nothing but the bucket, and
//! the agent of a restore that names one by its place refuses it unless the bucket says that it counts.

use std::process::{Command, Output};

use holdfast::api::{RestoreTarget, reasons};
use holdfast::store::{StoredVerdict, store_verdict};

use crate::backup_scene::{FOLDER, Scene};
use crate::catalog::{StoredSet, confirmed, demoted, store_set_of};
use crate::cluster_lost::said;
use crate::restored_scene::{OTHER_UID, Restore, UID, ask, databases};
use crate::support::object_store::{BUCKET, TestObjectStore};
use crate::support::postgres::{PASSWORD, TestPostgres};

/// Runs `kubectl holdfast adopt` where there is no cluster.
fn adopt(server: &TestObjectStore, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["plugin", "adopt"])
        .arg(format!("s3://{BUCKET}/prod"))
        .args(["--path-style", "--endpoint"])
        .arg(format!("http://{}", server.address()))
        .arg("--credentials")
        .arg(server.credentials())
        .args(arguments)
        .env("KUBECONFIG", "/nowhere")
        .output()
        .unwrap()
}

/// A set of a cluster.
async fn store(
    server: &TestObjectStore,
    name: &str,
    cluster: &str,
    taken: &str,
) -> (String, String) {
    let of = StoredSet {
        name,
        position: "0/1",
        uid: &format!("uid-in-{cluster}"),
        cluster: Some(cluster),
        taken,
    };
    store_set_of(&server.open(), &of).await
}

#[tokio::test]
async fn what_is_in_the_bucket_is_listed_without_any_cluster() {
    let server = TestObjectStore::start();
    let nothing = adopt(&server, &[]);
    assert_eq!(nothing.status.code(), Some(3), "{}", said(&nothing));
    assert!(said(&nothing).contains("no backup set below s3://backups/prod"));

    let first = store(
        &server,
        "20260201T090000Z-00000001",
        "one",
        "2026-02-01T09:00:00Z",
    )
    .await;
    store(
        &server,
        "20260201T100000Z-00000002",
        "one",
        "2026-02-01T10:00:00Z",
    )
    .await;
    store(
        &server,
        "20260201T110000Z-00000003",
        "two",
        "2026-02-01T11:00:00Z",
    )
    .await;
    let unconfirmed = adopt(&server, &[]);
    assert_eq!(unconfirmed.status.code(), Some(3), "{}", said(&unconfirmed));
    assert!(said(&unconfirmed).contains("NONE COUNTS AS GOOD"));

    let verdict = StoredVerdict::new(&confirmed(), &first.1);
    store_verdict(&server.open(), &first.0, &verdict)
        .await
        .unwrap();
    let listed = adopt(&server, &[]);
    assert_eq!(listed.status.code(), Some(0), "{}", said(&listed));
    for wanted in [
        "atra/knowledge: 2 sets of Kubernetes cluster one, ProtectedDatabase uid-in-one",
        "newest that counts: 2026-02-01 09:00:00 UTC, 85 rows in knowledge_os, confirmed by check knowledge-2",
        "does not count: 2026-02-01 10:00:00 UTC",
        "atra/knowledge: 1 set of Kubernetes cluster two",
        "--database NAMESPACE/NAME --into NAME",
    ] {
        assert!(
            said(&listed).contains(wanted),
            "{wanted}: {}",
            said(&listed)
        );
    }

    // To restore one it needs a cluster, and says so.
    let asked = adopt(
        &server,
        &["--database", "atra/knowledge", "--into", "knowledge"],
    );
    assert_eq!(asked.status.code(), Some(1), "{}", said(&asked));
    assert!(
        said(&asked).contains("no cluster to talk to"),
        "{}",
        said(&asked)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_by_its_place_is_restored_only_if_the_bucket_says_that_it_counts() {
    let scene = Scene::new(&["shop"], "postgres", PASSWORD);
    scene
        .postgres
        .execute("postgres", "create database shop")
        .await;
    scene
        .postgres
        .execute(
            "shop",
            "create table t (id int); insert into t values (1), (2)",
        )
        .await;
    let set = scene.take(None).await.unwrap();
    let other = TestPostgres::start();
    let by_place = |uid: &str, confirmed_only: bool| {
        let mut restore = Restore::new(&scene, &other, &set, RestoreTarget::Replace).with_uid(uid);
        restore.request.confirmed_only = confirmed_only;
        restore
    };
    let before = databases(&other).await;
    let refused = async |uid: &str, why: &str| {
        let failure = by_place(uid, true).run().await.unwrap_err();
        assert_eq!(failure.reason, reasons::RESTORE_REFUSED);
        for wanted in [why, "--accept-suspect"] {
            assert!(failure.message.contains(wanted), "{}", failure.message);
        }
    };
    refused(UID, "is unconfirmed").await;
    assert_eq!(databases(&other).await, before);

    let bucket = scene.bucket.open();
    let says = |verdict| StoredVerdict::new(&verdict, &set.manifest_sha256);
    store_verdict(&bucket, FOLDER, &says(confirmed()))
        .await
        .unwrap();
    by_place(UID, true).run().await.unwrap();
    assert_eq!(ask(&other, "shop", "select count(*) from t").await, "2");

    // A reset was found later: what it confirmed does not count any more.
    store_verdict(&bucket, FOLDER, &says(demoted()))
        .await
        .unwrap();
    let before = databases(&other).await;
    refused(OTHER_UID, "is demoted").await;
    assert_eq!(databases(&other).await, before);
    by_place(OTHER_UID, false).run().await.unwrap();
    assert_eq!(ask(&other, "shop", "select count(*) from t").await, "2");
}
