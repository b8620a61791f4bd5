//! Scenarios of agents that do not begin, one for each cause: what the conditions say while it lasts,
//! and what becomes of the Job, the check and the backup when their time is over.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::cluster::{Cluster, agent_jobs};
use super::in_memory::Passes;
use super::render::{PASSES, Scenario, plans};
use super::rule_case::Case;
use super::sample::Sample;
use super::sample_objects::{check, complete_backup, ended_job, job, pending};
use super::sample_parts::{known, time};
use crate::api::{
    BackupState, CheckOutcome, CheckTrigger, ConditionStatus, ConditionType, find_condition, names,
};
use crate::decide::decide;
use crate::plan::Step;
use crate::world::{AgentFact, Fact};

const QUOTA: &str = "Job knowledge-2 has no pod: forbidden: exceeded quota: none, requested: \
    pods=1, used: pods=0, limited: pods=0";
const PRESSED: &str = "pod knowledge-2-x: Unschedulable: 0/1 nodes are available: 1 Insufficient \
    cpu.";
const IMAGE: &str = "container agent of pod knowledge-2-x: ImagePullBackOff: Back-off pulling \
    image \"postgres:15\"";
const ARCHITECTURE: &str = "container install of pod knowledge-2-x: exit code 255: exec /holdfast: \
    exec format error (the image is not for the processor of the node)";
const BACKUP_QUOTA: &str = "Job knowledge-backup-2 has no pod: forbidden: exceeded quota: none";

#[test]
fn plans_of_agents_that_do_not_begin() {
    insta::assert_snapshot!("not_begun", plans(scenarios()));
}

/// A Job made at a time, of which this is known.
fn made(mut job: Job, at: &str) -> Job {
    job.metadata.creation_timestamp = Some(time(at));
    job
}

fn waits(sample: Sample, job: &Job, why: Fact<Option<String>>) -> Sample {
    let job_uid = job.metadata.uid.clone().unwrap_or_default();
    sample.with(|observed| {
        known(&mut observed.jobs).push(job.clone());
        known(&mut observed.agents).push(AgentFact {
            out_of_memory: false,
            job_uid,
            has_begun: false,
            why,
        });
    })
}

fn because(why: &str) -> Fact<Option<String>> {
    Fact::Known(Some(why.to_owned()))
}

const A_MOMENT_AGO: &str = "2026-02-01T09:29:52Z";
const SIX_MINUTES_AGO: &str = "2026-02-01T09:24:00Z";

/// A first check whose agent waits.
fn checking(at: &str, why: Fact<Option<String>>) -> Sample {
    let sample = Sample::guarded().checks(vec![pending("knowledge-2", at)]);
    waits(sample, &made(job("knowledge-2", "check"), at), why)
}

/// A check beside an earlier good one.
fn checking_again(at: &str, why: &str) -> Sample {
    let mut again = pending("knowledge-2", at);
    again.spec.trigger = CheckTrigger::Schedule;
    let sample = Sample::settled().and_check(again);
    waits(sample, &made(job("knowledge-2", "check"), at), because(why))
}

fn verified() -> Sample {
    Sample::guarded()
        .checks(vec![check("knowledge-1", "2026-02-01T09:00:00Z")])
        .after_a_pass()
}

fn backing_up(sample: Sample, at: &str) -> Sample {
    let job = made(job("knowledge-backup-2", "backup"), at);
    waits(sample, &job, because(BACKUP_QUOTA))
}

fn failed(sample: Sample, name: &str, task: &str, why: Option<&str>) -> Sample {
    let mut job = ended_job(name, task, "2026-02-01T09:29:00Z", "BackoffLimitExceeded");
    job.metadata.creation_timestamp = Some(time("2026-02-01T09:28:00Z"));
    match why {
        Some(why) => waits(sample, &job, because(why)),
        None => sample.jobs(vec![job]),
    }
}

pub fn scenarios() -> Vec<Scenario> {
    [checks(), backups()].concat()
}

