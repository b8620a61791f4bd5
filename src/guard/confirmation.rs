//! The patches that confirm a deletion and take the confirmation off again: each applies to the very object that was shown, or not at all. Pure.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::api::names::{CONFIRM_DELETION_ANNOTATION, CONFIRMED_FOR_ANNOTATION};

/// Confirms the deletion of exactly this object.
#[must_use]
pub fn build_confirmation(metadata: &ObjectMeta) -> Patch {
    let uid = metadata.uid.clone().unwrap_or_default();
    let mut operations = vec![test(&["metadata", "uid"], uid.as_str().into())];
    if metadata.annotations.is_some() {
        operations.push(add(&["metadata", "annotations", CONFIRM_DELETION_ANNOTATION], uid.into()));
    } else {
        // The whole map is written, so it must not have come into being meanwhile.
        operations.push(test(&["metadata", "resourceVersion"], metadata.resource_version.clone().unwrap_or_default().into()));
        operations.push(add(&["metadata", "annotations"], json!({CONFIRM_DELETION_ANNOTATION: uid})));
    }
    Patch(operations)
}

/// Hands the confirmation of a DatabaseRestore, `NAMESPACE/NAME`, on to exactly this claim: all that the operator may confirm.
#[must_use]
pub fn build_confirmation_for(metadata: &ObjectMeta, restore: &str) -> Patch {
    let Patch(mut operations) = build_confirmation(metadata);
    // The confirmation comes last and makes the map where there is none.
    operations.push(add(&["metadata", "annotations", CONFIRMED_FOR_ANNOTATION], restore.into()));
    Patch(operations)
}

/// Takes a confirmation off. `None` if there is none.
#[must_use]
pub fn build_revocation(metadata: &ObjectMeta) -> Option<Patch> {
    let confirmed = metadata.annotations.as_ref()?.get(CONFIRM_DELETION_ANNOTATION)?;
    let path = ["metadata", "annotations", CONFIRM_DELETION_ANNOTATION];
    Some(Patch(vec![
        test(&["metadata", "uid"], metadata.uid.clone().unwrap_or_default().into()),
        test(&path, confirmed.as_str().into()),
        PatchOperation::Remove(RemoveOperation { path: PointerBuf::from_tokens(path) }),
    ]))
}

fn test(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}

fn add(path: &[&str], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(path.iter().copied()), value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::super::deletion_confirmed;
    use super::*;

    fn object(annotations: &Value) -> Value {
        let mut metadata = json!({"name": "data", "uid": "u-1", "resourceVersion": "7"});
        if !annotations.is_null() {
            metadata["annotations"] = annotations.clone();
        }
        json!({"metadata": metadata})
    }

    fn metadata(object: &Value) -> ObjectMeta {
        serde_json::from_value(object["metadata"].clone()).unwrap()
    }

    #[test]
    fn a_confirmation_is_what_the_guard_takes_for_one_and_can_be_taken_off() {
        for annotations in [Value::Null, json!({}), json!({"a": "b"}), json!({CONFIRM_DELETION_ANNOTATION: "of another"})] {
            let mut changed = object(&annotations);
            let confirmation = build_confirmation(&metadata(&changed));
            json_patch::patch(&mut changed, &confirmation).unwrap();
            assert!(deletion_confirmed(&metadata(&changed)), "{changed}");
            let revocation = build_revocation(&metadata(&changed)).unwrap();
            json_patch::patch(&mut changed, &revocation).unwrap();
            assert!(!deletion_confirmed(&metadata(&changed)), "{changed}");
            assert_eq!(build_revocation(&metadata(&changed)), None);
            assert_eq!(changed["metadata"]["annotations"].get("a"), annotations.get("a"), "what else is there stays");
        }
    }

    #[test]
    fn another_object_of_the_same_name_is_not_confirmed() {
        for annotations in [Value::Null, json!({})] {
            let patch = build_confirmation(&metadata(&object(&annotations)));
            let mut other = object(&annotations);
            other["metadata"]["uid"] = "u-2".into();
            let before = other.clone();
            assert!(json_patch::patch(&mut other, &patch).is_err());
            assert_eq!(other, before);
        }
    }
}
