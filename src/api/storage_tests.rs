#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on should say where"
)]

use serde_json::{Value, json};

use super::super::storage_samples::{
    aws, azure_file, cephfs, csi, csi_nfs, csi_with, gce, google_disk, iscsi, local, nfs, other,
    same, same_by_csi,
};
use super::*;

fn storage(source: &Value) -> VolumeStorage {
    VolumeStorage::of(&serde_json::from_value(source.clone()).unwrap())
}

#[test]
fn storage_is_known_by_what_names_it_to_the_storage_system() {
    for (one, other) in same().into_iter().chain(same_by_csi()) {
        let (one, other) = (storage(&one), storage(&other));
        assert_eq!(one.is_same(&other), Some(true), "{one:?} {other:?}");
        assert_eq!(other.is_same(&one), Some(true), "{one:?} {other:?}");
        assert!(
            one.takes_along(&other) && other.takes_along(&one),
            "{one:?} {other:?}"
        );
        assert!(
            other.keys_above().contains(&one.key().unwrap()),
            "{one:?} {other:?}"
        );
    }
    for (one, other) in other() {
        let (one, other) = (storage(&one), storage(&other));
        assert_eq!(one.is_same(&other), Some(false), "{one:?} {other:?}");
        assert_eq!(other.is_same(&one), Some(false), "{one:?} {other:?}");
    }
}

/// What may be the same storage, and nothing says: neither is reported, and each is kept for the other.
#[test]
fn what_can_not_be_told_apart_is_neither_the_same_nor_another() {
    let table = [
        (iscsi("10.0.0.1", "iqn.a", 0), iscsi("10.0.0.9", "iqn.a", 0)),
        (
            azure_file(None, "s"),
            csi("file.csi.azure.com", "group#account#pg#"),
        ),
        (
            azure_file(Some("shop"), "t"),
            azure_file(None, "azure-storage-account-account-secret"),
        ),
        (gce("pg", "a", 1), google_disk("shop", "a", "pg")),
        (
            google_disk("UNSPECIFIED", "a", "pg"),
            google_disk("shop", "a", "pg"),
        ),
    ];
    for (one, other) in table {
        let (one, other) = (storage(&one), storage(&other));
        assert_eq!(one.is_same(&other), None, "{one:?} {other:?}");
        assert!(one.may_be_same(&other) && other.may_be_same(&one));
        assert!(one.takes_along(&other) && other.takes_along(&one));
        assert!(other.keys_above().contains(&one.key().unwrap()));
    }
    for (one, other) in same().into_iter().chain(same_by_csi()).chain(other()) {
        let (one, other) = (storage(&one), storage(&other));
        assert!(!one.may_be_same(&other), "{one:?} {other:?}");
    }
}

/// An older version has noted the handle, which says less than the attributes.
#[test]
fn a_handle_that_was_noted_before_is_no_other_storage() {
    for (before, now) in [
        ("nfs.csi.k8s.io/any", csi_nfs("any", "files", "/pg", "")),
        (
            "nfs.csi.k8s.io/files#pg#export",
            csi_nfs("files#pg#export", "files", "/export", "pg"),
        ),
        (
            "rbd.csi.ceph.com/0001-u",
            csi_with(
                "rbd.csi.ceph.com",
                "0001-u",
                &json!({"clusterID": "c", "pool": "p", "imageName": "csi-vol-u"}),
            ),
        ),
        (
            "iscsi.csi.k8s.io/any",
            csi_with(
                "iscsi.csi.k8s.io",
                "any",
                &json!({"targetPortal": "a", "iqn": "i", "lun": "1"}),
            ),
        ),
    ] {
        let now = storage(&now);
        assert_eq!(is_same_handle(before, now.handle()), None, "{now:?}");
        assert_eq!(is_same_handle(now.handle(), before), None, "{now:?}");
        assert_eq!(
            is_same_handle("ebs.csi.aws.com/vol-1", now.handle()),
            Some(false)
        );
        assert_eq!(is_same_handle("ebs.csi.aws.com/vol-1", before), Some(false));
    }
}

