//! Tests of the marks: each patch is applied to a real JSON object, and what comes out is read back
//! with the same functions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on should say where"
)]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the JSON is written at the call"
)]

use serde_json::Value;

use super::*;
use crate::api::names::{CONFIRM_CHANGE_ANNOTATION, CONFIRM_DELETION_ANNOTATION};

const OWNER: &str = "atra/knowledge";

fn meta(value: Value) -> ObjectMeta {
    serde_json::from_value(value).unwrap()
}

fn bare() -> Value {
    json!({"name": "data-pg-0", "uid": "u-1", "resourceVersion": "7"})
}

fn with(extra: Value) -> Value {
    let mut value = bare();
    json_patch::merge(&mut value, &extra);
    value
}

fn applied(metadata: Value, patch: &Patch) -> Result<Value, json_patch::PatchError> {
    let mut object =
        json!({"metadata": metadata, "spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    json_patch::patch(&mut object, patch).map(|()| object)
}

fn shapes() -> Vec<Value> {
    vec![
        bare(),
        with(json!({"labels": {"app": "pg"}})),
        with(
            json!({"labels": {"app": "pg"}, "annotations": {"a": "b"}, "finalizers": ["kubernetes.io/pvc-protection"]}),
        ),
        with(json!({"labels": {PROTECTED_LABEL: "false"}, "finalizers": []})),
        with(json!({"labels": {PROTECTED_LABEL: "true"}})),
        with(json!({"annotations": {PROTECTED_BY_ANNOTATION: OWNER}})),
        with(json!({"annotations": {PROTECTED_BY_ANNOTATION: ""}})),
        with(json!({"finalizers": ["a", KEEP_FINALIZER, "b"]})),
    ]
}

#[test]
fn marking_any_shape_of_object_makes_it_ours_and_keeps_what_was_there() {
    for marks in [Marks::Held, Marks::Itself, Marks::Named, Marks::Shared] {
        for shape in shapes() {
            let before = meta(shape.clone());
            let after = match build_mark_patch(&before, OWNER, marks) {
                Some(patch) => meta(applied(shape.clone(), &patch).unwrap()["metadata"].clone()),
                None => before.clone(),
            };
            assert_eq!(
                mark_state(&after, OWNER, marks),
                MarkState::Ours,
                "{marks:?} {shape}"
            );
            assert_eq!(
                build_mark_patch(&after, OWNER, marks),
                None,
                "marking twice writes once: {marks:?} {shape}"
            );
            for (key, value) in before
                .labels
                .iter()
                .flatten()
                .filter(|(key, _)| *key != PROTECTED_LABEL)
            {
                assert_eq!(after.labels.as_ref().unwrap().get(key), Some(value));
            }
            let kept: Vec<_> = after
                .finalizers
                .iter()
                .flatten()
                .filter(|finalizer| *finalizer != KEEP_FINALIZER)
                .collect();
            let had: Vec<_> = before
                .finalizers
                .iter()
                .flatten()
                .filter(|finalizer| *finalizer != KEEP_FINALIZER)
                .collect();
            assert_eq!(kept, had);
            if !marks.include_finalizer() {
                assert_eq!(
                    after.finalizers, before.finalizers,
                    "no finalizer on a workload or a namespace"
                );
            }
        }
    }
}

#[test]
fn releasing_what_was_marked_takes_off_our_marks_and_nothing_else() {
    for marks in [Marks::Held, Marks::Itself, Marks::Named, Marks::Shared] {
        for shape in shapes() {
            let Some(mark) = build_mark_patch(&meta(shape.clone()), OWNER, marks) else {
                continue;
            };
            let marked = applied(shape.clone(), &mark).unwrap()["metadata"].clone();
            let release = build_release_patch(&meta(marked.clone()), OWNER, marks)
                .expect("our marks can be released");
            let released = meta(applied(marked, &release).unwrap()["metadata"].clone());
            assert_eq!(build_release_patch(&released, OWNER, marks), None);
            assert!(!is_labelled(&released));
            if marks == Marks::Held {
                assert_eq!(
                    mark_state(&released, OWNER, marks),
                    MarkState::Unmarked,
                    "{shape}"
                );
            }
        }
    }
}

#[test]
fn another_owner_is_named_and_its_marks_are_left_alone() {
    let other = meta(with(json!({
        "labels": {PROTECTED_LABEL: "true"}, "annotations": {PROTECTED_BY_ANNOTATION: "atra/other"}, "finalizers": [KEEP_FINALIZER],
    })));
    for marks in [Marks::Held, Marks::Named] {
        assert_eq!(
            mark_state(&other, OWNER, marks),
            MarkState::MarkedBy("atra/other".to_owned())
        );
        assert_eq!(build_mark_patch(&other, OWNER, marks), None);
        assert_eq!(build_release_patch(&other, OWNER, marks), None);
    }
    assert_eq!(
        build_volume_patch(&other, Some("Delete"), OWNER, None),
        None
    );
    assert_eq!(
        mark_state(&other, OWNER, Marks::Shared),
        MarkState::Ours,
        "a namespace belongs to all"
    );
}

#[test]
fn marks_that_came_with_a_copy_or_are_no_name_are_none() {
    let claim = |owner: &str| {
        meta(with(json!({
            "namespace": "atra", "labels": {PROTECTED_LABEL: "true"}, "finalizers": [KEEP_FINALIZER],
            "annotations": {PROTECTED_BY_ANNOTATION: owner},
        })))
    };
    for owner in [
        "shop/knowledge",
        "atra-2/knowledge",
        "atra",
        "atra/",
        "atra/x; kubectl delete pvc --all #",
        "atra/a/b",
    ] {
        let copied = claim(owner);
        assert_eq!(marked_owner(&copied), None, "{owner}");
        assert_eq!(
            mark_state(&copied, OWNER, Marks::Held),
            MarkState::Partial,
            "{owner}"
        );
        let patch = build_mark_patch(&copied, OWNER, Marks::Held).expect(owner);
        let before = serde_json::to_value(&copied).unwrap();
        let after = meta(applied(before, &patch).unwrap()["metadata"].clone());
        assert_eq!(mark_state(&after, OWNER, Marks::Held), MarkState::Ours);
    }
    assert_eq!(
        mark_state(&claim("atra/other"), OWNER, Marks::Held),
        MarkState::MarkedBy("atra/other".to_owned()),
        "one of its own namespace is"
    );
    // A ProtectedDatabase is its own, whatever it was copied from.
    let patch = build_mark_patch(&claim("atra/other"), OWNER, Marks::Itself).expect("a mark");
    let before = serde_json::to_value(claim("atra/other")).unwrap();
    let after = meta(applied(before, &patch).unwrap()["metadata"].clone());
    assert_eq!(mark_state(&after, OWNER, Marks::Itself), MarkState::Ours);
}

#[test]
fn marks_on_a_volume_of_another_namespace_came_with_a_copy() {
    let marked = || {
        meta(with(json!({"annotations": {
            PROTECTED_BY_ANNOTATION: "shop/orders", NAMESPACE_UID_ANNOTATION: "u-shop", "a": "b",
        }})))
    };
    for (home, is_kept) in [(Some("atra"), false), (Some("shop"), true), (None, true)] {
        let mut volume = marked();
        forget_copied_marks(&mut volume, home);
        assert_eq!(marked_owner(&volume).is_some(), is_kept, "{home:?}");
        assert_eq!(noted_namespace(&volume).is_some(), is_kept, "{home:?}");
    }
}

#[test]
fn a_patch_for_another_object_or_another_version_of_it_changes_nothing() {
    let seen = meta(bare());
    let patches = [
        build_mark_patch(&seen, OWNER, Marks::Held).unwrap(),
        build_volume_patch(&seen, Some("Delete"), OWNER, None).unwrap(),
        build_release_patch(
            &meta(with(json!({"finalizers": [KEEP_FINALIZER]}))),
            OWNER,
            Marks::Held,
        )
        .unwrap(),
    ];
    for patch in &patches {
        assert!(
            applied(
                with(json!({"uid": "u-2", "finalizers": [KEEP_FINALIZER]})),
                patch
            )
            .is_err()
        );
        assert!(
            applied(
                with(json!({"resourceVersion": "8", "finalizers": [KEEP_FINALIZER]})),
                patch
            )
            .is_err()
        );
    }
    let retain = build_retain_patch(&seen, Some("Delete")).unwrap();
    assert!(applied(with(json!({"uid": "u-2"})), &retain).is_err());
    let later = applied(with(json!({"resourceVersion": "8"})), &retain).unwrap();
    assert_eq!(
        later["spec"]["persistentVolumeReclaimPolicy"], "Retain",
        "Retain waits for nobody"
    );
}

#[test]
fn a_release_does_not_take_a_neighbours_finalizer_whose_place_has_shifted() {
    let seen = meta(with(json!({"finalizers": ["a", KEEP_FINALIZER]})));
    let mut patch = build_release_patch(&seen, OWNER, Marks::Held).unwrap();
    patch.0.retain(|operation| !matches!(operation, PatchOperation::Test(test) if test.path.as_str() == "/metadata/resourceVersion"));
    assert!(applied(with(json!({"finalizers": [KEEP_FINALIZER, "b"]})), &patch).is_err());
}

#[test]
fn a_volume_is_retained_before_anything_else_in_one_write() {
    let patch = build_volume_patch(&meta(bare()), Some("Delete"), OWNER, Some("u-ns")).unwrap();
    let object = applied(bare(), &patch).unwrap();
    assert_eq!(object["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    let marked = meta(object["metadata"].clone());
    assert_eq!(
        build_volume_patch(&marked, Some("Retain"), OWNER, Some("u-ns")),
        None
    );
    assert!(
        build_volume_patch(&marked, Some("Recycle"), OWNER, Some("u-ns")).is_some(),
        "marked but not on Retain is not done"
    );
    assert_eq!(build_retain_patch(&marked, Some("Retain")), None);
    insta::assert_snapshot!(serde_json::to_string(&patch).unwrap(), @r#"[{"op":"test","path":"/metadata/uid","value":"u-1"},{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"replace","path":"/spec/persistentVolumeReclaimPolicy","value":"Retain"},{"op":"add","path":"/metadata/labels","value":{"holdfast.dev/protected":"true"}},{"op":"add","path":"/metadata/annotations","value":{"holdfast.dev/protected-by":"atra/knowledge"}},{"op":"add","path":"/metadata/finalizers","value":["holdfast.dev/keep"]},{"op":"add","path":"/metadata/annotations/holdfast.dev~1namespace-uid","value":"u-ns"}]"#);
}

#[test]
fn an_object_that_is_being_deleted_gets_no_new_finalizer() {
    let terminating = meta(with(
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}),
    ));
    let patch = serde_json::to_string(&build_mark_patch(&terminating, OWNER, Marks::Held).unwrap())
        .unwrap();
    assert!(
        patch.contains("labels") && !patch.contains("finalizers"),
        "{patch}"
    );
}

#[test]
fn what_is_released_is_not_confirmed_any_more() {
    let confirmed = json!({CONFIRM_DELETION_ANNOTATION: "u-1/2026-02-01T09:30:00Z",
        CONFIRM_CHANGE_ANNOTATION: "u-1/2026-02-01T09:30:00Z"});
    let mut object = json!({"metadata": with(json!({"annotations": confirmed}))});
    let marked = build_mark_patch(&meta(object["metadata"].clone()), OWNER, Marks::Held).unwrap();
    json_patch::patch(&mut object, &marked).unwrap();
    let released = build_release_patch(&meta(object["metadata"].clone()), OWNER, Marks::Held);
    json_patch::patch(&mut object, &released.unwrap()).unwrap();
    assert_eq!(object["metadata"]["annotations"], json!({}));
}
