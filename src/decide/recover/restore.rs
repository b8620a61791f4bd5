//! What is to be done about one `DatabaseRestore`, and what its status says.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::kept_limit;
use super::unavailable::unavailable_since;
use crate::api::{
    CheckOutcome, CheckVerdict, DatabaseCheck, DatabaseRestore, DatabaseRestoreStatus, RestoreState,
};
use crate::guard;
use crate::plan::{Actor, Blocker, RecoveryPlan, Step};
use crate::wording::say_length;
use crate::world::{ClaimBinding, Fact, ObservedRecovery};

/// What one pass does: first the status, then the steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The status to write, if it differs.
    pub status: DatabaseRestoreStatus,
    /// The whole plan, which is vetted as a whole: nothing of it is done when a later step may not
    /// be.
    pub plan: RecoveryPlan,
    /// The steps of it to carry out, up to the first wait. Only what the status as it was read
    /// announced already.
    pub due: Vec<Step>,
}

/// Decides about a restore that is not final.
#[must_use]
pub fn decide_restore(
    restore: &DatabaseRestore,
    observed: &ObservedRecovery,
    plan: Result<RecoveryPlan, Blocker>,
    kept_volume_limit: usize,
) -> Decision {
    let (before, now) = (
        restore.status.clone().unwrap_or_default(),
        &observed.world.now,
    );
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(blocker) => return blocked(before, blocker.to_string()),
    };
    if let Some(full) = kept_limit::refuse_restore(observed, &plan, kept_volume_limit) {
        return blocked(before, full);
    }
    // What users have confirmed is theirs: a restore may wait for its check for days.
    plan.steps.retain(|step| {
        !matches!(step, Step::RevokeConfirmation(step) if !guard::is_of_restore(&step.metadata))
    });
    // The note on the ledger goes with the namespace that is created after it.
    let is_named = |step: &&Step| !matches!(step, Step::NoteRecreation { .. });
    let mut steps = plan.steps.iter().filter(is_named);
    if let Some(step) = steps.find(|step| !step.actors().contains(&Actor::Restore)) {
        return blocked(
            before,
            format!(
                "it needs to {}, which the operator is not allowed to do. Do it yourself: kubectl \
                 holdfast recover {} -n {}",
                step.describe(),
                observed.world.name,
                observed.world.namespace_name
            ),
        );
    }
    let mut status = DatabaseRestoreStatus {
        start_time: before.start_time.clone().or_else(|| Some(now.clone())),
        unavailable_since: before
            .unavailable_since
            .clone()
            .or_else(|| unavailable_since(observed).map(Time)),
        ..before.clone()
    };
    if !observed.all_bound() || !plan.steps.is_empty() {
        let next = announce(plan.steps.first());
        status.state = Some(RestoreState::Running);
        // A message that says why this very step failed stays until another step is due.
        let said = before.message.clone();
        status.message = said.filter(|said| said.starts_with(&next)).or(Some(next));
        if status.bound_time.is_none() && observed.all_bound() {
            status.bound_time = Some(now.clone());
        }
        let disturbing: Vec<String> = plan.steps.iter().filter_map(Step::consent).collect();
        // What changes anything is announced by a pass before it.
        let is_announced = before.state == Some(RestoreState::Running)
            && disturbing
                .iter()
                .all(|step| before.announced.contains(step));
        let due = if is_announced {
            until_wait(&plan.steps)
        } else {
            Vec::new()
        };
        // Only what this plan needs, so that the list is bounded: what is due again is announced
        // again.
        status.announced = disturbing;
        return Decision { status, plan, due };
    }
    status.bound_time = status.bound_time.or_else(|| Some(now.clone()));
    match &observed.world.checks {
        Fact::Known(checks) => verify(&mut status, observed, checks, now),
        Fact::Unknown(why) => {
            status.state = Some(RestoreState::Verifying);
            status.message = Some(why.clone());
        }
    }
    Decision {
        status,
        plan,
        due: Vec::new(),
    }
}

fn until_wait(steps: &[Step]) -> Vec<Step> {
    let is_wait = |step: &&Step| matches!(step, Step::Await(_));
    let due = steps.iter().take_while(|step| !is_wait(step));
    due.cloned().collect()
}

/// What is due.
fn announce(step: Option<&Step>) -> String {
    format!("next: {}", step.map(Step::describe).unwrap_or_default())
}

