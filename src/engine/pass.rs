//! One pass for one database: observe, decide, vet, execute, report.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::error::PassError;
use super::refused::Refused;
use super::report::report;
use super::undone::keeps_data;
use super::{Context, drift_repair};
use crate::api::{ProtectedDatabase, names};
use crate::decide::{agent_labels, decide, say_taken_back, say_without_effect};
use crate::execute::Executor;
use crate::plan::{Plan, Step, check_plan};
use crate::world::{Fact, Observed, OperatorFacts, Reader, RepairPause, observe};

/// One pass.
///
/// # Errors
/// Whatever ended the pass early; it was reported where it could be.
pub async fn reconcile(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Action, PassError> {
    let reader = Reader::new(context.client.clone(), namespace);
    let database = match reader.get::<ProtectedDatabase>(name).await {
        Fact::Known(database) => database,
        Fact::Unknown(why) => return Err(PassError::Read(why)),
    };
    // Its labels may have changed a moment ago: then it is another operator's by now.
    let Some(database) = database.filter(|found| context.settings.selects(found)) else {
        context.forget(namespace, name);
        return Ok(Action::await_change());
    };
    let observed = Box::pin(observe_database(context, database)).await;
    let mut plan = decide(&observed);
    context.turns.note_planned(&observed, &plan);
    let steps = plan.steps.clone();
    let again_after = plan.again_after;
    let done = match check_plan(&observed, &plan) {
        Ok(()) => carry_out(context, &observed, &steps, &mut plan).await,
        Err(violation) => Done {
            failure: Some(violation.into()),
            ..Done::default()
        },
    };
    let Done {
        failure,
        refused,
        written,
        held,
    } = done;
    let without_effect = context.written.note(namespace, name, &written);
    for step in &without_effect {
        tracing::warn!(namespace, name, step = step.describe(), "without effect");
        say_without_effect(step, &mut plan);
    }
    let has_effect = |step: &&&Step| !without_effect.contains(*step);
    let effective = written.iter().filter(has_effect).copied();
    let taken_back = context.undone.note((namespace, name), effective);
    let waiting = held.iter().map(|(step, pause)| (*step, pause.times));
    for (step, times) in taken_back.into_iter().chain(waiting) {
        tracing::warn!(namespace, name, step = step.describe(), times, "taken back");
        say_taken_back(step, times, &mut plan);
    }
    let again_after = held
        .iter()
        .map(|(_, pause)| pause.wait)
        .chain(again_after)
        .min();
    let waits = refused.unreported + without_effect.len();
    // What was written is read back at once: only what was read counts.
    let is_read_back = written.len() > without_effect.len() || refused.reported > 0;
    report(context, &observed, plan, failure.as_ref())
        .await
        .map_err(PassError::Report)?;
    context
        .disturbance
        .note_reported(namespace, name, &observed.policy);
    if waits == 0 {
        context.refusals.forget(namespace, name);
    }
    match failure {
        Some(failure) => Err(failure),
        None if waits > 0 && !is_read_back => {
            let pauses = context.settings.pace.retry;
            let pause = context.refusals.pause(namespace, name, pauses);
            Ok(Action::requeue(
                again_after.map_or(pause, |again| again.min(pause)),
            ))
        }
        None if steps.is_empty() || (!held.is_empty() && !is_read_back) => {
            Ok(again_after.map_or_else(Action::await_change, Action::requeue))
        }
        None => Ok(Action::requeue(Duration::from_millis(50))),
    }
}

/// Reads all that a pass decides from.
pub async fn observe_database(context: &Context, database: ProtectedDatabase) -> Observed {
    context.volumes.wait_for_list().await;
    let has_backups = database.spec.backup.is_some();
    let (namespace, name) = (
        database.namespace().unwrap_or_default(),
        database.name_any(),
    );
    let mut observed = Box::pin(observe(
        &context.client,
        OperatorFacts {
            agent_image: &context.settings.agent_image,
            agent_defaults: &context.settings.agent_defaults,
            pace: context.settings.pace,
            volumes: &context.volumes,
            kept_volume_limit: context.settings.kept_volume_limit,
            enforcement: &context.enforcement,
        },
        drift_repair::fetch_policy(context, &namespace, &name),
        database,
    ))
    .await;
    if has_backups {
        observed.kubernetes_cluster = context.fetch_kubernetes_cluster().await;
    }
    observed.turn = context.turns.settle(&observed);
    observed
}

/// What became of the steps of a pass.
#[derive(Default)]
struct Done<'a> {
    failure: Option<PassError>,
    refused: Refused,
    written: Vec<&'a Step>,
    /// What was not carried out yet, because something takes it back again and again.
    held: Vec<(&'a Step, RepairPause)>,
}

/// Carries the steps out, one after the other. What others may refuse holds up nothing but what needs it.
async fn carry_out<'a>(
    context: &Context,
    observed: &Observed,
    steps: &'a [Step],
    plan: &mut Plan,
) -> Done<'a> {
    let (namespace, name) = (observed.namespace_name(), observed.name());
    let client = context.client.clone();
    let executor = Executor::new(client, names::OPERATOR_MANAGER, namespace, name)
        .labelling_agents(agent_labels(observed));
    let mut done = Done::default();
    let mut has_identity = true;
    for step in steps {
        if let Some(pause) = context.undone.pause((namespace, name), step) {
            done.held.push((step, pause));
            if keeps_data(step) {
                break;
            }
            has_identity &= *step != Step::EnsureAgentIdentity;
            continue;
        }
        if !has_identity && step.needs_agent_identity() {
            done.refused.hold(step);
            continue;
        }
        tracing::info!(namespace, name, step = step.describe(), "acting");
        context.metrics.count_step();
        let carried_out = executor.execute(step).await;
        if let (Step::RetainTwin(volume), Ok(())) = (step, &carried_out) {
            let name = volume.metadata.name.as_deref().unwrap_or_default();
            context.volumes.note_retained(name);
        }
        let Err(error) = carried_out else {
            done.written.push(step);
            continue;
        };
        has_identity &= *step != Step::EnsureAgentIdentity;
        let is_passed_over = step.may_be_refused_by_others()
            || (step.marks_an_object_of_others() && error.refusal().is_some());
        let taken = done
            .refused
            .take(&executor, observed, (step, error), plan)
            .await;
        if let Err(error) = taken {
            done.failure.get_or_insert(error);
            if !is_passed_over {
                break;
            }
        }
    }
    done
}

/// How long to wait after a failed pass.
pub fn retry(database: &Arc<impl ResourceExt>, error: &PassError, context: &Context) -> Action {
    context.metrics.count_failure();
    let (namespace, name) = (database.namespace(), database.name_any());
    tracing::warn!(namespace, name, %error, "pass failed");
    let is_precondition = matches!(error, PassError::Write(error) if error.is_precondition());
    // A precondition that did not hold means that somebody else wrote first: read again soon.
    Action::requeue(if is_precondition {
        Duration::from_millis(200)
    } else {
        Duration::from_secs(5)
    })
}
