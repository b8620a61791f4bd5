//! The patches of the steps of a recovery: each applies to the very object that was read, or not at
//! all. Pure.

use json_patch::Patch;
use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::api::names::{
    CONFIRM_CHANGE_ANNOTATION, REBOUND_VOLUME_VERSION_ANNOTATION, REPLICAS_BEFORE_ANNOTATION,
};
use crate::guard::operations::{add, annotate, remove, replace, test, test_uid, test_version};

/// Scales to 0 and notes how many pods there were.
pub fn build_scale_down(metadata: &ObjectMeta, replicas: i32) -> Patch {
    let mut operations = vec![
        test_uid(metadata),
        test(&["spec", "replicas"], replicas.into()),
        replace(&["spec", "replicas"], 0.into()),
    ];
    operations.extend(annotate(
        metadata,
        REPLICAS_BEFORE_ANNOTATION,
        &replicas.to_string(),
    ));
    Patch(operations)
}

/// Notes on a claim the resource version of its recreated volume.
pub fn build_touch(metadata: &ObjectMeta, volume_version: &str) -> Patch {
    let mut operations = vec![test_uid(metadata)];
    operations.extend(annotate(
        metadata,
        REBOUND_VOLUME_VERSION_ANNOTATION,
        volume_version,
    ));
    Patch(operations)
}

/// Scales up and removes the note of how many pods there were.
pub fn build_scale_up(metadata: &ObjectMeta, noted: i32, replicas: i32) -> Patch {
    Patch(vec![
        test_uid(metadata),
        test(
            &["metadata", "annotations", REPLICAS_BEFORE_ANNOTATION],
            noted.to_string().into(),
        ),
        replace(&["spec", "replicas"], replicas.into()),
        remove(&["metadata", "annotations", REPLICAS_BEFORE_ANNOTATION]),
    ])
}

/// Binds a volume to a claim: to the next one of that name, or to the one with that UID. The
/// confirmation that this needs goes in the same write, so that a crash leaves none behind.
pub fn build_reservation(
    metadata: &ObjectMeta,
    claim_uid: Option<&str>,
    reference: Value,
    uses_confirmation: bool,
) -> Patch {
    let mut operations = vec![test_uid(metadata)];
    if let Some(uid) = claim_uid {
        operations.push(test(&["spec", "claimRef", "uid"], uid.into()));
    } else {
        operations.push(test_version(metadata));
    }
    operations.push(add(&["spec", "claimRef"], reference));
    if uses_confirmation {
        operations.push(remove(&[
            "metadata",
            "annotations",
            CONFIRM_CHANGE_ANNOTATION,
        ]));
    }
    Patch(operations)
}

/// A volume's reference to a claim.
pub fn claim_reference(namespace: &str, claim: &str, uid: Option<&str>) -> Value {
    let mut reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim});
    if let Some(uid) = uid {
        reference["uid"] = uid.into();
    }
    reference
}

/// Sets the claim that one volume of a pod template mounts.
pub fn build_mount(metadata: &ObjectMeta, index: usize, volume: &Volume, claim: &str) -> Patch {
    let index = index.to_string();
    let path = ["spec", "template", "spec", "volumes", index.as_str()];
    let mounted = json!({"name": volume.name, "persistentVolumeClaim": {"claimName": claim}});
    Patch(vec![
        test_uid(metadata),
        test(&path, json!(volume)),
        replace(&path, mounted),
    ])
}
