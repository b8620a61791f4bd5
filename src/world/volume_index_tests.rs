#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on should say where"
)]

use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::json;

use super::*;

fn volume(name: &str, path: &str, owner: Option<&str>, policy: &str) -> PersistentVolume {
    let mut volume = json!({
        "metadata": {"name": name},
        "spec": {"persistentVolumeReclaimPolicy": policy, "hostPath": {"path": path}},
    });
    if let Some(owner) = owner {
        volume["metadata"]["annotations"] = json!({"holdfast.dev/protected-by": owner});
    }
    serde_json::from_value(volume).unwrap()
}

fn kept(name: &str, phase: &str, note: &str, policy: &str) -> PersistentVolume {
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": {note: "u-ns"}},
        "spec": {
            "persistentVolumeReclaimPolicy": policy, "hostPath": {"path": format!("/{name}")},
            "claimRef": {"namespace": "atra", "name": "data"},
        },
        "status": {"phase": phase},
    }))
    .unwrap()
}

fn owners(found: BTreeSet<String>) -> Vec<String> {
    found.into_iter().collect()
}

fn names(index: &VolumeIndex, path: &str, except: &str) -> Vec<String> {
    let spec = serde_json::from_value(json!({"hostPath": {"path": path}})).unwrap();
    index.taking_along(&VolumeStorage::of(&spec), except, 10).0
}

#[test]
fn a_volume_calls_the_databases_whose_files_it_takes_along() {
    let mut index = VolumeIndex::default();
    let data = volume("pv-a", "/disks/a", Some("atra/one"), "Retain");
    assert_eq!(owners(index.note(&data)), ["atra/one"]);
    let other = volume("pv-b", "/disks/b", Some("shop/two"), "Retain");
    assert_eq!(owners(index.note(&other)), ["shop/two"]);
    let twin = |path: &str, policy: &str| volume("pv-t", path, None, policy);
    assert_eq!(owners(index.note(&twin("/disks/c", "Delete"))), [""; 0]);
    assert_eq!(
        owners(index.note(&twin("/disks/a/", "Delete"))),
        ["atra/one"]
    );
    assert_eq!(names(&index, "/disks/a", "pv-a"), ["pv-t"]);
    assert_eq!(names(&index, "/disks/b", "pv-b"), [""; 0]);
    assert_eq!(
        owners(index.note(&twin("/disks", "Delete"))),
        ["atra/one", "shop/two"]
    );
    assert_eq!(names(&index, "/disks/b", "pv-b"), ["pv-t"]);
    // Who is rid of it is called too.
    assert_eq!(
        owners(index.note(&twin("/disks/c", "Delete"))),
        ["atra/one", "shop/two"]
    );
    assert_eq!(names(&index, "/disks/a", "pv-a"), [""; 0]);
    index.note(&twin("/disks/a", "Delete"));
    assert_eq!(owners(index.forget("pv-t")), ["atra/one"]);
    assert_eq!(names(&index, "/disks/a", "pv-a"), [""; 0]);
    assert_eq!(index.by_key.len(), 2, "nothing is left of what is gone");
}

#[test]
fn those_that_are_not_on_retain_come_first() {
    let mut index = VolumeIndex::default();
    index.note(&volume("pv-1", "/disks/a", None, "Retain"));
    index.note(&volume("pv-2", "/disks/a", None, "Delete"));
    index.note(&volume("pv-3", "/disks/a", None, "Retain"));
    let spec = serde_json::from_value(json!({"hostPath": {"path": "/disks/a"}})).unwrap();
    let (found, count) = index.taking_along(&VolumeStorage::of(&spec), "pv-1", 1);
    assert_eq!((found, count), (vec!["pv-2".to_owned()], 2));
}

#[test]
fn a_list_that_ends_forgets_what_was_not_in_it() {
    let mut index = VolumeIndex::default();
    assert!(!index.is_complete());
    index.begin_list();
    index.note(&volume("pv-a", "/disks/a", Some("atra/one"), "Retain"));
    index.note(&volume("pv-t", "/disks/a", None, "Delete"));
    assert_eq!(owners(index.end_list()), [""; 0]);
    assert!(index.is_complete());
    index.begin_list();
    index.note(&volume("pv-a", "/disks/a", Some("atra/one"), "Retain"));
    assert_eq!(owners(index.end_list()), ["atra/one"]);
    assert_eq!(names(&index, "/disks/a", "pv-a"), [""; 0]);
}

/// Also those that were released: they stay on Retain because of a database of the namespace.
#[test]
fn kept_are_the_volumes_on_retain_that_databases_of_the_namespace_have_left() {
    let (noted, released) = (
        "holdfast.dev/namespace-uid",
        "holdfast.dev/kept-for-namespace",
    );
    let mut index = VolumeIndex::default();
    for counted in [
        kept("pv-1", "Released", noted, "Retain"),
        kept("pv-2", "Failed", noted, "Retain"),
        kept("pv-3", "Released", released, "Retain"),
    ] {
        index.note(&counted);
    }
    for other in [
        kept("pv-4", "Bound", noted, "Retain"),
        kept("pv-5", "Released", noted, "Delete"),
        kept("pv-6", "Released", "somebody/else", "Retain"),
    ] {
        index.note(&other);
    }
    assert_eq!(index.kept_for(&["u-ns"]), ["pv-1", "pv-2", "pv-3"]);
    assert_eq!(index.kept_for(&["u-other"]), [""; 0]);
    let twice = index.kept_for(&["u-ns", "u-ns"]);
    assert_eq!(twice.len(), 3, "the ledger remembers the same namespace");
    index.note(&kept("pv-1", "Bound", noted, "Retain"));
    index.forget("pv-2");
    assert_eq!(index.kept_for(&["u-ns"]), ["pv-3"]);
}
