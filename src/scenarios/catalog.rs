//! Scenarios of the sets in the bucket: when they are checked, which backups go with their sets, and what
//! is reported of damaged ones.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test, and a report reads best where it is made"
)]

use serde_json::json;

use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{backup, complete_backup, ended_job, job};
use super::sample_parts::{from, time};
use crate::api::{CatalogReport, CatalogRequest, DatabaseBackup, REQUEST_VARIABLE};
use crate::decide::decide;
use crate::plan::{Step, check_plan};
use crate::world::Fact;

/// An hour after the first backup.
const LATER: &str = "2026-02-01T10:01:00Z";
const DIRECTORY: &str = "atra/knowledge";

#[test]
fn plans_about_the_sets_in_the_bucket() {
    insta::assert_snapshot!("catalog", plans(scenarios()));
}

/// A confirmed backup, and where its set is.
pub fn taken(name: &str, created: &str) -> DatabaseBackup {
    let mut backup = complete_backup(name, created);
    let status = backup.status.get_or_insert_default();
    status.bucket = Some("backups".to_owned());
    status.manifest_sha256 = Some("aa".to_owned());
    status.path = Some(format!("{DIRECTORY}/{name}"));
    backup
}

fn first() -> DatabaseBackup {
    taken("first", "2026-02-01T09:01:00Z")
}

/// A database whose newest backup says that the set of the first one is removed.
pub fn removed() -> Sample {
    reported(json!({"removes": true, "removed": [format!("{DIRECTORY}/first")]}))
}

/// The newest confirmed one, with this report.
fn newest(report: serde_json::Value) -> DatabaseBackup {
    let mut all = json!({
        "job": "catalog-1", "completionTime": "2026-02-01T09:20:00Z", "sets": 3, "confirmed": 2,
        "storedBytes": 1_000,
    });
    json_patch::merge(&mut all, &report);
    let mut backup = taken("newest", "2026-02-01T09:15:00Z");
    let report: CatalogReport = from(all);
    backup.status.get_or_insert_default().catalog = Some(report);
    backup
}

pub fn reported(report: serde_json::Value) -> Sample {
    Sample::settled().backups(vec![first(), newest(report)])
}

fn damaged(name: &str, is_gone: bool) -> serde_json::Value {
    let why = if is_gone {
        "nothing of it is in the bucket any more"
    } else {
        "`dump.pgc.zst` is missing"
    };
    let set = json!({"path": format!("{DIRECTORY}/{name}"), "why": why, "isGone": is_gone});
    json!({"damagedCount": 1, "damaged": [set]})
}

fn looked(ended: &str, reason: &str) -> Sample {
    let mut look = ended_job("catalog-1", "catalog", ended, reason);
    look.metadata.creation_timestamp = Some(time(ended));
    reported(json!({})).jobs(vec![look])
}

/// What a look says that has stored what checks have said of these sets.
fn stored(confirmed: &[&str], demoted: &[&str]) -> serde_json::Value {
    json!({"verdicts": {
        "job": "catalog-1", "time": "2026-02-01T09:20:00Z", "confirmed": confirmed, "demoted": demoted,
    }})
}

fn scenarios() -> Vec<Scenario> {
    let settled = Sample::settled;
    let is_removed = json!({"removes": true, "removed": [format!("{DIRECTORY}/first")]});
    let running = || {
        let mut running = backup("first", "2026-02-01T09:01:00Z", "Running");
        running.status.get_or_insert_default().path = Some(format!("{DIRECTORY}/first"));
        running
    };
    vec![
        (
            "the first backup is an hour old and nobody has looked at the sets",
            settled().backups(vec![first()]).at(LATER),
        ),
        (
            "the first backup is confirmed, and the bucket does not have that",
            settled().backups(vec![first()]),
        ),
        (
            "a second one is confirmed and nobody has looked at the sets",
            settled().backups(vec![first(), taken("second", "2026-02-01T09:15:00Z")]),
        ),
        (
            "a look runs",
            settled()
                .backups(vec![first()])
                .jobs(vec![job("catalog-1", "catalog")])
                .at(LATER),
        ),
        (
            "the look of yesterday succeeded 23 hours ago",
            looked("2026-01-31T10:30:00Z", "CompletionsReached"),
        ),
        (
            "the look of yesterday succeeded 24 hours ago",
            looked("2026-01-31T09:30:00Z", "CompletionsReached"),
        ),
        (
            "the last look failed half an hour ago",
            looked("2026-02-01T09:00:00Z", "BackoffLimitExceeded"),
        ),
        (
            "the last look failed an hour ago",
            looked("2026-02-01T08:30:00Z", "BackoffLimitExceeded"),
        ),
        (
            "the last look was held an hour ago",
            looked("2026-02-01T08:30:00Z", "CompletionsReached").with(|observed| {
                let held = json!({"removes": true, "held": "the data is not verified"});
                observed.backups = Fact::Known(vec![first(), newest(held)]);
            }),
        ),
        (
            "a check has said something since the last look",
            looked("2026-02-01T09:20:00Z", "CompletionsReached").with(|observed| {
                observed.backups = Fact::Known(vec![first(), newest(stored(&["first"], &[]))]);
            }),
        ),
        (
            "a check has said something a moment after the last look",
            looked("2026-02-01T09:27:00Z", "CompletionsReached").with(|observed| {
                observed.backups = Fact::Known(vec![first(), newest(stored(&["first"], &[]))]);
            }),
        ),
        ("the Job of the last look is gone", reported(json!({}))),
        (
            "the Jobs can't be read",
            reported(json!({})).with(|observed| {
                observed.jobs = Fact::Unknown("forbidden".to_owned());
            }),
        ),
        (
            "the bucket is another one since",
            settled()
                .backups(vec![first()])
                .wanted(|spec| {
                    let backup = spec.backup.iter_mut();
                    backup.for_each(|backup| backup.storage.s3.bucket = "other".to_owned());
                })
                .at(LATER),
        ),
        (
            "a set was removed and its backup goes before the next look",
            removed().at("2026-02-03T09:30:00Z"),
        ),
        (
            "a running backup has the directory of a removed set",
            settled().backups(vec![running(), newest(is_removed.clone())]),
        ),
        (
            "a newer backup has the directory of a removed set",
            settled().backups(vec![
                {
                    let mut newer = taken("first", "2026-02-01T09:20:00Z");
                    newer.metadata.name = Some("newer".to_owned());
                    newer
                },
                newest(is_removed),
            ]),
        ),
        ("a set is damaged", reported(damaged("first", false))),
        ("a set is gone", reported(damaged("first", true))),
        (
            "the oldest sets are gone, as by a lifecycle rule",
            reported({
                let gone = damaged("first", true);
                json!({"expiredCount": 2, "expired": gone["damaged"]})
            }),
        ),
        (
            "a set is gone and its backup was deleted since",
            reported(damaged("earlier", true)),
        ),
        (
            "a damaged set has no backup",
            reported(damaged("earlier", false)),
        ),
        (
            "several sets are damaged and the newest good backup is overdue",
            reported({
                let mut report = damaged("first", false);
                report["damagedCount"] = 7.into();
                report
            })
            .at("2026-02-05T09:00:00Z")
            .jobs(vec![job("catalog-2", "catalog")]),
        ),
    ]
}

