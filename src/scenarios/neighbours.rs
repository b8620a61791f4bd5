//! Operators that own the workload: one that compares annotations, and replaces the set by a delete
//! with orphan propagation. And a workload that another one takes the place of.

use kube::Api;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use super::cluster::Cluster;

type StatefulSets = Api<k8s_openapi::api::apps::v1::StatefulSet>;

async fn operate(cluster: &Cluster) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
}

/// A database that runs, with the annotations that the owner of its workload compares.
async fn owned() -> Cluster {
    let cluster = Cluster::new();
    cluster.change(
        "statefulsets",
        "atra",
        "pg",
        &json!({"metadata": {"annotations": written()}}),
    );
    operate(&cluster).await;
    cluster
}

fn written() -> Value {
    json!({"zalando.org/spec-hash": "a1", "team": "data"})
}

fn checks(cluster: &Cluster) -> Vec<String> {
    let checks = cluster.server.store().all("databasechecks");
    checks.into_iter().map(|((.., name), _)| name).collect()
}

fn condition(cluster: &Cluster, type_: &str) -> (String, String) {
    cluster.condition(type_).unwrap_or_default()
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

async fn delete(cluster: &Cluster, propagation: PropagationPolicy) -> Result<(), kube::Error> {
    let sets: StatefulSets = Api::namespaced(cluster.server.client(None), "atra");
    let parameters = DeleteParams {
        propagation_policy: Some(propagation),
        ..DeleteParams::default()
    };
    sets.delete("pg", &parameters).await.map(drop)
}

/// The new set, as its owner creates it, takes over the pod that runs.
fn create_again(cluster: &Cluster, annotations: &Value) {
    cluster.apply_workload();
    cluster.change(
        "statefulsets",
        "atra",
        "pg",
        &json!({"metadata": {"annotations": annotations}}),
    );
    let uid = cluster.get("statefulsets", "atra", "pg")["metadata"]["uid"].clone();
    let mut pod = cluster.get("pods", "atra", "pg-0");
    pod["metadata"]["ownerReferences"][0]["uid"] = uid;
    let owners = json!({"metadata": {"ownerReferences": pod["metadata"]["ownerReferences"]}});
    cluster.change("pods", "atra", "pg-0", &owners);
}

/// What Zalando's operator does: it compares the annotations of the set with those that it writes, and
/// replaces a set that has others.
#[tokio::test]
async fn a_workload_has_the_annotations_of_its_owner_and_no_others() {
    let cluster = owned().await;
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["metadata"]["annotations"], written());
    assert_eq!(
        set["metadata"]["labels"],
        json!({"holdfast.dev/protected": "true", "holdfast.dev/claims-guarded": "true"})
    );
    assert_eq!(condition(&cluster, "Ready"), is("True", "AllGood"));
}

#[tokio::test]
async fn the_annotation_of_an_older_version_is_removed_in_a_pass() {
    let cluster = owned().await;
    let older = json!({"metadata": {"annotations": {
        "holdfast.dev/protected-by": "atra/knowledge",
    }}});
    cluster.change("statefulsets", "atra", "pg", &older);
    operate(&cluster).await;
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["metadata"]["annotations"], written());
}

#[tokio::test]
async fn a_workload_that_is_replaced_under_its_pods_is_taken_over_without_a_check() {
    let cluster = owned().await;
    let before = checks(&cluster);
    delete(&cluster, PropagationPolicy::Background)
        .await
        .expect_err("it would take its pods along");
    delete(&cluster, PropagationPolicy::Orphan)
        .await
        .expect("its claims are guarded");
    operate(&cluster).await;
    let (stalled, reason) = condition(&cluster, "Stalled");
    assert_eq!(
        (stalled.as_str(), reason.as_str()),
        ("True", "WorkloadNotFound")
    );
    assert_eq!(condition(&cluster, "DataReset").0, "False");
    let other = json!({"zalando.org/spec-hash": "b2"});
    create_again(&cluster, &other);
    operate(&cluster).await;
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["metadata"]["labels"]["holdfast.dev/protected"], "true");
    assert_eq!(
        set["metadata"]["labels"]["holdfast.dev/claims-guarded"],
        "true"
    );
    assert_eq!(set["metadata"]["annotations"], other);
    assert_eq!(checks(&cluster), before, "the server runs on as it was");
    assert_eq!(condition(&cluster, "Ready"), is("True", "AllGood"));
    assert_eq!(condition(&cluster, "DataReset").0, "False");
    assert!(cluster.keeps_data());
}

