//! The few JSON patch operations that every patch to an object of others is put together from.
//! Pure.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation, TestOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

/// Applies only if the field holds this value.
pub fn test(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation {
        path: pointer(path),
        value,
    })
}

/// Applies only to the very object that was read, whatever has changed on it.
pub fn test_uid(metadata: &ObjectMeta) -> PatchOperation {
    test(
        &["metadata", "uid"],
        metadata.uid.clone().unwrap_or_default().into(),
    )
}

/// Applies only to the object as it was read.
pub fn test_version(metadata: &ObjectMeta) -> PatchOperation {
    test(
        &["metadata", "resourceVersion"],
        metadata.resource_version.clone().unwrap_or_default().into(),
    )
}

/// Sets a field, whether it exists or not.
pub fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation {
        path: pointer(path),
        value,
    })
}

/// Sets a field that exists.
pub fn replace(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation {
        path: pointer(path),
        value,
    })
}

/// Removes a field.
pub fn remove(path: &[&str]) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation {
        path: pointer(path),
    })
}

/// Sets one entry of a map of the metadata, or the whole map where the object has none: JSON Patch
/// can't add below a parent that is missing.
pub fn set_entry(map: &str, exists: bool, key: &str, value: &str) -> PatchOperation {
    if exists {
        add(&["metadata", map, key], value.into())
    } else {
        add(
            &["metadata", map],
            Value::Object(Map::from_iter([(key.to_owned(), value.into())])),
        )
    }
}

/// Sets one annotation. Where there is none yet the whole map is written, so it must not have come
/// into being meanwhile.
pub fn annotate(metadata: &ObjectMeta, key: &str, value: &str) -> Vec<PatchOperation> {
    let exists = metadata.annotations.is_some();
    let unchanged = (!exists).then(|| test_version(metadata));
    unchanged
        .into_iter()
        .chain([set_entry("annotations", exists, key, value)])
        .collect()
}

fn pointer(path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().copied())
}
