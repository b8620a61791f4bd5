//! One pass for one `DatabaseRestore`: read, decide, report, execute.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::ListParams;
use kube::runtime::controller::Action;

use super::from_backup::restore_backup;
use super::notes;
use super::report::report;
use super::restore_error::RestoreError;
use crate::api::{
    DatabaseCheck, DatabaseRestore, DatabaseRestoreStatus, ProtectedDatabase, RestoreState,
    is_object_name, names,
};
use crate::decide::recover::{
    Decision, GiveBack, blocked, decide_restore, failed, plan_give_back, refuse_restore,
};
use crate::engine::Context;
use crate::execute::Executor;
use crate::plan::{Blocker, Disturbance, Scope, Step, check_recovery};
use crate::recovery::{Recovery, look};
use crate::world::{Fact, Reader};

/// How soon to read again what the restore waits for.
const SOON: Duration = Duration::from_millis(200);
/// How soon to read again what the user must resolve, or a check must find.
const LATER: Duration = Duration::from_secs(5);

/// One pass.
pub async fn restore(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Action, RestoreError> {
    let reader = Reader::new(context.client.clone(), namespace);
    let Some(found) = known(reader.get::<DatabaseRestore>(name).await)? else {
        return Ok(Action::await_change());
    };
    let before = found.status.clone().unwrap_or_default();
    let is_deleted = found.metadata.deletion_timestamp.is_some();
    let is_final = before.state.is_some_and(RestoreState::is_final);
    if is_final || (is_deleted && !notes::is_held(&found)) {
        notes::let_go(context, &found).await?;
        return Ok(Action::await_change());
    }
    if !names_objects(&found) {
        let message = "spec.database, spec.from.volume and spec.from.backup must be names of objects; \
            create another DatabaseRestore";
        let decision = blocked(before.clone(), message.to_owned());
        report(context, &found, &before, &decision.status).await?;
        return Ok(Action::await_change());
    }
    let database = known(reader.get::<ProtectedDatabase>(&found.spec.database).await)?;
    if let Some(database) = &database {
        if !context.settings.selects(database) {
            // It belongs to another operator.
            return Ok(Action::requeue(LATER));
        }
        let now = Time(jiff::Timestamp::now());
        if let Some(refused) = refuse_restore(&found, database, &now) {
            report(context, &found, &before, &refused).await?;
            return Ok(Action::await_change());
        }
    }
    if found.spec.from.volume.is_none() {
        return Box::pin(from_backup(context, &reader, &found, database.as_ref())).await;
    }
    if is_deleted && let Some(action) = Box::pin(give_back(context, &found)).await? {
        return Ok(action);
    }
    let (mut decision, recovery) = Box::pin(decide(context, &reader, &found)).await?;
    let stops_pods = |step: &Step| matches!(step.disturbance(), Disturbance::StopsPods(_));
    if decision.due.iter().any(stops_pods) && !notes::is_held(&found) {
        notes::hold(context, &found).await?;
        return Ok(Action::requeue(SOON));
    }
    if recovery.is_some() && decision.status.state.is_some_and(is_carried_out) {
        if let Some(database) = &database {
            notes::note_carried_out(context, &found, database).await?;
        }
        notes::let_go(context, &found).await?;
        if is_deleted {
            return Ok(Action::await_change());
        }
    }
    if is_deleted {
        say_deleted(&mut decision.status);
    }
    report(context, &found, &before, &decision.status).await?;
    if let Some(recovery) = recovery {
        let scope = Scope::Restore {
            observed: &recovery.observed,
            announced: &before.announced,
            is_given_up: false,
        };
        let steps = &decision.due;
        let carried_out = match check_recovery(&scope, &decision.plan) {
            // What is not announced yet breaks a rule, and is not due.
            _ if steps.is_empty() => Ok(()),
            Ok(()) => execute(context, &found, steps).await,
            Err(violation) => Err(violation.into()),
        };
        match carried_out {
            Ok(()) => {}
            Err(RestoreError::Write(error)) if error.is_conflict() => {
                return Ok(Action::requeue(SOON));
            }
            Err(error) => {
                if let Some(first) = steps.first() {
                    let status = failed(&decision.status, first, &error.to_string());
                    report(context, &found, &decision.status, &status).await?;
                }
                return Err(error);
            }
        }
    }
    Ok(Action::requeue(match decision.status.state {
        Some(RestoreState::Running) => SOON,
        _ => LATER,
    }))
}

/// One pass for a restore from a backup.
async fn from_backup(
    context: &Context,
    reader: &Reader,
    found: &DatabaseRestore,
    database: Option<&ProtectedDatabase>,
) -> Result<Action, RestoreError> {
    let before = found.status.clone().unwrap_or_default();
    let waits = match (fetch_earlier(reader, found).await?, database) {
        // What has begun goes on whatever else is asked for.
        (Some(other), Some(_)) if before.job.is_none() => Some(waits_for(&other)),
        (_, None) => Some(missing_database(found)),
        _ => None,
    };
    match (waits, database) {
        (None, Some(database)) => Box::pin(restore_backup(context, found, database)).await,
        (waits, _) => {
            let decision = blocked(before.clone(), waits.unwrap_or_default());
            report(context, found, &before, &decision.status).await?;
            if found.metadata.deletion_timestamp.is_some() {
                notes::let_go(context, found).await?;
                return Ok(Action::await_change());
            }
            Ok(Action::requeue(LATER))
        }
    }
}

fn waits_for(other: &str) -> String {
    format!("DatabaseRestore {other} of the same database is not done yet; this one waits for it")
}

fn missing_database(restore: &DatabaseRestore) -> String {
    let (namespace, database) = (
        restore.namespace().unwrap_or_default(),
        &restore.spec.database,
    );
    format!(
        "spec.database: ProtectedDatabase {database} does not exist in namespace {namespace}. Apply it, or \
         recover it: kubectl holdfast recover {database} -n {namespace}"
    )
}

/// Whether the claims are bound and the workload has its pods.
const fn is_carried_out(state: RestoreState) -> bool {
    matches!(
        state,
        RestoreState::Verifying | RestoreState::Complete | RestoreState::Failed
    )
}

/// Says what keeps a restore that was deleted.
fn say_deleted(status: &mut DatabaseRestoreStatus) {
    let said = status.message.clone().unwrap_or_default();
    if !said.contains(names::RESTORING_FINALIZER) {
        let held = names::RESTORING_FINALIZER;
        status.message = Some(format!(
            "{said}; it was deleted on its way, when a claim was not as before any more, so it goes on: \
             the finalizer {held} keeps it until the workload has its pods back"
        ));
    }
}

/// Gives the workload its pods back, for a restore that was deleted. None where the restore must go on
/// for that.
async fn give_back(
    context: &Context,
    restore: &DatabaseRestore,
) -> Result<Option<Action>, RestoreError> {
    let namespace = restore.namespace().unwrap_or_default();
    let volume = restore.spec.from.volume.as_deref();
    let read = look(&context.client, &namespace, &restore.spec.database, volume);
    let observed = Box::pin(read).await.observed;
    match plan_give_back(&observed) {
        Err(blocker) => Err(RestoreError::Read(blocker.to_string())),
        Ok(GiveBack::GoOn) => Ok(None),
        Ok(GiveBack::Nothing) => {
            notes::let_go(context, restore).await?;
            Ok(Some(Action::await_change()))
        }
        Ok(GiveBack::Steps(plan)) => {
            let scope = Scope::Restore {
                observed: &observed,
                announced: &[],
                is_given_up: true,
            };
            check_recovery(&scope, &plan)?;
            execute(context, restore, &plan.steps).await?;
            Ok(Some(Action::requeue(SOON)))
        }
    }
}

async fn execute(
    context: &Context,
    restore: &DatabaseRestore,
    steps: &[Step],
) -> Result<(), RestoreError> {
    let (namespace, name) = (restore.namespace().unwrap_or_default(), restore.name_any());
    let client = context.client.clone();
    let database = &restore.spec.database;
    let executor = Executor::new(client, names::OPERATOR_MANAGER, &namespace, database);
    let executor = executor.for_restore(&name);
    for step in steps {
        tracing::info!(namespace, name, step = step.describe(), "restoring");
        executor.execute(step).await?;
    }
    Ok(())
}

fn known<T>(fact: Fact<T>) -> Result<T, RestoreError> {
    match fact {
        Fact::Known(value) => Ok(value),
        Fact::Unknown(why) => Err(RestoreError::Read(why)),
    }
}

/// Whether its fields are names. Older versions took any text, and a message must not quote one.
fn names_objects(restore: &DatabaseRestore) -> bool {
    let from = &restore.spec.from;
    let mut sources = [&from.volume, &from.backup].into_iter().flatten();
    is_object_name(&restore.spec.database) && sources.all(|name| is_object_name(name))
}

/// What is to be done; with what it was decided from, where anything is.
async fn decide(
    context: &Context,
    reader: &Reader,
    restore: &DatabaseRestore,
) -> Result<(Decision, Option<Recovery>), RestoreError> {
    let before = || restore.status.clone().unwrap_or_default();
    let (namespace, database) = (
        restore.namespace().unwrap_or_default(),
        restore.spec.database.as_str(),
    );
    let volume = restore.spec.from.volume.as_deref();
    if let Some(other) = fetch_earlier(reader, restore).await? {
        return Ok((blocked(before(), waits_for(&other)), None));
    }
    let read = look(&context.client, &namespace, database, volume);
    let mut recovery = Box::pin(read).await;
    if known(recovery.observed.database.clone())?.is_none() {
        return Ok((blocked(before(), missing_database(restore)), None));
    }
    let of_database = ListParams::default().fields(&format!("spec.database={database}"));
    recovery.observed.world.checks = reader.list::<DatabaseCheck>(&of_database).await;
    if let Err(Blocker::Unread(why)) = recovery.plan {
        return Err(RestoreError::Read(why));
    }
    let kept = {
        let namespace_uids = recovery.observed.world.namespace_uids();
        context.volumes.kept_in_namespace(&namespace_uids)
    };
    recovery.observed.world.kept_in_namespace = kept;
    let limit = context.settings.kept_volume_limit;
    let decision = decide_restore(restore, &recovery.observed, recovery.plan.clone(), limit);
    Ok((decision, Some(recovery)))
}

/// The name of another restore of the same database that is not done and is older. Nobody who restores waits
/// for a drill or a dry run, and these wait for every restore.
async fn fetch_earlier(
    reader: &Reader,
    restore: &DatabaseRestore,
) -> Result<Option<String>, RestoreError> {
    // Times have whole seconds; within one second the names decide, which a user can see.
    let age = |restore: &DatabaseRestore| {
        let created = restore.creation_timestamp();
        (created.map(|time| time.0), restore.name_any())
    };
    let is_open = |other: &&DatabaseRestore| {
        other.spec.database == restore.spec.database
            && other.uid() != restore.uid()
            && other.is_open()
    };
    let all = known(reader.list::<DatabaseRestore>(&ListParams::default()).await)?;
    let mut open = all.iter().filter(is_open);
    let earlier =
        open.find(
            |other| match (restore.changes_something(), other.changes_something()) {
                (false, true) => true,
                (true, false) => false,
                _ => age(other) < age(restore),
            },
        );
    Ok(earlier.map(ResourceExt::name_any))
}
