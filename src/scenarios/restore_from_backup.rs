//! What a `DatabaseRestore` from a backup says and does on its way; golden.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::agents;
use super::restore_sample::{
    JOB, announced, backup, check_name, decided, decided_by, demoted, done, emptied, job, restore,
    restore_of, restored_check, restoring,
};
use super::sample::Sample;
use super::sample_objects::{bad_backup, judged, unconfirmed_backup};
use super::sample_parts::{known, rival, time};
use crate::api::{CheckOutcome, DatabaseBackup, DatabaseRestore, RestoreState, names};
use crate::decide::{SetDecision, decide};
use crate::plan::{Step, check_plan};
use crate::world::{AgentFact, AgentIdentity, Fact};

pub fn render(scenarios: Vec<(&str, Sample)>) -> String {
    let mut text = String::new();
    for (name, sample) in scenarios {
        let SetDecision {
            status,
            plan,
            is_held,
        } = decided(&sample);
        check_plan(&sample.0, &plan).expect("a plan that breaks no rule");
        let held = if is_held { " (held)" } else { "" };
        let message = status.message.unwrap_or_default();
        let _ = writeln!(text, "# {name}\n{:?}{held}: {message}", status.state);
        if let Some(set) = &status.set {
            let _ = writeln!(text, "  set: {}", set.backup);
        }
        for step in &plan.steps {
            let _ = writeln!(text, "  - {}", step.describe());
        }
        text.push('\n');
    }
    text
}

fn named(name: &str, accepts: bool) -> DatabaseRestore {
    let mut restore = restore_of(&json!({"backup": name}), "Replace", &Value::Null);
    restore.spec.accept_suspect = accepts.then_some(true);
    restore
}

fn with(restore: DatabaseRestore, backups: Vec<DatabaseBackup>) -> Sample {
    restoring(restore).backups(backups)
}

fn asked() -> DatabaseRestore {
    restore(&Value::Null)
}

#[test]
fn a_set_is_chosen_only_if_it_counts_or_its_user_says_so() {
    let first = || backup("knowledge-backup-first", "2026-02-01T09:01:00Z");
    let later = || backup("knowledge-backup-later", "2026-02-01T09:22:00Z");
    let elsewhere = || {
        let mut backup = first();
        backup.status.get_or_insert_default().bucket = Some("archive".to_owned());
        backup
    };
    let of_other = || {
        let mut backup = first();
        backup.status.get_or_insert_default().system_identifier = Some("7599".to_owned());
        backup
    };
    let old = || {
        let mut backup = first();
        backup.status.get_or_insert_default().manifest_sha256 = None;
        backup
    };
    let suspect = || {
        let mut suspect = first();
        let status = suspect.status.get_or_insert_default();
        status.state = Some(crate::api::BackupState::Suspect);
        status.reason = Some("TablesEmptied".to_owned());
        suspect
    };
    let name = "knowledge-backup-first";
    let scenarios = vec![
        (
            "the newest that counts",
            with(asked(), vec![first(), demoted(later())]),
        ),
        ("two count", with(asked(), vec![later(), first()])),
        ("none was taken", with(asked(), Vec::new())),
        ("none counts", with(asked(), vec![demoted(first())])),
        (
            "none is of this database cluster",
            with(asked(), vec![of_other()]),
        ),
        ("none is in this bucket", with(asked(), vec![elsewhere()])),
        (
            "an old one does not say where it is",
            with(asked(), vec![old()]),
        ),
        ("by name", with(named(name, false), vec![first(), later()])),
        (
            "by name, not there",
            with(named("other", false), vec![first()]),
        ),
        (
            "by name, in another bucket",
            with(named(name, false), vec![elsewhere()]),
        ),
        (
            "by name, demoted",
            with(named(name, false), vec![demoted(first())]),
        ),
        (
            "by name, demoted and accepted",
            with(named(name, true), vec![demoted(first())]),
        ),
        (
            "by name, suspect",
            with(named(name, false), vec![suspect()]),
        ),
        (
            "by name, suspect and accepted",
            with(named(name, true), vec![suspect()]),
        ),
        (
            "by name, unconfirmed",
            with(
                named("new", false),
                vec![unconfirmed_backup(
                    "new",
                    "2026-02-01T09:21:00Z",
                    "0/1A2B3C8",
                )],
            ),
        ),
        (
            "by name, failed",
            with(
                named("bad", true),
                vec![bad_backup(
                    "bad",
                    "2026-02-01T09:21:00Z",
                    "Failed",
                    "JobFailed",
                )],
            ),
        ),
        (
            "by name, running",
            with(
                named("now", true),
                vec![super::sample_objects::backup(
                    "now",
                    "2026-02-01T09:21:00Z",
                    "Running",
                )],
            ),
        ),
    ];
    let mut text = render(scenarios);
    let placed = |path: &str| {
        let source = json!({"set": {"path": path, "manifestSha256": "cd".repeat(32)}});
        let below_prod = |database: &mut crate::api::ProtectedDatabase| {
            let backup = database.spec.backup.as_mut().expect("spec.backup");
            "prod".clone_into(&mut backup.storage.s3.prefix);
        };
        with(restore_of(&source, "Replace", &Value::Null), Vec::new()).database(below_prod)
    };
    let scenarios = vec![
        (
            "by its place",
            placed("prod/gone/orders/20260131T030000Z-0000abcd"),
        ),
        (
            "by its place, outside of the prefix",
            placed("production/gone/orders/20260131T030000Z-0000abcd"),
        ),
    ];
    text.push_str(&render(scenarios));
    insta::assert_snapshot!("restore_from_backup_set", text);
}

