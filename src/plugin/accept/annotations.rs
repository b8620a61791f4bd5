//! The patches that accept a check, declare a change, and revoke both. Each applies only to the
//! ProtectedDatabase that was shown. Pure.

use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::DeclaredChange;
use crate::api::names::{ACCEPT_CHECK_ANNOTATION, ACCEPT_NEXT_CHANGE_ANNOTATION};
use crate::guard::operations::{annotate, remove, test, test_uid};

/// One annotation accepts a check, the other declares a change.
const ANNOTATIONS: [&str; 2] = [ACCEPT_CHECK_ANNOTATION, ACCEPT_NEXT_CHANGE_ANNOTATION];

/// Accepts what a check has found.
pub fn build_acceptance(metadata: &ObjectMeta, check: &str) -> Patch {
    set(metadata, ACCEPT_CHECK_ANNOTATION, check)
}

/// Declares the next change.
pub fn build_declaration(metadata: &ObjectMeta, declared: &DeclaredChange) -> Patch {
    set(
        metadata,
        ACCEPT_NEXT_CHANGE_ANNOTATION,
        &declared.to_string(),
    )
}

/// Removes both, if they are still as they were read. `None` if neither is set.
pub fn build_withdrawal(metadata: &ObjectMeta) -> Option<Patch> {
    let present = accepted(metadata);
    if present.is_empty() {
        return None;
    }
    let mut operations = vec![test_uid(metadata)];
    for (annotation, value) in present {
        let path = ["metadata", "annotations", annotation];
        operations.extend([test(&path, value.into()), remove(&path)]);
    }
    Some(Patch(operations))
}

/// What is accepted or declared now: annotation and value.
pub fn accepted(metadata: &ObjectMeta) -> Vec<(&'static str, &str)> {
    let value = |annotation| {
        metadata
            .annotations
            .as_ref()?
            .get(annotation)
            .map(String::as_str)
    };
    ANNOTATIONS
        .iter()
        .filter_map(|annotation| Some((*annotation, value(*annotation)?)))
        .collect()
}

fn set(metadata: &ObjectMeta, annotation: &str, value: &str) -> Patch {
    Patch(
        [test_uid(metadata)]
            .into_iter()
            .chain(annotate(metadata, annotation, value))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::*;

    fn object(annotations: &Value) -> Value {
        json!({"metadata": {"name": "knowledge", "uid": "u-1", "resourceVersion": "7", "annotations": annotations}})
    }

    fn metadata(object: &Value) -> ObjectMeta {
        serde_json::from_value(object["metadata"].clone()).unwrap()
    }

    fn declared() -> DeclaredChange {
        DeclaredChange {
            since: "knowledge-1".to_owned(),
            until: "2026-02-01T14:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn both_are_set_replaced_and_taken_off() {
        let mut live = object(&json!({"mine": "stays"}));
        let patches: [fn(&ObjectMeta) -> Patch; 3] = [
            |metadata| build_acceptance(metadata, "knowledge-1"),
            |metadata| build_acceptance(metadata, "knowledge-2"),
            |metadata| build_declaration(metadata, &declared()),
        ];
        for build in patches {
            let patch = build(&metadata(&live));
            json_patch::patch(&mut live, &patch).unwrap();
        }
        let wanted = [
            (ACCEPT_CHECK_ANNOTATION, "knowledge-2"),
            (
                ACCEPT_NEXT_CHANGE_ANNOTATION,
                "knowledge-1/2026-02-01T14:00:00Z",
            ),
        ];
        assert_eq!(accepted(&metadata(&live)), wanted);
        let patch = build_withdrawal(&metadata(&live)).unwrap();
        json_patch::patch(&mut live, &patch).unwrap();
        assert_eq!(live, object(&json!({"mine": "stays"})));
        assert_eq!(build_withdrawal(&metadata(&live)), None);
    }

    #[test]
    fn no_patch_applies_to_another_object_of_the_name() {
        let seen = object(&json!({ACCEPT_CHECK_ANNOTATION: "knowledge-1"}));
        let mut other = seen.clone();
        other["metadata"]["uid"] = "u-2".into();
        let seen = metadata(&seen);
        for patch in [
            build_acceptance(&seen, "knowledge-1"),
            build_declaration(&seen, &declared()),
            build_withdrawal(&seen).unwrap(),
        ] {
            assert!(
                json_patch::patch(&mut other.clone(), &patch).is_err(),
                "{patch:?}"
            );
        }
        let plain = metadata(&json!({"metadata": {"uid": "u-1", "resourceVersion": "7"}}));
        let mut meanwhile = object(&json!({"theirs": "stays"}));
        meanwhile["metadata"]["resourceVersion"] = "8".into();
        assert!(
            json_patch::patch(&mut meanwhile, &build_acceptance(&plain, "knowledge-1")).is_err(),
            "annotations were added"
        );
    }

    #[test]
    fn what_was_accepted_anew_meanwhile_is_not_taken_off() {
        let seen = metadata(&object(&json!({ACCEPT_CHECK_ANNOTATION: "knowledge-1"})));
        let mut meanwhile = object(&json!({ACCEPT_CHECK_ANNOTATION: "knowledge-2"}));
        assert!(json_patch::patch(&mut meanwhile, &build_withdrawal(&seen).unwrap()).is_err());
    }
}
