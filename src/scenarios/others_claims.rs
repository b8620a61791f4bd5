//! A recovery touches only what is the database's own: a DatabaseRestore that names the volume, the
//! claim or the workload of somebody else in the namespace changes nothing of it.

use serde_json::{Value, json};

use super::cluster::{Cluster, DATA_VOLUME, volume};

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

async fn protected() -> Cluster {
    let cluster = Cluster::new();
    operate(&cluster).await;
    cluster
}

/// Another application of the namespace: its claim on its volume, the volume that the claim had
/// before, and a pod that no StatefulSet of ours controls.
fn add_reports(cluster: &Cluster, annotations: &Value) {
    let labels = match annotations {
        Value::Null => json!({}),
        _ => json!({"holdfast.dev/protected": "true"}),
    };
    let mut old = volume("pv-reports-old", "reports");
    old["spec"]["claimRef"]["uid"] = "u-reports-old".into();
    old["spec"]["persistentVolumeReclaimPolicy"] = "Retain".into();
    // The namespace is the right one: whose the claim is, is another question.
    let uid = cluster.get("namespaces", "", "atra")["metadata"]["uid"].clone();
    old["metadata"]["annotations"] = json!({"holdfast.dev/namespace-uid": uid});
    cluster.create("persistentvolumes", "", old);
    let present = volume("pv-reports", "reports");
    cluster.create("persistentvolumes", "", present);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "reports", "namespace": "atra", "annotations": annotations, "labels": labels,
        },
        "spec": {
            "storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
            "volumeName": "pv-reports", "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    cluster.create("persistentvolumeclaims", "atra", claim);
    cluster.create("pods", "atra", pod("reports-0", "reports"));
}

fn pod(name: &str, claim: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "atra", "labels": {"app": name}},
        "spec": {
            "containers": [{"name": "app", "image": "app"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
        "status": {"phase": "Running"},
    })
}

/// Everything that a restore must leave alone.
fn untouched(cluster: &Cluster) -> Vec<Value> {
    let mut objects = vec![
        cluster.get("statefulsets", "atra", "pg"),
        cluster.get("persistentvolumeclaims", "atra", "data"),
        cluster.get("persistentvolumes", "", DATA_VOLUME),
    ];
    let store = cluster.server.store();
    for (plural, namespace, name) in [
        ("persistentvolumeclaims", "atra", "reports"),
        ("persistentvolumes", "", "pv-reports"),
        ("persistentvolumes", "", "pv-reports-old"),
        ("pods", "atra", "reports-0"),
    ] {
        objects.extend(store.get(plural, namespace, name).cloned());
    }
    objects
}

fn assert_blocked(cluster: &Cluster, because: &str) {
    let restore = cluster.get("databaserestores", "atra", "back");
    assert_eq!(restore["status"]["state"], "Blocked", "{restore}");
    let message = restore["status"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(because), "{message}");
}

#[tokio::test]
async fn a_claim_of_somebody_else_is_not_replaced_whoever_guards_it() {
    for (annotations, because) in [
        (
            Value::Null,
            "is not known to belong to ProtectedDatabase atra/knowledge",
        ),
        (
            json!({"holdfast.dev/protected-by": "atra/reports"}),
            "is guarded by ProtectedDatabase atra/reports",
        ),
        // A mark that came with a copy from another namespace makes it nobody's.
        (
            json!({"holdfast.dev/protected-by": "shop/knowledge"}),
            "is not known to belong to ProtectedDatabase atra/knowledge",
        ),
    ] {
        let cluster = protected().await;
        add_reports(&cluster, &annotations);
        let before = untouched(&cluster);
        cluster.ask_for("pv-reports-old");
        operate(&cluster).await;
        assert_blocked(&cluster, because);
        assert_eq!(untouched(&cluster), before, "{annotations}");
    }
}

#[tokio::test]
async fn a_claim_of_somebody_else_that_does_not_exist_is_not_created() {
    let cluster = protected().await;
    add_reports(&cluster, &Value::Null);
    let claim = (
        "persistentvolumeclaims".to_owned(),
        "atra".to_owned(),
        "reports".to_owned(),
    );
    let pod = ("pods".to_owned(), "atra".to_owned(), "reports-0".to_owned());
    cluster.server.store().remove(&claim);
    cluster.server.store().remove(&pod);
    cluster.settle_kubernetes();
    let before = untouched(&cluster);
    cluster.ask_for("pv-reports-old");
    operate(&cluster).await;
    assert_blocked(&cluster, "is not known to belong to ProtectedDatabase");
    assert_eq!(untouched(&cluster), before);
}

