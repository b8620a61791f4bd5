//! Admission policies that a newer version has installed, or that say so: whether `Guarded` believes them.
//! With the real pass.

use serde_json::json;

use super::cluster::Cluster;
use crate::api::names::DEFINITION_VERSION_ANNOTATION;
use crate::guard::GUARD_POLICIES;

const POLICIES: &str = "validatingadmissionpolicies";

/// An admission policy says that a newer version has installed it.
fn say_newer(cluster: &Cluster, policy: &str) {
    let newer = json!({"metadata": {"annotations": {DEFINITION_VERSION_ANNOTATION: "99.0.0"}}});
    cluster.change(POLICIES, "", policy, &newer);
}

/// One of its rules refuses nothing any more.
fn open(cluster: &Cluster, policy: &str) {
    let present = cluster.get(POLICIES, "", policy);
    let mut rules = present["spec"]["validations"].clone();
    rules[0]["expression"] = "true".into();
    let opened = json!({"spec": {"validations": rules}});
    cluster.change(POLICIES, "", policy, &opened);
}

/// Status and reason of `Guarded` after some passes.
async fn guarded(cluster: &Cluster) -> (String, String) {
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    cluster.condition("Guarded").expect("Guarded")
}

fn told(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_newer_policy_is_believed_only_with_the_rules_of_this_version() {
    let cluster = Cluster::new();
    say_newer(&cluster, GUARD_POLICIES[0]);
    assert_eq!(guarded(&cluster).await, told("True", "Guarded"));
    open(&cluster, GUARD_POLICIES[0]);
    assert_eq!(guarded(&cluster).await, told("False", "NewerVersion"));
}

/// What is known to be open comes before what can't be told.
#[tokio::test]
async fn a_policy_that_is_gone_is_named_before_a_newer_one() {
    let cluster = Cluster::new();
    say_newer(&cluster, GUARD_POLICIES[0]);
    open(&cluster, GUARD_POLICIES[0]);
    open(&cluster, GUARD_POLICIES[1]);
    assert_eq!(guarded(&cluster).await, told("False", "PolicyMissing"));
}

/// Whatever version its policies are of: what the API server lets through is not guarded.
#[tokio::test]
async fn a_newer_policy_is_tried_too() {
    let cluster = Cluster::new();
    say_newer(&cluster, GUARD_POLICIES[0]);
    open(&cluster, GUARD_POLICIES[0]);
    cluster.server.store().asks_no_policy = true;
    assert_eq!(guarded(&cluster).await, told("False", "PolicyMissing"));
}
