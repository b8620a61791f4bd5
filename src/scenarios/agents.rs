//! Agents at home in the namespace: the CronJob stays as it is while the database restarts, and a Job
//! whose sidecar runs on is ended when its agent has.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::in_memory::Passes;
use super::sample::Sample;
use super::sample_objects::{complete_backup, pending};
use super::sample_parts::{from, metadata, pod, time};
use crate::api::{BackupState, CheckOutcome, names, reasons};
use crate::decide::decide;
use crate::plan::Step;
use crate::resources::Placement;
use crate::world::{ControllerFact, EndedContainer, Fact, Observed, PodFact};

fn placement(pool: &str) -> Placement {
    Placement {
        node_selector: [("pool".to_owned(), pool.to_owned())].into(),
        tolerations: vec![from(json!({"key": "databases", "operator": "Exists"}))],
        image_pull_secrets: vec!["registry".to_owned()],
        ..Placement::default()
    }
}

/// What the API server gives to every pod, and what only a pod has, such as the pull secrets of its
/// service account.
fn database_pod(name: &str, pool: &str) -> PodFact {
    let mut placement = placement(pool);
    placement.tolerations.push(from(json!({
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": 300,
    })));
    PodFact {
        placement,
        ..pod(name, "pod-1", "containerd://1")
    }
}

fn is_cron_job(step: &Step) -> bool {
    matches!(step, Step::ApplyCronJob(_))
}

fn writes_cron_job(passes: &mut Passes) -> bool {
    let plan = passes.pass();
    plan.steps.iter().any(is_cron_job)
}

fn selector_of_cron_job(observed: &Observed) -> String {
    let cron_job = observed.cron_job.known().cloned().flatten().unwrap();
    let pod = cron_job
        .spec
        .job_template
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    pod.node_selector
        .unwrap()
        .remove("pool")
        .unwrap_or_default()
}

/// A restart shows a moment without a pod, and pods of the same template differ in what the API server
/// gives to them. Neither is a reason to write.
#[test]
fn the_cron_job_goes_by_the_pod_that_runs_and_is_not_written_at_each_restart() {
    let mut passes = Passes::new(Sample::settled().0);
    passes.settle(5);
    let pods = |passes: &mut Passes, pods| passes.observed.pods = Fact::Known(pods);
    pods(&mut passes, vec![database_pod("knowledge-postgres-0", "a")]);
    assert!(
        writes_cron_job(&mut passes),
        "what the pod has is taken over"
    );
    assert_eq!(selector_of_cron_job(&passes.observed), "a");
    pods(&mut passes, Vec::new());
    assert!(!writes_cron_job(&mut passes), "no pod is there");
    pods(&mut passes, vec![database_pod("knowledge-postgres-0", "a")]);
    assert!(!writes_cron_job(&mut passes), "the same again");
    passes.observed.pods = Fact::Unknown("refused".to_owned());
    assert!(!writes_cron_job(&mut passes), "pods can't be read");
    pods(&mut passes, vec![database_pod("knowledge-postgres-0", "b")]);
    assert!(writes_cron_job(&mut passes), "it runs elsewhere now");
    assert_eq!(selector_of_cron_job(&passes.observed), "b");
}

#[test]
fn without_a_pod_and_a_cron_job_the_template_says_where() {
    let sample = Sample::settled()
        .workload(|workload| workload.placement = placement("template"))
        .pods(Vec::new())
        .with(|observed| observed.cron_job = Fact::Known(None));
    let mut passes = Passes::new(sample.0);
    assert!(writes_cron_job(&mut passes));
    assert_eq!(selector_of_cron_job(&passes.observed), "template");
    assert!(!writes_cron_job(&mut passes));
}

/// The defaults of the installation, and the spec over them.
#[test]
fn the_cron_job_follows_the_installation_and_the_spec() {
    let mut passes = Passes::new(Sample::settled().0);
    passes.settle(5);
    let defaults = json!({"nodeSelector": {"pool": "installation"}});
    passes.observed.agent_defaults = std::sync::Arc::new(from(defaults));
    assert!(writes_cron_job(&mut passes));
    assert_eq!(selector_of_cron_job(&passes.observed), "installation");
    let database = std::sync::Arc::make_mut(&mut passes.observed.database);
    database.spec.agents = Some(from(json!({"nodeSelector": {"pool": "spec"}})));
    assert!(writes_cron_job(&mut passes));
    assert_eq!(selector_of_cron_job(&passes.observed), "spec");
    assert!(!writes_cron_job(&mut passes));
}

/// A Job of the sample's agents.
pub fn job(name: &str, task: &str) -> Job {
    let mut job: Job =
        from(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(name)}));
    let check = format!("uid-of-{name}");
    let owner = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "name": name, "uid": check});
    job.metadata.owner_references = Some(vec![from(owner)]);
    let labels = [
        (names::DATABASE_LABEL, "knowledge"),
        (names::TASK_LABEL, task),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    job.metadata.labels = Some(labels.into());
    job
}