/// The claim is the database's own by `extraClaims`, and the pods on it are not.
#[tokio::test]
async fn pods_of_others_block_by_name_before_anything_is_stopped() {
    let cluster = protected().await;
    add_reports(&cluster, &Value::Null);
    let extra = json!({"spec": {"extraClaims": ["reports"]}});
    cluster.change("protecteddatabases", "atra", "knowledge", &extra);
    operate(&cluster).await;
    let before = untouched(&cluster);
    cluster.ask_for("pv-reports-old");
    operate(&cluster).await;
    assert_blocked(&cluster, "Pod reports-0 uses claim reports");
    assert_eq!(untouched(&cluster), before);

    // They are stopped by those whose they are: then it goes on, and stops nothing else.
    let pod = ("pods".to_owned(), "atra".to_owned(), "reports-0".to_owned());
    cluster.server.store().remove(&pod);
    operate(&cluster).await;
    let claim = cluster.get("persistentvolumeclaims", "atra", "reports");
    assert_eq!(claim["spec"]["volumeName"], "pv-reports-old");
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["spec"]["replicas"], 1);
    let kept = cluster.get("persistentvolumes", "", "pv-reports");
    assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

#[tokio::test]
async fn another_pod_on_the_databases_own_claim_blocks_too() {
    let cluster = protected().await;
    cluster.switch_volume();
    operate(&cluster).await;
    cluster.create("pods", "atra", pod("debug", "data"));
    cluster.ask_for_restore();
    let before = untouched(&cluster);
    operate(&cluster).await;
    assert_blocked(&cluster, "Pod debug uses claim data");
    assert_eq!(untouched(&cluster), before);
    let debug = ("pods".to_owned(), "atra".to_owned(), "debug".to_owned());
    cluster.server.store().remove(&debug);
    operate(&cluster).await;
    assert_eq!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
}

#[tokio::test]
async fn the_workload_of_another_database_is_not_scaled() {
    let cluster = protected().await;
    cluster.switch_volume();
    operate(&cluster).await;
    // It is the younger of the two, and its pods may still be those that run.
    let mut other = cluster.get("protecteddatabases", "atra", "knowledge");
    other["metadata"] = json!({"name": "other", "namespace": "atra"});
    cluster.create("protecteddatabases", "atra", other);
    cluster.ask_for_restore();
    let before = untouched(&cluster);
    operate(&cluster).await;
    assert_blocked(&cluster, "is the workload of ProtectedDatabase atra/other");
    assert_eq!(untouched(&cluster), before);
}

/// Anybody may write any volume's name into a claim of their own.
#[tokio::test]
async fn a_volume_that_the_claim_only_names_is_not_touched() {
    let cluster = protected().await;
    cluster.lose_claim();
    let mut theirs = volume("pv-theirs", "orders");
    theirs["spec"]["claimRef"] = json!({"namespace": "shop", "name": "orders", "uid": "u-orders"});
    theirs["spec"]["persistentVolumeReclaimPolicy"] = "Retain".into();
    cluster.create("persistentvolumes", "", theirs);
    let claims = cluster.server.store().all("persistentvolumeclaims");
    assert_eq!(claims, [], "the claim is gone");
    cluster.create(
        "persistentvolumeclaims",
        "atra",
        json!({
            "metadata": {"name": "data", "namespace": "atra"},
            "spec": {
                "storageClassName": "fast", "volumeName": "pv-theirs",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }),
    );
    let before = cluster.get("persistentvolumes", "", "pv-theirs");
    cluster.ask_for_restore();
    operate(&cluster).await;
    assert_eq!(cluster.get("persistentvolumes", "", "pv-theirs"), before);
    assert_eq!(cluster.mounted_volume().as_deref(), Some(DATA_VOLUME));
}

/// A note of how many pods a workload had comes with a copy of it.
#[tokio::test]
async fn a_workload_that_runs_is_not_scaled_by_a_copied_note() {
    let cluster = protected().await;
    let noted =
        json!({"metadata": {"annotations": {"holdfast.dev/replicas-before-recovery": "3"}}});
    cluster.change("statefulsets", "atra", "pg", &noted);
    cluster.ask_for_restore();
    operate(&cluster).await;
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["spec"]["replicas"], 1);
}
