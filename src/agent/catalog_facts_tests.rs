//! What the cluster says lowers what the bucket says, and never raises it.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::api::WalPosition;
use crate::store::{SetFacts, SetRecord, Verdicts};

const DIRECTORY: &str = "prod/atra/knowledge";

fn request() -> CatalogRequest {
    serde_json::from_value(json!({
        "namespace": "atra", "database": "knowledge", "databaseUid": "uid-1", "backup": "b-2",
        "storage": {"bucket": "backups", "prefix": "prod", "region": "us-east-1"},
        "deadlineSeconds": 60, "retention": {"keepLast": 2}, "removes": true,
    }))
    .unwrap()
}

fn database(conditions: &Value) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "uid-1"},
        "spec": {
            "workload": {"name": "pg"},
            "connection": {"database": "app", "credentialsSecret": {"name": "pg"}},
            "backup": {
                "schedule": "@daily", "retention": {"keepLast": 2},
                "storage": {"s3": {
                    "bucket": "backups", "prefix": "prod", "credentialsSecret": {"name": "s3"}}},
            },
        },
        "status": {"conditions": conditions, "verifiedUntil": "2026-02-01T10:00:00Z"},
    }))
    .unwrap()
}

fn verified() -> ProtectedDatabase {
    database(&conditions("False", "True"))
}

fn conditions(reset: &str, verified: &str) -> Value {
    let of = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-02-01T09:00:00Z",
        })
    };
    json!([of("DataReset", reset), of("DataVerified", verified)])
}

fn backup(name: &str, minute: u32, status: &Value) -> DatabaseBackup {
    let mut all = json!({
        "bucket": "backups", "path": format!("{DIRECTORY}/{name}"), "manifestSha256": name,
    });
    for (key, value) in status.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": {"name": name, "creationTimestamp": format!("2026-02-01T09:{minute:02}:00Z")},
        "spec": {"database": "knowledge"}, "status": all,
    }))
    .unwrap()
}

fn confirmed() -> Value {
    let by = json!({"check": "c", "time": "2026-02-01T09:20:00Z"});
    json!({"state": "Complete", "confirmed": by})
}

fn demoted() -> Value {
    let by = json!({"check": "c", "time": "2026-02-01T09:20:00Z", "reason": "TablesEmptied"});
    json!({"state": "Complete", "confirmed": by, "demoted": by})
}

fn view(database: Option<&ProtectedDatabase>, backups: &[DatabaseBackup]) -> ClusterView {
    let now = "2026-02-01T09:30:00Z".parse().unwrap();
    build_view(database, (backups, &[]), &request(), now)
}

fn set(name: &str, standing: Standing) -> CatalogSet {
    CatalogSet {
        facts: SetFacts {
            path: format!("{DIRECTORY}/{name}"),
            stored_at: None,
            locked_until: None,
            contents: SetContents::Set(SetRecord {
                owner: owner(),
                system_identifier: "1".to_owned(),
                position: WalPosition::parse(1, "0/1").unwrap(),
                snapshot_time: Timestamp::UNIX_EPOCH,
                manifest_sha256: name.to_owned(),
                standing,
            }),
        },
        manifest: None,
        verdicts: Verdicts::default(),
        faults: Vec::new(),
        is_out_of_reach: false,
        stored_bytes: 0,
    }
}

fn owner() -> SetOwner {
    SetOwner {
        database_uid: "uid-1".to_owned(),
        kubernetes_cluster: None,
    }
}

fn standings(sets: &[CatalogSet]) -> Vec<Option<Standing>> {
    sets.iter()
        .map(|set| match &set.facts.contents {
            SetContents::Set(record) => Some(record.standing),
            _ => None,
        })
        .collect()
}

