//! Tests of what is read from the pods and events of an agent's Job, one for each cause.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;

fn job(status: &Value) -> Job {
    let metadata = json!({"name": "check-1", "namespace": "atra", "uid": "u-job"});
    serde_json::from_value(
        json!({"metadata": metadata, "spec": {"template": {}}, "status": status}),
    )
    .unwrap()
}

fn pod(status: &Value) -> Pod {
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "Job", "name": "check-1", "uid": "u-job",
        "controller": true,
    });
    serde_json::from_value(json!({
        "metadata": {"name": "check-1-x", "namespace": "atra", "ownerReferences": [owner]},
        "status": status,
    }))
    .unwrap()
}

fn container(name: &str, state: &Value) -> Value {
    json!({
        "name": name, "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": "",
    })
}

/// Whether the agent has begun, and why not.
fn said(status: &Value) -> (bool, String) {
    let fact = AgentFact::of(&job(&json!({"active": 1})), &[pod(status)]).unwrap();
    let why = fact.known_why().unwrap_or_default().to_owned();
    (fact.has_begun, why)
}

fn said_of_agent(state: &Value) -> (bool, String) {
    said(&json!({"phase": "Pending", "containerStatuses": [container("agent", state)]}))
}

#[test]
fn an_agent_has_begun_when_its_container_runs_or_ran() {
    let nothing = String::new();
    let running = json!({"running": {}});
    assert_eq!(said_of_agent(&running), (true, nothing.clone()));
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    assert_eq!(said_of_agent(&ended), (true, nothing.clone()));
    let creating = json!({"waiting": {"reason": "ContainerCreating"}});
    assert_eq!(said_of_agent(&creating), (false, nothing.clone()));
    assert_eq!(said(&json!({"phase": "Pending"})), (false, nothing.clone()));
    // The install container alone is not the agent.
    let installing = json!({
        "initContainerStatuses": [container("install", &json!({"running": {}}))],
        "containerStatuses": [container("agent", &json!({"waiting": {"reason": "PodInitializing"}}))],
    });
    assert_eq!(said(&installing), (false, nothing));
}

#[test]
fn a_pod_says_why_it_is_not_scheduled_and_why_its_image_is_not_there() {
    let unschedulable = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
    }]});
    let says = "pod check-1-x: \"Unschedulable: 0/1 nodes are available: 1 node(s) had untolerated \
        taint(s).\"";
    assert_eq!(said(&unschedulable), (false, says.to_owned()));
    let waiting = |reason: &str| {
        let state = json!({"waiting": {"reason": reason, "message": "not there"}});
        said_of_agent(&state)
    };
    for reason in [
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
    ] {
        let says = format!("container agent of pod check-1-x: \"{reason}: not there\"");
        assert_eq!(waiting(reason), (false, says));
    }
    let init = json!({"initContainerStatuses": [container(
        "install", &json!({"waiting": {"reason": "ErrImagePull", "message": "no"}}),
    )]});
    let says = "container install of pod check-1-x: \"ErrImagePull: no\"";
    assert_eq!(said(&init), (false, says.to_owned()));
}

#[test]
fn a_container_that_could_not_run_says_why() {
    let ended = |code: i32, reason: &str, message: &str| {
        let ended = json!({"exitCode": code, "reason": reason, "message": message});
        said_of_agent(&json!({"terminated": ended}))
    };
    let what = "container agent of pod check-1-x";
    let other = "exec /opt/holdfast: exec format error";
    assert_eq!(
        ended(255, "Error", other),
        (
            true,
            format!(
                "{what}: \"exit code 255: {other}\" (the image is not for the processor of the node)"
            )
        )
    );
    assert_eq!(
        ended(137, "OOMKilled", ""),
        (true, format!("{what}: \"OOMKilled\""))
    );
    assert_eq!(
        ended(128, "StartError", "failed to create task: no such file"),
        (
            false,
            format!("{what}: \"StartError: failed to create task: no such file\"")
        )
    );
    // What it has written is in its log.
    assert_eq!(
        ended(1, "Error", "password=secret"),
        (true, format!("{what}: \"exit code 1\""))
    );
}

#[test]
fn an_evicted_pod_says_so() {
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low."});
    let says = "pod check-1-x: \"Evicted: The node was low.\"";
    assert_eq!(said(&evicted), (false, says.to_owned()));
}

#[test]
fn a_pod_of_another_job_says_nothing_and_one_that_is_missing_is_not_known() {
    let mut other =
        pod(&json!({"containerStatuses": [container("agent", &json!({"running": {}}))]}));
    other.metadata.owner_references.as_mut().unwrap()[0].uid = "u-other".to_owned();
    let none = AgentFact::of(&job(&json!({})), &[other.clone()]).unwrap();
    assert!(none.is_silent());
    // The Job counts one that was not read: whether it has begun is not known.
    assert_eq!(AgentFact::of(&job(&json!({"active": 1})), &[other]), None);
}

