//! Manifests to recreate objects: without what the API server adds, and without our marks. Pure.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::PROTECTED_VALUE;
use crate::api::ProtectedDatabase;
use crate::api::names::{GROUP, KEEP_FINALIZER, PROTECTED_BY_ANNOTATION, PROTECTED_LABEL};

/// Annotations that others write about one life of an object. With those of the volume controller a
/// recreated claim would be Lost at once.
const PASSING: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
];

/// The manifest of a claim.
#[must_use]
pub fn build_claim_manifest(claim: &PersistentVolumeClaim) -> Value {
    build_manifest(claim, &claim.spec)
}

/// The manifest of a volume.
#[must_use]
pub fn build_volume_manifest(volume: &PersistentVolume) -> Value {
    let mut manifest = build_manifest(volume, &volume.spec);
    // What changes with every write of the claim says nothing about the volume.
    if let Some(reference) = manifest
        .pointer_mut("/spec/claimRef")
        .and_then(Value::as_object_mut)
    {
        reference.remove("resourceVersion");
    }
    manifest
}

/// The manifest of a ProtectedDatabase.
#[must_use]
pub fn build_database_manifest(database: &ProtectedDatabase) -> Value {
    build_manifest(database, &database.spec)
}

/// The manifest of a namespace: its name, labels and annotations.
#[must_use]
pub fn build_namespace_manifest(metadata: &ObjectMeta) -> Value {
    json!({"apiVersion": Namespace::api_version(&()), "kind": Namespace::kind(&()), "metadata": build_metadata(metadata)})
}

/// A manifest with the marks of `owner`, `NAMESPACE/NAME`, so that what is made of it is guarded
/// from its first moment on.
#[must_use]
pub fn with_marks(mut manifest: Value, owner: &str) -> Value {
    manifest["metadata"]["labels"][PROTECTED_LABEL] = PROTECTED_VALUE.into();
    manifest["metadata"]["annotations"][PROTECTED_BY_ANNOTATION] = owner.into();
    manifest["metadata"]["finalizers"] = json!([KEEP_FINALIZER]);
    manifest
}

fn build_manifest<K: Resource<DynamicType = ()>>(object: &K, spec: &impl Serialize) -> Value {
    json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": build_metadata(object.meta()), "spec": spec})
}

fn build_metadata(metadata: &ObjectMeta) -> Value {
    let mut kept = Map::from_iter([("name".to_owned(), json!(metadata.name))]);
    if let Some(namespace) = &metadata.namespace {
        kept.insert("namespace".to_owned(), json!(namespace));
    }
    for (field, entries) in [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ] {
        let ours = |key: &str| {
            key.split_once('/')
                .is_some_and(|(prefix, _)| prefix == GROUP)
        };
        let others: Map<String, Value> = entries
            .iter()
            .flatten()
            .filter(|(key, _)| !ours(key) && !PASSING.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        if !others.is_empty() {
            kept.insert(field.to_owned(), Value::Object(others));
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use super::*;

    #[test]
    fn a_manifest_holds_what_makes_the_object_again_and_nothing_else() {
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({
            "metadata": {
                "name": "data", "namespace": "atra", "uid": "u-1", "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-02-01T09:00:00Z",
                "finalizers": ["kubernetes.io/pvc-protection", "holdfast.dev/keep"],
                "labels": {"app": "pg", "holdfast.dev/protected": "true"},
                "annotations": {"holdfast.dev/loss-summary": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}", "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/storage-provisioner": "p"},
            },
            "spec": {"storageClassName": "fast", "volumeName": "pv-1"}, "status": {"phase": "Bound"},
        }))
        .unwrap();
        assert_eq!(
            build_claim_manifest(&claim),
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "namespace": "atra", "labels": {"app": "pg"}, "annotations": {"volume.kubernetes.io/storage-provisioner": "p"}},
                "spec": {"storageClassName": "fast", "volumeName": "pv-1"},
            })
        );
    }

    #[test]
    fn the_manifest_of_a_volume_does_not_change_with_the_version_of_its_claim() {
        let volume = |version: &str| -> PersistentVolume {
            serde_json::from_value(json!({"metadata": {"name": "pv-1"}, "spec": {
                "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"},
                "claimRef": {"namespace": "atra", "name": "data", "uid": "u-1", "resourceVersion": version},
            }}))
            .unwrap()
        };
        assert_eq!(
            build_volume_manifest(&volume("7")),
            build_volume_manifest(&volume("8"))
        );
    }
}
