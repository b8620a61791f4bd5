//! One pass for one database: observe, decide, vet, execute, report.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::error::PassError;
use super::report::report;
use super::{Context, drift_repair};
use crate::api::{ProtectedDatabase, names};
use crate::decide::decide;
use crate::execute::Executor;
use crate::plan::check_plan;
use crate::world::{Fact, Reader, observe};

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
        context.metrics.forget_database(namespace, name);
        context.notices.forget(namespace, name);
        return Ok(Action::await_change());
    };
    let observed = Box::pin(observe(
        &context.client,
        &context.settings.agent_image,
        context.settings.pace,
        drift_repair::fetch_policy(context),
        database,
    ))
    .await;
    let plan = decide(&observed);
    let steps = plan.steps.clone();
    let again_after = plan.again_after;
    let mut failure = check_plan(&observed, &plan).err().map(PassError::from);
    if failure.is_none() {
        let client = context.client.clone();
        let executor = Executor::new(client, names::OPERATOR_MANAGER, namespace, name);
        for step in &steps {
            tracing::info!(namespace, name, step = step.describe(), "acting");
            context.metrics.count_step();
            if let Err(error) = executor.execute(step).await {
                failure = Some(error.into());
                break;
            }
        }
    }
    report(context, &observed, plan, failure.as_ref())
        .await
        .map_err(PassError::Report)?;
    match failure {
        Some(failure) => Err(failure),
        None if steps.is_empty() => {
            Ok(again_after.map_or_else(Action::await_change, Action::requeue))
        }
        // What was written is read back at once: only what was read counts.
        None => Ok(Action::requeue(Duration::from_millis(50))),
    }
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
