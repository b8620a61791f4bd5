//! What is to be done about one DatabaseRestore, and what its status says. Pure.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    CheckOutcome, DatabaseCheck, DatabaseRestore, DatabaseRestoreStatus, RestoreState,
};
use crate::recovery::{Course, Obstacle, Place, Situation, Step, away_since};
use crate::wording::say_length;

/// What one pass does: first the status, then the steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The status to write, if it differs.
    pub status: DatabaseRestoreStatus,
    /// The steps to carry out, up to the first wait. Only what the status as it was read announced
    /// already.
    pub steps: Vec<Step>,
}

/// Decides about a restore that is not final.
pub fn decide(
    restore: &DatabaseRestore,
    situation: &Situation,
    course: Result<Course, Obstacle>,
    checks: &[DatabaseCheck],
    now: &Time,
) -> Decision {
    let before = restore.status.clone().unwrap_or_default();
    let course = match course {
        Ok(course) => course,
        Err(obstacle) => return blocked(before, obstacle.to_string()),
    };
    if let Some(step) = course.steps.iter().find(|step| !is_for_the_operator(step)) {
        return blocked(
            before,
            format!(
                "it needs to {}, which is left to a person: kubectl holdfast recover {} -n {}",
                step.describe(),
                situation.name,
                situation.namespace_name
            ),
        );
    }
    let mut status = DatabaseRestoreStatus {
        start_time: before.start_time.clone().or_else(|| Some(now.clone())),
        unavailable_since: before
            .unavailable_since
            .clone()
            .or_else(|| away_since(situation).map(Time)),
        ..before.clone()
    };
    if !situation.places.iter().all(Place::is_well) || !course.steps.is_empty() {
        let next = announce(course.steps.first());
        status.state = Some(RestoreState::Running);
        // A message that says why this very step failed stays until another step is due.
        status.message = before
            .message
            .clone()
            .filter(|said| said.starts_with(&next))
            .or(Some(next));
        if status.bound_time.is_none() && situation.places.iter().all(Place::is_well) {
            status.bound_time = Some(now.clone());
        }
        // What changes anything is announced by a pass before it.
        let announced = before.state == Some(RestoreState::Running);
        let steps = if announced {
            course
                .steps
                .into_iter()
                .take_while(|step| !matches!(step, Step::Await(_)))
                .collect()
        } else {
            Vec::new()
        };
        return Decision { status, steps };
    }
    status.bound_time = status.bound_time.or_else(|| Some(now.clone()));
    verify(&mut status, situation, checks, now);
    Decision {
        status,
        steps: Vec::new(),
    }
}

/// What is due.
fn announce(step: Option<&Step>) -> String {
    format!("next: {}", step.map(Step::describe).unwrap_or_default())
}

/// The status after a step that failed.
pub fn failed(before: &DatabaseRestoreStatus, first: &Step, error: &str) -> DatabaseRestoreStatus {
    let message = format!("{}; {error}; it is tried again", announce(Some(first)));
    DatabaseRestoreStatus {
        message: Some(message),
        ..before.clone()
    }
}

/// A restore that can't go on; it goes on by itself when that is settled.
pub fn blocked(before: DatabaseRestoreStatus, message: String) -> Decision {
    Decision {
        status: DatabaseRestoreStatus {
            state: Some(RestoreState::Blocked),
            message: Some(message),
            ..before
        },
        steps: Vec::new(),
    }
}

/// Namespaces and ProtectedDatabases are not the operator's to take away or to make, and it may
/// confirm nothing about a volume.
fn is_for_the_operator(step: &Step) -> bool {
    !matches!(
        step,
        Step::ConfirmNamespace(_)
            | Step::FinalizeNamespace(_)
            | Step::CreateNamespace(_)
            | Step::ConfirmDatabase(_)
            | Step::LetDatabaseGo(_)
            | Step::CreateDatabase(_)
            | Step::ConfirmVolume(_)
    )
}

/// The volume is in its place: says what the check of a pod that mounts it makes of the data.
fn verify(
    status: &mut DatabaseRestoreStatus,
    situation: &Situation,
    checks: &[DatabaseCheck],
    now: &Time,
) {
    let bound = say_bound(status, situation);
    let is_checked = situation
        .places
        .iter()
        .any(|place| place.wanted.mount_path.is_some());
    let verdict = checks
        .iter()
        .filter(|check| {
            let pod = check
                .spec
                .target
                .as_ref()
                .map(|target| target.pod_uid.as_str());
            situation
                .places
                .iter()
                .flat_map(|place| &place.pods)
                .any(|mounting| Some(mounting.uid.as_str()) == pod)
        })
        .filter_map(|check| {
            check
                .status
                .as_ref()?
                .verdict
                .as_ref()
                .map(|verdict| (check, verdict))
        })
        .max_by_key(|(check, _)| {
            check
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
        });
    let (state, told) = match verdict {
        _ if !is_checked => (
            RestoreState::Complete,
            "the database does not run on it, so no check looks at it".to_owned(),
        ),
        Some((check, verdict)) => {
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
        None if situation.places.iter().all(|place| place.pods.is_empty()) => (
            RestoreState::Verifying,
            "no pod mounts it yet; the check of the next start says whether it is the data"
                .to_owned(),
        ),
        None => (
            RestoreState::Verifying,
            "the check of the pod that mounts it is waited for".to_owned(),
        ),
    };
    status.state = Some(state);
    status.message = Some(format!("{bound}; {told}"));
    status.completion_time = state.is_final().then(|| now.clone());
}

fn say_bound(status: &DatabaseRestoreStatus, situation: &Situation) -> String {
    let places = situation.places.iter().map(|place| {
        format!(
            "claim {} is Bound to volume {}",
            place.wanted.claim, place.wanted.volume
        )
    });
    let mut said = places.collect::<Vec<_>>().join(", ");
    if let (Some(start), Some(bound)) = (&status.start_time, &status.bound_time) {
        let _ = write!(
            said,
            ", {} after this restore began",
            say_length(bound.0.duration_since(start.0))
        );
        if let Some(away) = &status.unavailable_since {
            let _ = write!(
                said,
                "; the data was away for {}",
                say_length(bound.0.duration_since(away.0))
            );
        }
    }
    said
}
