//! One pass for one database: observe, decide, vet, act, report.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::execute::{ActError, act};
use super::report::report;
use super::{Context, drift_repair};
use crate::api::ProtectedDatabase;
use crate::decide::decide;
use crate::plan::{RuleViolation, check_plan};
use crate::world::observe;

/// What can end a pass early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The ProtectedDatabase itself could not be read.
    #[error("could not read the ProtectedDatabase: {0}")]
    Read(#[source] Box<kube::Error>),
    /// The plan broke a rule; nothing of it was done.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// A step was refused or not answered; what came after it was not done.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The status could not be written.
    #[error("could not write the status: {0}")]
    Report(#[source] Box<kube::Error>),
}

/// One pass.
///
/// # Errors
/// Whatever ended the pass early; it was reported where it could be.
pub async fn reconcile(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Action, PassError> {
    let found = fetch_database(context, namespace, name).await?;
    // Its labels may have changed a moment ago: then it is another operator's by now.
    let Some(database) = found.filter(|found| context.settings.selects(found)) else {
        context.metrics.forget_database(namespace, name);
        context.notices.forget(namespace, name);
        return Ok(Action::await_change());
    };
    let observed = Box::pin(observe(
        &context.client,
        &context.settings.agent_image,
        drift_repair::fetch_policy(context),
        database,
    ))
    .await;
    let plan = decide(&observed);
    let steps = plan.steps.clone();
    let again_after = plan.again_after;
    let mut failure = check_plan(&observed, &plan).err().map(PassError::from);
    if failure.is_none() {
        for step in &steps {
            tracing::info!(namespace, name, step = step.describe(), "acting");
            context.metrics.count_step();
            if let Err(error) = act(context, namespace, name, step).await {
                failure = Some(error.into());
                break;
            }
        }
    }
    report(context, &observed, plan, failure.as_ref())
        .await
        .map_err(|error| PassError::Report(Box::new(error)))?;
    match failure {
        Some(failure) => Err(failure),
        None if steps.is_empty() => {
            Ok(again_after.map_or_else(Action::await_change, Action::requeue))
        }
        // What was written is read back at once: only what was read counts.
        None => Ok(Action::requeue(Duration::from_millis(50))),
    }
}

async fn fetch_database(
    context: &Context,
    namespace: &str,
    name: &str,
) -> Result<Option<ProtectedDatabase>, PassError> {
    let api: Api<ProtectedDatabase> = Api::namespaced(context.client.clone(), namespace);
    api.get_opt(name)
        .await
        .map_err(|error| PassError::Read(Box::new(error)))
}

/// How long to wait after a failed pass.
pub fn retry(database: &Arc<impl ResourceExt>, error: &PassError, context: &Context) -> Action {
    context.metrics.count_failure();
    tracing::warn!(namespace = database.namespace(), name = database.name_any(), %error, "pass \
        failed");
    let conflict = matches!(error, PassError::Act(ActError::Refused { source, .. }) if is_precondition(source));
    // A precondition that did not hold means that somebody else wrote first: read again soon.
    Action::requeue(if conflict {
        Duration::from_millis(200)
    } else {
        Duration::from_secs(5)
    })
}

fn is_precondition(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 409 | 422))
}
