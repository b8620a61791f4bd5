//! Storage in a whole cluster in memory: a second volume object for the storage of the data, the same
//! storage under another object, other storage under the same name, and volumes kept up to a number.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Cluster, DATA_PATH, DATA_VOLUME, volume};
use crate::recovery::look;

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

async fn protected() -> Cluster {
    let cluster = Cluster::new();
    operate(&cluster).await;
    assert_is(&cluster, "Guarded", "True", "Guarded");
    cluster
}

fn assert_is(cluster: &Cluster, type_: &str, status: &str, reason: &str) {
    let is = cluster.condition(type_).expect("a condition");
    assert_eq!(
        is,
        (status.to_owned(), reason.to_owned()),
        "{type_}: {}",
        said(cluster, type_)
    );
}

fn said(cluster: &Cluster, type_: &str) -> String {
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    let conditions = database["status"]["conditions"].as_array().cloned();
    let found = conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition["type"] == type_);
    found.map_or_else(String::new, |found| found["message"].to_string())
}

/// A volume on Delete for the storage of the data, that no claim has.
fn twin(name: &str, path: &str) -> Value {
    let mut twin = volume(name, "");
    twin["spec"]["hostPath"]["path"] = path.into();
    twin["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("claimRef");
    twin
}

#[tokio::test]
async fn a_volume_for_the_storage_of_a_guarded_one_is_set_to_retain_and_named() {
    let cluster = protected().await;
    cluster.create(
        "persistentvolumes",
        "",
        twin("pv-twin", "/volumes//pv-data/"),
    );
    cluster.create(
        "persistentvolumes",
        "",
        twin("pv-far", "/volumes/pv-data-2"),
    );
    operate(&cluster).await;
    let after = cluster.get("persistentvolumes", "", "pv-twin");
    assert_eq!(after["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    for mark in ["labels", "annotations", "finalizers"] {
        assert_eq!(
            after["metadata"][mark],
            Value::Null,
            "it is not the database's own"
        );
    }
    let far = cluster.get("persistentvolumes", "", "pv-far");
    assert_eq!(far["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    assert_is(&cluster, "Guarded", "True", "Guarded");
    let message = said(&cluster, "Guarded");
    assert!(
        message.contains("PersistentVolume pv-twin is for the same storage"),
        "{message}"
    );
    assert!(!message.contains("pv-far"), "{message}");

    // Somebody sets it back.
    let back = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    cluster.change("persistentvolumes", "", "pv-twin", &back);
    operate(&cluster).await;
    let after = cluster.get("persistentvolumes", "", "pv-twin");
    assert_eq!(after["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

/// What a tool does that copies a namespace with its volumes: a server of another namespace on the files of
/// the guarded one.
#[tokio::test]
async fn a_server_on_the_same_storage_is_found_and_nothing_is_started_beside_it() {
    let cluster = protected().await;
    let mut theirs = twin("pv-twin", DATA_PATH);
    theirs["spec"]["claimRef"] = json!({"namespace": "theirs", "name": "copy"});
    cluster.create("persistentvolumes", "", theirs);
    cluster.create(
        "persistentvolumeclaims",
        "theirs",
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "copy", "namespace": "theirs"},
            "spec": {"volumeName": "pv-twin"},
        }),
    );
    operate(&cluster).await;
    assert_is(&cluster, "Guarded", "True", "Guarded");
    cluster.create(
        "pods",
        "theirs",
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "server-0", "namespace": "theirs"},
            "spec": {
                "nodeName": "node",
                "containers": [{
                    "name": "postgres", "image": "postgres:15",
                    "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "copy"}}],
            },
            "status": {"phase": "Running"},
        }),
    );
    operate(&cluster).await;
    assert_is(&cluster, "Guarded", "False", "SameStorage");
    let message = said(&cluster, "Guarded");
    assert!(message.contains("pods of another namespace"), "{message}");
    for name in ["theirs", "copy", "server-0"] {
        assert!(!message.contains(name), "{message}");
    }
    cluster.lose_claim();
    let recovery = look(&cluster.server.client(None), "atra", "knowledge", None).await;
    // `lose_claim` takes the pods away, as a drain does.
    assert!(recovery.plan.is_ok());
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "server-0", "namespace": "theirs"},
        "spec": {
            "nodeName": "node", "containers": [{"name": "postgres", "image": "postgres:15"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "copy"}}],
        },
        "status": {"phase": "Running"},
    });
    cluster.create("pods", "theirs", pod);
    let recovery = look(&cluster.server.client(None), "atra", "knowledge", None).await;
    let blocker = recovery.plan.expect_err("a server is beside it");
    assert!(blocker.to_string().contains("pv-twin"), "{blocker}");
}

