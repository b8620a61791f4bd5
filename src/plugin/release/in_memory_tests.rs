//! `release --all` against the API server in memory: with the real client, and Kubernetes' own part of
//! deletion and garbage collection left to the test.

#![allow(clippy::expect_used, reason = "a test")]

use serde_json::{Value, json};

use super::found::Fate;
use super::{ReleaseArguments, run};
use crate::plugin::connect::Cluster as Connection;
use crate::plugin::exit_status::ExitStatus;
use crate::scenarios::cluster::{Cluster, DATA_VOLUME};

async fn guarded() -> Cluster {
    let cluster = Cluster::new();
    let operator = cluster.operator(None);
    Box::pin(cluster.operate(&operator)).await;
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert_eq!(
        claim["metadata"]["labels"]["holdfast.dev/protected"],
        "true"
    );
    cluster
}

async fn release(cluster: &Cluster, detach_owners: bool) -> ExitStatus {
    let connection = Connection::of(cluster.server.client(None), None);
    release_with(&connection, detach_owners, 0).await
}

/// Whoever runs it has seen so many objects more than there are.
async fn release_with(connection: &Connection, detach_owners: bool, more: usize) -> ExitStatus {
    let (found, unread) = super::read::fetch_marked(connection).await;
    assert_eq!(unread, Vec::<String>::new());
    let arguments = ReleaseArguments {
        all: true,
        detach_owners,
        yes: true,
        objects: Some(found.len() + more),
    };
    Box::pin(run(connection, &arguments))
        .await
        .expect("a release")
}

fn find(cluster: &Cluster, plural: &str, namespace: &str, name: &str) -> Option<Value> {
    let store = cluster.server.store();
    store.get(plural, namespace, name).cloned()
}

/// Everything that still carries a mark.
fn marked(cluster: &Cluster) -> Vec<String> {
    let store = cluster.server.store();
    let every = store.every();
    let marked = every.filter(|(_, object)| {
        let metadata = &object["metadata"];
        let text = metadata["finalizers"].to_string();
        metadata["labels"]["holdfast.dev/protected"] == "true" || text.contains("holdfast.dev/")
    });
    marked
        .map(|((plural, _, name), _)| format!("{plural}/{name}"))
        .collect()
}

#[tokio::test]
async fn everything_is_released_and_nothing_is_lost() {
    let cluster = guarded().await;
    assert_eq!(release(&cluster, false).await, ExitStatus::Done);
    assert_eq!(marked(&cluster), Vec::<String>::new());
    assert!(cluster.keeps_data());
    assert!(find(&cluster, "persistentvolumeclaims", "atra", "data").is_some());
}

/// Without an operator nobody else removes the finalizer of what was deleted on purpose.
#[tokio::test]
async fn what_is_terminating_goes_only_if_that_was_confirmed() {
    let going = json!({"metadata": {"deletionTimestamp": jiff::Timestamp::now().to_string()}});
    let cluster = guarded().await;
    cluster.change("persistentvolumeclaims", "atra", "data", &going);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    let kept = find(&cluster, "persistentvolumeclaims", "atra", "data");
    assert!(kept.is_some(), "nobody has confirmed that");

    let cluster = guarded().await;
    cluster.confirm_claim(jiff::Timestamp::now());
    cluster.change("persistentvolumeclaims", "atra", "data", &going);
    assert_eq!(release(&cluster, false).await, ExitStatus::Done);
    assert!(find(&cluster, "persistentvolumeclaims", "atra", "data").is_none());
    assert!(cluster.keeps_data(), "the volume stays, on Retain");
}

#[tokio::test]
async fn a_restore_on_its_way_is_released() {
    let cluster = guarded().await;
    cluster.ask_for_restore();
    let held = json!({"metadata": {
        "finalizers": ["holdfast.dev/restoring"],
        "deletionTimestamp": jiff::Timestamp::now().to_string(),
    }});
    cluster.change("databaserestores", "atra", "back", &held);
    assert_eq!(release(&cluster, false).await, ExitStatus::Done);
    assert!(find(&cluster, "databaserestores", "atra", "back").is_none());
}

/// The garbage collector deletes a claim without marks whose owner is gone.
#[tokio::test]
async fn a_claim_of_nobody_keeps_its_marks_or_loses_the_reference() {
    let orphan = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "gone", "uid": "u-gone",
    }]}});
    let cluster = guarded().await;
    cluster.change("persistentvolumeclaims", "atra", "data", &orphan);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    assert_eq!(marked(&cluster), ["persistentvolumeclaims/data"]);
    assert_eq!(release(&cluster, true).await, ExitStatus::Done);
    let claim = cluster.get("persistentvolumeclaims", "atra", "data");
    assert!(claim["metadata"]["ownerReferences"].is_null(), "{claim}");
    assert_eq!(marked(&cluster), Vec::<String>::new());
}

