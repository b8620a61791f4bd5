//! Tests of what is told when, and that nothing piles up.
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
fn due(board: &Board, seconds: u64) -> Vec<String> {
    let said = |alert: &Alert| {
        format!(
            "{}{}",
            alert.labels.reason,
            if alert.ends_at.is_some() { "!" } else { "" }
        )
    };
    board
        .due(Duration::from_secs(seconds), REPEAT)
        .iter()
        .map(said)
        .collect()
}

fn accept(board: &mut Board, seconds: u64) {
    let sent = board.due(Duration::from_secs(seconds), REPEAT);
    board.accepted(&sent, Duration::from_secs(seconds));
}

#[test]
fn an_alert_is_sent_repeated_and_ended_once() {
    let mut board = Board::default();
    assert!(board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1)));
    assert_eq!(due(&board, 1), ["RowsDropped"]);
    assert!(
        board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(2)),
        "it was never accepted"
    );
    accept(&mut board, 2);
    assert!(
        !board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(3)),
        "the next pass says nothing new"
    );
    assert!(due(&board, 61).is_empty());
    assert_eq!(
        board.pause(Duration::from_secs(42), REPEAT),
        Some(Duration::from_secs(20))
    );
    assert_eq!(due(&board, 62), ["RowsDropped"], "repeated");
    accept(&mut board, 62);
    assert!(
        !board.observe("atra", "knowledge", &reset("Unknown", "ReadFailed"), at(63)),
        "unknown means hold"
    );
    assert!(board.observe("atra", "knowledge", &reset("False", "Verified"), at(64)));
    assert_eq!(due(&board, 64), ["RowsDropped!"]);
    assert_eq!(board.due(REPEAT, REPEAT)[0].ends_at, Some(at(64)));
    accept(&mut board, 64);
    assert!(due(&board, 1_000).is_empty());
    assert_eq!(board.pause(REPEAT, REPEAT), None, "and forgotten");
}

#[test]
fn another_reason_ends_the_alert_before() {
    let mut board = Board::default();
    board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    board.observe("atra", "other", &reset("True", "RowsDropped"), at(1));
    accept(&mut board, 1);
    assert!(board.observe("atra", "knowledge", &reset("True", "TablesEmptied"), at(2)));
    assert_eq!(due(&board, 2), ["RowsDropped!", "TablesEmptied"]);
}

#[test]
fn a_database_that_is_gone_ends_its_alerts() {
    let mut board = Board::default();
    board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    board.observe("other", "knowledge", &reset("True", "RowsDropped"), at(1));
    accept(&mut board, 1);
    assert!(board.forget("atra", "knowledge", at(2)));
    assert_eq!(due(&board, 2), ["RowsDropped!"]);
    assert!(!board.forget("atra", "no-such", at(2)));
}

#[test]
fn what_changed_while_it_was_sent_is_sent_again() {
    let mut board = Board::default();
    board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(1));
    let under_way = board.due(REPEAT, REPEAT);
    board.observe("atra", "knowledge", &reset("False", "Verified"), at(2));
    board.accepted(&under_way, REPEAT);
    assert_eq!(due(&board, 60), ["RowsDropped!"]);
    let under_way = board.due(REPEAT, REPEAT);
    board.observe("atra", "knowledge", &reset("True", "RowsDropped"), at(3));
    board.accepted(&under_way, REPEAT);
    assert_eq!(due(&board, 60), ["RowsDropped"]);
}

#[test]
fn nothing_piles_up_while_nobody_listens_and_a_request_is_bounded() {
    let mut board = Board::default();
    for second in 0..10_000 {
        let (status, reason) = if second % 2 == 0 {
            ("True", "RowsDropped")
        } else {
            ("False", "Verified")
        };
        board.observe("atra", "knowledge", &reset(status, reason), at(second));
    }
    assert_eq!(board.entries.len(), 1, "only the latest state is kept");
    for number in 0..250 {
        board.observe(
            "atra",
            &format!("db-{number}"),
            &reset("True", "RowsDropped"),
            at(1),
        );
    }
    let mut requests = Vec::new();
    while !due(&board, 1).is_empty() {
        requests.push(due(&board, 1).len());
        accept(&mut board, 1);
    }
    assert_eq!(requests, [100, 100, 51]);
}