/// A GitOps tool has it on Delete, and says so for ever: the operator does not write as often.
#[tokio::test]
async fn a_volume_that_is_set_back_again_and_again_is_waited_for_and_said() {
    let cluster = protected().await;
    cluster.create("persistentvolumes", "", twin("pv-twin", DATA_PATH));
    let operator = cluster.operator(None);
    let back = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    let policy = || {
        let twin = cluster.get("persistentvolumes", "", "pv-twin");
        twin["spec"]["persistentVolumeReclaimPolicy"].clone()
    };
    for _ in 0..5 {
        cluster.operate(&operator).await;
        assert_eq!(policy(), "Retain");
        cluster.change("persistentvolumes", "", "pv-twin", &back);
    }
    cluster.operate(&operator).await;
    assert_eq!(policy(), "Delete", "it is waited for");
    assert_is(&cluster, "Guarded", "False", "SameStorage");
    let message = said(&cluster, "Guarded");
    assert!(
        message.contains("set to Retain 5 times in a row"),
        "{message}"
    );
    // Another process knows of no fight.
    operate(&cluster).await;
    assert_eq!(policy(), "Retain");
}

#[tokio::test]
async fn a_twin_whose_deletion_has_begun_is_said_at_once() {
    let cluster = protected().await;
    let mut going = twin("pv-twin", DATA_PATH);
    going["metadata"]["finalizers"] = json!(["kubernetes.io/pv-protection"]);
    going["metadata"]["deletionTimestamp"] = Timestamp::now().to_string().into();
    cluster.create("persistentvolumes", "", going);
    operate(&cluster).await;
    assert_is(&cluster, "Guarded", "False", "SameStorage");
    let message = said(&cluster, "Guarded");
    assert!(message.contains("its deletion has begun"), "{message}");
    let after = cluster.get("persistentvolumes", "", "pv-twin");
    assert_eq!(after["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

/// Thousands of volumes cost a pass nothing.
#[tokio::test]
async fn many_other_volumes_cost_a_pass_no_read() {
    let cluster = protected().await;
    cluster.end_jobs();
    let reads_of_a_pass = async || {
        let operator = cluster.operator(None);
        cluster.server.store().reads = 0;
        crate::engine::reconcile(&operator, "atra", "knowledge")
            .await
            .expect("a pass");
        cluster.server.store().reads
    };
    let before = reads_of_a_pass().await;
    for number in 0..2000 {
        let name = format!("pv-other-{number}");
        let key = ("persistentvolumes".to_owned(), String::new(), name.clone());
        let other = twin(&name, &format!("/elsewhere/{name}"));
        cluster.server.store().create(key, other);
    }
    assert_eq!(reads_of_a_pass().await, before);
}

/// Puts the claim on a volume object of that name and path.
fn move_to(cluster: &Cluster, name: &str, path: &str) {
    cluster.lose_claim();
    let key = (
        "persistentvolumes".to_owned(),
        String::new(),
        DATA_VOLUME.to_owned(),
    );
    cluster.server.store().remove(&key);
    let mut static_volume = volume(name, "data");
    static_volume["spec"]["hostPath"]["path"] = path.into();
    cluster.create("persistentvolumes", "", static_volume);
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "atra"},
        "spec": {
            "storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    });
    claim["spec"]["volumeName"] = name.into();
    cluster.create("persistentvolumeclaims", "atra", claim);
}

#[tokio::test]
async fn the_same_storage_under_another_object_is_the_same_data() {
    let cluster = protected().await;
    move_to(&cluster, "pv-static", "/volumes/pv-data/");
    let client = cluster.server.client(None);
    let plan = look(&client, "atra", "knowledge", None).await.plan;
    let steps = plan.expect("nothing blocks it").steps;
    assert!(steps.is_empty(), "it is where it belongs: {steps:?}");
    operate(&cluster).await;
    let is = |type_| cluster.condition(type_).map(|(status, _)| status);
    assert_eq!(is("DataReset").as_deref(), Some("False"));
    assert_eq!(is("DataVerified").as_deref(), Some("True"));
    assert_is(&cluster, "Guarded", "True", "Guarded");
}

#[tokio::test]
async fn other_storage_under_the_same_name_is_a_reset_and_the_right_one_is_remembered() {
    let cluster = protected().await;
    move_to(&cluster, DATA_VOLUME, "/volumes/another");
    operate(&cluster).await;
    let (status, reason) = cluster.condition("DataReset").expect("a condition");
    assert_eq!(status, "True", "{reason}");
    let ledger = cluster.get("databaseledgers", "", "atra.knowledge");
    let volumes = ledger["status"]["volumes"]
        .as_array()
        .cloned()
        .expect("volumes");
    let handles: Vec<&Value> = volumes
        .iter()
        .map(|volume| &volume["volumeHandle"])
        .collect();
    assert_eq!(handles, [DATA_PATH, "/volumes/another"]);
}

#[tokio::test]
async fn beyond_the_limit_a_new_claim_is_not_guarded_and_nothing_kept_is_touched() {
    let cluster = protected().await;
    cluster.switch_volume();
    let mut operator = cluster.operator(None);
    operator.settings.kept_volume_limit = 1;
    cluster.operate(&operator).await;
    assert_is(&cluster, "Guarded", "False", "TooManyKeptVolumes");
    let message = said(&cluster, "Guarded");
    assert!(message.contains(DATA_VOLUME), "{message}");
    assert!(cluster.keeps_data());
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(
        claim["metadata"]["labels"],
        Value::Null,
        "Guarded says that it is not guarded"
    );

    // Space is made by whoever may delete volumes, or by a higher limit.
    let mut operator = cluster.operator(None);
    operator.settings.kept_volume_limit = 2;
    cluster.operate(&operator).await;
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(
        claim["metadata"]["labels"]["holdfast.dev/protected"],
        "true"
    );
}

/// A new claim may be made with our finalizer, and is not taken in at the limit: whoever confirms its
/// deletion need not remove that.
#[tokio::test]
async fn a_claim_that_is_not_taken_in_goes_when_its_deletion_is_confirmed() {
    let cluster = protected().await;
    cluster.switch_volume();
    let mut operator = cluster.operator(None);
    operator.settings.kept_volume_limit = 1;
    let forged = json!({"metadata": {
        "finalizers": ["holdfast.dev/keep"], "deletionTimestamp": Timestamp::now().to_string(),
    }});
    cluster.change("persistentvolumeclaims", "atra", "data", &forged);
    cluster.operate(&operator).await;
    assert_is(&cluster, "Guarded", "False", "TooManyKeptVolumes");
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(claim["metadata"]["finalizers"][0], "holdfast.dev/keep");
    cluster.confirm_claim(Timestamp::now());
    cluster.operate(&operator).await;
    let store = cluster.server.store();
    assert!(
        store
            .get("persistentvolumeclaims", "atra", "data")
            .is_none()
    );
    drop(store);
    assert!(cluster.keeps_data(), "what was guarded is kept");
}

/// However many claims are to be recovered, a pass lists the volumes once.
#[tokio::test]
async fn a_recovery_of_many_claims_lists_the_volumes_once() {
    let cluster = protected().await;
    let names = ["uploads", "archive", "wal"];
    for name in names {
        cluster.create(
            "persistentvolumeclaims",
            "atra",
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": "atra"},
                "spec": {
                    "storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }),
        );
    }
    let extra = json!({"spec": {"extraClaims": names}});
    cluster.change("protecteddatabases", "atra", "knowledge", &extra);
    operate(&cluster).await;
    assert_is(&cluster, "Guarded", "True", "Guarded");
    cluster.lose_claim();
    for name in names {
        let key = (
            "persistentvolumeclaims".to_owned(),
            "atra".to_owned(),
            name.to_owned(),
        );
        cluster.server.store().remove(&key);
    }
    let client = cluster.server.client(None);
    cluster.server.store().lists.clear();
    let recovery = look(&client, "atra", "knowledge", None).await;
    let steps = recovery.plan.expect("nothing blocks it").steps;
    assert!(steps.len() >= 4, "{steps:?}");
    let lists = cluster.server.store().lists.clone();
    assert_eq!(lists.get("persistentvolumes"), Some(&1), "{lists:?}");
}

/// A tenant creates databases under new names again and again: what is left of them is bounded, and said.
#[tokio::test]
async fn beyond_the_limit_a_new_database_has_no_ledger_and_its_claim_is_guarded() {
    let cluster = Cluster::new();
    for name in ["atra.gone", "atra.gone-too", "atra-two.other"] {
        cluster.create("databaseledgers", "", json!({"metadata": {"name": name}}));
    }
    let mut operator = cluster.operator(None);
    operator.settings.kept_volume_limit = 2;
    cluster.operate(&operator).await;
    assert_is(&cluster, "Guarded", "False", "TooManyLedgers");
    let message = said(&cluster, "Guarded");
    assert!(message.contains("atra has 2 DatabaseLedgers"), "{message}");
    assert!(
        !message.contains("atra.gone"),
        "it may be another owner's: {message}"
    );
    let ledgers = cluster.server.store().all("databaseledgers");
    assert_eq!(ledgers.len(), 3);
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(claim["metadata"]["finalizers"][0], "holdfast.dev/keep");
    assert!(cluster.keeps_data());

    // Space is made by whoever may delete ledgers.
    let gone = (
        "databaseledgers".to_owned(),
        String::new(),
        "atra.gone".to_owned(),
    );
    cluster.server.store().remove(&gone);
    cluster.operate(&operator).await;
    assert_is(&cluster, "Guarded", "True", "Guarded");
}