#[test]
fn a_set_that_a_restore_reads_is_known_until_it_has_ended() {
    let restore = |database: &str, from: Value, status: Value| -> DatabaseRestore {
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "r"},
            "spec": {"database": database, "from": from, "into": "Beside"}, "status": status,
        }))
        .unwrap()
    };
    let chosen = |state: &str| {
        let set = json!({
            "backup": "b-1", "bucket": "backups", "path": "prod/atra/knowledge/b-1", "manifestSha256": "b-1",
        });
        json!({"state": state, "set": set})
    };
    let latest = || json!({"latestGood": true});
    let named = || json!({"backup": "b-1"});
    let backups = [
        backup("b-1", 1, &confirmed()),
        backup("b-2", 2, &confirmed()),
    ];
    let now = "2026-02-01T09:30:00Z".parse().unwrap();
    for (database, from, status, is_held) in [
        ("knowledge", latest(), chosen("Running"), true),
        ("knowledge", latest(), chosen("Blocked"), true),
        ("knowledge", latest(), chosen("Verifying"), true),
        ("knowledge", latest(), chosen("Complete"), false),
        ("knowledge", latest(), chosen("Failed"), false),
        // Nothing is chosen yet: the newest confirmed one never goes.
        ("knowledge", latest(), Value::Null, false),
        (
            "knowledge",
            json!({"set": {"path": "prod/atra/knowledge/b-1", "manifestSha256": "b-1"}}),
            Value::Null,
            true,
        ),
        ("knowledge", named(), Value::Null, true),
        ("knowledge", named(), json!({"state": "Blocked"}), true),
        ("knowledge", named(), json!({"state": "Failed"}), false),
        ("other", latest(), chosen("Running"), false),
        (
            "knowledge",
            json!({"volume": "pvc-1"}),
            json!({"state": "Running"}),
            false,
        ),
    ] {
        let restores = [restore(database, from.clone(), status.clone())];
        let all = (&backups[..], &restores[..]);
        let view = build_view(Some(&verified()), all, &request(), now);
        let held: Vec<&str> = view.restoring.iter().map(String::as_str).collect();
        let expected = if is_held {
            vec!["prod/atra/knowledge/b-1"]
        } else {
            Vec::new()
        };
        assert_eq!(held, expected, "{database} {from} {status}");
        let before = build_view(Some(&verified()), (&backups, &[]), &request(), now);
        assert_eq!(view.says_else_than(&before), is_held);
    }
}

#[test]
fn nothing_may_go_unless_the_data_is_verified_now() {
    let held = |database: Option<&ProtectedDatabase>| view(database, &[]).held;
    assert_eq!(held(Some(&verified())), None);
    assert_eq!(held(None), Some(Held::DatabaseGone));
    let mut other = verified();
    other.metadata.uid = Some("uid-2".to_owned());
    assert_eq!(held(Some(&other)), Some(Held::DatabaseGone));
    let mut changed = verified();
    changed.spec.backup.as_mut().unwrap().retention = None;
    assert_eq!(held(Some(&changed)), Some(Held::RulesChanged));
    let mut suspended = verified();
    suspended.spec.suspend = true;
    assert_eq!(held(Some(&suspended)), Some(Held::Suspended));
    let mut moved = verified();
    moved.spec.backup.as_mut().unwrap().storage.s3.bucket = "other".to_owned();
    assert_eq!(held(Some(&moved)), Some(Held::StorageChanged));
    for (reset, is_verified, expected) in [
        ("True", "True", Held::DataReset),
        ("True", "False", Held::DataReset),
        ("Unknown", "True", Held::DataNotVerified),
        ("False", "Unknown", Held::DataNotVerified),
        ("False", "False", Held::DataNotVerified),
    ] {
        let database = database(&conditions(reset, is_verified));
        assert_eq!(
            held(Some(&database)),
            Some(expected),
            "{reset} {is_verified}"
        );
    }
    let mut silent = verified();
    silent.status = None;
    assert_eq!(held(Some(&silent)), Some(Held::DataNotVerified));
    // Nobody has checked it for long, and the operator may not run.
    let mut stale = verified();
    let status = stale.status.as_mut().unwrap();
    status.verified_until.as_mut().unwrap().0 = "2026-02-01T09:29:00Z".parse().unwrap();
    assert_eq!(held(Some(&stale)), Some(Held::DataNotVerified));
}

/// What it lacks may be in older sets only, as files that could not be read.
#[test]
fn nothing_may_go_while_a_suspect_set_is_newer_than_every_one_that_counts() {
    let suspect = json!({"state": "Suspect", "reason": "DirectoryIncomplete"});
    let held = |backups: &[DatabaseBackup]| view(Some(&verified()), backups).held;
    let stands = Some(Held::SuspectStands);
    let a = || backup("a", 1, &confirmed());
    let b = || backup("b", 2, &suspect);
    assert_eq!(held(&[a(), b()]), stands);
    assert_eq!(
        held(&[b(), a()]),
        stands,
        "in whatever order they are listed"
    );
    // One that does not count yet does not say that it lacks nothing.
    let unconfirmed = backup("c", 3, &json!({"state": "Complete"}));
    assert_eq!(held(&[a(), b(), unconfirmed]), stands);
    assert_eq!(held(&[a(), b(), backup("c", 3, &demoted())]), stands);
    assert_eq!(held(&[a(), b(), backup("c", 3, &confirmed())]), None);
    assert_eq!(held(&[a()]), None);
    // Of one second it is not known which is newer.
    assert_eq!(held(&[backup("a", 2, &confirmed()), b()]), stands);
    let reset = database(&conditions("True", "True"));
    assert_eq!(view(Some(&reset), &[a(), b()]).held, Some(Held::DataReset));
}