/// A volume that is on Delete again is kept with its claim.
#[tokio::test]
async fn a_claim_whose_volume_is_on_delete_keeps_its_marks() {
    let cluster = guarded().await;
    let on_delete = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    cluster.change("persistentvolumes", "", DATA_VOLUME, &on_delete);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    let marked = marked(&cluster);
    assert!(
        marked.contains(&"persistentvolumeclaims/data".to_owned()),
        "{marked:?}"
    );
}

/// A missing permission is reported with the object, and keeps no other from being released.
#[tokio::test]
async fn what_may_not_be_written_is_left_and_the_rest_is_released() {
    let cluster = guarded().await;
    let message = "statefulsets.apps \"pg\" is forbidden: User \"jane\" cannot patch resource";
    cluster
        .server
        .store()
        .refuse("PATCH", "statefulsets", 403, message);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    assert_eq!(marked(&cluster), ["statefulsets/pg"]);
}

#[tokio::test]
async fn nothing_is_released_while_an_operator_runs_or_that_was_not_seen() {
    let cluster = guarded().await;
    let before = marked(&cluster);
    let connection = || Connection::of(cluster.server.client(None), None);
    let status = release_with(&connection(), false, 1).await;
    assert_eq!(status, ExitStatus::NotConfirmed);
    assert_eq!(marked(&cluster), before);
    let operator = json!({
        "metadata": {"name": "holdfast-1", "labels": {"app.kubernetes.io/name": "holdfast"}},
        "spec": {"serviceAccountName": "holdfast", "containers": []}, "status": {"phase": "Running"},
    });
    cluster.create("pods", "holdfast-system", operator);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    assert_eq!(marked(&cluster), before);
    let ended = json!({"status": {"phase": "Failed"}});
    cluster.change("pods", "holdfast-system", "holdfast-1", &ended);
    assert_eq!(release(&cluster, false).await, ExitStatus::Done);
}

/// With a namespace, what belongs to others keeps its marks, also where it has no namespace itself.
#[tokio::test]
async fn only_what_belongs_to_the_namespace_is_released() {
    let cluster = guarded().await;
    let others = json!({
        "metadata": {
            "name": "pv-of-others", "labels": {"holdfast.dev/protected": "true"},
            "finalizers": ["holdfast.dev/keep"],
        },
        "spec": {
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": "shop", "name": "data", "uid": "u-shop"},
        },
    });
    cluster.create("persistentvolumes", "", others);
    let connection = Connection::of(cluster.server.client(None), Some("atra"));
    let status = release_with(&connection, false, 0).await;
    assert_eq!(status, ExitStatus::Done);
    assert_eq!(marked(&cluster), ["persistentvolumes/pv-of-others"]);
}

/// What decides is read right before, and another object of the name is not touched.
#[tokio::test]
async fn what_has_changed_since_it_was_shown_keeps_its_marks() {
    let cluster = guarded().await;
    cluster.ask_for_restore();
    let held = json!({"metadata": {"finalizers": ["holdfast.dev/restoring"]}});
    cluster.change("databaserestores", "atra", "back", &held);
    let connection = Connection::of(cluster.server.client(None), None);
    let (found, _) = super::read::fetch_marked(&connection).await;
    let of_kind = |kind: &str| {
        let mut all = found.iter();
        all.find(|found| found.kind.kind == kind)
            .expect("it is found")
    };
    let on_delete = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    cluster.change("persistentvolumes", "", DATA_VOLUME, &on_delete);
    let claim = of_kind("PersistentVolumeClaim");
    let fate = Box::pin(super::command::release(&connection, claim, false)).await;
    assert!(matches!(fate, Ok(Fate::Kept { .. })), "{fate:?}");
    let another = json!({"metadata": {"uid": "u-another"}});
    cluster.change("databaserestores", "atra", "back", &another);
    let restore = of_kind("DatabaseRestore");
    let refused = Box::pin(super::command::release(&connection, restore, false)).await;
    assert!(refused.is_err(), "{refused:?}");
    let marked = marked(&cluster);
    for kept in ["persistentvolumeclaims/data", "databaserestores/back"] {
        assert!(marked.contains(&kept.to_owned()), "{marked:?}");
    }
}

/// Whether the volume of a name that is none is on Retain can't be known, and no such name is quoted.
#[tokio::test]
async fn a_claim_with_a_name_of_a_volume_that_is_none_keeps_its_marks() {
    let cluster = guarded().await;
    let named = json!({"spec": {"volumeName": "$(reboot)"}});
    cluster.change("persistentvolumeclaims", "atra", "data", &named);
    assert_eq!(release(&cluster, false).await, ExitStatus::NeedsAttention);
    let marked = marked(&cluster);
    assert!(
        marked.contains(&"persistentvolumeclaims/data".to_owned()),
        "{marked:?}"
    );
}