/// The label says that nothing is lost, so it goes as soon as that is not so.
#[tokio::test]
async fn a_workload_does_not_go_without_its_pods_while_a_claim_is_not_guarded() {
    let cluster = owned().await;
    cluster.lose_claim();
    operate(&cluster).await;
    let set = cluster.get("statefulsets", "atra", "pg");
    let labels = json!({"holdfast.dev/protected": "true"});
    assert_eq!(set["metadata"]["labels"], labels);
    delete(&cluster, PropagationPolicy::Orphan)
        .await
        .expect_err("its claim is not guarded");
}

/// The spec names another workload from now on, which exists.
async fn name_another(cluster: &Cluster) {
    let mut other = cluster.get("statefulsets", "atra", "pg");
    other["metadata"] = json!({"name": "pg-15", "namespace": "atra"});
    other["spec"]["replicas"] = 0.into();
    cluster.create("statefulsets", "atra", other);
    let named = json!({"spec": {"workload": {"name": "pg-15"}}});
    cluster.change("protecteddatabases", "atra", "knowledge", &named);
    operate(cluster).await;
}

#[tokio::test]
async fn a_workload_that_is_not_named_any_more_loses_its_labels() {
    let cluster = owned().await;
    name_another(&cluster).await;
    let old = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(old["metadata"]["labels"], json!({}));
    assert_eq!(old["metadata"]["annotations"], written());
    let new = cluster.get("statefulsets", "atra", "pg-15");
    assert_eq!(new["metadata"]["labels"]["holdfast.dev/protected"], "true");
    let database = cluster.get("protecteddatabases", "atra", "knowledge");
    assert_eq!(
        database["status"]["workload"],
        json!({"kind": "StatefulSet", "name": "pg-15"})
    );
}

#[tokio::test]
async fn a_workload_that_another_database_names_keeps_its_labels() {
    let cluster = owned().await;
    let mut other = cluster.get("protecteddatabases", "atra", "knowledge");
    other["metadata"] = json!({"name": "other", "namespace": "atra"});
    cluster.create("protecteddatabases", "atra", other);
    name_another(&cluster).await;
    let old = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(old["metadata"]["labels"]["holdfast.dev/protected"], "true");
}

/// What AWX does: it scales the set to 0, deletes it, and creates it again.
#[tokio::test]
async fn a_workload_without_pods_goes_and_the_new_one_has_the_data() {
    let cluster = owned().await;
    let stopped = json!({"spec": {"replicas": 0}});
    cluster.change("statefulsets", "atra", "pg", &stopped);
    cluster.settle_kubernetes();
    let counted = json!({"status": {"replicas": 1}});
    cluster.change("statefulsets", "atra", "pg", &counted);
    operate(&cluster).await;
    delete(&cluster, PropagationPolicy::Background)
        .await
        .expect_err("its pod is still there");
    let counted = json!({"status": {"replicas": 0}});
    cluster.change("statefulsets", "atra", "pg", &counted);
    operate(&cluster).await;
    delete(&cluster, PropagationPolicy::Background)
        .await
        .expect("it has no pods, and its claims are guarded");
    operate(&cluster).await;
    assert_eq!(condition(&cluster, "DataReset").0, "False");
    cluster.apply_workload();
    operate(&cluster).await;
    let set = cluster.get("statefulsets", "atra", "pg");
    assert_eq!(set["metadata"]["labels"]["holdfast.dev/protected"], "true");
    assert_eq!(condition(&cluster, "Ready"), is("True", "AllGood"));
    assert!(cluster.keeps_data());
}

/// A Deployment of the same name is another workload.
#[tokio::test]
async fn a_workload_of_another_kind_that_another_database_names_keeps_no_labels_of_this_one() {
    let cluster = owned().await;
    let mut other = cluster.get("protecteddatabases", "atra", "knowledge");
    other["metadata"] = json!({"name": "other", "namespace": "atra"});
    other["spec"]["workload"] = json!({"name": "pg", "kind": "Deployment"});
    cluster.create("protecteddatabases", "atra", other);
    name_another(&cluster).await;
    let old = cluster.get("statefulsets", "atra", "pg");
    assert!(old["metadata"]["labels"]["holdfast.dev/protected"].is_null());
}
