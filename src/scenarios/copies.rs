//! Scenarios of copies in other buckets: which set is copied next, and what the condition says when a copy is behind.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::catalog::taken;
use super::render::{Scenario, plans};
use super::sample::Sample;
use super::sample_objects::{ended_job, job};
use super::sample_parts::{from, time};
use crate::api::{CopyRequest, DatabaseBackup, REQUEST_VARIABLE, names};
use crate::decide::decide;
use crate::plan::{Step, check_plan};

/// The name of the copy.
const OFFSITE: &str = "offsite";

fn with_copies(backups: Vec<DatabaseBackup>) -> Sample {
    Sample::settled().backups(backups).wanted(|spec| {
        let copies = json!([{"name": OFFSITE, "storage": {"s3": {
            "bucket": "copies", "region": "us-east-1", "credentialsSecret": {"name": "s3-copies"}}}}]);
        let backup = spec.backup.iter_mut();
        backup.for_each(|backup| backup.copies = from(copies.clone()));
    })
}

fn first() -> DatabaseBackup {
    taken("first", "2026-02-01T09:01:00Z")
}

fn second() -> DatabaseBackup {
    taken("second", "2026-02-01T09:15:00Z")
}

fn copied(mut backup: DatabaseBackup, more: &Value) -> DatabaseBackup {
    let name = backup.metadata.name.clone().unwrap_or_default();
    let mut status = json!({
        "name": OFFSITE, "state": "Complete", "time": "2026-02-01T09:16:00Z", "job": "copy-1",
        "message": "1 bytes are in the bucket `copies`", "bucket": "copies", "path": format!("atra/knowledge/{name}"),
        "verdict": "Confirmed",
    });
    json_patch::merge(&mut status, more);
    backup.status.get_or_insert_default().copies = vec![from(status)];
    backup
}

fn failed(backup: DatabaseBackup) -> DatabaseBackup {
    let more = json!({
        "state": "Failed", "reason": "StorageDenied", "message": "https://s3.example.com refused the access key.",
        "verdict": null,
    });
    copied(backup, &more)
}

fn demoted(mut backup: DatabaseBackup, reason: &str) -> DatabaseBackup {
    let by = json!({"check": "knowledge-3", "time": "2026-02-01T09:20:00Z", "reason": reason});
    backup.status.get_or_insert_default().demoted = from(by);
    backup
}

fn unconfirmed(mut backup: DatabaseBackup) -> DatabaseBackup {
    backup.status.get_or_insert_default().confirmed = None;
    backup
}

/// The name of a Job that copies a backup.
fn job_name(backup: &str) -> String {
    let digits = hex::encode(Sha256::digest(OFFSITE));
    format!(
        "{}1",
        names::copy_jobs(&format!("uid-of-{backup}"), &digits[..10])
    )
}

fn ended(backup: &str, at: &str, reason: &str) -> Job {
    let mut job = ended_job(&job_name(backup), "copy", at, reason);
    job.metadata.creation_timestamp = Some(time(at));
    job
}

