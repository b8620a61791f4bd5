//! The patches of a recovery: each applies to the very object that was read, or not at all. Pure.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::api::names::{BOUND_AGAIN_ANNOTATION, KEEP_FINALIZER, REPLICAS_BEFORE_ANNOTATION};

/// Scales to 0 and notes how many pods there were.
pub fn build_scale_down(metadata: &ObjectMeta, replicas: i32) -> Patch {
    let mut operations = vec![test_uid(metadata), test(&["spec", "replicas"], replicas.into()), replace(&["spec", "replicas"], 0.into())];
    operations.extend(annotate(metadata, REPLICAS_BEFORE_ANNOTATION, &replicas.to_string()));
    Patch(operations)
}

/// Notes on a claim in which state its volume came back.
pub fn build_nudge(metadata: &ObjectMeta, volume_version: &str) -> Patch {
    let mut operations = vec![test_uid(metadata)];
    operations.extend(annotate(metadata, BOUND_AGAIN_ANNOTATION, volume_version));
    Patch(operations)
}

/// Scales back and takes the note off.
pub fn build_scale_up(metadata: &ObjectMeta, replicas: i32) -> Patch {
    Patch(vec![
        test_uid(metadata),
        test(&["metadata", "annotations", REPLICAS_BEFORE_ANNOTATION], replicas.to_string().into()),
        replace(&["spec", "replicas"], replicas.into()),
        remove(&["metadata", "annotations", REPLICAS_BEFORE_ANNOTATION]),
    ])
}

/// Takes our finalizer off, by its place and its name.
pub fn build_letting_go(metadata: &ObjectMeta) -> Option<Patch> {
    let index = metadata.finalizers.iter().flatten().position(|finalizer| finalizer == KEEP_FINALIZER)?.to_string();
    let path = ["metadata", "finalizers", index.as_str()];
    Some(Patch(vec![test_uid(metadata), test(&path, KEEP_FINALIZER.into()), remove(&path)]))
}

/// Ties a volume to a claim: to the next one of that name, or to the one with that UID.
pub fn build_reservation(metadata: &ObjectMeta, claim_uid: Option<&str>, reference: Value) -> Patch {
    let mut operations = vec![test_uid(metadata)];
    if let Some(uid) = claim_uid {
        operations.push(test(&["spec", "claimRef", "uid"], uid.into()));
    } else {
        operations.push(test(&["metadata", "resourceVersion"], metadata.resource_version.clone().unwrap_or_default().into()));
    }
    operations.push(add(&["spec", "claimRef"], reference));
    Patch(operations)
}

/// A volume's reference to a claim.
pub fn reference(namespace: &str, claim: &str, uid: Option<&str>) -> Value {
    let mut reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim});
    if let Some(uid) = uid {
        reference["uid"] = uid.into();
    }
    reference
}

/// Lets one volume of a pod template be a claim.
pub fn build_remount(metadata: &ObjectMeta, index: usize, volume: &Volume, claim: &str) -> Patch {
    let index = index.to_string();
    let path = ["spec", "template", "spec", "volumes", index.as_str()];
    let mounted = json!({"name": volume.name, "persistentVolumeClaim": {"claimName": claim}});
    Patch(vec![test_uid(metadata), test(&path, json!(volume)), replace(&path, mounted)])
}

/// Sets one annotation. Where there is none yet the whole map is written, so it must not have come into being meanwhile.
fn annotate(metadata: &ObjectMeta, key: &str, value: &str) -> Vec<PatchOperation> {
    if metadata.annotations.is_some() {
        return vec![add(&["metadata", "annotations", key], value.into())];
    }
    vec![
        test(&["metadata", "resourceVersion"], metadata.resource_version.clone().unwrap_or_default().into()),
        add(&["metadata", "annotations"], json!({ key: value })),
    ]
}

fn test_uid(metadata: &ObjectMeta) -> PatchOperation {
    test(&["metadata", "uid"], metadata.uid.clone().unwrap_or_default().into())
}

fn test(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path: pointer(path), value })
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: pointer(path), value })
}

fn replace(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation { path: pointer(path), value })
}

fn remove(path: &[&str]) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path: pointer(path) })
}

fn pointer(path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().copied())
}
