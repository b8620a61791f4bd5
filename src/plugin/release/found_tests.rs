//! What becomes of each object that carries marks, and what the user reads of it.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::super::text::{Left, describe, describe_left};
use super::*;
use crate::plugin::unlock::{RESTORES, parse_named};

const NOW: &str = "2026-02-01T09:35:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn found(kind: &str, change: impl FnOnce(&mut Value)) -> Found {
    let mut metadata = json!({
        "name": "data", "namespace": "atra", "uid": "u-1", "resourceVersion": "7",
        "labels": {"holdfast.dev/protected": "true", "team": "data"},
        "annotations": {"holdfast.dev/protected-by": "atra/knowledge", "a": "b"},
        "finalizers": ["kubernetes.io/pvc-protection", "holdfast.dev/keep"],
    });
    change(&mut metadata);
    Found {
        kind: parse_named(&format!("{kind}/data")).unwrap().kind,
        metadata: serde_json::from_value(metadata).unwrap(),
        policy: Policy::Is("pv-data".to_owned(), "Retain".to_owned()),
        owners: Vec::new(),
    }
}

fn going(metadata: &mut Value) {
    metadata["deletionTimestamp"] = "2026-02-01T09:30:00Z".into();
}

fn confirmed(metadata: &mut Value) {
    going(metadata);
    metadata["annotations"]["holdfast.dev/confirm-deletion"] = "u-1/2026-02-01T09:29:00Z".into();
}

fn owned(state: OwnerState) -> Found {
    let mut owned = found("pvc", |metadata| {
        metadata["ownerReferences"] = json!([{
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "knowledge", "uid": "u-9",
            "controller": true,
        }]);
    });
    let reference = &owned.metadata.owner_references.as_ref().unwrap()[0];
    owned.owners = vec![(OwnerName::of(reference), state)];
    owned
}

fn after(found: &Found, fate: &Fate) -> Value {
    let mut object = json!({"metadata": found.metadata});
    json_patch::patch(&mut object, &found.build_patch(fate).unwrap()).unwrap();
    object["metadata"].take()
}

fn is_kept(fate: &Fate) -> bool {
    matches!(fate, Fate::Kept { .. })
}

#[test]
fn the_marks_go_and_nothing_of_others() {
    let claim = found("pvc", |_| ());
    assert_eq!(claim.fate(false, now()), Fate::Released);
    let metadata = after(&claim, &Fate::Released);
    assert_eq!(metadata["labels"], json!({"team": "data"}));
    assert_eq!(metadata["annotations"], json!({"a": "b"}));
    assert_eq!(
        metadata["finalizers"],
        json!(["kubernetes.io/pvc-protection"])
    );
    for kind in ["statefulset", "namespace", "dbledger", "protdb", "pv"] {
        let other = found(kind, |_| ());
        assert!(other.build_patch(&Fate::Released).is_some(), "{kind}");
    }
}

/// Without its finalizer it would be gone, or its files would be with the next deletion.
#[test]
fn what_would_be_lost_keeps_its_marks() {
    let mut on_delete = found("pvc", |_| ());
    on_delete.policy = Policy::Is("pv-data".to_owned(), "Delete".to_owned());
    let mut confirmed_on_delete = found("pvc", confirmed);
    confirmed_on_delete.policy = on_delete.policy.clone();
    let mut unread = found("pvc", confirmed);
    unread.policy = Policy::Unknown("not allowed to get persistentvolumes pv-data".to_owned());
    let unconfirmed = found("pvc", going);
    let expired = found("pvc", |metadata| {
        going(metadata);
        let text = "u-1/2026-02-01T09:00:00Z";
        metadata["annotations"]["holdfast.dev/confirm-deletion"] = text.into();
    });
    let of_another = found("pvc", |metadata| {
        going(metadata);
        let text = "u-2/2026-02-01T09:29:00Z";
        metadata["annotations"]["holdfast.dev/confirm-deletion"] = text.into();
    });
    for kept in [
        on_delete,
        confirmed_on_delete,
        unread,
        unconfirmed,
        expired,
        of_another,
        owned(OwnerState::NotKnown),
        owned(OwnerState::Gone),
    ] {
        assert!(is_kept(&kept.fate(false, now())), "{kept:?}");
    }
    let mut unbound = found("pvc", |_| ());
    unbound.policy = Policy::None;
    assert_eq!(unbound.fate(false, now()), Fate::Released);
}

/// A deletion that was confirmed in time stays confirmed: nobody else removes the finalizer any more.
#[test]
fn what_was_confirmed_and_is_terminating_goes() {
    for kind in ["pvc", "pv", "protdb"] {
        let gone = found(kind, confirmed);
        assert_eq!(gone.fate(false, now()), Fate::Gone, "{kind}");
        let metadata = after(&gone, &Fate::Gone);
        assert_eq!(
            metadata["finalizers"],
            json!(["kubernetes.io/pvc-protection"])
        );
    }
}