/// The pod of an agent's Job: the agent ended then, its sidecar runs on.
pub fn outlived(job: &str, ended_at: &str, exit_code: i32) -> PodFact {
    PodFact {
        claims: Vec::new(),
        mounts: Vec::new(),
        server: None,
        labels: [(names::DATABASE_LABEL.to_owned(), "knowledge".to_owned())].into(),
        controller: Some(ControllerFact {
            kind: "job".to_owned(),
            name: job.to_owned(),
        }),
        ended_containers: vec![EndedContainer {
            name: "agent".to_owned(),
            exit_code,
            at: Some(time(ended_at)),
        }],
        ..pod(
            &format!("{job}-abcde"),
            "pod-of-the-agent",
            "containerd://sidecar",
        )
    }
}

fn with_job(sample: Sample, job: Job, pod: PodFact) -> Passes {
    let sample = sample
        .jobs(vec![job])
        .with(|observed| observed.other_pods = Fact::Known(vec![pod]));
    Passes::new(sample.0)
}

fn ends(passes: &mut Passes) -> Vec<String> {
    let plan = passes.pass();
    let ends = plan.steps.iter().filter_map(|step| match step {
        Step::EndJob(job) => job.name.clone(),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_job_whose_agent_has_reported_is_ended_although_a_sidecar_runs_on() {
    let pod = outlived("knowledge-1", "2026-02-01T09:29:00Z", 0);
    let mut passes = with_job(Sample::settled(), job("knowledge-1", "check"), pod);
    assert_eq!(ends(&mut passes), ["knowledge-1"]);
    let plan = passes.settle(5);
    assert!(plan.steps.is_empty());
    assert_eq!(passes.observed.jobs.known().map(Vec::len), Some(0));
}

/// Checks and pods are read side by side, and a pod without a sidecar ends by itself.
#[test]
fn a_job_is_not_ended_at_the_moment_in_which_its_agent_ends() {
    let pod = outlived("knowledge-1", "2026-02-01T09:29:50Z", 0);
    let passes = with_job(Sample::settled(), job("knowledge-1", "check"), pod);
    let plan = decide(&passes.observed);
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.again_after, Some(std::time::Duration::from_secs(20)));
}

/// Its own container says that there will be no report: nobody waits for the deadline of the Job.
#[test]
fn an_agent_that_ended_without_a_report_is_judged_by_its_own_container() {
    let sample = Sample::guarded().checks(vec![pending("knowledge-2", "2026-02-01T09:20:00Z")]);
    let pod = outlived("knowledge-2", "2026-02-01T09:29:00Z", 137);
    let mut passes = with_job(sample, job("knowledge-2", "check"), pod);
    assert_eq!(
        ends(&mut passes),
        Vec::<String>::new(),
        "first what it means"
    );
    let checks = passes.observed.checks.known().unwrap();
    let status = checks[0].status.clone().unwrap_or_default();
    let verdict = status.verdict.unwrap();
    assert_eq!(verdict.outcome, CheckOutcome::Unverifiable);
    assert_eq!(verdict.reason, reasons::JOB_FAILED);
    assert!(
        verdict.message.contains("exit code 137"),
        "{}",
        verdict.message
    );
    assert_eq!(ends(&mut passes), ["knowledge-2"]);
}

#[test]
fn a_backup_that_says_running_is_failed_first_and_then_its_job_is_ended() {
    let mut running = complete_backup("knowledge-backup-1", "2026-02-01T09:10:00Z");
    let status = running.status.as_mut().unwrap();
    status.state = Some(BackupState::Running);
    status.completion_time = None;
    let name = "knowledge-backup-1";
    let sample = Sample::settled().with(|observed| {
        if let Fact::Known(backups) = &mut observed.backups {
            backups.push(running);
        }
    });
    let pod = outlived(name, "2026-02-01T09:29:00Z", 137);
    let mut passes = with_job(sample, job(name, "backup"), pod);
    assert_eq!(ends(&mut passes), Vec::<String>::new());
    let backups = passes.observed.backups.known().unwrap();
    let failed = backups
        .iter()
        .find(|one| one.metadata.name.as_deref() == Some(name));
    let status = failed.and_then(|one| one.status.clone()).unwrap();
    assert_eq!(status.state, Some(BackupState::Failed));
    assert!(status.message.unwrap_or_default().contains("exit code 137"));
    assert_eq!(ends(&mut passes), [name]);
}

/// A Job of somebody else, a pod that only has the label, a Job that nothing is known of.
#[test]
fn no_other_job_is_ended() {
    let ended = "2026-02-01T09:29:00Z";
    let somebody = (names::MANAGED_BY_LABEL.to_owned(), "somebody".to_owned());
    let mut theirs = job("knowledge-1", "check");
    theirs
        .metadata
        .labels
        .get_or_insert_default()
        .extend([somebody]);
    let pod = outlived("knowledge-1", ended, 0);
    assert!(ends(&mut with_job(Sample::settled(), theirs, pod)).is_empty());
    let mut forged = outlived("knowledge-1", ended, 0);
    forged.controller = None;
    let own = || job("knowledge-1", "check");
    assert!(ends(&mut with_job(Sample::settled(), own(), forged)).is_empty());
    let mut runs = outlived("knowledge-1", ended, 0);
    runs.ended_containers[0].name = "istio-proxy".to_owned();
    assert!(ends(&mut with_job(Sample::settled(), own(), runs)).is_empty());
    let backup = job("knowledge-backup-9", "backup");
    let pod = outlived("knowledge-backup-9", ended, 1);
    assert!(
        ends(&mut with_job(Sample::settled(), backup, pod)).is_empty(),
        "its name is all that says that it was tried"
    );
}