#[test]
fn the_newest_that_counts_is_of_this_bucket_and_what_runs_is_known() {
    let elsewhere = json!({"bucket": "other"});
    let mut of_other = confirmed();
    of_other["bucket"] = elsewhere["bucket"].clone();
    let mut outside = confirmed();
    outside["path"] = json!("prod/atra/other/x");
    let view = view(
        Some(&verified()),
        &[
            backup("a", 1, &confirmed()),
            backup("b", 2, &confirmed()),
            backup("c", 3, &demoted()),
            backup("d", 4, &json!({"state": "Complete"})),
            backup("e", 5, &json!({"state": "Running"})),
            backup("f", 6, &json!({"state": "Failed"})),
            backup("g", 7, &of_other),
            backup("h", 8, &outside),
        ],
    );
    assert_eq!(view.newest_confirmed, Some(format!("{DIRECTORY}/b")));
    assert_eq!(view.newest_proven, None);
    assert_eq!(view.running, BTreeSet::from([format!("{DIRECTORY}/e")]));
    assert_eq!(view.taken.len(), 4);
}

#[test]
fn only_a_set_that_counts_is_the_newest_proven_one() {
    let drilled = |mut status: Value, passed: bool| {
        status["drill"] = json!({"restore": "d", "time": "2026-02-01T00:00:00Z", "passed": passed});
        status
    };
    let view = view(
        Some(&verified()),
        &[
            backup("a", 1, &drilled(confirmed(), true)),
            backup("b", 2, &drilled(confirmed(), true)),
            backup("c", 3, &drilled(demoted(), true)),
            backup("d", 4, &drilled(confirmed(), false)),
        ],
    );
    assert_eq!(view.newest_proven, Some(format!("{DIRECTORY}/b")));
}

#[test]
fn a_set_whose_files_the_newest_has_no_more_is_known() {
    let with = |mut status: Value, files: u32| {
        status["files"] = json!(files);
        status
    };
    let fullest = |last: u32| {
        let backups = [
            backup("a", 1, &with(confirmed(), 100)),
            backup("b", 2, &with(confirmed(), 90)),
            backup("c", 3, &with(demoted(), 95)),
            backup("d", 4, &confirmed()),
            backup("e", 5, &with(confirmed(), last)),
        ];
        view(Some(&verified()), &backups).fullest
    };
    assert_eq!(fullest(0), Some(format!("{DIRECTORY}/b")));
    assert_eq!(fullest(47), Some(format!("{DIRECTORY}/a")));
    assert_eq!(fullest(50), None);
}

#[test]
fn of_bucket_and_cluster_the_worse_counts() {
    let view = view(
        Some(&verified()),
        &[
            backup("a", 1, &confirmed()),
            backup("b", 2, &demoted()),
            backup("c", 3, &json!({"state": "Complete"})),
            backup("d", 4, &confirmed()),
            backup("e", 5, &confirmed()),
        ],
    );
    let mut sets = vec![
        set("a", Standing::Confirmed),
        set("b", Standing::Confirmed),
        set("c", Standing::Confirmed),
        set("d", Standing::Unconfirmed),
        set("unknown", Standing::Confirmed),
        set("a", Standing::Unknown),
        set("b", Standing::Suspect),
    ];
    lower(&mut sets, &view);
    assert_eq!(
        standings(&sets),
        [
            Some(Standing::Confirmed),
            Some(Standing::Demoted),
            Some(Standing::Unconfirmed),
            // What the bucket does not say, nobody sees who has only the bucket.
            Some(Standing::Unconfirmed),
            Some(Standing::Confirmed),
            Some(Standing::Unknown),
            Some(Standing::Suspect),
        ]
    );
}

