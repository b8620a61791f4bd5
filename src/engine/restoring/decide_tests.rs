//! What a DatabaseRestore says and does on its way; golden.

use std::fmt::Write as _;

use serde_json::json;

use super::decide::decide;
use crate::api::{DatabaseCheck, DatabaseRestore, RestoreState};
use crate::recovery::sample::{from, situation, volume};
use crate::recovery::{Situation, Step, plan};

fn restore(status: &serde_json::Value) -> DatabaseRestore {
    from(json!({
        "metadata": {"name": "back", "namespace": "atra", "uid": "u-restore"},
        "spec": {"database": "knowledge", "from": {"volume": "pv-1"}, "into": "Replace", "confirm": "knowledge"},
        "status": status,
    }))
}

fn check(outcome: &str) -> DatabaseCheck {
    from(json!({
        "metadata": {"name": "check-1", "creationTimestamp": "2026-02-01T09:05:00Z"},
        "spec": {"database": "knowledge", "trigger": "Restart", "target": {
            "pod": "pg-0", "podUid": "u-pod", "container": "postgres", "containerId": "c-1", "volumes": []}},
        "status": {"verdict": {"outcome": outcome, "reason": outcome, "message": "1 expert in \
            place of 85"}},
    }))
}

fn gone() -> Situation {
    let mut situation = situation();
    situation.places[0].claim = None;
    situation.places[0].pods.clear();
    situation.places[0].volume = Some(from(volume("pv-1", "u-claim", "Released", "Retain")));
    situation
}

#[test]
fn a_restore_says_how_far_it_is() {
    let under_way = json!({"state": "Running", "startTime": "2026-02-01T09:03:00Z", "unavailableSince": "2026-02-01T09:00:00Z"});
    let mut no_pod = situation();
    no_pod.places[0].pods.clear();
    let mut elsewhere = situation();
    elsewhere.places[0].wanted.mount_path = None;
    let mut namespace_gone = gone();
    namespace_gone.namespace = None;
    let mut without_volume = gone();
    without_volume.places[0].volume = None;
    without_volume.places[0].wanted.volume_manifest = None;
    let cases = vec![
        ("asked for", restore(&json!({})), gone(), Vec::new()),
        ("announced", restore(&under_way), gone(), Vec::new()),
        (
            "stands in the way",
            restore(&under_way),
            without_volume,
            Vec::new(),
        ),
        (
            "not the operator's",
            restore(&under_way),
            namespace_gone,
            Vec::new(),
        ),
        (
            "in its place, no pod",
            restore(&under_way),
            no_pod,
            Vec::new(),
        ),
        (
            "in its place, not checked yet",
            restore(&under_way),
            situation(),
            Vec::new(),
        ),
        (
            "in its place, verified",
            restore(&under_way),
            situation(),
            vec![check("Verified")],
        ),
        (
            "in its place, not the data",
            restore(&under_way),
            situation(),
            vec![check("Suspected")],
        ),
        (
            "in its place, unverifiable",
            restore(&under_way),
            situation(),
            vec![check("Unverifiable")],
        ),
        (
            "in its place, not looked at by checks",
            restore(&under_way),
            elsewhere,
            Vec::new(),
        ),
    ];
    let mut told = String::new();
    for (name, restore, situation, checks) in cases {
        let decision = decide(
            &restore,
            &situation,
            plan(&situation),
            &checks,
            &from(json!("2026-02-01T09:04:00Z")),
        );
        let _ = writeln!(
            told,
            "# {name}\n{:?}: {}",
            decision.status.state,
            decision.status.message.unwrap_or_default()
        );
        for step in &decision.steps {
            let _ = writeln!(told, "  - {}", step.describe());
        }
        told.push('\n');
    }
    insta::assert_snapshot!(told);
}

#[test]
fn nothing_is_done_that_the_status_did_not_announce() {
    for state in [
        None,
        Some(RestoreState::Blocked),
        Some(RestoreState::Verifying),
    ] {
        let decision = decide(
            &restore(&json!({"state": state})),
            &gone(),
            plan(&gone()),
            &[],
            &from(json!("2026-02-01T09:04:00Z")),
        );
        assert_eq!(
            (decision.status.state, decision.steps),
            (Some(RestoreState::Running), Vec::<Step>::new())
        );
    }
}