fn checks() -> Vec<Scenario> {
    let pending_check =
        || Sample::guarded().checks(vec![pending("knowledge-2", "2026-02-01T09:28:00Z")]);
    vec![
        (
            "a quota refuses the check's pod",
            checking(A_MOMENT_AGO, because(QUOTA)),
        ),
        (
            "no node takes the check's pod",
            checking(A_MOMENT_AGO, because(PRESSED)),
        ),
        (
            "the check's image is not there",
            checking(A_MOMENT_AGO, because(IMAGE)),
        ),
        (
            "nothing says yet why the check waits",
            checking(A_MOMENT_AGO, Fact::Known(None)),
        ),
        (
            "why the check waits can't be read",
            checking(
                A_MOMENT_AGO,
                Fact::Unknown("could not read the Events of the namespace: refused".to_owned()),
            ),
        ),
        ("a later check waits", checking_again(A_MOMENT_AGO, PRESSED)),
        (
            "the check has waited for 6 minutes",
            checking(SIX_MINUTES_AGO, because(QUOTA)),
        ),
        (
            "the check has waited for 6 minutes and nothing says why",
            checking(SIX_MINUTES_AGO, Fact::Known(None)),
        ),
        (
            "a later check has waited for 6 minutes",
            checking_again(SIX_MINUTES_AGO, QUOTA),
        ),
        (
            "the check's pod was not read",
            checking(SIX_MINUTES_AGO, because(QUOTA))
                .with(|observed| observed.agents = Fact::Unknown("refused".to_owned())),
        ),
        (
            "the check's agent has begun and runs for 6 minutes",
            checking(SIX_MINUTES_AGO, Fact::Known(None)).with(begun),
        ),
        (
            "the check's image is for another processor",
            failed(pending_check(), "knowledge-2", "check", Some(ARCHITECTURE)),
        ),
    ]
}

fn begun(observed: &mut crate::world::Observed) {
    for agent in known(&mut observed.agents) {
        agent.has_begun = true;
    }
}

fn backups() -> Vec<Scenario> {
    vec![
        (
            "a quota refuses the first backup's pod",
            backing_up(verified(), A_MOMENT_AGO),
        ),
        (
            "a quota refuses the pod of a backup by schedule",
            backing_up(Sample::settled(), A_MOMENT_AGO),
        ),
        (
            "a backup has waited for 6 minutes",
            backing_up(Sample::settled(), SIX_MINUTES_AGO),
        ),
        (
            "a backup's Job has failed without a DatabaseBackup",
            failed(Sample::settled(), "knowledge-backup-2", "backup", None),
        ),
        (
            "a backup's Job has failed and never begun",
            failed(
                Sample::settled(),
                "knowledge-backup-2",
                "backup",
                Some(BACKUP_QUOTA),
            ),
        ),
    ]
}

/// When its time is over the check has a verdict that is neither good nor a reset, and the next try
/// follows.
#[test]
fn a_check_that_does_not_begin_is_ended_and_said_and_tried_again() {
    let mut world = Passes::new(checking(SIX_MINUTES_AGO, because(QUOTA)).0);
    world.settle(PASSES);
    let ended = world.check("knowledge-2").status.clone().unwrap();
    let verdict = ended.verdict.unwrap();
    assert_eq!(verdict.outcome, CheckOutcome::Unverifiable);
    assert_eq!(verdict.reason, "AgentNotStarted");
    assert!(
        verdict.message.contains("exceeded quota"),
        "{}",
        verdict.message
    );
    let jobs = known(&mut world.observed.jobs).clone();
    let is_of = |job: &Job, name: &str| job.metadata.name.as_deref() == Some(name);
    assert!(!jobs.iter().any(|job| is_of(job, "knowledge-2")));
    assert!(!jobs.is_empty(), "the next try");
    let status = world.observed.database.status.clone().unwrap();
    let condition = |type_| find_condition(&status.conditions, type_).cloned().unwrap();
    let verified = condition(ConditionType::DataVerified);
    assert_eq!(verified.status, ConditionStatus::Unknown.as_str());
    assert!(
        verified.message.contains("exceeded quota"),
        "{}",
        verified.message
    );
    assert_ne!(
        condition(ConditionType::DataReset).status,
        ConditionStatus::True.as_str()
    );
}

