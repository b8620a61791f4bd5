//! Whose server has answered, and what that verifies.

use super::sample::{Sample, time};
use crate::api::{CheckOutcome, reasons};

fn answered_by(address: &str) -> Sample {
    Sample::new().at_host("knowledge-rw").answered_by(address)
}

fn said(sample: &Sample) -> (CheckOutcome, &'static str) {
    let verdict = sample.judge();
    (verdict.outcome, verdict.reason)
}

#[test]
fn only_the_server_of_the_pod_verifies_it() {
    let verified = (CheckOutcome::Verified, reasons::VERIFIED);
    let other = (CheckOutcome::Unverifiable, reasons::OTHER_SERVER_ANSWERED);
    assert_eq!(said(&answered_by("10.0.0.7")), verified);
    for address in ["10.0.0.8", "127.0.0.1", ""] {
        assert_eq!(said(&answered_by(address)), other, "{address}");
    }
    let mut restarted = answered_by("10.0.0.7");
    restarted.target.started_at = Some(time("2026-02-01T09:30:00Z"));
    assert_eq!(said(&restarted), other);
    // At the pod's own address nobody else answers.
    assert_eq!(said(&Sample::new().answered_by("10.0.0.8")), verified);
}

/// That another server is a replica says nothing of the role of this one.
#[test]
fn a_replica_behind_the_host_makes_no_replica_of_the_pod() {
    let replica =
        |address| answered_by(address).now(|evidence| evidence.identity.in_recovery = true);
    let other = (CheckOutcome::Unverifiable, reasons::OTHER_SERVER_ANSWERED);
    assert_eq!(said(&replica("10.0.0.8")), other);
    let itself = (CheckOutcome::Unverifiable, reasons::IN_RECOVERY);
    assert_eq!(said(&replica("10.0.0.7")), itself);
}

/// Clients reach what is behind the host, so a reset there is reported.
#[test]
fn a_reset_behind_the_host_is_an_alarm_whoever_answers() {
    let (outcome, reason) = said(&answered_by("10.0.0.8").other_cluster());
    assert_eq!(outcome, CheckOutcome::Suspected);
    assert_eq!(reason, reasons::CLUSTER_REINITIALIZED);
}