#[test]
fn a_restore_loses_its_own_finalizer_alone() {
    for change in [going as fn(&mut Value), |_: &mut Value| ()] {
        let mut restore = found("pvc", change);
        restore.kind = &RESTORES;
        restore.policy = Policy::None;
        restore.metadata.labels = None;
        restore.metadata.finalizers = Some(vec![
            "example.org/other".to_owned(),
            "holdfast.dev/restoring".to_owned(),
        ]);
        assert!(restore.carries_marks());
        let fate = restore.fate(false, now());
        let is_going = restore.metadata.deletion_timestamp.is_some();
        assert_eq!(fate == Fate::Gone, is_going);
        assert!(!is_kept(&fate));
        let metadata = after(&restore, &fate);
        assert_eq!(metadata["finalizers"], json!(["example.org/other"]));
        // Another restore has its name since it was read.
        let mut other = json!({"metadata": restore.metadata});
        other["metadata"]["uid"] = "u-2".into();
        let patch = restore.build_patch(&fate).unwrap();
        assert!(json_patch::patch(&mut other, &patch).is_err());
    }
}

/// The label alone refuses the deletion, the finalizer alone ends none.
#[test]
fn one_mark_is_enough_to_be_released() {
    let labelled = found("pvc", |metadata| metadata["finalizers"] = json!([]));
    assert!(labelled.carries_marks());
    let metadata = after(&labelled, &labelled.fate(false, now()));
    assert_eq!(metadata["labels"], json!({"team": "data"}));
    let held = found("pvc", |metadata| metadata["labels"] = json!({}));
    assert!(held.carries_marks());
    let metadata = after(&held, &held.fate(false, now()));
    assert_eq!(
        metadata["finalizers"],
        json!(["kubernetes.io/pvc-protection"])
    );
    let others = found("pvc", |metadata| {
        metadata["labels"] = json!({});
        metadata["finalizers"] = json!([]);
    });
    assert!(!others.carries_marks());
}

#[test]
fn an_owner_that_is_gone_is_removed_with_the_marks_and_only_then() {
    let orphan = owned(OwnerState::Gone);
    assert_eq!(orphan.fate(true, now()), Fate::Detached);
    let metadata = after(&orphan, &Fate::Detached);
    assert!(metadata.get("ownerReferences").is_none(), "{metadata}");
    // It has another owner since it was read.
    let mut object = json!({"metadata": orphan.metadata});
    object["metadata"]["ownerReferences"][0]["uid"] = "u-10".into();
    let patch = orphan.build_patch(&Fate::Detached).unwrap();
    assert!(json_patch::patch(&mut object, &patch).is_err());
    for state in [OwnerState::Exists, OwnerState::Terminating] {
        let owned = owned(state.clone());
        assert_eq!(owned.fate(true, now()), Fate::Released, "{state:?}");
        let metadata = after(&owned, &Fate::Released);
        assert!(metadata["ownerReferences"].is_array());
    }
    // Garbage collection does nothing while one of several owners exists.
    let mut both = owned(OwnerState::Gone);
    both.owners.push((None, OwnerState::Exists));
    assert_eq!(both.fate(false, now()), Fate::Released);
}

#[test]
fn a_stopped_workload_is_named_and_no_text_of_others_is_a_command() {
    let before = "holdfast.dev/replicas-before-recovery";
    let stopped = |text: &str| {
        let set = found("statefulset", |metadata| {
            metadata["annotations"][before] = text.into();
        });
        set.scale_back()
    };
    assert_eq!(
        stopped("3").as_deref(),
        Some("kubectl scale statefulset/data -n atra --replicas=3")
    );
    assert_eq!(stopped("3; rm -rf /"), None);
}

#[test]
fn the_texts_read() {
    let mut on_delete = found("pvc", |_| ());
    on_delete.policy = Policy::Is("pv-data".to_owned(), "Delete".to_owned());
    let all = [
        found("sts", |_| ()),
        found("pvc", confirmed),
        found("pvc", going),
        owned(OwnerState::Gone),
        owned(OwnerState::NotKnown),
        on_delete,
    ];
    let unread =
        ["not allowed to list databaseledgers.holdfast.dev in the whole cluster".to_owned()];
    let before = describe(&all, &unread, false, now());
    let detached = describe(&all[3..4], &[], true, now());
    let left: Vec<Left> = all
        .iter()
        .filter_map(|found| match found.fate(false, now()) {
            Fate::Kept { why, command } => Some(Left {
                what: found.title(),
                why,
                command,
            }),
            _ => None,
        })
        .collect();
    let scale = ["kubectl scale statefulset/data -n atra --replicas=3".to_owned()];
    let texts = [
        before,
        detached,
        describe_left(&left, &scale),
        describe_left(&[], &[]),
    ];
    insta::assert_snapshot!(texts.join("\n=====\n"));
}