/// The status after a step that failed.
#[must_use]
pub fn failed(before: &DatabaseRestoreStatus, first: &Step, error: &str) -> DatabaseRestoreStatus {
    let message = format!("{}; {error}; it is tried again", announce(Some(first)));
    DatabaseRestoreStatus {
        message: Some(message),
        ..before.clone()
    }
}

/// A restore that is blocked; it continues by itself when that is resolved.
#[must_use]
pub fn blocked(before: DatabaseRestoreStatus, message: String) -> Decision {
    Decision {
        status: DatabaseRestoreStatus {
            state: Some(RestoreState::Blocked),
            message: Some(message),
            ..before
        },
        plan: RecoveryPlan::default(),
        due: Vec::new(),
    }
}

/// The volume is bound: says what the check of a pod that mounts it makes of the data.
fn verify(
    status: &mut DatabaseRestoreStatus,
    observed: &ObservedRecovery,
    checks: &[DatabaseCheck],
    now: &Time,
) {
    let bindings = observed.known_bindings();
    let is_checked = bindings
        .iter()
        .any(|binding| binding.desired.mount_path.is_some());
    let has_pods = bindings.iter().any(|binding| !binding.pods.is_empty());
    let (state, result) = match newest_verdict(bindings, checks) {
        _ if !is_checked => (
            RestoreState::Complete,
            "the database does not run on it, so no check reads it".to_owned(),
        ),
        Some((check, verdict)) => judge(check, verdict),
        None if !has_pods => (
            RestoreState::Verifying,
            "no pod mounts it yet; the check of the next start says whether it is the data"
                .to_owned(),
        ),
        None => (
            RestoreState::Verifying,
            "the check of the pod that mounts it has not ended yet".to_owned(),
        ),
    };
    status.state = Some(state);
    status.message = Some(format!("{}; {result}", say_bound(status, bindings)));
    status.completion_time = state.is_final().then(|| now.clone());
}

/// The newest verdict of a check of a pod that mounts one of the claims.
fn newest_verdict<'a>(
    bindings: &[ClaimBinding],
    checks: &'a [DatabaseCheck],
) -> Option<(&'a DatabaseCheck, &'a CheckVerdict)> {
    let is_of_mounting_pod = |check: &&DatabaseCheck| {
        let target = check.spec.target.as_ref();
        let mut pods = bindings.iter().flat_map(|binding| &binding.pods);
        target.is_some_and(|target| pods.any(|pod| pod.uid == target.pod_uid))
    };
    checks
        .iter()
        .filter(is_of_mounting_pod)
        .filter_map(|check| Some((check, check.status.as_ref()?.verdict.as_ref()?)))
        .max_by_key(|(check, _)| {
            let created = check.metadata.creation_timestamp.as_ref();
            created.map(|time| time.0)
        })
}

fn judge(check: &DatabaseCheck, verdict: &CheckVerdict) -> (RestoreState, String) {
    let name = check.metadata.name.as_deref().unwrap_or_default();
    match verdict.outcome {
        CheckOutcome::Verified => (
            RestoreState::Complete,
            format!("check {name} has verified the data"),
        ),
        CheckOutcome::Suspected => (
            RestoreState::Failed,
            format!(
                "check {name} says that this is not the data that was last known good: {}",
                verdict.message
            ),
        ),
        CheckOutcome::Unverifiable => (
            RestoreState::Verifying,
            format!("check {name} could not verify it: {}", verdict.message),
        ),
    }
}

fn say_bound(status: &DatabaseRestoreStatus, bindings: &[ClaimBinding]) -> String {
    let bound = bindings.iter().map(|binding| {
        let (claim, desired) = (&binding.desired.claim, binding.desired.volume.as_str());
        let volume = binding.bound_to().unwrap_or(desired);
        format!("claim {claim} is Bound to volume {volume}")
    });
    let mut said = bound.collect::<Vec<_>>().join(", ");
    if let (Some(start), Some(bound)) = (&status.start_time, &status.bound_time) {
        let took = say_length(bound.0.duration_since(start.0));
        let _ = write!(said, ", {took} after this restore began");
        if let Some(since) = &status.unavailable_since {
            let outage = say_length(bound.0.duration_since(since.0));
            let _ = write!(said, "; the data was unavailable for {outage}");
        }
    }
    said
}
