//! One pass for one DatabaseRestore: read, decide, report, act.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::decide::{Decision, blocked, decide, failed};
use crate::api::{
    DatabaseCheck, DatabaseRestore, DatabaseRestoreStatus, ProtectedDatabase, RestoreState, names,
};
use crate::engine::Context;
use crate::engine::events::publish;
use crate::recovery::{Hand, ReadError, StepError, fetch_situation, plan};

/// How soon what is waited for is looked at again.
const SOON: Duration = Duration::from_millis(200);
/// How soon what a person must settle, or a check must find, is looked at again.
const LATER: Duration = Duration::from_secs(5);

/// What ended a pass early.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A read failed; nothing was decided.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A step was refused.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The API server did not do what it was asked to.
    #[error("could not {doing}: {source}")]
    Request {
        /// What was asked.
        doing: &'static str,
        /// Its answer.
        source: Box<kube::Error>,
    },
}

/// One pass.
pub async fn restore(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Action, RestoreError> {
    let api: Api<DatabaseRestore> = Api::namespaced(context.client.clone(), namespace);
    let asked = |doing| {
        move |source| RestoreError::Request {
            doing,
            source: Box::new(source),
        }
    };
    let Some(found) = api
        .get_opt(name)
        .await
        .map_err(asked("read the DatabaseRestore"))?
    else {
        return Ok(Action::await_change());
    };
    let state = found.status.as_ref().and_then(|status| status.state);
    if state.is_some_and(RestoreState::is_final) || found.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if context
        .is_of_another(namespace, &found.spec.database)
        .await
        .map_err(asked("read the ProtectedDatabase"))?
    {
        return Ok(Action::requeue(LATER));
    }
    let decision = look(context, &found, namespace).await?;
    report(context, &api, &found, &decision.status)
        .await
        .map_err(asked("write the status of the DatabaseRestore"))?;
    let hand = Hand {
        client: context.client.clone(),
        manager: names::OPERATOR_MANAGER,
        namespace: namespace.to_owned(),
        owner: names::protected_by(namespace, &found.spec.database),
        restore: Some(format!("{namespace}/{name}")),
    };
    for step in &decision.steps {
        tracing::info!(namespace, name, step = step.describe(), "restoring");
        match hand.act(step).await {
            Ok(()) => {}
            Err(error) if error.is_conflict() => return Ok(Action::requeue(SOON)),
            Err(error) => {
                let first = decision.steps.first().unwrap_or(step);
                let status = failed(&decision.status, first, &error.to_string());
                let announced = DatabaseRestore {
                    status: Some(decision.status.clone()),
                    ..found.clone()
                };
                report(context, &api, &announced, &status)
                    .await
                    .map_err(asked("write the status of the DatabaseRestore"))?;
                return Err(error.into());
            }
        }
    }
    Ok(Action::requeue(match decision.status.state {
        Some(RestoreState::Running) => SOON,
        _ => LATER,
    }))
}

async fn look(
    context: &Context,
    restore: &DatabaseRestore,
    namespace: &str,
) -> Result<Decision, RestoreError> {
    let before = restore.status.clone().unwrap_or_default();
    let database = &restore.spec.database;
    let Some(volume) = restore.spec.from.volume.as_deref() else {
        return Ok(blocked(
            before,
            "spec.from: only volume is supported in this version".to_owned(),
        ));
    };
    let asked = |doing| {
        move |source| RestoreError::Request {
            doing,
            source: Box::new(source),
        }
    };
    let databases: Api<ProtectedDatabase> = Api::namespaced(context.client.clone(), namespace);
    if databases
        .get_metadata_opt(database)
        .await
        .map_err(asked("read the ProtectedDatabase"))?
        .is_none()
    {
        let message = format!(
            "spec.database: there is no ProtectedDatabase {database} in namespace {namespace}. \
             Apply it, or bring it back: kubectl holdfast recover {database} -n {namespace}"
        );
        return Ok(blocked(before, message));
    }
    if let Some(other) = fetch_earlier(context, restore, namespace)
        .await
        .map_err(asked("list the DatabaseRestores"))?
    {
        return Ok(blocked(
            before,
            format!(
                "DatabaseRestore {other} of the same database came first and is not done yet; this \
                 one waits for it"
            ),
        ));
    }
    let situation = match Box::pin(fetch_situation(
        &context.client,
        namespace,
        database,
        Some(volume),
    ))
    .await
    {
        Err(ReadError::Obstacle(obstacle)) => return Ok(blocked(before, obstacle.to_string())),
        other => other?,
    };
    let checks: Api<DatabaseCheck> = Api::namespaced(context.client.clone(), namespace);
    let of_database = ListParams::default().fields(&format!("spec.database={database}"));
    let checks = checks
        .list(&of_database)
        .await
        .map_err(asked("list the DatabaseChecks"))?
        .items;
    Ok(decide(
        restore,
        &situation,
        plan(&situation),
        &checks,
        &Time(Timestamp::now()),
    ))
}

/// The name of another restore of the same database that is not done and was there before.
async fn fetch_earlier(
    context: &Context,
    restore: &DatabaseRestore,
    namespace: &str,
) -> Result<Option<String>, kube::Error> {
    let api: Api<DatabaseRestore> = Api::namespaced(context.client.clone(), namespace);
    // Times have whole seconds; of one second the names decide, which a person can see.
    let age = |restore: &DatabaseRestore| {
        (
            restore.creation_timestamp().map(|time| time.0),
            restore.name_any(),
        )
    };
    let is_open = |other: &&DatabaseRestore| {
        other.spec.database == restore.spec.database
            && other.uid() != restore.uid()
            && !other
                .status
                .as_ref()
                .and_then(|status| status.state)
                .is_some_and(RestoreState::is_final)
    };
    let list = api.list(&ListParams::default()).await?;
    Ok(list
        .items
        .iter()
        .filter(is_open)
        .filter(|other| age(other) < age(restore))
        .map(ResourceExt::name_any)
        .next())
}

/// Writes the status where it differs, and an event where the state does.
async fn report(
    context: &Context,
    api: &Api<DatabaseRestore>,
    restore: &DatabaseRestore,
    status: &DatabaseRestoreStatus,
) -> Result<(), kube::Error> {
    let before = restore.status.clone().unwrap_or_default();
    if *status == before {
        return Ok(());
    }
    let body = json!({
        "apiVersion": DatabaseRestore::api_version(&()), "kind": DatabaseRestore::kind(&()),
        "metadata": { "name": restore.name_any(), "uid": restore.uid() }, "status": status,
    });
    api.patch_status(
        &restore.name_any(),
        &PatchParams::apply(names::OPERATOR_MANAGER).force(),
        &Patch::Apply(body),
    )
    .await?;
    if let Some(state) = status.state.filter(|state| before.state != Some(*state)) {
        let is_bad = matches!(state, RestoreState::Blocked | RestoreState::Failed);
        let event = Event {
            type_: if is_bad {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: format!("Restore{state:?}"),
            note: status.message.clone(),
            action: "Restore".to_owned(),
            secondary: None,
        };
        publish(context, event, &restore.object_ref(&())).await;
    }
    Ok(())
}
