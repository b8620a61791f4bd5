//! A database whose claim is on its volume, for tests that take something away.

use serde_json::{Value, json};

use super::{MountingPod, Place, Situation, Wanted, WorkloadState};
use crate::api::WorkloadKind;

/// Reads an object from JSON.
pub fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything where it belongs.
pub fn situation() -> Situation {
    Situation {
        namespace_name: "atra".to_owned(),
        name: "knowledge".to_owned(),
        ledger: from(json!({
            "metadata": {"name": "atra.knowledge"}, "spec": {"namespace": "atra", "database": "knowledge"},
            "status": {
                "databaseManifest": {"metadata": {"name": "knowledge", "namespace": "atra"}, "spec": {}},
                "namespaceManifest": {"metadata": {"name": "atra"}},
            },
        })),
        namespace: Some(from(
            json!({"name": "atra", "uid": "u-ns", "labels": {"holdfast.dev/protected": "true"}}),
        )),
        database: Some(from(json!({
            "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-db", "finalizers": ["holdfast.dev/keep"]},
            "spec": {
                "workload": {"name": "pg"},
                "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "auth"}},
            },
        }))),
        workload: Some(WorkloadState {
            kind: WorkloadKind::StatefulSet,
            metadata: from(json!({"name": "pg", "uid": "u-sts"})),
            replicas: 1,
            volumes: from(
                json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]),
            ),
            mounts: from(json!([{"name": "data", "mountPath": "/var/lib/postgresql/data"}])),
            claim_templates: Vec::new(),
            deletes_claims_when_scaled: false,
        }),
        workload_pods: vec!["pg-0".to_owned()],
        places: vec![place()],
    }
}

fn place() -> Place {
    Place {
        wanted: Wanted {
            claim: "data".to_owned(),
            volume: "pv-1".to_owned(),
            mount_path: Some("/var/lib/postgresql/data".to_owned()),
            claim_manifest: json!({
                "metadata": {"name": "data", "namespace": "atra"},
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
            }),
            volume_manifest: Some(
                json!({"metadata": {"name": "pv-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete"}}),
            ),
        },
        claim: Some(from(claim("u-claim", "pv-1", "Bound"))),
        volume: Some(from(volume("pv-1", "u-claim", "Bound", "Retain"))),
        other_volume: None,
        held_by_other: false,
        same_storage: None,
        pods: vec![MountingPod {
            name: "pg-0".to_owned(),
            uid: "u-pod".to_owned(),
        }],
    }
}

/// A guarded claim.
pub fn claim(uid: &str, volume: &str, phase: &str) -> Value {
    json!({
        "metadata": {
            "name": "data", "namespace": "atra", "uid": uid, "resourceVersion": "7", "labels": {"holdfast.dev/protected": "true"},
            "annotations": {"holdfast.dev/protected-by": "atra/knowledge"}, "finalizers": ["kubernetes.io/pvc-protection", "holdfast.dev/keep"],
        },
        "spec": {"storageClassName": "fast", "volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": phase},
    })
}

/// A guarded volume that is tied to a claim called `data`.
pub fn volume(name: &str, claim_uid: &str, phase: &str, policy: &str) -> Value {
    let mut volume = json!({
        "metadata": {
            "name": name, "uid": format!("u-{name}"), "resourceVersion": "9", "labels": {"holdfast.dev/protected": "true"},
            "annotations": {"holdfast.dev/protected-by": "atra/knowledge"}, "finalizers": ["holdfast.dev/keep"],
        },
        "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": "atra", "name": "data"}},
        "status": {"phase": phase, "lastPhaseTransitionTime": "2026-02-01T09:00:00Z"},
    });
    if !claim_uid.is_empty() {
        volume["spec"]["claimRef"]["uid"] = claim_uid.into();
    }
    volume
}