#[test]
fn it_begins_only_when_nothing_is_in_its_place() {
    let announced = || restoring(restore(&announced()));
    let beside = restore_of(
        &json!({"latestGood": true}),
        "Beside",
        &super::restore_sample::announced(),
    );
    let scratch = restore_of(&json!({"latestGood": true}), "Scratch", &Value::Null);
    let mut unconfirmed = restore(&super::restore_sample::announced());
    unconfirmed.spec.confirm = Some("uid-of-the-one-before".to_owned());
    let scenarios = vec![
        ("asked for", restoring(asked())),
        ("announced", announced()),
        ("announced, beside", restoring(beside)),
        (
            "announced, without the agents' identity",
            announced()
                .with(|observed| observed.agent_identity = Fact::Known(AgentIdentity::Missing)),
        ),
        ("scratch", restoring(scratch)),
        ("confirmed for another one", restoring(unconfirmed)),
        (
            "no role for restores",
            restoring(asked()).database(|database| database.spec.restore = None),
        ),
        (
            "a deadline that is none",
            restoring(asked()).database(|database| {
                if let Some(restore) = &mut database.spec.restore {
                    restore.deadline = "1s".to_owned();
                }
            }),
        ),
        (
            "no spec.backup",
            restoring(asked()).database(|database| database.spec.backup = None),
        ),
        (
            "the bucket was changed",
            announced().database(|database| {
                if let Some(backup) = &mut database.spec.backup {
                    backup.storage.s3.bucket = "other".to_owned();
                }
            }),
        ),
        (
            "suspended",
            announced().database(|database| database.spec.suspend = true),
        ),
        ("being deleted", announced().deleted()),
        ("no pod runs", announced().pods(Vec::new())),
        (
            "a backup runs",
            announced().jobs(vec![agents::job("knowledge-backup-1", "backup")]),
        ),
        (
            "another restore runs",
            announced().jobs(vec![agents::job("restore-another", "restore")]),
        ),
        (
            "somebody else's Job has the name",
            announced().jobs(vec![agents::job(JOB, "backup")]),
        ),
        (
            "another database names the workload",
            announced().with(|observed| known(&mut observed.neighbours).push(rival(true))),
        ),
    ];
    insta::assert_snapshot!("restore_from_backup_begins", render(scenarios));
}