#[test]
fn what_vanished_or_is_damaged_is_named_and_what_retention_removes_is_not() {
    let taken = ["a", "b", "c", "d"].map(|name| backup(name, 1, &confirmed()));
    let view = view(Some(&verified()), &taken);
    let mut unfinished = set("b", Standing::Confirmed);
    unfinished.facts.contents = SetContents::Unfinished;
    let mut short = set("c", Standing::Incomplete);
    short.faults.push("`dump.pgc.zst` is missing".to_owned());
    let mut of_other = short.clone();
    of_other.facts.path = format!("{DIRECTORY}/foreign");
    if let SetContents::Set(record) = &mut of_other.facts.contents {
        record.owner.database_uid = "uid-2".to_owned();
    }
    let mut forgotten = short.clone();
    forgotten.facts.path = format!("{DIRECTORY}/forgotten");
    let sets = [unfinished, short, of_other, forgotten];
    let found = |removing: &[String]| -> Vec<(String, bool)> {
        let damaged = find_damaged(&sets, &view, &owner(), removing);
        damaged
            .into_iter()
            .map(|damaged| {
                (
                    damaged.path.replace(&format!("{DIRECTORY}/"), ""),
                    damaged.is_gone,
                )
            })
            .collect()
    };
    let all = [
        ("forgotten", false),
        ("d", true),
        ("c", false),
        ("b", false),
        ("a", true),
    ];
    let all = all.map(|(name, is_gone)| (name.to_owned(), is_gone));
    assert_eq!(found(&[]), all);
    let removing = [format!("{DIRECTORY}/a"), format!("{DIRECTORY}/b")];
    assert_eq!(found(&removing), all[..3]);
}

/// A bucket that is full takes no verdict, and retention is what would free it.
#[test]
fn of_the_newest_confirmed_set_the_word_of_the_cluster_does() {
    let view = view(Some(&verified()), &[backup("a", 1, &confirmed())]);
    let standing = |change: &dyn Fn(&mut CatalogSet)| {
        let mut sets = [set("a", Standing::Unconfirmed)];
        change(&mut sets[0]);
        lower(&mut sets, &view);
        standings(&sets)[0]
    };
    assert_eq!(standing(&|_| ()), Some(Standing::Confirmed));
    let is_short = |set: &mut CatalogSet| set.faults.push("`x` is missing".to_owned());
    assert_eq!(standing(&is_short), Some(Standing::Unconfirmed));
    let is_other = |set: &mut CatalogSet| {
        if let SetContents::Set(record) = &mut set.facts.contents {
            record.manifest_sha256 = "other".to_owned();
        }
    };
    assert_eq!(standing(&is_other), Some(Standing::Unconfirmed));
}

#[test]
fn what_a_lifecycle_rule_removed_or_nobody_can_read_here_is_no_damage() {
    let taken = ["a", "b", "c", "d", "e"].map(|name| backup(name, 1, &confirmed()));
    let view = view(Some(&verified()), &taken);
    let mut archived = set("b", Standing::Confirmed);
    archived.facts.contents = SetContents::Unreadable("InvalidObjectState".to_owned());
    archived.is_out_of_reach = true;
    let sets = [
        archived,
        set("c", Standing::Confirmed),
        set("e", Standing::Confirmed),
    ];
    let found = find_damaged(&sets, &view, &owner(), &[]);
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.path.as_str(), one.is_expired))
        .collect();
    let path = |name: &str| format!("{DIRECTORY}/{name}");
    // Between others, it is none of a lifecycle rule.
    assert_eq!(
        found,
        [(path("d").as_str(), false), (path("a").as_str(), true)]
    );
    let none_is_left = find_damaged(&[], &view, &owner(), &[]);
    assert!(none_is_left.iter().all(|one| !one.is_expired));
}

#[test]
fn a_look_that_fails_takes_nothing_back() {
    let mut newest = confirmed();
    newest["catalog"] = json!({
        "job": "yesterday", "completionTime": "2026-01-31T09:00:00Z", "sets": 7, "removes": true,
        "damagedCount": 1, "damaged": [{"path": "x", "why": "`dump.pgc.zst` is missing"}],
        "removed": [format!("{DIRECTORY}/a"), format!("{DIRECTORY}/deleted")],
        "left": [{"path": "y", "why": "locked"}], "rules": {"keepLast": 2},
        "failure": {"reason": "StorageUnreachable", "message": ""},
    });
    let view = view(
        Some(&verified()),
        &[backup("b", 2, &newest), backup("a", 1, &confirmed())],
    );
    let report = begin_report("today", &request(), &view);
    assert_eq!(
        (report.job.as_str(), report.sets, report.damaged_count),
        ("today", 7, 1)
    );
    assert_eq!(report.damaged.len(), 1);
    assert_eq!(
        report.removed,
        [format!("{DIRECTORY}/a")],
        "its DatabaseBackup is there"
    );
    assert_eq!(report.rules, request().retention);
    assert_eq!((report.completion_time, report.failure), (None, None));
    assert!(report.left.is_empty());
}
