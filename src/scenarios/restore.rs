//! What a `DatabaseRestore` says and does on its way; golden.

use std::fmt::Write as _;

use serde_json::json;

use super::recover::binding;
use super::recovery_sample::{claim, claim_fact, observed, volume, volume_fact};
use super::sample_parts::{confirm_at, from};
use crate::api::{ConfirmedVerb, DatabaseCheck, DatabaseRestore, RestoreState, names};
use crate::decide::recover::{Decision, decide_restore, plan_recovery};
use crate::plan::Step;
use crate::world::{Fact, ObservedRecovery, WorkloadFact};

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

fn gone() -> ObservedRecovery {
    let mut observed = observed();
    binding(&mut observed).claim = None;
    binding(&mut observed).pods.clear();
    binding(&mut observed).volume =
        Some(volume_fact(volume("pv-1", "u-claim", "Released", "Retain")));
    observed
}

fn decided(status: &serde_json::Value, observed: &ObservedRecovery) -> Decision {
    decide_restore(&restore(status), observed, plan_recovery(observed), 1)
}

/// On another volume, with a pod that must stop before the claim goes.
fn on_another() -> ObservedRecovery {
    let mut observed = observed();
    let binding = binding(&mut observed);
    binding.claim = Some(claim_fact(claim("u-fresh", "pv-2", "Bound")));
    binding.volume = Some(volume_fact(volume("pv-1", "u-claim", "Released", "Retain")));
    binding.other_volume = Some(volume_fact(volume("pv-2", "u-fresh", "Bound", "Retain")));
    observed
}

/// The same, where the namespace has kept as many volumes as it may.
fn at_the_limit(policy: &str) -> ObservedRecovery {
    let mut observed = on_another();
    observed.world.kept_in_namespace = Fact::Known(vec!["pv-1".to_owned()]);
    binding(&mut observed).other_volume =
        Some(volume_fact(volume("pv-2", "u-fresh", "Bound", policy)));
    observed
}

#[test]
fn a_restore_says_how_far_it_is() {
    let under_way = json!({
        "state": "Running", "startTime": "2026-02-01T09:03:00Z",
        "unavailableSince": "2026-02-01T09:00:00Z",
    });
    let mut no_pod = observed();
    binding(&mut no_pod).pods.clear();
    let mut elsewhere = observed();
    binding(&mut elsewhere).desired.mount_path = None;
    let mut namespace_gone = gone();
    namespace_gone.world.namespace = Fact::Known(None);
    let mut without_volume = gone();
    binding(&mut without_volume).volume = None;
    binding(&mut without_volume).desired.volume_manifest = None;
    let checked = |outcome: &str| {
        let mut observed = observed();
        observed.world.checks = Fact::Known(vec![check(outcome)]);
        observed
    };
    let cases = vec![
        ("asked for", json!({}), gone()),
        ("announced", under_way.clone(), gone()),
        (
            "pods are not announced to stop yet",
            under_way.clone(),
            on_another(),
        ),
        (
            "one more volume would be kept",
            under_way.clone(),
            at_the_limit("Delete"),
        ),
        (
            "no more volume would be kept",
            under_way.clone(),
            at_the_limit("Retain"),
        ),
        ("blocked", under_way.clone(), without_volume),
        ("not the operator's", under_way.clone(), namespace_gone),
        ("bound, no pod", under_way.clone(), no_pod),
        ("bound, not checked yet", under_way.clone(), observed()),
        ("bound, verified", under_way.clone(), checked("Verified")),
        (
            "bound, not the data",
            under_way.clone(),
            checked("Suspected"),
        ),
        (
            "bound, unverifiable",
            under_way.clone(),
            checked("Unverifiable"),
        ),
        ("bound, no check reads it", under_way, elsewhere),
    ];
    let mut text = String::new();
    for (name, status, observed) in cases {
        let Decision { status, due, .. } = decided(&status, &observed);
        let message = status.message.unwrap_or_default();
        let _ = writeln!(text, "# {name}\n{:?}: {message}", status.state);
        for step in &status.announced {
            let _ = writeln!(text, "  announced: {step}");
        }
        for step in &due {
            let _ = writeln!(text, "  - {}", step.describe());
        }
        text.push('\n');
    }
    insta::assert_snapshot!("restore", text);
}

#[test]
fn nothing_is_done_that_the_status_did_not_announce() {
    for state in [
        None,
        Some(RestoreState::Blocked),
        Some(RestoreState::Verifying),
    ] {
        let decision = decided(&json!({"state": state}), &gone());
        assert_eq!(
            (decision.status.state, decision.due),
            (Some(RestoreState::Running), Vec::<Step>::new())
        );
    }
}

/// A restore removes what it has confirmed itself, and nothing that a user has.
#[test]
fn a_restore_revokes_what_it_has_confirmed_itself() {
    let at = "2026-02-01T09:03:00Z";
    let running = json!({"state": "Running"});
    let mut observed = observed();
    let claim = binding(&mut observed).claim.as_mut();
    let metadata = claim.and_then(|claim| claim.metadata.as_mut());
    confirm_at(metadata.expect("a claim"), ConfirmedVerb::Delete, at);
    let of_user = decided(&running, &observed);
    assert_eq!(of_user.plan.steps, []);
    let claim = binding(&mut observed).claim.as_mut();
    let metadata = claim.and_then(|claim| claim.metadata.as_mut());
    let annotations = metadata
        .expect("a claim")
        .annotations
        .get_or_insert_default();
    let note = names::CONFIRMED_FOR_ANNOTATION.to_owned();
    annotations.insert(note, "atra/back".to_owned());
    let of_restore = decided(&running, &observed);
    assert!(matches!(of_restore.due[..], [Step::RevokeConfirmation(_)]));
}

#[test]
fn pods_stop_only_after_that_was_announced() {
    let observed = on_another();
    let first = decided(&json!({"state": "Running"}), &observed);
    assert_eq!(first.due, []);
    let announced = json!({"state": "Running", "announced": first.status.announced});
    let second = decided(&announced, &observed);
    assert!(matches!(
        second.due[..],
        [Step::ReserveVolume { .. }, Step::ScaleDown(_)]
    ));
    let mut another = on_another();
    if let Fact::Known(WorkloadFact::Found(workload)) = &mut another.world.workload {
        workload.metadata.uid = Some("u-another".to_owned());
    }
    assert_eq!(
        decided(&announced, &another).due,
        [],
        "it was announced for another one"
    );
}

#[test]
fn what_a_later_step_may_not_do_is_refused_before_the_pods_stop() {
    let mut observed = on_another();
    let claim = binding(&mut observed).claim.as_mut();
    let metadata = claim
        .and_then(|claim| claim.metadata.as_mut())
        .expect("a claim");
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(
        "holdfast.dev/protected-by".to_owned(),
        "atra/other".to_owned(),
    );
    let decision = decided(&json!({"state": "Running"}), &observed);
    assert_eq!(decision.status.state, Some(RestoreState::Blocked));
    let message = decision.status.message.unwrap_or_default();
    assert!(
        message.contains("guarded by ProtectedDatabase atra/other"),
        "{message}"
    );
    assert_eq!(decision.due, []);
}
