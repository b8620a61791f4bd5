//! The last stage: the status and the events, after success and after failure alike. Nothing is
//! decided here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource};

use super::error::PassError;
use super::{Context, events};
use crate::api::{
    ConditionChange, ConditionStatus, ConditionType, DesiredCondition, ProtectedDatabase,
    ProtectedDatabaseStatus, names, reasons, set_condition,
};
use crate::execute::{WriteError, Writer, within_time};
use crate::plan::Plan;
use crate::world::Observed;

/// Reasons that pass by themselves in the course of every start; a warning for each would bury the
/// others.
pub(super) const PASSING: &[&str] = &[
    reasons::GUARDING,
    reasons::CLAIM_NOT_BOUND,
    reasons::NEVER_SUCCEEDED,
    reasons::CHECKING,
    reasons::FILES_NOT_CHECKED,
    reasons::NO_RUNNING_POD,
    reasons::SUSPENDED,
    reasons::SERVER_STARTING,
];

/// Reports what the plan says, and what of it failed.
///
/// # Errors
/// The status could not be written.
pub async fn report(
    context: &Context,
    observed: &Observed,
    plan: Plan,
    failure: Option<&PassError>,
) -> Result<(), WriteError> {
    let before = observed.database.status.clone().unwrap_or_default();
    let mut status = plan.status;
    status.conditions.clone_from(&before.conditions);
    let mut transitions = Vec::new();
    for desired in with_failure(plan.conditions, failure) {
        let generation = observed.database.metadata.generation;
        match set_condition(
            &mut status.conditions,
            desired.clone(),
            generation,
            &observed.now,
        ) {
            ConditionChange::Transitioned => transitions.push(desired),
            ConditionChange::Updated | ConditionChange::Unchanged => {}
        }
    }
    status.conditions.retain(|condition| {
        plan.withdrawn
            .iter()
            .all(|withdrawn| withdrawn.as_str() != condition.type_)
    });
    status
        .conditions
        .sort_by_key(|condition| order(&condition.type_));
    context
        .metrics
        .observe_database(observed.namespace_name(), observed.name(), &status);
    context.notices.observe(
        observed.namespace_name(),
        observed.name(),
        &status.conditions,
        observed.now.0,
    );
    if status != before {
        write_status(context, observed, &status).await?;
    }
    for transition in transitions {
        publish(context, observed, &transition, &before.conditions).await;
    }
    Ok(())
}

/// Adds what went wrong to what the plan says, so that a failure is seen where people look.
fn with_failure(
    mut conditions: Vec<DesiredCondition>,
    failure: Option<&PassError>,
) -> Vec<DesiredCondition> {
    let Some(failure) = failure else {
        return conditions;
    };
    let message = format!("{failure}; it is tried again");
    let said = DesiredCondition {
        condition: ConditionType::Reconciling,
        status: ConditionStatus::True,
        reason: reasons::WRITE_FAILED,
        message,
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.condition == ConditionType::Reconciling)
    {
        Some(present) => *present = said,
        None => conditions.push(said),
    }
    conditions
}

fn order(type_: &str) -> usize {
    const ORDER: &[ConditionType] = &[
        ConditionType::Ready,
        ConditionType::DataReset,
        ConditionType::DataVerified,
        ConditionType::Guarded,
        ConditionType::FilesMatch,
        ConditionType::BackupFresh,
        ConditionType::RestoreProven,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];
    ORDER
        .iter()
        .position(|condition| condition.as_str() == type_)
        .unwrap_or(ORDER.len())
}

async fn write_status(
    context: &Context,
    observed: &Observed,
    status: &ProtectedDatabaseStatus,
) -> Result<(), WriteError> {
    let client = context.client.clone();
    let api: Api<ProtectedDatabase> = Api::namespaced(client.clone(), observed.namespace_name());
    let uid = observed.database.metadata.uid.as_deref();
    let writer = Writer {
        client,
        manager: names::OPERATOR_MANAGER,
    };
    let write = async {
        match writer
            .apply_status(&api, (observed.name(), uid), status)
            .await
        {
            Err(kube::Error::Api(answer)) if answer.reason == "NotFound" => Ok(()),
            other => other,
        }
    };
    within_time("write the status of the ProtectedDatabase", write).await
}

/// Whether a transition is worth an event, and of which type.
fn event_type(transition: &DesiredCondition, before: &[Condition]) -> Option<EventType> {
    let known_before = before
        .iter()
        .any(|condition| condition.type_ == transition.condition.as_str());
    match (transition.condition, transition.status) {
        (ConditionType::DataReset | ConditionType::Stalled, ConditionStatus::True) => {
            Some(EventType::Warning)
        }
        (ConditionType::DataReset, ConditionStatus::False) if known_before => {
            Some(EventType::Normal)
        }
        (
            ConditionType::DataVerified
            | ConditionType::FilesMatch
            | ConditionType::Guarded
            | ConditionType::BackupFresh,
            ConditionStatus::True,
        ) => Some(EventType::Normal),
        (
            ConditionType::Guarded | ConditionType::FilesMatch | ConditionType::BackupFresh,
            ConditionStatus::False,
        )
        | (ConditionType::DataVerified | ConditionType::FilesMatch, ConditionStatus::Unknown)
            if !PASSING.contains(&transition.reason) =>
        {
            Some(EventType::Warning)
        }
        _ => None,
    }
}

async fn publish(
    context: &Context,
    observed: &Observed,
    transition: &DesiredCondition,
    before: &[Condition],
) {
    let Some(type_) = event_type(transition, before) else {
        return;
    };
    let note = format!(
        "{} is {}: {}",
        transition.condition.as_str(),
        transition.status.as_str(),
        transition.message
    );
    let action = transition.condition.as_str().to_owned();
    let event = Event {
        type_,
        reason: transition.reason.to_owned(),
        note: Some(note),
        action,
        secondary: None,
    };
    events::publish(context, event, &observed.database.object_ref(&())).await;
}