#[test]
fn what_is_not_known_is_neither_the_same_nor_another() {
    let (unknown, known) = (storage(&json!({})), storage(&csi("csi.example", "vol-1")));
    assert_eq!(unknown.is_same(&known), None);
    assert_eq!(unknown.is_same(&unknown), None);
    assert!(!unknown.takes_along(&known) && !known.takes_along(&unknown));
    assert_eq!(unknown.key(), None);
}

#[test]
fn a_directory_takes_what_is_below_and_a_disk_its_partitions() {
    let takes = |one: &Value, other: &Value| {
        let (one, other) = (storage(one), storage(other));
        let is_found = other.keys_above().contains(&one.key().unwrap());
        let takes = one.takes_along(&other);
        assert!(!takes || is_found, "{one:?} {other:?}");
        let below = one
            .key_below()
            .is_some_and(|start| other.key().unwrap().starts_with(&start));
        assert!(
            !takes || below || one.key() == other.key(),
            "{one:?} {other:?}"
        );
        takes
    };
    assert!(takes(&local("/disks", "one"), &local("/disks/1/pg", "one")));
    assert!(takes(&local("/", "one"), &local("/disks", "one")));
    assert!(!takes(&local("/disks", "two"), &local("/disks/1", "one")));
    assert!(!takes(
        &local("/disks/1/pg", "one"),
        &local("/disks/1", "one")
    ));
    assert!(!takes(
        &local("/disks/1", "one"),
        &local("/disks/10", "one")
    ));
    assert!(takes(&nfs("files", "/"), &nfs("files", "/export")));
    assert!(takes(&cephfs(&["a"], "/"), &cephfs(&["a"], "/volumes/pg")));
    assert!(takes(
        &csi_nfs("a", "files", "/export", ""),
        &csi_nfs("b", "files", "/export", "pg")
    ));
    assert!(takes(
        &nfs("files", "/"),
        &csi_nfs("b", "files", "/export", "pg")
    ));
    let directory = json!({"storageAccount": "account", "shareName": "pg", "folderName": "a"});
    assert!(takes(
        &csi_with("file.csi.azure.com", "a", &directory),
        &csi("file.csi.azure.com", "group#account#pg#")
    ));
    assert!(takes(&aws("vol-1", 1), &aws("vol-1", 2)));
    assert!(takes(&gce("pg", "a", 1), &gce("pg", "a", 0)));
    assert!(
        !takes(&csi("d", "a"), &csi("d", "a/b")),
        "a handle is no path"
    );
}

/// What ledgers and checks in the field have noted is still the same storage.
#[test]
fn texts_of_older_versions_are_understood() {
    for (before, now) in [
        ("/disks/1/", local("/disks/1", "one")),
        ("files:/export/pg/", nfs("files", "/export/pg")),
        ("csi.example/vol-1", csi("csi.example", "vol-1")),
        (
            "nfs.csi.k8s.io/files#export#pg#u-1#",
            csi_nfs("any", "files", "/export", "pg"),
        ),
        (
            "smb.csi.k8s.io/files/share##",
            csi_with("smb.csi.k8s.io", "any", &json!({"source": "//files/share"})),
        ),
        (
            "file.csi.azure.com/group#account#pg##2",
            csi_with(
                "file.csi.azure.com",
                "any",
                &json!({"storageAccount": "account", "shareName": "pg"}),
            ),
        ),
        (
            "disk.csi.azure.com//subscriptions/S/disks/PG",
            csi("disk.csi.azure.com", "/subscriptions/s/disks/pg"),
        ),
    ] {
        let now = storage(&now);
        assert_eq!(
            is_same_handle(before, now.handle()),
            Some(true),
            "{before} {now:?}"
        );
    }
    assert_eq!(
        is_same_handle("", "rbd:db/pg@a"),
        None,
        "it was not noted then"
    );
    assert_eq!(is_same_handle("/disks/1", "/disks/2"), Some(false));
}
