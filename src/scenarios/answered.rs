//! A StatefulSet behind a host, as Patroni behind a Service or a pooler: whose server has answered, and
//! which one the next check asks.

use super::render::render;
use super::sample::Sample;
use super::sample_objects::{attempt, check, judged, of_container, unjudged};
use super::sample_parts::{known, pod, time};
use crate::api::{CheckOutcome, ConditionType, DatabaseCheck, reasons};
use crate::decide::decide;
use crate::plan::{Plan, Step};
use crate::world::{GateFact, PodFact};

const HOST: &str = "pg-rw";

/// Two pods, each with an address of its own.
fn two() -> Vec<PodFact> {
    let pods = [("0", "10.0.0.7"), ("1", "10.0.0.8")].map(|(number, address)| {
        let name = format!("knowledge-postgres-{number}");
        let mut pod = pod(
            &name,
            &format!("own-{number}"),
            &format!("containerd://own-{number}"),
        );
        pod.address = Some(address.to_owned());
        pod.own_addresses = vec![address.to_owned()];
        pod
    });
    pods.to_vec()
}

fn behind_host() -> Sample {
    Sample::settled()
        .pods(two())
        .database(|database| database.spec.connection.host = Some(HOST.to_owned()))
}

/// A check of the pod of that number, which asked the host, and the server of that address answered.
fn answered_by(number: u32, address: &str, created: &str) -> DatabaseCheck {
    let mut asked = of(number, unjudged(check(&format!("asked-{number}"), created)));
    let target = asked.spec.target.get_or_insert_default();
    target.host = Some(HOST.to_owned());
    target.addresses = vec![format!("10.0.0.{}", 7 + number)];
    target.started_at = Some(time("2026-02-01T08:59:00Z"));
    let status = asked.status.get_or_insert_default();
    if let Some(evidence) = &mut status.evidence {
        address.clone_into(&mut evidence.server_address);
    }
    asked
}

fn of(number: u32, check: DatabaseCheck) -> DatabaseCheck {
    let name = format!("knowledge-postgres-{number}");
    of_container(
        check,
        &name,
        &format!("own-{number}"),
        &format!("containerd://own-{number}"),
    )
}

/// The hosts that new checks of a pod ask; none is the pod itself.
fn asked(plan: &Plan, number: u32) -> Vec<Option<String>> {
    let pod = format!("own-{number}");
    let targets = plan.steps.iter().filter_map(|step| match step {
        Step::CreateCheck(check) => check.spec.target.clone(),
        _ => None,
    });
    let of_pod = targets.filter(|target| target.pod_uid == pod);
    of_pod.map(|target| target.host).collect()
}

fn verified(plan: &Plan) -> (&'static str, &'static str) {
    let mut conditions = plan.conditions.iter();
    let found = conditions
        .find(|found| found.condition == ConditionType::DataVerified)
        .expect("DataVerified");
    (found.status.as_str(), found.reason)
}

#[test]
fn a_start_asks_the_host_first_and_notes_how_its_own_server_is_known() {
    let Sample(observed) = behind_host();
    let plan = decide(&observed);
    assert_eq!(asked(&plan, 0), [Some(HOST.to_owned())]);
    let noted = plan.steps.iter().find_map(|step| match step {
        Step::CreateCheck(check) => check.spec.target.clone(),
        _ => None,
    });
    let noted = noted.expect("a target");
    assert_eq!(noted.addresses, ["10.0.0.7"]);
    assert!(noted.started_at.is_some());
}

#[test]
fn what_another_pod_answered_verifies_nothing_and_the_pod_itself_is_asked_at_once() {
    for address in ["10.0.0.8", "127.0.0.1", ""] {
        let Sample(observed) = behind_host()
            .pods(two()[..1].to_vec())
            .and_check(answered_by(0, address, "2026-02-01T09:29:30Z"));
        let plan = decide(&observed);
        let unknown = ("Unknown", reasons::OTHER_SERVER_ANSWERED);
        assert_eq!(verified(&plan), unknown, "{address}");
        assert_eq!(asked(&plan, 0), [None], "{address}: {}", render(&plan));
        assert!(
            plan.status
                .baseline
                .is_none_or(|baseline| baseline.check != "asked-0")
        );
    }
    let Sample(observed) = behind_host()
        .pods(two()[..1].to_vec())
        .and_check(answered_by(0, "10.0.0.7", "2026-02-01T09:29:30Z"));
    assert_eq!(verified(&decide(&observed)), ("True", reasons::VERIFIED));
}

/// The Service leads to the first pod, whichever is checked: the second is no second primary.
#[test]
fn the_answer_of_one_server_makes_no_two_primaries() {
    let Sample(observed) = behind_host()
        .and_check(answered_by(0, "10.0.0.7", "2026-02-01T09:20:00Z"))
        .and_check(answered_by(1, "10.0.0.7", "2026-02-01T09:20:10Z"));
    let plan = decide(&observed);
    assert_eq!(verified(&plan), ("True", reasons::VERIFIED));
    assert_eq!(asked(&plan, 1), [None]);
    assert!(asked(&plan, 0).is_empty());
}

/// Where the pod itself does not answer, the host may lead to it by now.
#[test]
fn a_pod_that_does_not_answer_itself_is_asked_at_the_host_again() {
    let itself = |reason: &str| {
        let silent = super::sample_objects::unverifiable("itself", "2026-02-01T09:10:00Z", reason);
        attempt(of(1, unjudged(silent)), 1)
    };
    let Sample(observed) = behind_host()
        .and_check(answered_by(0, "10.0.0.7", "2026-02-01T09:20:00Z"))
        .and_check(answered_by(1, "10.0.0.7", "2026-02-01T09:00:10Z"))
        .and_check(itself(reasons::CONNECTION_FAILED));
    let plan = decide(&observed);
    assert_eq!(
        asked(&plan, 1),
        [Some(HOST.to_owned())],
        "{}",
        render(&plan)
    );
}

/// A pod that no Service leads to yet is asked itself: the host has the data of another one.
#[test]
fn a_pod_with_the_readiness_gate_is_never_asked_at_the_host() {
    let Sample(observed) = behind_host().pods(two()[..1].to_vec()).with(|observed| {
        for pod in known(&mut observed.pods) {
            pod.gate = Some(GateFact::default());
        }
    });
    assert_eq!(asked(&decide(&observed), 0), [None]);
}

/// The host may lead to this pod for a moment, and to another one again.
#[test]
fn where_another_server_has_answered_once_the_pod_is_asked_itself_from_then_on() {
    let mut itself = of(0, unjudged(check("itself", "2026-02-01T09:20:00Z")));
    let target = itself.spec.target.get_or_insert_default();
    // The spec was changed since, so it is checked again.
    target.database_generation = 0;
    let Sample(observed) = behind_host()
        .pods(two()[..1].to_vec())
        .and_check(answered_by(0, "10.0.0.8", "2026-02-01T09:10:00Z"))
        .and_check(itself);
    let plan = decide(&observed);
    assert_eq!(asked(&plan, 0), [None], "{}", render(&plan));
}

/// What an older version has called verified, without knowing whose server it was, is checked again.
#[test]
fn a_verdict_of_an_older_version_is_checked_again() {
    let before = answered_by(0, "", "2026-02-01T09:20:00Z");
    let before = judged(before, CheckOutcome::Verified, reasons::VERIFIED);
    let Sample(observed) = behind_host().pods(two()[..1].to_vec()).and_check(before);
    assert_eq!(asked(&decide(&observed), 0), [None]);
}