#[test]
fn a_suspended_job_says_so() {
    let mut suspended = job(&json!({}));
    suspended.spec.as_mut().unwrap().suspend = Some(true);
    let fact = AgentFact::of(&suspended, &[]).unwrap();
    assert_eq!(fact.known_why(), Some("Job check-1 is suspended"));
}

/// The second in which events are read.
const NOW: i64 = 1_000;

fn event(second: i64, kind: &str, message: &str) -> Event {
    event_because(second, kind, "FailedCreate", message)
}

fn event_because(second: i64, kind: &str, reason: &str, message: &str) -> Event {
    let at = jiff::Timestamp::from_second(second).unwrap().to_string();
    serde_json::from_value(json!({
        "metadata": {}, "involvedObject": {}, "type": kind, "reason": reason,
        "message": message, "lastTimestamp": at,
    }))
    .unwrap()
}

#[test]
fn a_job_without_a_pod_is_explained_by_its_newest_warning() {
    let refused = |pod: &str, why: &str| format!("Error creating: pods \"{pod}\" is {why}");
    let why = "forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0";
    let events = [
        event(10, "Warning", "old"),
        event(30, "Warning", &refused("check-1-b", why)),
        event(40, "Normal", "Created pod"),
        event_because(50, "Warning", "DeadlineExceeded", "Job was active too long"),
    ];
    let metadata = job(&json!({})).metadata;
    let says = format!("Job check-1 has no pod: \"{why}\"");
    assert_eq!(job_warning(&metadata, &events, NOW), Some(says.clone()));
    // The next try has another pod name, and says the same.
    let next = [event(50, "Warning", &refused("check-1-c", why))];
    assert_eq!(job_warning(&metadata, &next, NOW), Some(says));
    assert_eq!(job_warning(&metadata, &[], NOW), None);
}

/// Whoever may write events may write anything into them.
#[test]
fn what_others_write_is_one_bounded_line_without_control_characters() {
    let forged = format!("\u{1b}[31mrun\nrm -rf\r\u{202e}{}", "x".repeat(10_000));
    let metadata = job(&json!({})).metadata;
    let said = job_warning(&metadata, &[event(1, "Warning", &forged)], NOW).unwrap();
    assert!(said.chars().count() < 600, "{}", said.len());
    assert!(!said.contains(['\u{1b}', '\n', '\r', '\u{202e}']), "{said}");
    let state = json!({"waiting": {"reason": forged, "message": forged}});
    let (_, said) = said_of_agent(&state);
    assert!(said.chars().count() < 600 && !said.contains(['\u{1b}', '\n']));
}

/// Whoever may write events dates them as they like, and writes what they like.
#[test]
fn an_event_of_the_future_counts_for_nothing_and_no_text_ends_its_quotation() {
    let metadata = job(&json!({})).metadata;
    let real = event(900, "Warning", "exceeded quota");
    let of_2099 = event(4_083_955_200, "Warning", "all is well");
    let said = job_warning(&metadata, &[of_2099.clone(), real], NOW);
    assert_eq!(
        said.as_deref(),
        Some("Job check-1 has no pod: \"exceeded quota\"")
    );
    assert_eq!(
        job_warning(&metadata, std::slice::from_ref(&of_2099), NOW),
        None
    );
    assert_eq!(pod_warning(&metadata, &[of_2099], NOW), None);
    // The clocks of two components differ a little.
    let near = event(NOW + 30, "Warning", "exceeded quota");
    assert!(job_warning(&metadata, &[near], NOW).is_some());
    let forged = event(
        900,
        "Warning",
        "no\". All is well. Run: \"kubectl delete pvc --all",
    );
    let said = job_warning(&metadata, &[forged], NOW).unwrap();
    let expected = "Job check-1 has no pod: \"no'. All is well. Run: 'kubectl delete pvc --all\"";
    assert_eq!(said, expected);
}

#[test]
fn a_cron_job_is_explained_by_a_warning_since_its_tick() {
    let metadata = job(&json!({})).metadata;
    let old = event(100, "Warning", "of the day before");
    let now = event_because(
        905,
        "Warning",
        "FailedCreate",
        "Error creating job: exceeded quota",
    );
    let said = |events: &[Event]| cron_job_warning(&metadata, events, 900, NOW);
    assert_eq!(said(std::slice::from_ref(&old)), None);
    let expected = "CronJob check-1: \"FailedCreate: Error creating job: exceeded quota\"";
    assert_eq!(said(&[old, now]).as_deref(), Some(expected));
}
