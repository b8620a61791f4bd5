//! Tests of confirmations: which one is in force when, and which object it is set on.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::api::names::{CONFIRM_CHANGE_ANNOTATION, CONFIRM_DELETION_ANNOTATION};
use ConfirmedVerb::{Change, Delete};

fn now() -> Timestamp {
    at("2026-02-01T09:30:00Z")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn object(annotations: &Value) -> Value {
    let mut metadata =
        json!({"name": "data", "namespace": "atra", "uid": "u-1", "resourceVersion": "7"});
    if !annotations.is_null() {
        metadata["annotations"] = annotations.clone();
    }
    json!({"metadata": metadata})
}

fn metadata(object: &Value) -> ObjectMeta {
    serde_json::from_value(object["metadata"].clone()).unwrap()
}

fn said(annotation: &str, value: &str) -> ObjectMeta {
    metadata(&object(&json!({annotation: value})))
}

#[test]
fn a_confirmation_is_what_the_guard_takes_for_one_and_can_be_removed() {
    for annotations in [
        Value::Null,
        json!({}),
        json!({"a": "b"}),
        json!({CONFIRM_DELETION_ANNOTATION: "of another", CONFIRM_CHANGE_ANNOTATION: "too"}),
    ] {
        let mut changed = object(&annotations);
        let deletion = build_confirmation(&metadata(&changed), Delete, now());
        json_patch::patch(&mut changed, &deletion).unwrap();
        assert!(deletion_confirmed(&metadata(&changed), now()), "{changed}");
        assert!(!change_confirmed(&metadata(&changed), now()), "{changed}");
        let change = build_confirmation(&metadata(&changed), Change, now());
        json_patch::patch(&mut changed, &change).unwrap();
        assert!(change_confirmed(&metadata(&changed), now()), "{changed}");
        let one = build_revocation(&metadata(&changed), &[Delete]).unwrap();
        json_patch::patch(&mut changed, &one).unwrap();
        assert!(!deletion_confirmed(&metadata(&changed), now()), "{changed}");
        assert!(change_confirmed(&metadata(&changed), now()), "{changed}");
        let rest = build_revocation(&metadata(&changed), &ConfirmedVerb::ALL).unwrap();
        json_patch::patch(&mut changed, &rest).unwrap();
        assert_eq!(
            build_revocation(&metadata(&changed), &ConfirmedVerb::ALL),
            None
        );
        assert_eq!(
            changed["metadata"]["annotations"].get("a"),
            annotations.get("a"),
            "what else is there stays"
        );
    }
}

#[test]
fn each_verb_is_confirmed_by_its_own_annotation_only() {
    let value = "u-1/2026-02-01T09:30:00Z";
    let deletion = said(CONFIRM_DELETION_ANNOTATION, value);
    assert!(deletion_confirmed(&deletion, now()) && !change_confirmed(&deletion, now()));
    let change = said(CONFIRM_CHANGE_ANNOTATION, value);
    assert!(change_confirmed(&change, now()) && !deletion_confirmed(&change, now()));
}

#[test]
fn what_names_no_object_or_no_time_or_has_ended_confirms_nothing() {
    let table = [
        (
            "u-1/2026-02-01T09:30:00Z",
            Standing::Until(at("2026-02-01T09:45:00Z")),
        ),
        ("u-1/2026-02-01T09:15:00Z", Standing::Until(now())),
        ("u-1/2026-02-01T09:14:59Z", Standing::Ended),
        ("u-1/2025-02-01T09:30:00Z", Standing::Ended),
        ("u-1/2026-02-01T09:31:01Z", Standing::Void),
        ("u-1/2099-02-01T09:30:00Z", Standing::Void),
        ("u-1", Standing::Void),
        ("u-1/", Standing::Void),
        ("u-2/2026-02-01T09:30:00Z", Standing::Void),
        ("true", Standing::Void),
        ("", Standing::Void),
    ];
    for (value, expected) in table {
        for verb in ConfirmedVerb::ALL {
            let found = standing(&said(verb.annotation(), value), verb, now());
            assert_eq!(found, expected, "{verb:?} {value}");
        }
    }
    let bare = metadata(&object(&Value::Null));
    assert_eq!(standing(&bare, Delete, now()), Standing::None);
    let mut anonymous = said(CONFIRM_DELETION_ANNOTATION, "/2026-02-01T09:30:00Z");
    anonymous.uid = Some(String::new());
    assert!(!deletion_confirmed(&anonymous, now()));
}

/// The operator may come late: what was confirmed when it was deleted, or since, may go.
#[test]
fn a_deletion_that_is_under_way_stays_confirmed() {
    let later = at("2026-02-03T00:00:00Z");
    let table = [
        ("2026-02-01T09:20:00Z", true),
        ("2026-02-01T09:45:00Z", true),
        ("2026-02-01T09:50:00Z", true),
        ("2026-02-01T09:14:59Z", false),
    ];
    for (since, expected) in table {
        let mut going = said(CONFIRM_DELETION_ANNOTATION, &format!("u-1/{since}"));
        going.deletion_timestamp = serde_json::from_value(json!("2026-02-01T09:30:00Z")).unwrap();
        assert_eq!(deletion_confirmed(&going, later), expected, "{since}");
    }
    let mut going = said(CONFIRM_CHANGE_ANNOTATION, "u-1/2026-02-01T09:20:00Z");
    going.deletion_timestamp = serde_json::from_value(json!("2026-02-01T09:30:00Z")).unwrap();
    assert!(!change_confirmed(&going, later));
}

#[test]
fn another_object_of_the_same_name_is_not_confirmed() {
    for annotations in [Value::Null, json!({})] {
        for verb in ConfirmedVerb::ALL {
            let patch = build_confirmation(&metadata(&object(&annotations)), verb, now());
            let mut other = object(&annotations);
            other["metadata"]["uid"] = "u-2".into();
            let before = other.clone();
            assert!(json_patch::patch(&mut other, &patch).is_err());
            assert_eq!(other, before);
        }
    }
}

#[test]
fn what_was_confirmed_for_a_restore_is_removed_with_its_note() {
    let mut claim = object(&json!({"a": "b"}));
    let patch = build_confirmation_for(&metadata(&claim), "atra/back", "atra/knowledge", now());
    json_patch::patch(&mut claim, &patch).unwrap();
    assert!(is_of_restore(&metadata(&claim)) && deletion_confirmed(&metadata(&claim), now()));
    let patch = build_revocation(&metadata(&claim), &[Delete]).unwrap();
    json_patch::patch(&mut claim, &patch).unwrap();
    assert_eq!(claim, object(&json!({"a": "b"})));
}

#[test]
fn the_command_sets_what_the_guard_reads() {
    let bare = metadata(&object(&Value::Null));
    assert_eq!(
        confirm_command("pvc", &bare, Change),
        "kubectl annotate pvc data -n atra --overwrite \
         holdfast.dev/confirm-change=u-1/$(date -u +%FT%TZ)"
    );
}
