//! One pass for a `DatabaseRestore` from a backup: observe its database, decide, report, execute.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::notes;
use super::report::report;
use super::restore_error::RestoreError;
use crate::api::{DatabaseRestore, DatabaseRestoreStatus, ProtectedDatabase, RestoreState, names};
use crate::decide::{SetDecision, agent_labels, decide_set};
use crate::engine::Context;
use crate::engine::pass::observe_database;
use crate::execute::Executor;
use crate::plan::{Step, check_plan};
use crate::world::Observed;

/// How soon to read again what the next pass does.
const SOON: Duration = Duration::from_millis(200);
/// How soon to read again what the user must resolve, an agent does, or a check must find. A report of the
/// agent calls at once.
const LATER: Duration = Duration::from_secs(5);

/// One pass, for a restore that is not final and was not refused.
pub async fn restore_backup(
    context: &Context,
    found: &DatabaseRestore,
    database: &ProtectedDatabase,
) -> Result<Action, RestoreError> {
    let before = found.status.clone().unwrap_or_default();
    let observed = Box::pin(observe_database(context, database.clone())).await;
    let decision = decide_set(found, &observed).map_err(RestoreError::Read)?;
    let SetDecision {
        mut status,
        plan,
        is_held,
    } = decision;
    let begins = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateJob(_)));
    if is_held && !notes::is_held(found) {
        notes::hold(context, found).await?;
        return Ok(Action::requeue(SOON));
    }
    if begins && found.changes_something() {
        // Before the Job: whatever becomes of it, no tool that creates the restore again begins another.
        notes::note_carried_out(context, found, database).await?;
    }
    if found.metadata.deletion_timestamp.is_some() && is_held {
        say_deleted(&mut status);
    }
    // A Job that has had its time must be gone before the restore is over: it would begin later.
    let ends_job = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::EndJob(_)));
    if ends_job {
        execute(context, found, &observed, &plan).await?;
    }
    report(context, found, &before, &status).await?;
    if ends_job {
        return Ok(Action::requeue(SOON));
    }
    if let Err(error) = execute(context, found, &observed, &plan).await {
        if let (Some(first), false) = (plan.steps.first(), is_conflict(&error)) {
            let message = format!("next: {}; {error}; it is tried again", first.describe());
            let said = DatabaseRestoreStatus {
                message: Some(message),
                ..status.clone()
            };
            report(context, found, &status, &said).await?;
            return Err(error);
        }
        return Ok(Action::requeue(SOON));
    }
    if !is_held {
        notes::let_go(context, found).await?;
    }
    let is_read_back = !plan.steps.is_empty() || before.state != status.state;
    let goes_on = status.state == Some(RestoreState::Running) && is_read_back;
    Ok(Action::requeue(if goes_on { SOON } else { LATER }))
}

async fn execute(
    context: &Context,
    found: &DatabaseRestore,
    observed: &Observed,
    plan: &crate::plan::Plan,
) -> Result<(), RestoreError> {
    check_plan(observed, plan)?;
    let (namespace, name) = (found.namespace().unwrap_or_default(), found.name_any());
    let client = context.client.clone();
    let database = &found.spec.database;
    let executor = Executor::new(client, names::OPERATOR_MANAGER, &namespace, database)
        .labelling_agents(agent_labels(observed));
    for step in &plan.steps {
        tracing::info!(namespace, name, step = step.describe(), "restoring");
        executor.execute(step).await?;
    }
    Ok(())
}

fn is_conflict(error: &RestoreError) -> bool {
    matches!(error, RestoreError::Write(error) if error.is_precondition())
}

/// Says what keeps a restore that was deleted.
fn say_deleted(status: &mut DatabaseRestoreStatus) {
    let said = status.message.clone().unwrap_or_default();
    let held = names::RESTORING_FINALIZER;
    if !said.contains(held) {
        status.message = Some(format!(
            "{said}; it was deleted on its way, and its Job may be renaming databases or \
             directories, so it goes on: the \
             finalizer {held} keeps it until the Job has ended"
        ));
    }
}