/// A backup that could not start is a DatabaseBackup that Failed, whose message says why.
#[test]
fn a_backup_that_does_not_begin_is_a_databasebackup_that_failed() {
    let mut world = Passes::new(backing_up(Sample::settled(), SIX_MINUTES_AGO).0);
    world.settle(PASSES);
    let backups = known(&mut world.observed.backups).clone();
    let named = |name: &str| {
        let mut all = backups.iter();
        all.find(|backup| backup.metadata.name.as_deref() == Some(name))
    };
    let status = named("knowledge-backup-2").unwrap().status.clone().unwrap();
    assert_eq!(status.state, Some(BackupState::Failed));
    assert_eq!(status.reason.as_deref(), Some("AgentNotStarted"));
    let message = status.message.unwrap_or_default();
    assert!(message.contains("exceeded quota"), "{message}");
    assert_eq!(known(&mut world.observed.jobs).len(), 0);
    let conditions = world.observed.database.status.clone().unwrap().conditions;
    let fresh = find_condition(&conditions, ConditionType::BackupFresh).unwrap();
    assert!(
        fresh.message.contains("exceeded quota"),
        "{}",
        fresh.message
    );
}

/// With the real readers and the real executor: the event of the Job controller is in the condition, and
/// the Job is deleted when its time is over.
#[tokio::test]
async fn what_the_job_controller_says_is_in_the_condition_and_then_the_job_is_ended() {
    let mut cluster = Cluster::new();
    cluster.refused_for = Some(10);
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    let verified = |cluster: &Cluster| {
        let database = cluster.get("protecteddatabases", "atra", "knowledge");
        let conditions = database["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap();
        let mut found = conditions.into_iter();
        found
            .find(|condition| condition["type"] == "DataVerified")
            .unwrap()
    };
    let job = || agent_jobs(&cluster.server.store(), "check").pop().unwrap();
    let first = job();
    let said = verified(&cluster);
    assert_eq!(said["reason"], "AgentNotStarted");
    let message = said["message"].as_str().unwrap();
    let words = format!("Job {first} has no pod: \"forbidden: exceeded quota: none");
    assert!(message.contains(&words), "{message}");

    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(301);
    let made = json!({"metadata": {"creationTimestamp": made.to_string()}});
    cluster.change("jobs", "atra", &first, &made);
    cluster.operate(&operator).await;
    let store = cluster.server.store();
    assert!(store.get("jobs", "atra", &first).is_none());
    assert!(store.writes.iter().any(|write| write == "DELETE jobs"));
    drop(store);
    let check = cluster.get("databasechecks", "atra", &first);
    let verdict = &check["status"]["verdict"];
    assert_eq!(verdict["outcome"], "Unverifiable");
    assert_eq!(verdict["reason"], "AgentNotStarted");
    let message = verdict["message"].as_str().unwrap();
    assert!(message.contains("exceeded quota: none"), "{message}");
    assert_ne!(cluster.condition("DataReset").unwrap().0, "True");
}

/// A Job is as old as the API server says: a wrong clock of the operator's ends none.
#[tokio::test]
async fn the_clock_of_the_api_server_decides_when_an_agent_has_had_its_time() {
    for (ahead, made_before, is_ended) in [(0, 301, true), (-3_600, 10, false), (3_600, 301, true)]
    {
        let mut cluster = Cluster::new();
        cluster.server.store().clock_ahead = ahead;
        cluster.refused_for = Some(10 - ahead);
        let operator = cluster.operator(None);
        cluster.operate(&operator).await;
        let first = agent_jobs(&cluster.server.store(), "check").pop().unwrap();
        let made = cluster.server.store().now() - jiff::SignedDuration::from_secs(made_before);
        let made = json!({"metadata": {"creationTimestamp": made.to_string()}});
        cluster.change("jobs", "atra", &first, &made);
        cluster.operate(&operator).await;
        let is_there = cluster.server.store().get("jobs", "atra", &first).is_some();
        assert_eq!(!is_there, is_ended, "{ahead}");
    }
}

/// Kubernetes is about to end it, and its next try is a Job of its own.
#[test]
fn a_job_that_is_being_deleted_or_is_somebody_elses_is_not_ended() {
    let ends = |sample: Sample| {
        let steps = decide(&sample.0).steps;
        steps.iter().any(|step| matches!(step, Step::EndJob(_)))
    };
    let overdue = || checking(SIX_MINUTES_AGO, because(QUOTA));
    assert!(ends(overdue()));
    assert!(!ends(overdue().with(|observed| {
        for job in known(&mut observed.jobs) {
            job.metadata.deletion_timestamp = Some(time("2026-02-01T09:29:50Z"));
        }
    })));
    assert!(!ends(overdue().with(|observed| {
        for job in known(&mut observed.jobs) {
            let somebody = (names::MANAGED_BY_LABEL.to_owned(), "somebody".to_owned());
            job.metadata
                .labels
                .get_or_insert_default()
                .extend([somebody]);
        }
    })));
}

/// Nor is a backup late whose time only the operator's own clock has passed, or that is not wanted.
#[tokio::test]
async fn the_clock_of_the_api_server_decides_whether_a_backup_is_late() {
    for (ahead, due, is_suspended, is_late) in [
        (0, -30, false, true),
        (0, -30, true, false),
        (-3_600, -30, false, true),
        (-3_600, 30, false, false),
    ] {
        let cluster = Cluster::new();
        cluster.server.store().clock_ahead = ahead;
        let now = cluster.server.store().now();
        let due = now + jiff::SignedDuration::from_mins(due);
        let schedule = due.strftime("%-M %-H * * *").to_string();
        let wanted = json!({"spec": {"backup": {"schedule": schedule, "timeZone": "Etc/UTC"}}});
        cluster.change("protecteddatabases", "atra", "knowledge", &wanted);
        let operator = cluster.operator(None);
        cluster.operate(&operator).await;
        let made = now - jiff::SignedDuration::from_hours(1);
        let made = json!({"metadata": {
            "creationTimestamp": made.to_string(), "managedFields": null,
        }});
        cluster.change("cronjobs", "atra", "knowledge-backup", &made);
        let suspended = json!({"spec": {"suspend": is_suspended}});
        cluster.change("protecteddatabases", "atra", "knowledge", &suspended);
        cluster.end_jobs();
        // The first backup is older than the one that is due.
        let older = (now - jiff::SignedDuration::from_hours(2)).to_string();
        let older = json!({
            "metadata": {"creationTimestamp": older},
            "status": json!(complete_backup("older", &older))["status"],
        });
        let backups = cluster.server.store().all("databasebackups");
        for ((_, namespace, name), _) in backups {
            cluster.change("databasebackups", &namespace, &name, &older);
        }
        cluster.operate(&operator).await;
        let database = cluster.get("protecteddatabases", "atra", "knowledge");
        let said = database["status"]["conditions"].to_string();
        let is_said = said.contains("the backup of ");
        assert_eq!(is_said, is_late, "{ahead} {is_suspended}: {said}");
    }
}

/// What each Job that may not be ended is.
pub fn cases() -> Vec<Case> {
    let overdue = checking(SIX_MINUTES_AGO, because(QUOTA));
    let end = |name: &str| {
        let ended = made(job(name, "check"), SIX_MINUTES_AGO);
        vec![Step::EndJob(Box::new(ended.metadata))]
    };
    let case = |observed: Sample| Case {
        rule: "only_jobs_of_idle_agents_are_ended",
        observed: observed.0,
        bad: end("knowledge-2"),
        good: vec![Step::EnsureAgentIdentity],
    };
    let not_ours = |observed: &mut crate::world::Observed| {
        for job in known(&mut observed.jobs) {
            job.metadata.labels = None;
        }
    };
    vec![
        Case {
            good: end("knowledge-2"),
            bad: end("another"),
            ..case(overdue.clone())
        },
        case(checking(A_MOMENT_AGO, because(QUOTA))),
        case(overdue.clone().with(begun)),
        case(overdue.clone().with(not_ours)),
        case(
            overdue
                .clone()
                .with(|observed| known(&mut observed.agents).clear()),
        ),
        case(overdue.with(|observed| observed.agents = Fact::Unknown("refused".to_owned()))),
    ]
}
