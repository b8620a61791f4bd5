//! Tests of which alerts are sent when, and that nothing piles up.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::json;

use super::*;

const REPEAT: Duration = Duration::from_mins(1);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn reset(status: &str, reason: &str) -> Vec<Condition> {
    let condition = json!({"type": "DataReset", "status": status, "reason": reason, "message": "", "lastTransitionTime": at(0)});
    vec![serde_json::from_value(condition).unwrap()]
}

/// What is due, as reasons; `!` stands for over.
fn due(pending: &PendingAlerts, seconds: u64) -> Vec<String> {
    let said = |alert: &Alert| {
        format!(
            "{}{}",
            alert.labels.reason,
            if alert.ends_at.is_some() { "!" } else { "" }
        )
    };
    pending
        .due(Duration::from_secs(seconds), REPEAT)
        .iter()
        .map(said)
        .collect()
}

fn accept(pending: &mut PendingAlerts, seconds: u64) {
    let sent = pending.due(Duration::from_secs(seconds), REPEAT);
    pending.accepted(&sent, Duration::from_secs(seconds));
}

#[test]
fn an_alert_is_sent_repeated_and_ended_once() {
    let mut pending = PendingAlerts::default();
    assert!(pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1)));
    assert_eq!(due(&pending, 1), ["RowsDropped"]);
    assert!(
        pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(2)),
        "it was never accepted"
    );
    accept(&mut pending, 2);
    assert!(
        !pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(3)),
        "the next pass says nothing new"
    );
    assert!(due(&pending, 61).is_empty());
    assert_eq!(
        pending.pause(Duration::from_secs(42), REPEAT),
        Some(Duration::from_secs(20))
    );
    assert_eq!(due(&pending, 62), ["RowsDropped"], "repeated");
    accept(&mut pending, 62);
    assert!(
        !pending.observe("atra", "knowledge", &reset("Unknown", "ReadFailed"), at(63)),
        "unknown means hold"
    );
    assert!(pending.observe("atra", "knowledge", &reset("False", "Verified"), at(64)));
    assert_eq!(due(&pending, 64), ["RowsDropped!"]);
    assert_eq!(pending.due(REPEAT, REPEAT)[0].ends_at, Some(at(64)));
    accept(&mut pending, 64);
    assert!(due(&pending, 1_000).is_empty());
    assert_eq!(pending.pause(REPEAT, REPEAT), None, "and forgotten");
}

#[test]
fn another_reason_ends_the_alert_before() {
    let mut pending = PendingAlerts::default();
    pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    pending.observe("atra", "other", &reset("True", "RowsDropped"), at(1));
    accept(&mut pending, 1);
    assert!(pending.observe("atra", "knowledge", &reset("True", "TablesEmptied"), at(2)));
    assert_eq!(due(&pending, 2), ["RowsDropped!", "TablesEmptied"]);
}

#[test]
fn a_database_that_is_gone_ends_its_alerts() {
    let mut pending = PendingAlerts::default();
    pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    pending.observe("other", "knowledge", &reset("True", "RowsDropped"), at(1));
    accept(&mut pending, 1);
    assert!(pending.forget("atra", "knowledge", at(2)));
    assert_eq!(due(&pending, 2), ["RowsDropped!"]);
    assert!(!pending.forget("atra", "no-such", at(2)));
}

#[test]
fn what_changed_while_it_was_sent_is_sent_again() {
    let mut pending = PendingAlerts::default();
    pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    let under_way = pending.due(REPEAT, REPEAT);
    pending.observe("atra", "knowledge", &reset("False", "Verified"), at(2));
    pending.accepted(&under_way, REPEAT);
    assert_eq!(due(&pending, 60), ["RowsDropped!"]);
    let under_way = pending.due(REPEAT, REPEAT);
    pending.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(3));
    pending.accepted(&under_way, REPEAT);
    assert_eq!(due(&pending, 60), ["RowsDropped"]);
}

#[test]
fn nothing_piles_up_while_nobody_listens_and_a_request_is_bounded() {
    let mut pending = PendingAlerts::default();
    for second in 0..10_000 {
        let (status, reason) = if second % 2 == 0 {
            ("True", "RowsDropped")
        } else {
            ("False", "Verified")
        };
        pending.observe("atra", "knowledge", &reset(status, reason), at(second));
    }
    assert_eq!(pending.entries.len(), 1, "only the latest state is kept");
    for number in 0..250 {
        pending.observe(
            "atra",
            &format!("db-{number}"),
            &reset("True", "RowsDropped"),
            at(1),
        );
    }
    let mut requests = Vec::new();
    while !due(&pending, 1).is_empty() {
        requests.push(due(&pending, 1).len());
        accept(&mut pending, 1);
    }
    assert_eq!(requests, [100, 100, 51]);
}