fn scenarios() -> Vec<Scenario> {
    let complete = || json!({});
    vec![
        (
            "two backups have no copy",
            with_copies(vec![first(), second()]),
        ),
        (
            "the newest is copied, and the other one has no copy",
            with_copies(vec![first(), copied(second(), &complete())]),
        ),
        (
            "both are copied",
            with_copies(vec![
                copied(first(), &complete()),
                copied(second(), &complete()),
            ]),
        ),
        (
            "a copy runs",
            with_copies(vec![first(), second()]).jobs(vec![job(&job_name("second"), "copy")]),
        ),
        (
            "a copy failed half an hour ago",
            with_copies(vec![first(), failed(second())]).jobs(vec![ended(
                "second",
                "2026-02-01T09:00:00Z",
                "BackoffLimitExceeded",
            )]),
        ),
        (
            "a copy failed an hour ago",
            with_copies(vec![first(), failed(second())]).jobs(vec![ended(
                "second",
                "2026-02-01T08:30:00Z",
                "BackoffLimitExceeded",
            )]),
        ),
        (
            "no copy was made for hours, and nobody says why",
            with_copies(vec![first(), second()])
                .jobs(vec![job(&job_name("second"), "copy")])
                .at("2026-02-01T12:00:00Z"),
        ),
        (
            "a backup is not confirmed yet",
            with_copies(vec![
                copied(first(), &complete()),
                unconfirmed(taken("second", "2026-02-01T09:25:00Z")),
            ]),
        ),
        (
            "a backup is not confirmed for a quarter of an hour",
            with_copies(vec![copied(first(), &complete()), unconfirmed(second())]),
        ),
        (
            "a backup was confirmed after it was copied",
            with_copies(vec![copied(first(), &json!({"verdict": null}))]),
        ),
        (
            "a backup was demoted after it was copied",
            with_copies(vec![demoted(
                copied(first(), &json!({"verdict": null})),
                "TablesEmptied",
            )]),
        ),
        (
            "a backup was demoted before it was copied",
            with_copies(vec![demoted(first(), "TablesEmptied")]),
        ),
        (
            "a backup was found damaged after it was copied",
            with_copies(vec![demoted(copied(first(), &complete()), "SetDamaged")]),
        ),
        (
            "the copy goes to another bucket since",
            with_copies(vec![copied(first(), &json!({"bucket": "former"}))]),
        ),
        (
            "the backup is in another bucket than backups go to now",
            with_copies(vec![first()]).wanted(|spec| {
                let backup = spec.backup.iter_mut();
                backup.for_each(|backup| backup.storage.s3.bucket = "other".to_owned());
            }),
        ),
        (
            "backups are suspended",
            with_copies(vec![first()]).wanted(|spec| spec.suspend = true),
        ),
    ]
}

#[test]
fn plans_about_copies() {
    insta::assert_snapshot!("copies", plans(scenarios()));
}

/// What the Job that is created is asked; none if none is.
fn asked(sample: &Sample) -> Option<CopyRequest> {
    let plan = decide(&sample.0);
    check_plan(&sample.0, &plan).unwrap();
    let mut jobs = plan.steps.iter().filter_map(|step| match step {
        Step::CreateJob(job) => Some(job),
        _ => None,
    });
    let job = jobs.find(|job| {
        job.metadata
            .name
            .iter()
            .any(|name| name.starts_with("copy-"))
    })?;
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let variables = pod.containers[0].env.as_ref().unwrap();
    let request = variables.iter().find(|one| one.name == REQUEST_VARIABLE);
    Some(serde_json::from_str(request.unwrap().value.as_ref().unwrap()).unwrap())
}

#[test]
fn a_job_is_asked_for_the_newest_set_and_says_whether_it_counts() {
    let request = asked(&with_copies(vec![first(), second()])).unwrap();
    assert_eq!(
        (
            request.backup.as_str(),
            request.path.as_str(),
            request.is_complete
        ),
        ("second", "atra/knowledge/second", false)
    );
    assert_eq!(
        (
            request.source.bucket.as_str(),
            request.target.bucket.as_str()
        ),
        ("backups", "copies")
    );
    assert!(request.confirmed.is_some() && request.demoted.is_none());
    let late = copied(first(), &json!({"verdict": null}));
    let late = asked(&with_copies(vec![demoted(late, "TablesEmptied")])).unwrap();
    assert!(late.is_complete && late.confirmed.is_none() && late.demoted.is_some());
    // What the first bucket has damaged, the copy has as it was stored.
    let damaged = demoted(copied(first(), &json!({})), "SetDamaged");
    assert_eq!(asked(&with_copies(vec![damaged])), None);
    // One that can't be copied holds up no other, and no verdict.
    let of = |backups: Vec<DatabaseBackup>| asked(&with_copies(backups)).map(|one| one.backup);
    let late = || demoted(copied(first(), &json!({})), "TablesEmptied");
    for (backups, next) in [
        (vec![first(), failed(second())], "first"),
        (vec![late(), failed(second())], "first"),
        (vec![late(), second()], "first"),
        (
            vec![copied(first(), &json!({})), failed(second())],
            "second",
        ),
    ] {
        assert_eq!(of(backups).as_deref(), Some(next));
    }
    // Without copies in the spec nothing is copied.
    assert_eq!(
        asked(&Sample::settled().backups(vec![first(), second()])),
        None
    );
}
