//! The last stage: the status and the events, after success and after failure alike. Nothing is
//! decided here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource};

use super::error::PassError;
use super::{Context, events};
use crate::api::{
    ConditionChange, ConditionStatus, ConditionType, DesiredCondition, ProtectedDatabase,
    ProtectedDatabaseStatus, TransitionEvent, find_condition, names, passes_by_itself, reasons,
    set_condition,
};
use crate::execute::{WriteError, Writer, within_time};
use crate::plan::Plan;
use crate::world::Observed;

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
    let failure = failure.map(ToString::to_string);
    for desired in with_failure(plan.conditions, failure.as_deref()) {
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
        .sort_by_key(|condition| ConditionType::position(&condition.type_));
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

/// Adds what went wrong to what the plan says, so that a failure is seen where users look: in
/// Reconciling, or in Stalled where that is True, because both are never True at once.
fn with_failure(
    mut conditions: Vec<DesiredCondition>,
    failure: Option<&str>,
) -> Vec<DesiredCondition> {
    let Some(failure) = failure else {
        return conditions;
    };
    let message = format!("{failure}; it is tried again");
    let is_stalled = |condition: &&mut DesiredCondition| {
        condition.condition == ConditionType::Stalled && condition.status == ConditionStatus::True
    };
    if let Some(stalled) = conditions.iter_mut().find(is_stalled) {
        stalled.message = format!("{}. In addition: {message}", stalled.message);
        return conditions;
    }
    conditions.retain(|condition| {
        !matches!(
            condition.condition,
            ConditionType::Reconciling | ConditionType::Stalled
        )
    });
    conditions.push(DesiredCondition {
        condition: ConditionType::Stalled,
        status: ConditionStatus::False,
        reason: reasons::SETTLED,
        message: "nothing waits for you".to_owned(),
    });
    conditions.push(DesiredCondition {
        condition: ConditionType::Reconciling,
        status: ConditionStatus::True,
        reason: reasons::WRITE_FAILED,
        message,
    });
    conditions
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
    // A reset is Stalled too, and has an event of its own.
    if transition.reason == reasons::DATA_RESET {
        return None;
    }
    let events = transition.condition.row().events;
    let event = match transition.status {
        ConditionStatus::True => events.on_true,
        ConditionStatus::False => events.on_false,
        ConditionStatus::Unknown => events.on_unknown,
    };
    match event {
        TransitionEvent::Silent => None,
        TransitionEvent::Normal => Some(EventType::Normal),
        TransitionEvent::NormalUnlessFirst => {
            find_condition(before, transition.condition).map(|_| EventType::Normal)
        }
        TransitionEvent::Warning => Some(EventType::Warning),
        TransitionEvent::WarningUnlessPassing => {
            (!passes_by_itself(transition.reason)).then_some(EventType::Warning)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(
        condition: ConditionType,
        status: ConditionStatus,
        reason: &'static str,
    ) -> DesiredCondition {
        DesiredCondition {
            condition,
            status,
            reason,
            message: String::new(),
        }
    }

    #[test]
    fn a_failure_is_said_and_never_makes_both_true() {
        let found = |conditions: &[DesiredCondition]| {
            let said = |wanted| {
                let mut found = conditions.iter().filter(|found| found.condition == wanted);
                let only = found
                    .next()
                    .map(|found| (found.status, found.message.clone()));
                assert!(found.next().is_none(), "{wanted:?} is there twice");
                only
            };
            (
                said(ConditionType::Stalled),
                said(ConditionType::Reconciling),
            )
        };
        let stalled = transition(
            ConditionType::Stalled,
            ConditionStatus::True,
            reasons::INVALID_SPEC,
        );
        let settled = transition(
            ConditionType::Reconciling,
            ConditionStatus::False,
            reasons::SETTLED,
        );
        let (stall, progress) = found(&with_failure(vec![stalled, settled.clone()], Some("no")));
        assert!(stall.is_some_and(|(status, message)| {
            status == ConditionStatus::True && message.contains("no; it is tried again")
        }));
        assert!(progress.is_some_and(|(status, _)| status == ConditionStatus::False));
        // A plan that says nothing of Stalled would leave what the status said before.
        for plan in [Vec::new(), vec![settled]] {
            let (stall, progress) = found(&with_failure(plan, Some("no")));
            assert!(stall.is_some_and(|(status, _)| status == ConditionStatus::False));
            assert!(progress.is_some_and(|(status, _)| status == ConditionStatus::True));
        }
    }

    #[test]
    fn events_follow_the_table_of_conditions() {
        let values = [
            ConditionStatus::True,
            ConditionStatus::False,
            ConditionStatus::Unknown,
        ];
        let told = |reason, before: &[Condition]| -> String {
            ConditionType::ALL
                .iter()
                .flat_map(|type_| values.map(|value| (*type_, value)))
                .filter_map(|(type_, value)| {
                    let event = event_type(&transition(type_, value, reason), before)?;
                    Some(format!("{type_:?}={value:?} {event:?}\n"))
                })
                .collect()
        };
        assert_eq!(
            told(reasons::QUERY_FAILED, &[]),
            "Stalled=True Warning\nDataReset=True Warning\nGuarded=True Normal\n\
             Guarded=False Warning\nDataVerified=True Normal\nDataVerified=Unknown Warning\n\
             DataChanged=True Normal\nFilesMatch=True Normal\nFilesMatch=False Warning\nFilesMatch=Unknown Warning\n\
             BackupFresh=True Normal\nBackupFresh=False Warning\n\
             RestoreProven=True Normal\nRestoreProven=False Warning\n"
        );
        let passing = told(reasons::CHECKING, &[]);
        assert_eq!(
            passing.matches("Warning").count(),
            3,
            "what passes by itself is no warning: {passing}"
        );
        let mut before = Vec::new();
        let first = transition(
            ConditionType::DataReset,
            ConditionStatus::True,
            reasons::ROLLED_BACK,
        );
        let _ = set_condition(
            &mut before,
            first,
            None,
            &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
        );
        assert!(told(reasons::VERIFIED, &before).contains("DataReset=False Normal"));
    }
}
