//! Golden tests of what `adopt` says of a bucket, which set it chooses, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::super::choose::choose;
use super::super::groups::group;
use super::super::question::{describe, refuse};
use super::*;
use crate::api::{ProtectedDatabase, RestoreTarget};
use crate::store::{CatalogSet, Manifest, SetContents, SetFacts, SetRecord, Standing, Verdicts};

/// A set of the database `atra/knowledge`, at so many hours of a day, of a cluster.
fn set(hour: u8, cluster: &str, standing: Standing) -> CatalogSet {
    let taken = format!("2026-02-01T{hour:02}:00:00Z");
    let manifest: Manifest = serde_json::from_value(json!({
        "formatVersion": 2, "state": "good", "backup": "b",
        "protectedDatabase": {"namespace": "atra", "name": "knowledge", "uid": format!("uid-in-{cluster}")},
        "kubernetesCluster": cluster,
        "identity": {
            "systemIdentifier": "7597042323410313218", "initializedAt": "2026-01-19T12:34:56Z", "timeline": 1,
            "walPosition": format!("0/{hour}"), "nextTransactionId": "1", "snapshotTime": taken, "inRecovery": false,
        },
        "serverVersion": "15.18", "clientVersion": "15.18", "holdfastVersion": "0.1.0",
        "databases": [{
            "name": "knowledge_os", "object": "dump.pgc.zst", "rows": 26_422, "tables": [],
            "largeObjects": {"count": 0, "bytes": 0}, "extensions": [],
        }],
        "objects": [], "recipients": [],
        "durations": {"startedAt": taken, "completedAt": taken, "dumpSeconds": 5, "globalsSeconds": 0},
    }))
    .unwrap();
    let sha256 = format!("{hour:02}").repeat(32);
    let verdicts = match standing {
        Standing::Confirmed | Standing::Demoted => {
            let kind = if standing == Standing::Confirmed {
                "confirmed"
            } else {
                "demoted"
            };
            let read = serde_json::from_value(json!([{
                "formatVersion": 1, "verdict": kind, "check": format!("knowledge-{hour}"), "time": taken,
                "manifestSha256": sha256,
            }]));
            Verdicts {
                read: read.unwrap(),
                unread: Vec::new(),
            }
        }
        _ => Verdicts::default(),
    };
    let record = SetRecord {
        owner: crate::store::SetOwner {
            database_uid: manifest.protected_database.uid.clone(),
            kubernetes_cluster: Some(cluster.to_owned()),
        },
        system_identifier: manifest.identity.system_identifier.clone(),
        position: crate::api::WalPosition::parse(1, &manifest.identity.wal_position).unwrap(),
        snapshot_time: manifest.identity.snapshot_time.0,
        manifest_sha256: sha256.clone(),
        standing,
    };
    CatalogSet {
        facts: SetFacts {
            path: format!("prod/atra/knowledge/20260201T{hour:02}0000Z-{cluster}"),
            stored_at: None,
            locked_until: None,
            contents: SetContents::Set(record),
        },
        manifest: Some((manifest, sha256)),
        verdicts,
        faults: Vec::new(),
        is_out_of_reach: false,
        stored_bytes: 1_000,
    }
}

fn unfinished() -> CatalogSet {
    let mut set = set(9, "one", Standing::Unconfirmed);
    set.facts.contents = SetContents::Unfinished;
    set.manifest = None;
    set.facts.path = "prod/atra/knowledge/\u{1b}[31m".to_owned();
    set
}

fn place() -> Place {
    Place {
        bucket: "backups".to_owned(),
        prefix: "prod".to_owned(),
    }
}

fn database(backup: &Value, name: &str) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "fresh", "namespace": "new", "uid": "u-db"},
        "spec": {
            "workload": {"name": "pg"},
            "connection": {"database": name, "credentialsSecret": {"name": "auth"}},
            "backup": backup,
        },
    }))
    .unwrap()
}

fn storage(bucket: &str, prefix: &str) -> Value {
    json!({
        "schedule": "0 3 * * *",
        "storage": {"s3": {"bucket": bucket, "prefix": prefix, "credentialsSecret": {"name": "s3"}}},
    })
}

fn sets() -> Vec<CatalogSet> {
    vec![
        set(4, "one", Standing::Confirmed),
        set(3, "one", Standing::Confirmed),
        set(6, "one", Standing::Demoted),
        set(5, "one", Standing::Unconfirmed),
        set(7, "two", Standing::Suspect),
        unfinished(),
    ]
}

#[test]
fn the_list_reads() {
    let sets = sets();
    let mut text = list(&group(&sets, "prod"), &place());
    text.push_str("=====\n");
    text.push_str(&list(&group(&[], "prod"), &place()));
    insta::assert_snapshot!(text);
}

#[test]
fn the_newest_that_counts_is_chosen_and_another_one_only_by_its_name() {
    let sets = sets();
    let found = group(&sets, "prod");
    let path = |found: Result<crate::plugin::adopt::choose::Chosen<'_>, String>| {
        found.map(|chosen| chosen.set.path().to_owned())
    };
    let by_itself = choose(&found, "atra/knowledge", None, false);
    assert_eq!(by_itself.as_ref().unwrap().newer.len(), 2);
    assert_eq!(
        path(by_itself).unwrap(),
        "prod/atra/knowledge/20260201T040000Z-one"
    );
    let demoted = "prod/atra/knowledge/20260201T060000Z-one";
    let refused = path(choose(&found, "atra/knowledge", Some(demoted), false)).unwrap_err();
    assert!(refused.contains("demoted"), "{refused}");
    assert!(refused.contains("--accept-suspect"), "{refused}");
    let named = path(choose(&found, "atra/knowledge", Some(demoted), true));
    assert_eq!(named.unwrap(), demoted);
    let missing = path(choose(&found, "atra/other", None, false)).unwrap_err();
    assert!(missing.contains("no set of atra/other"), "{missing}");
    // The set of another database is not taken for one of this.
    let other = path(choose(&found, "atra/other", Some(demoted), true)).unwrap_err();
    assert!(other.contains("is not one of the sets"), "{other}");

    // Two clusters had a database of the name: which one is meant, nobody can guess.
    let mut two = sets.clone();
    two.push(set(8, "two", Standing::Confirmed));
    let refused = path(choose(&group(&two, "prod"), "atra/knowledge", None, false)).unwrap_err();
    assert!(refused.contains("--set"), "{refused}");
}

#[test]
fn what_it_says_before_it_asks_reads() {
    let sets = sets();
    let found = group(&sets, "prod");
    let chosen = choose(&found, "atra/knowledge", None, false).unwrap();
    let demoted = "prod/atra/knowledge/20260201T060000Z-one";
    let suspect = choose(&found, "atra/knowledge", Some(demoted), true).unwrap();
    let right = database(&storage("backups", "prod"), "knowledge_os");
    let mut text = describe(&right, &chosen, &place(), RestoreTarget::Replace);
    text.push_str("=====\n");
    text.push_str(&describe(&right, &suspect, &place(), RestoreTarget::Beside));
    assert_eq!(refuse(&right, &chosen, &place()), None);
    for (storage, name) in [
        (Value::Null, "knowledge_os"),
        (storage("others", "prod"), "knowledge_os"),
        (storage("backups", "pro"), "knowledge_os"),
        (storage("backups", ""), "another"),
    ] {
        let wrong = database(&storage, name);
        text.push_str("=====\n");
        text.push_str(&refuse(&wrong, &chosen, &place()).unwrap());
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}
