//! A database whose claim is on its volume, for tests that take something away.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use serde_json::{Value, json};

use super::sample_parts::{from, time};
use crate::api::WorkloadKind;
use crate::world::{
    ClaimBinding, ClaimFact, ContainerFact, DesiredClaim, Fact, LedgerFact, ObservedRecovery,
    PodFact, TemplateDirectory, TwinFact, VolumeFound, WorkloadFact, WorkloadFound, World,
};

/// Everything where it belongs.
pub fn observed() -> ObservedRecovery {
    let ledger = from(json!({
        "metadata": {"name": "atra.knowledge", "uid": "u-ledger"},
        "spec": {"namespace": "atra", "database": "knowledge"},
        "status": {
            "namespaceUid": "u-ns",
            "databaseManifest": {
                "metadata": {"name": "knowledge", "namespace": "atra"}, "spec": {},
            },
            "namespaceManifest": {"metadata": {"name": "atra"}},
        },
    }));
    let database = from(json!({
        "metadata": {
            "name": "knowledge", "namespace": "atra", "uid": "u-db",
            "finalizers": ["holdfast.dev/keep"],
        },
        "spec": {
            "workload": {"name": "pg"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "auth"}},
        },
    }));
    let namespace = from(json!({
        "name": "atra", "uid": "u-ns", "labels": {"holdfast.dev/protected": "true"},
    }));
    ObservedRecovery {
        database: Fact::Known(Some(database)),
        bindings: Fact::Known(vec![binding()]),
        world: World {
            namespace: Fact::Known(Some(namespace)),
            ledger: Fact::Known(Some(LedgerFact::new(ledger))),
            workload: Fact::Known(WorkloadFact::Found(Box::new(workload()))),
            pods: Fact::Known(vec![pod()]),
            checks: Fact::Known(Vec::new()),
            neighbours: Fact::Known(Vec::new()),
            ..World::unread("atra", "knowledge", time("2026-02-01T09:04:00Z"))
        },
    }
}

fn workload() -> WorkloadFound {
    WorkloadFound {
        kind: WorkloadKind::StatefulSet,
        metadata: from(json!({"name": "pg", "uid": "u-sts"})),
        selector: "app=pg".to_owned(),
        replicas: 1,
        containers: vec![ContainerFact {
            name: "postgres".to_owned(),
            image: "postgres:15".to_owned(),
            mounts: from(json!([{"name": "data", "mountPath": "/var/lib/postgresql/data"}])),
            image_pull_policy: None,
            directory: TemplateDirectory::OfImage,
            mounts_of_pod: Vec::new(),
        }],
        volumes: from(json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])),
        claim_templates: Vec::new(),
        deletes_claims_when_scaled: false,
        placement: crate::resources::Placement::default(),
        overlaps: false,
        match_labels: BTreeMap::new(),
        template_labels: BTreeMap::new(),
    }
}

fn pod() -> PodFact {
    PodFact {
        claims: vec!["data".to_owned()],
        ..super::sample_parts::pod("pg-0", "u-pod", "containerd://1")
    }
}

fn binding() -> ClaimBinding {
    ClaimBinding {
        desired: DesiredClaim {
            claim: "data".to_owned(),
            volume: "pv-1".to_owned(),
            mount_path: Some("/var/lib/postgresql/data".to_owned()),
            claim_manifest: json!({
                "metadata": {"name": "data", "namespace": "atra"},
                "spec": {
                    "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}},
                },
            }),
            volume_manifest: Some(json!({
                "metadata": {"name": "pv-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete"},
            })),
        },
        claim: Some(claim_fact(claim("u-claim", "pv-1", "Bound"))),
        volume: Some(volume_fact(volume("pv-1", "u-claim", "Bound", "Retain"))),
        other_volume: None,
        held_by_other: false,
        same_storage: None,
        twins: Vec::new(),
        pods: vec![pod()],
    }
}

/// A claim as it is read.
pub fn claim_fact(claim: Value) -> ClaimFact {
    ClaimFact::from(&from::<PersistentVolumeClaim>(claim))
}

/// A volume as it is read.
pub fn volume_fact(volume: Value) -> VolumeFound {
    VolumeFound::from(from::<PersistentVolume>(volume))
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
            "annotations": {
                "holdfast.dev/protected-by": "atra/knowledge", "holdfast.dev/namespace-uid": "u-ns",
            },
            "finalizers": ["holdfast.dev/keep"],
        },
        "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": "atra", "name": "data"}},
        "status": {"phase": phase, "lastPhaseTransitionTime": "2026-02-01T09:00:00Z"},
    });
    if !claim_uid.is_empty() {
        volume["spec"]["claimRef"]["uid"] = claim_uid.into();
    }
    volume
}

/// Another volume for the storage of the desired one, and a pod that writes to it.
pub fn twin(pods: Fact<Vec<PodFact>>) -> TwinFact {
    let mut volume = volume("pv-twin", "u-theirs", "Bound", "Retain");
    volume["spec"]["claimRef"]["name"] = "theirs".into();
    TwinFact {
        of: "pv-1".to_owned(),
        volume: volume_fact(volume),
        is_own: false,
        pause: None,
        pods,
    }
}

/// A pod that has the claim of that other volume.
pub fn pod_of_twin() -> PodFact {
    let mut theirs = super::sample_parts::pod("theirs-0", "u-theirs-0", "containerd://9");
    theirs.claims = vec!["theirs".to_owned()];
    theirs.mounts = Vec::new();
    theirs
}

/// The claim is on another volume than the one that a restore is for, which has stopped the workload
/// and done nothing else.
pub fn stopped_for_restore() -> ObservedRecovery {
    let mut observed = observed();
    if let Fact::Known(bindings) = &mut observed.bindings {
        let binding = &mut bindings[0];
        binding.claim = Some(claim_fact(claim("u-fresh", "pv-2", "Bound")));
        binding.volume = Some(volume_fact(volume("pv-1", "u-claim", "Released", "Retain")));
        binding.other_volume = Some(volume_fact(volume("pv-2", "u-fresh", "Bound", "Retain")));
        binding.pods.clear();
    }
    if let Fact::Known(WorkloadFact::Found(workload)) = &mut observed.world.workload {
        workload.replicas = 0;
        let annotations = workload.metadata.annotations.get_or_insert_default();
        annotations.insert(
            "holdfast.dev/replicas-before-recovery".to_owned(),
            "1".to_owned(),
        );
    }
    observed
}
