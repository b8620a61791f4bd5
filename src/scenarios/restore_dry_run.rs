//! What a dry run of a restore says and does: it needs no confirmation, waits for no backup, keeps nobody waiting,
//! and nothing is noted, held or explained by it; golden.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::agents;
use super::restore_from_backup::render;
use super::restore_sample::{JOB, announced, decided, job, restore, restore_of, restoring};
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_parts::known;
use crate::api::{DatabaseRestore, ProtectedDatabase};
use crate::decide::recover::refuse_restore;
use crate::plan::{Step, is_dry_run_job, request_of_job};

/// One that nobody has confirmed.
fn dry_run(into: &str, status: &Value) -> DatabaseRestore {
    let mut restore = restore_of(&json!({"latestGood": true}), into, status);
    restore.spec.confirm = None;
    restore.spec.dry_run = Some(true);
    restore
}

fn job_of(sample: &Sample) -> Box<Job> {
    let steps = decided(sample).plan.steps;
    match steps.into_iter().next() {
        Some(Step::CreateJob(job)) => job,
        other => panic!("no Job: {other:?}"),
    }
}

/// Its Job, which runs.
fn own_job() -> Job {
    let made = job_of(&restoring(dry_run("Replace", &announced())));
    Job {
        spec: made.spec,
        ..job()
    }
}

fn running(report: &Value) -> Sample {
    let mut status = announced();
    status["job"] = JOB.into();
    status["report"] = report.clone();
    restoring(dry_run("Replace", &status)).jobs(vec![own_job()])
}

#[test]
fn it_looks_and_says_what_it_has_found() {
    let ended = |more: Value| {
        let mut report = json!({
            "phase": "Done", "completionTime": "2026-02-01T09:27:00Z",
            "databases": [{"name": "knowledge_os", "restoredAs": "knowledge_os_restore_11111111",
                "tables": 2, "expectedRows": 26_422}],
        });
        for (key, value) in more.as_object().expect("an object") {
            report[key] = value.clone();
        }
        running(&report)
    };
    let problems = [
        "only a superuser can create extension \"x\"",
        "roles are missing: \"y\"",
    ];
    let dies = |sample: Sample| sample.jobs(Vec::new());
    let scenarios = vec![
        ("asked for", restoring(dry_run("Replace", &Value::Null))),
        ("announced", restoring(dry_run("Replace", &announced()))),
        (
            "announced, beside",
            restoring(dry_run("Beside", &announced())),
        ),
        (
            "a backup runs",
            restoring(dry_run("Replace", &announced()))
                .jobs(vec![agents::job("knowledge-backup-1", "backup")]),
        ),
        (
            "a restore runs",
            restoring(dry_run("Replace", &announced()))
                .jobs(vec![agents::job("restore-another", "restore")]),
        ),
        ("it looks", running(&json!({"phase": "Hashing"}))),
        ("nothing stands against it", ended(json!({}))),
        ("with warnings", ended(json!({"warnings": ["a", "b"]}))),
        ("it would be refused", ended(json!({"problems": problems}))),
        (
            "it could not look",
            ended(
                json!({"phase": "Preflight", "failure": {"reason": "AuthenticationFailed", "message": "no"}}),
            ),
        ),
        (
            "it ended before it was done",
            ended(json!({"phase": "Hashing"})),
        ),
        (
            "its Job was deleted",
            dies(running(&json!({"phase": "Hashing"}))),
        ),
    ];
    insta::assert_snapshot!("restore_dry_run", render(scenarios));
}

#[test]
fn its_agent_is_asked_for_nothing_else() {
    for into in ["Replace", "Beside"] {
        let request = request_of_job(&job_of(&restoring(dry_run(into, &announced()))));
        assert!(request.expect("a request").dry_run, "{into}");
    }
    let real = request_of_job(&job_of(&restoring(restore(&announced()))));
    assert!(!real.expect("a request").dry_run);
}

#[test]
fn nobody_waits_for_it_and_it_is_never_carried_out() {
    let looking = running(&json!({"phase": "Hashing"}));
    assert!(is_dry_run_job(&own_job()));
    // A restore begins beside it.
    let mut of_another = own_job();
    of_another.metadata.name = Some("restore-another".to_owned());
    let begins = restoring(restore(&announced())).jobs(vec![of_another]);
    assert!(matches!(
        decided(&begins).plan.steps[..],
        [Step::CreateJob(_)]
    ));
    // No UID is asked for, however often a tool creates it again.
    let asked = dry_run("Replace", &Value::Null);
    let database: &ProtectedDatabase = &looking.0.database;
    assert_eq!(refuse_restore(&asked, database, &looking.0.now), None);
}

/// The cases of the rule about the Jobs of restores.
pub fn cases() -> Vec<Case> {
    let own = restoring(dry_run("Replace", &announced()));
    let real = restoring(restore(&announced()));
    let looks = vec![Step::CreateJob(job_of(&own))];
    let restores = vec![Step::CreateJob(job_of(&real))];
    let case = |sample: Sample, good: &[Step], bad: &[Step]| Case {
        rule: "restores_are_confirmed_and_run_once",
        observed: sample.0,
        bad: bad.to_vec(),
        good: good.to_vec(),
    };
    let backup_runs = vec![agents::job("knowledge-backup-1", "backup")];
    let mut other_looks = own_job();
    other_looks.metadata.name = Some("restore-another".to_owned());
    let without_word = own.clone().with(|observed| {
        let restore = &mut known(&mut observed.restores)[0];
        restore.spec.dry_run = None;
    });
    vec![
        // It never becomes a restore, nor a restore a dry run.
        case(own.clone(), &looks, &restores),
        case(real.clone(), &restores, &looks),
        case(without_word, &[Step::EnsureAgentIdentity], &looks),
        // It takes nothing from a backup, nor from a restore.
        case(own.jobs(backup_runs), &looks, &restores),
        case(real.jobs(vec![other_looks]), &restores, &looks),
    ]
}