/// What could not be read decides nothing.
#[test]
fn nothing_is_decided_of_what_could_not_be_read() {
    let unread = |change: fn(&mut crate::world::Observed)| {
        let sample = restoring(restore(&announced())).with(change);
        decided_by(&sample.0).expect_err("it could not be read")
    };
    let refused = || "refused".to_owned();
    assert_eq!(
        refused(),
        unread(|observed| observed.jobs = Fact::Unknown("refused".to_owned()))
    );
    assert_eq!(
        refused(),
        unread(|observed| observed.pods = Fact::Unknown("refused".to_owned()))
    );
    assert_eq!(
        refused(),
        unread(|observed| observed.neighbours = Fact::Unknown("refused".to_owned()))
    );
    let unread =
        restoring(asked()).with(|observed| observed.backups = Fact::Unknown("refused".to_owned()));
    assert_eq!(decided_by(&unread.0).err(), Some(refused()));
}

fn running(report: &Value) -> Sample {
    let mut status = announced();
    status["job"] = JOB.into();
    status["report"] = report.clone();
    restoring(restore(&status)).jobs(vec![job()])
}

fn ended_job(seconds_ago: i64) -> k8s_openapi::api::batch::v1::Job {
    let mut job = job();
    let at = time("2026-02-01T09:30:00Z").0 - jiff::SignedDuration::from_secs(seconds_ago);
    job.status = super::sample_parts::from(json!({"conditions": [{
        "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
        "lastTransitionTime": at.to_string(),
    }]}));
    job
}

#[test]
fn its_job_is_followed_to_its_end() {
    let half = json!({"phase": "Restoring", "restoredBytes": 5_368_709_120_i64, "totalBytes": 10_737_418_240_i64});
    let failed = |message: &str| {
        json!({
            "phase": "Preflight", "completionTime": "2026-02-01T09:27:00Z",
            "failure": {"reason": "PermissionDenied", "message": message},
        })
    };
    let not_begun = |made: &str, why: &str| {
        let mut job = job();
        job.metadata.creation_timestamp = Some(time(made));
        let mut agent = AgentFact::begun(&job).expect("an agent");
        agent.has_begun = false;
        agent.why = Fact::Known(Some(why.to_owned()));
        running(&Value::Null).jobs(vec![job]).with(move |observed| {
            observed.agents = Fact::Known(vec![agent]);
        })
    };
    let quota = "exceeded quota: none, requested: pods=1";
    let died = |seconds: i64, report: &Value| {
        let sample = running(report).jobs(vec![ended_job(seconds)]);
        sample.with(|observed| {
            for agent in known(&mut observed.agents) {
                agent.why = Fact::Known(Some("the container was killed (OOMKilled)".to_owned()));
                agent.out_of_memory = true;
            }
        })
    };
    let beside = {
        let mut restore = restore_of(&json!({"latestGood": true}), "Beside", &done());
        let report = restore
            .status
            .as_mut()
            .and_then(|status| status.report.as_mut());
        for database in report.into_iter().flat_map(|report| &mut report.databases) {
            (database.kept_as, database.kept_oid) = (None, None);
        }
        restoring(restore)
    };
    let scenarios = vec![
        ("it has begun", running(&Value::Null)),
        ("half of it", running(&half)),
        (
            "verifying",
            running(&json!({"phase": "Verifying", "message": "table 3 of 12"})),
        ),
        (
            "a quota refuses its pod",
            not_begun("2026-02-01T09:29:30Z", quota),
        ),
        (
            "a quota has refused it for long",
            not_begun("2026-02-01T09:20:00Z", quota),
        ),
        (
            "another pod of it is not there yet",
            not_begun("2026-02-01T09:20:00Z", quota).with({
                let report = half.clone();
                move |observed| {
                    let status = known(&mut observed.restores)[0].status.as_mut();
                    status.expect("a status").report = Some(super::sample_parts::from(report));
                }
            }),
        ),
        (
            "it failed",
            running(&failed("role holdfast may not create databases")),
        ),
        ("ended a moment ago", died(2, &Value::Null)),
        ("killed while restoring", died(60, &half)),
        (
            "killed while renaming",
            died(60, &json!({"phase": "Swapping"})),
        ),
        ("its Job was deleted", running(&half).jobs(Vec::new())),
        ("done, beside", beside),
        ("done", restoring(restore(&done()))),
    ];
    insta::assert_snapshot!("restore_from_backup_job", render(scenarios));
}