/// What the Job that is created is asked.
fn asked(sample: &Sample) -> CatalogRequest {
    let plan = decide(&sample.0);
    check_plan(&sample.0, &plan).unwrap();
    let mut jobs = plan.steps.iter().filter_map(|step| match step {
        Step::CreateJob(job) => Some(job),
        _ => None,
    });
    let job = jobs.next().unwrap();
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let variables = pod.containers[0].env.as_ref().unwrap();
    let request = variables.iter().find(|one| one.name == REQUEST_VARIABLE);
    serde_json::from_str(request.unwrap().value.as_ref().unwrap()).unwrap()
}

#[test]
fn sets_are_removed_once_after_each_new_confirmed_one() {
    let with = |report: serde_json::Value| {
        let mut planned = json!({"rules": {"keepLast": 1}});
        json_patch::merge(&mut planned, &report);
        let sample = reported(planned).wanted(|spec| {
            let retention = json!({"keepLast": 1});
            let backup = spec.backup.iter_mut();
            backup.for_each(|backup| backup.retention = from(retention.clone()));
        });
        asked(&sample)
    };
    let done = with(json!({"removes": true}));
    assert_eq!((done.backup.as_str(), done.removes), ("newest", false));
    assert!(done.retention.is_some());
    for undone in [
        json!({}),
        json!({"removes": true, "held": "the data is not verified"}),
        json!({"removes": true, "failure": {"reason": "StorageDenied", "message": ""}}),
    ] {
        assert!(with(undone.clone()).removes, "{undone}");
    }
    // A look that did not end has planned nothing.
    let unended = with(json!({"removes": true, "completionTime": null}));
    assert!(!unended.removes);
    let half = with(json!({"removes": true, "removing": ["atra/knowledge/x"]}));
    assert!(half.removes);
    assert_eq!(half.removing, ["atra/knowledge/x"]);
    // A newer one was confirmed since.
    let newer = taken("newer", "2026-02-01T09:25:00Z");
    let done = json!({"removes": true, "rules": {"keepLast": 1}});
    let sample = reported(done.clone()).wanted(|spec| {
        let backup = spec.backup.iter_mut();
        backup.for_each(|backup| backup.retention = from(json!({"keepLast": 1})));
    });
    let backups = vec![first(), newest(done), newer];
    let request = asked(&sample.backups(backups));
    assert_eq!((request.backup.as_str(), request.removes), ("newer", true));
    // Rules that no look has planned remove nothing, be they new or changed.
    for rules in [json!(null), json!({"keepLast": 2}), json!({"keepDays": 1})] {
        assert!(!with(json!({"rules": rules})).removes, "{rules}");
    }
    // Without rules nothing is ever removed.
    assert!(!asked(&reported(json!({}))).removes);
}

/// Only the very step that the report asks for passes.
#[test]
fn no_other_backup_is_deleted_by_any_plan() {
    let sample = reported(json!({"removed": [format!("{DIRECTORY}/first")]}));
    let delete = |name: &str| {
        let backups = sample.0.backups.known().unwrap().iter();
        let mut of_name = backups.filter(|backup| backup.metadata.name.as_deref() == Some(name));
        let plan = crate::plan::Plan {
            steps: vec![Step::DeleteBackup(Box::new(
                of_name.next().unwrap().metadata.clone(),
            ))],
            ..crate::plan::Plan::default()
        };
        check_plan(&sample.0, &plan)
    };
    delete("first").unwrap();
    let refused = delete("newest").unwrap_err();
    assert!(
        refused.to_string().contains("no newer confirmed backup"),
        "{refused}"
    );
}
