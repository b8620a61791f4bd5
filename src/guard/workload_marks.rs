//! The marks of a workload: labels, and nothing that an operator compares which owns it. Some replace
//! the whole object when an annotation is there that they have not written. Pure: patches are built,
//! not sent.
//!
//! Which database a workload belongs to is no mark: its `spec.workload` says that, and where two name
//! the same, the older one has it.

use json_patch::{Patch, PatchOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::PROTECTED_VALUE;
use super::marks::{conditional, is_labelled};
use super::operations::{remove, set_entry, test_uid};
use crate::api::ConfirmedVerb;
use crate::api::names::{
    CLAIMS_GUARDED_LABEL, MOUNT_REPAIR_ANNOTATION, PROTECTED_BY_ANNOTATION, PROTECTED_LABEL,
};

/// Whether the label says that every claim of the workload is guarded: then it may go without its
/// pods.
#[must_use]
pub fn has_guarded_claims(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.as_ref();
    labels
        .and_then(|labels| labels.get(CLAIMS_GUARDED_LABEL))
        .is_some_and(|value| value == PROTECTED_VALUE)
}

/// Whether a workload carries any mark, also one of an older version.
#[must_use]
pub fn is_marked_workload(meta: &ObjectMeta) -> bool {
    !mark_removals(meta).is_empty()
}

/// Sets the labels as they are to be, and removes the annotation of older versions. `None` if nothing
/// is to be done.
#[must_use]
pub fn build_workload_patch(meta: &ObjectMeta, claims_guarded: bool) -> Option<Patch> {
    let mut operations = Vec::new();
    let mut has_labels = meta.labels.is_some();
    let mut set = |key: &str| {
        let operation = set_entry("labels", has_labels, key, PROTECTED_VALUE);
        has_labels = true;
        operation
    };
    if !is_labelled(meta) {
        operations.push(set(PROTECTED_LABEL));
    }
    match (claims_guarded, has_guarded_claims(meta)) {
        (true, false) => operations.push(set(CLAIMS_GUARDED_LABEL)),
        (false, _) => operations.extend(label_removal(meta, CLAIMS_GUARDED_LABEL)),
        (true, true) => {}
    }
    operations.extend(annotation_removal(meta, PROTECTED_BY_ANNOTATION));
    (!operations.is_empty()).then(|| conditional(meta, operations))
}

/// Removes the marks of a workload, and with them what was confirmed. `None` if there are none.
#[must_use]
pub fn build_workload_release(meta: &ObjectMeta) -> Option<Patch> {
    let mut operations = mark_removals(meta);
    if operations.is_empty() {
        return None;
    }
    let confirmed = ConfirmedVerb::ALL.map(ConfirmedVerb::annotation);
    operations.extend(
        confirmed
            .into_iter()
            .filter_map(|key| annotation_removal(meta, key)),
    );
    Some(conditional(meta, operations))
}

fn mark_removals(meta: &ObjectMeta) -> Vec<PatchOperation> {
    let annotations = [PROTECTED_BY_ANNOTATION, MOUNT_REPAIR_ANNOTATION];
    let annotations = annotations.map(|key| annotation_removal(meta, key));
    let labels = [PROTECTED_LABEL, CLAIMS_GUARDED_LABEL];
    let labels = labels.map(|key| label_removal(meta, key));
    annotations.into_iter().chain(labels).flatten().collect()
}

fn annotation_removal(meta: &ObjectMeta, key: &str) -> Option<PatchOperation> {
    let annotations = meta.annotations.as_ref()?;
    let is_there = annotations.contains_key(key);
    is_there.then(|| remove(&["metadata", "annotations", key]))
}

fn label_removal(meta: &ObjectMeta, key: &str) -> Option<PatchOperation> {
    let is_there = meta.labels.as_ref()?.contains_key(key);
    is_there.then(|| remove(&["metadata", "labels", key]))
}

/// The change of a mount that a workload needs, as the operator has noted on it.
#[must_use]
pub fn mount_repair(meta: &ObjectMeta) -> Option<&str> {
    let annotations = meta.annotations.as_ref()?;
    annotations.get(MOUNT_REPAIR_ANNOTATION).map(String::as_str)
}

/// Notes on a workload which change of a mount it needs, or removes the note. `None` if nothing
/// is to be done. Depends on the UID only: a note loses nothing.
#[must_use]
pub fn build_mount_repair_patch(meta: &ObjectMeta, repair: Option<&str>) -> Option<Patch> {
    let operation = match repair {
        Some(repair) => set_entry(
            "annotations",
            meta.annotations.is_some(),
            MOUNT_REPAIR_ANNOTATION,
            repair,
        ),
        None => remove(&["metadata", "annotations", MOUNT_REPAIR_ANNOTATION]),
    };
    (mount_repair(meta) != repair).then(|| Patch(vec![test_uid(meta), operation]))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn patched(before: &Value, build: impl Fn(&ObjectMeta) -> Option<Patch>) -> Option<Value> {
        let meta: ObjectMeta = serde_json::from_value(before.clone()).unwrap();
        let patch = build(&meta)?;
        let mut object = json!({"metadata": before});
        json_patch::patch(&mut object, &patch).unwrap();
        Some(object["metadata"].take())
    }

    fn of_older_version() -> Value {
        json!({
            "name": "pg", "uid": "u-1", "resourceVersion": "7",
            "labels": {"team": "data", "holdfast.dev/protected": "true"},
            "annotations": {"zalando.org/spec": "a", "holdfast.dev/protected-by": "atra/knowledge"},
        })
    }

    /// An operator that compares annotations finds exactly those that it has written.
    #[test]
    fn a_marked_workload_has_the_annotations_that_others_wrote() {
        for annotations in [
            Value::Null,
            json!({}),
            json!({"zalando.org/spec": "a", "b": "c"}),
        ] {
            let mut before = json!({"name": "pg", "uid": "u-1", "resourceVersion": "7"});
            if !annotations.is_null() {
                before["annotations"] = annotations.clone();
            }
            for claims_guarded in [false, true] {
                let after = patched(&before, |meta| build_workload_patch(meta, claims_guarded));
                let after = after.unwrap();
                assert_eq!(after["annotations"], annotations);
                assert_eq!(after["labels"]["holdfast.dev/protected"], "true");
                let guarded = &after["labels"]["holdfast.dev/claims-guarded"];
                assert_eq!(guarded.is_string(), claims_guarded);
                let again = patched(&after, |meta| build_workload_patch(meta, claims_guarded));
                assert_eq!(again, None, "nothing is left to do");
            }
        }
    }

    #[test]
    fn the_annotation_of_an_older_version_is_removed() {
        let after = patched(&of_older_version(), |meta| build_workload_patch(meta, true));
        let after = after.unwrap();
        assert_eq!(after["annotations"], json!({"zalando.org/spec": "a"}));
        assert_eq!(after["labels"]["holdfast.dev/protected"], "true");
    }

    #[test]
    fn a_label_that_is_not_true_any_more_is_removed() {
        let guarded = patched(&of_older_version(), |meta| build_workload_patch(meta, true));
        let after = patched(&guarded.unwrap(), |meta| build_workload_patch(meta, false));
        assert_eq!(
            after.unwrap()["labels"],
            json!({"team": "data", "holdfast.dev/protected": "true"})
        );
    }

    #[test]
    fn a_released_workload_has_what_others_wrote() {
        let mut before = of_older_version();
        before["labels"]["holdfast.dev/claims-guarded"] = "true".into();
        before["annotations"]["holdfast.dev/mount-repair"] = "postgres /a -> /b".into();
        before["annotations"]["holdfast.dev/confirm-change"] = "u-1/2026-02-01T09:30:00Z".into();
        let after = patched(&before, build_workload_release).unwrap();
        assert_eq!(after["labels"], json!({"team": "data"}));
        assert_eq!(after["annotations"], json!({"zalando.org/spec": "a"}));
        assert_eq!(patched(&after, build_workload_release), None);
    }
}
