//! What checks have said is in the bucket soon: a short look stores it, not more often than the pace allows, and not
//! where nothing is missing.
#![allow(clippy::unwrap_used, reason = "a test")]

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::catalog::taken;
use super::in_memory::Passes;
use super::sample::Sample;
use super::sample_objects::ended_job;
use super::sample_parts::{from, known, time};
use crate::api::{CatalogRequest, DatabaseBackup, REQUEST_VARIABLE, names};
use crate::decide::decide;
use crate::plan::{Step, check_plan};
use crate::world::Fact;

const NOW: &str = "2026-02-01T09:30:00Z";

/// Two backups that count; the second one has the report of the last look.
fn backups(verdicts: &Value) -> Vec<DatabaseBackup> {
    let mut newest = taken("newest", "2026-02-01T09:15:00Z");
    newest.status.get_or_insert_default().catalog = from(json!({
        "job": "catalog-1", "completionTime": "2026-02-01T09:20:00Z", "verdicts": verdicts,
    }));
    vec![taken("first", "2026-02-01T09:01:00Z"), newest]
}

fn stored(confirmed: &[&str], demoted: &[&str]) -> Value {
    json!({
        "job": "catalog-1", "time": "2026-02-01T09:20:00Z", "confirmed": confirmed, "demoted": demoted,
    })
}

/// A look that ended at that minute.
fn look(minute: u32, reason: &str) -> Job {
    let ended = format!("2026-02-01T09:{minute:02}:00Z");
    let mut look = ended_job("catalog-1", "catalog", &ended, reason);
    look.metadata.creation_timestamp = Some(time(&ended));
    look
}

fn sample(backups: Vec<DatabaseBackup>, looks: Vec<Job>) -> Sample {
    Sample::settled().backups(backups).jobs(looks).at(NOW)
}

/// What the looks are asked that are created.
fn asked(sample: &Sample) -> Vec<CatalogRequest> {
    let plan = decide(&sample.0);
    check_plan(&sample.0, &plan).unwrap();
    let looks = plan.steps.iter().filter_map(|step| match step {
        Step::CreateJob(job) => is_look(job).then(|| request_of(job)),
        _ => None,
    });
    looks.collect()
}

fn is_look(job: &Job) -> bool {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    name.starts_with(names::CATALOG_JOB_PREFIX)
}

fn request_of(job: &Job) -> CatalogRequest {
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let variables = pod.containers[0].env.as_ref().unwrap();
    let request = variables.iter().find(|one| one.name == REQUEST_VARIABLE);
    serde_json::from_str(request.unwrap().value.as_ref().unwrap()).unwrap()
}

fn with(verdicts: &Value, looks: Vec<Job>) -> Vec<CatalogRequest> {
    asked(&sample(backups(verdicts), looks))
}

#[test]
fn what_the_bucket_lacks_is_stored_soon_and_nothing_else_is_done() {
    let good = || vec![look(20, "CompletionsReached")];
    for lacking in [
        stored(&["first"], &[]),
        stored(&[], &[]),
        // What is there says something else.
        stored(&["first"], &["newest"]),
    ] {
        let asked = with(&lacking, good());
        let [request] = asked.as_slice() else {
            panic!("{lacking}: {asked:?}");
        };
        assert!(request.verdicts_only && !request.removes);
        assert_eq!((&request.retention, request.sample_bytes), (&None, 0));
        assert_eq!(request.backup, "newest", "which has the report");
    }
    assert!(with(&stored(&["newest", "first"], &[]), good()).is_empty());
    // A look of an older version does not say what it has stored.
    assert!(with(&Value::Null, good()).is_empty());
}

#[test]
fn a_short_look_waits_for_its_time_and_for_other_looks() {
    let lacking = stored(&["first"], &[]);
    assert!(with(&lacking, vec![look(26, "CompletionsReached")]).is_empty());
    assert_eq!(
        with(&lacking, vec![look(25, "CompletionsReached")]).len(),
        1
    );
    // After one that failed as late as any other look.
    assert!(with(&lacking, vec![look(20, "BackoffLimitExceeded")]).is_empty());
    let runs = super::sample_objects::job("catalog-2", "catalog");
    assert!(with(&lacking, vec![look(20, "CompletionsReached"), runs]).is_empty());
    let unread = sample(backups(&lacking), Vec::new())
        .with(|observed| observed.jobs = Fact::Unknown("refused".to_owned()));
    assert!(asked(&unread).is_empty());
    // Who deletes ended Jobs gets none more.
    let just_now = json!({"job": "catalog-1", "time": "2026-02-01T09:29:00Z"});
    let mut backups = backups(&just_now);
    let report = backups[1]
        .status
        .as_mut()
        .unwrap()
        .catalog
        .as_mut()
        .unwrap();
    report.completion_time = Some(time("2026-02-01T09:29:30Z"));
    assert!(asked(&sample(backups, Vec::new())).is_empty());
}

/// What an agent can't store is asked for no more than once.
#[test]
fn a_set_of_elsewhere_is_not_missed() {
    let good = || vec![look(20, "CompletionsReached")];
    let with = |change: &dyn Fn(&mut DatabaseBackup)| {
        let mut backups = backups(&stored(&["newest"], &[]));
        change(&mut backups[0]);
        asked(&sample(backups, good())).len()
    };
    assert_eq!(with(&|_| ()), 1);
    let status = |backup: &mut DatabaseBackup| backup.status.take().unwrap_or_default();
    for path in [
        "atra/other/first",
        "prod/atra/knowledge/first",
        "atra/knowledge/../first",
    ] {
        let moved = with(&|backup| {
            let mut before = status(backup);
            before.path = Some(path.to_owned());
            backup.status = Some(before);
        });
        assert_eq!(moved, 0, "{path}");
    }
    let unsigned = with(&|backup| backup.status.as_mut().unwrap().manifest_sha256 = None);
    let of_other =
        with(&|backup| backup.status.as_mut().unwrap().bucket = Some("other".to_owned()));
    let unjudged = with(&|backup| backup.status.as_mut().unwrap().confirmed = None);
    assert_eq!((unsigned, of_other, unjudged), (0, 0, 0));
}

/// The first look of all does not wait for its hour either, and the daily one not for the short ones.
#[test]
fn the_first_look_comes_early_and_the_daily_one_in_time() {
    let first = |created: &str| asked(&sample(vec![taken("first", created)], Vec::new()));
    assert!(first("2026-02-01T09:26:00Z").is_empty());
    let early = first("2026-02-01T09:25:00Z");
    assert!(matches!(early.as_slice(), [request] if !request.verdicts_only));

    let mut world = Passes::new(
        sample(
            backups(&stored(&["first"], &[])),
            vec![look(20, "CompletionsReached")],
        )
        .0,
    );
    world.pass();
    let jobs = known(&mut world.observed.jobs);
    let mut looks = jobs.iter_mut().filter(|job| is_look(job));
    let short = looks.next_back().unwrap();
    assert!(request_of(short).verdicts_only);
    short.status = look(31, "CompletionsReached").status;
    let daily = Sample(world.observed.clone()).at("2026-02-02T09:20:00Z");
    let daily = asked(&daily.with(|observed| observed.late_backup = None));
    assert!(
        daily.iter().any(|request| !request.verdicts_only),
        "{daily:?}"
    );
}
