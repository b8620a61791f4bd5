//! A `DatabaseRestore` that is deleted on its way, after each of its writes: the workload has its pods
//! back, on one of the two volumes, and neither volume is lost. And one that a tool creates again.

use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::api_server::{CrashPoint, Moment, metadata};
use super::cluster::{Cluster, DATA_VOLUME};
use crate::api::{ConfirmedVerb, DatabaseRestore};
use crate::guard::{self, Standing};

async fn operate(cluster: &Cluster, crash: Option<CrashPoint>) {
    let operator = cluster.operator(crash);
    cluster.operate(&operator).await;
}

/// The database runs on an empty volume, and a restore of the right one is asked for.
async fn asked() -> Cluster {
    let cluster = Cluster::new();
    operate(&cluster, None).await;
    cluster.switch_volume();
    operate(&cluster, None).await;
    cluster.ask_for_restore();
    cluster
}

async fn delete_restore(cluster: &Cluster) {
    let restores: Api<DatabaseRestore> = Api::namespaced(cluster.server.client(None), "atra");
    let deleted = restores.delete("back", &DeleteParams::default()).await;
    deleted.map(drop).expect("nobody guards a restore");
}

fn find(cluster: &Cluster, plural: &str, name: &str) -> Option<Value> {
    let store = cluster.server.store();
    store.get(plural, "atra", name).cloned()
}

fn assert_given_back(cluster: &Cluster, crash: CrashPoint) {
    assert_eq!(find(cluster, "databaserestores", "back"), None, "{crash:?}");
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["spec"]["replicas"], 1, "{crash:?}");
    let note = &set["metadata"]["annotations"]["holdfast.dev/replicas-before-recovery"];
    assert!(note.is_null(), "{crash:?}: {note}");
    assert!(find(cluster, "pods", "pg-0").is_some(), "{crash:?}");
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(claim["status"]["phase"], "Bound", "{crash:?}");
    let standing = guard::standing(
        &metadata(&claim),
        ConfirmedVerb::Delete,
        jiff::Timestamp::now(),
    );
    assert_eq!(standing, Standing::None, "{crash:?}");
    assert!(cluster.keeps_data(), "{crash:?}");
    let volumes = cluster.server.store().all("persistentvolumes");
    assert_eq!(volumes.len(), 2, "{crash:?}");
    for (_, volume) in volumes {
        let policy = &volume["spec"]["persistentVolumeReclaimPolicy"];
        assert_eq!(policy, guard::RETAIN, "{crash:?}");
    }
}

#[tokio::test]
async fn a_restore_that_is_deleted_after_any_of_its_writes_gives_the_pods_back() {
    let prepared = asked().await;
    let (mut as_before, mut restored) = (0, 0);
    for write in 1..200 {
        for moment in [Moment::Before, Moment::After] {
            let crash = CrashPoint { write, moment };
            let cluster = prepared.fork();
            operate(&cluster, Some(crash)).await;
            if !cluster.server.has_crashed() {
                assert!(as_before > 0 && restored > 0, "{as_before}, {restored}");
                return;
            }
            delete_restore(&cluster).await;
            cluster.settle_kubernetes();
            operate(&cluster, None).await;
            assert_given_back(&cluster, crash);
            match cluster.mounted_volume().as_deref() {
                Some(DATA_VOLUME) => restored += 1,
                _ => as_before += 1,
            }
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn a_restore_that_a_tool_creates_again_stops_nothing() {
    let cluster = asked().await;
    operate(&cluster, None).await;
    assert_eq!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
    // Another volume is mounted since, on purpose or not.
    delete_restore(&cluster).await;
    cluster.switch_volume();
    operate(&cluster, None).await;
    let before = cluster.mounted_volume();
    assert_ne!(before.as_deref(), Some(DATA_VOLUME));
    cluster.ask_for_restore();
    operate(&cluster, None).await;
    let restore = cluster.get("databaserestores", "atra", "back");
    assert_eq!(restore["status"]["state"], "Failed", "{restore}");
    let message = restore["status"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("is not what is mounted now"), "{message}");
    assert_eq!(cluster.mounted_volume(), before);
    // Under another name it is meant.
    let mut meant = restore;
    meant["metadata"] = json!({"name": "once-more", "namespace": "atra"});
    meant["status"].take();
    cluster.create("databaserestores", "atra", meant);
    operate(&cluster, None).await;
    assert_eq!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
}

/// The ProtectedDatabase was deleted and created again since it was written.
#[tokio::test]
async fn a_restore_for_another_database_of_the_name_is_not_begun() {
    let cluster = asked().await;
    let mut restore = cluster.get("databaserestores", "atra", "back");
    delete_restore(&cluster).await;
    for confirm in ["knowledge", "u-0"] {
        restore["metadata"] = json!({"name": "back", "namespace": "atra"});
        restore["spec"]["confirm"] = confirm.into();
        let before = cluster.mounted_volume();
        cluster.create("databaserestores", "atra", restore.clone());
        operate(&cluster, None).await;
        let refused = cluster.get("databaserestores", "atra", "back");
        assert_eq!(refused["status"]["state"], "Failed", "{refused}");
        assert_eq!(cluster.mounted_volume(), before);
        delete_restore(&cluster).await;
    }
}