#[test]
fn after_it_the_data_is_verified() {
    let name = check_name();
    let checked = |outcome: CheckOutcome, reason: &str| {
        let check = judged(
            restored_check(&name, "2026-02-01T09:28:00Z"),
            outcome,
            reason,
        );
        restoring(restore(&done())).and_check(check)
    };
    let mut pending = restored_check(&name, "2026-02-01T09:28:00Z");
    pending.status = None;
    let by_another = judged(
        restored_check("knowledge-s1", "2026-02-01T09:28:00Z"),
        CheckOutcome::Verified,
        "Verified",
    );
    let scenarios = vec![
        ("no pod runs", restoring(restore(&done())).pods(Vec::new())),
        (
            "being checked",
            restoring(restore(&done())).and_check(pending),
        ),
        ("verified", checked(CheckOutcome::Verified, "Verified")),
        (
            "verified by another check",
            restoring(restore(&done())).and_check(by_another),
        ),
        (
            "not the data",
            checked(CheckOutcome::Suspected, "RowsDropped"),
        ),
        (
            "not known a moment ago",
            checked(CheckOutcome::Unverifiable, "NotCounted").at("2026-02-01T09:28:09Z"),
        ),
        (
            "not known",
            checked(CheckOutcome::Unverifiable, "NotCounted"),
        ),
    ];
    insta::assert_snapshot!("restore_from_backup_verified", render(scenarios));
}

/// The Job mounts the credentials of restores and none of the checks', and its request has no secret.
#[test]
fn only_its_job_mounts_the_credentials_of_restores() {
    let sample = restoring(restore(&announced()));
    let steps = decided(&sample).plan.steps;
    let [Step::CreateJob(job)] = &steps[..] else {
        panic!("{steps:?}");
    };
    let secrets = |job: &Value| {
        let volumes = job.pointer("/spec/template/spec/volumes").expect("volumes");
        let all = volumes.as_array().expect("a list");
        let names = all
            .iter()
            .filter_map(|volume| volume["secret"]["secretName"].as_str());
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let of_restore = serde_json::to_value(job).expect("a Job");
    assert_eq!(secrets(&of_restore), ["pg-restore", "s3-auth"]);
    assert_eq!(crate::guard::field_of_no_agent(&of_restore), None);
    assert_eq!(job.metadata.name.as_deref(), Some(JOB));
    let labels = job.metadata.labels.clone().unwrap_or_default();
    assert_eq!(
        labels.get(names::TASK_LABEL).map(String::as_str),
        Some("restore")
    );
    insta::assert_yaml_snapshot!("restore_job", of_restore);
    // Nobody else's has them.
    let unchecked = emptied().restarted();
    for step in decide(&unchecked.0).steps {
        if let Step::ApplyCronJob(job) = step {
            let text = serde_json::to_string(&job).expect("a CronJob");
            assert!(!text.contains("pg-restore"), "{text}");
        }
    }
}

/// A restore that has begun is decided by what it chose, whatever counts by now.
#[test]
fn the_set_is_chosen_once() {
    let later = backup("knowledge-backup-later", "2026-02-01T09:29:00Z");
    let first = demoted(backup("knowledge-backup-first", "2026-02-01T09:01:00Z"));
    let sample = with(restore(&announced()), vec![later, first]);
    let status = decided(&sample).status;
    assert_eq!(status.state, Some(RestoreState::Running));
    let chosen = status.set.map(|set| set.backup);
    assert_eq!(chosen.as_deref(), Some("knowledge-backup-first"));
}
