//! The patches that confirm a deletion and remove the confirmation again: each applies to the
//! very object that was shown, or not at all. Pure.

use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::operations::{add, annotate, remove, test, test_uid};
use crate::api::names::{
    CONFIRM_DELETION_ANNOTATION, CONFIRMED_FOR_ANNOTATION, CONFIRMED_FOR_DATABASE_ANNOTATION,
};

/// Confirms the deletion of exactly this object.
#[must_use]
pub fn build_confirmation(metadata: &ObjectMeta) -> Patch {
    let uid = metadata.uid.clone().unwrap_or_default();
    Patch(
        [test_uid(metadata)]
            .into_iter()
            .chain(annotate(metadata, CONFIRM_DELETION_ANNOTATION, &uid))
            .collect(),
    )
}

/// Passes the confirmation of a DatabaseRestore on to exactly this claim: all that the operator may
/// confirm. Restore and restored database are `NAMESPACE/NAME`.
#[must_use]
pub fn build_confirmation_for(metadata: &ObjectMeta, restore: &str, database: &str) -> Patch {
    let Patch(mut operations) = build_confirmation(metadata);
    // The confirmation comes last and creates the map if there is none.
    for (annotation, value) in [
        (CONFIRMED_FOR_ANNOTATION, restore),
        (CONFIRMED_FOR_DATABASE_ANNOTATION, database),
    ] {
        let path = ["metadata", "annotations", annotation];
        operations.push(add(&path, value.into()));
    }
    Patch(operations)
}

/// Removes a confirmation. `None` if there is none.
#[must_use]
pub fn build_revocation(metadata: &ObjectMeta) -> Option<Patch> {
    let confirmed = metadata
        .annotations
        .as_ref()?
        .get(CONFIRM_DELETION_ANNOTATION)?;
    let path = ["metadata", "annotations", CONFIRM_DELETION_ANNOTATION];
    Some(Patch(vec![
        test_uid(metadata),
        test(&path, confirmed.as_str().into()),
        remove(&path),
    ]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::super::deletion_confirmed;
    use serde_json::{Value, json};

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
    fn a_confirmation_is_what_the_guard_takes_for_one_and_can_be_removed() {
        for annotations in [
            Value::Null,
            json!({}),
            json!({"a": "b"}),
            json!({CONFIRM_DELETION_ANNOTATION: "of another"}),
        ] {
            let mut changed = object(&annotations);
            let confirmation = build_confirmation(&metadata(&changed));
            json_patch::patch(&mut changed, &confirmation).unwrap();
            assert!(deletion_confirmed(&metadata(&changed)), "{changed}");
            let revocation = build_revocation(&metadata(&changed)).unwrap();
            json_patch::patch(&mut changed, &revocation).unwrap();
            assert!(!deletion_confirmed(&metadata(&changed)), "{changed}");
            assert_eq!(build_revocation(&metadata(&changed)), None);
            assert_eq!(
                changed["metadata"]["annotations"].get("a"),
                annotations.get("a"),
                "what else is there stays"
            );
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
