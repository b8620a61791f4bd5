//! Which pod a start of a restore goes to.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::api::PodSelection;

fn request() -> RestoreRequest {
    let mut request: RestoreRequest = serde_json::from_value(json!({
        "namespace": "atra", "database": "knowledge", "databaseUid": "u", "restore": "back", "restoreUid": "r",
        "server": {
            "host": "10.0.0.7", "port": 5432, "databases": ["shop"], "tlsMode": "Prefer", "tlsCa": false,
            "credentialsSecret": "s", "usernameKey": "u", "passwordKey": "p",
            "pod": {"name": "pg-0", "uid": "old", "container": "postgres", "containerId": "containerd://1"},
        },
        "storage": {"bucket": "b", "credentialsSecret": {"name": "s"}}, "path": "p", "manifestSha256": "m",
        "into": "Replace", "claims": ["data-pg-0"], "retrySeconds": 1, "deadlineSeconds": 1,
    }))
    .unwrap();
    request.server.pods = Some(PodSelection {
        selector: "app=pg".to_owned(),
        controller_kind: "StatefulSet".to_owned(),
        controller_name: "pg".to_owned(),
        container: "postgres".to_owned(),
        is_primary: false,
    });
    request
}

/// A pod of the workload, with a change.
fn pod(uid: &str, address: &str, change: &Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": "pg-0", "uid": uid, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pg", "uid": "s", "controller": true}]},
        "spec": {
            "containers": [{"name": "postgres", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-pg-0"}}],
        },
        "status": {"podIP": address, "containerStatuses": [{
            "name": "postgres", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
            "containerID": format!("containerd://{uid}"), "state": {"running": {}}}]},
    });
    json_patch::merge(&mut pod, change);
    serde_json::from_value(pod).unwrap()
}

/// The address, or the word for none.
fn place(pods: &[Pod], request: &RestoreRequest, is_known: bool) -> String {
    match choose(pods, request, is_known) {
        Place::At { address, pod } => format!("{address} {}", pod.container_id),
        Place::Waits(why) => format!("waits: {why}"),
        Place::Never(why) => format!("never: {why}"),
    }
}

fn going() -> Value {
    json!({"metadata": {"deletionTimestamp": "2026-02-01T09:00:00Z"}})
}

#[test]
fn the_pod_that_it_was_begun_in_is_found_wherever_it_is_now() {
    let request = request();
    let same = [pod("old", "10.0.0.7", &json!({}))];
    assert_eq!(place(&same, &request, false), "10.0.0.7 containerd://old");
    // Its node has started again.
    let moved = [pod("old", "10.0.0.9", &json!({}))];
    assert_eq!(place(&moved, &request, false), "10.0.0.9 containerd://old");
    let starting = json!({"status": {"containerStatuses": [{"name": "postgres", "ready": false,
        "restartCount": 1, "image": "i", "imageID": "i", "state": {"waiting": {}}}]}});
    let said = place(&[pod("old", "10.0.0.7", &starting)], &request, true);
    assert!(
        said.starts_with("waits: container postgres of pod pg-0"),
        "{said}"
    );
}

#[test]
fn the_pod_that_follows_it_has_its_claims_and_is_of_its_workload() {
    let request = request();
    let next = || pod("new", "10.0.0.8", &json!({}));
    assert_eq!(
        place(&[next()], &request, true),
        "10.0.0.8 containerd://new"
    );
    // The old one hangs on a node that does not answer.
    let hanging = pod("old", "10.0.0.7", &going());
    assert_eq!(
        place(&[hanging.clone(), next()], &request, true),
        "10.0.0.8 containerd://new"
    );
    assert_eq!(
        place(&[hanging], &request, true),
        "10.0.0.7 containerd://old"
    );

    for (change, what) in [
        (
            json!({"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "other"}}]}}),
            "another claim",
        ),
        (
            json!({"spec": {"volumes": [{"name": "data", "emptyDir": {}}]}}),
            "no claim",
        ),
        (
            json!({"spec": {"containers": [{"name": "postgres"}]}}),
            "the claim is there, and Postgres does not mount it",
        ),
        (
            json!({"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet",
                "name": "other", "uid": "s", "controller": true}]}}),
            "another workload",
        ),
        (
            json!({"status": {"containerStatuses": null}}),
            "it does not run",
        ),
        (json!({"status": {"podIP": null}}), "it has no address"),
        (going(), "it ends"),
    ] {
        let said = place(&[pod("new", "10.0.0.8", &change)], &request, true);
        assert!(
            said.starts_with("waits: pod pg-0 (UID old)"),
            "{what}: {said}"
        );
    }
    assert!(place(&[], &request, true).starts_with("waits: "));
    let two = [next(), pod("newer", "10.0.0.9", &json!({}))];
    let said = place(&two, &request, true);
    assert!(said.contains("several pods"), "{said}");
}

#[test]
fn no_other_pod_is_taken_where_nobody_could_know_its_data() {
    let next = [pod("new", "10.0.0.8", &json!({}))];
    let said = place(&next, &request(), false);
    assert!(said.contains("nothing was changed in the server"), "{said}");
    let mut without = request();
    without.claims.clear();
    let said = place(&next, &without, true);
    assert!(
        said.starts_with("never: ") && said.contains("no PersistentVolumeClaim"),
        "{said}"
    );
    without = request();
    without.server.pods = None;
    assert!(place(&next, &without, true).starts_with("never: "));
    without.server.pod = None;
    assert!(place(&next, &without, true).starts_with("never: "));
}
