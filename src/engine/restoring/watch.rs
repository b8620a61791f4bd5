//! Wires the watch on `DatabaseRestore`s to their passes.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::DeserializeGuard;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};

use super::pass::restore;
use super::restore_error::RestoreError;
use crate::api::DatabaseRestore;
use crate::engine::Context;

/// One object that can't be decoded must not stop the others.
type GuardedRestore = DeserializeGuard<DatabaseRestore>;

/// Restores are rare and each disturbs a database: a few at a time are enough.
const CONCURRENCY: u16 = 4;
/// How long to wait after a failed pass.
const AGAIN: Duration = Duration::from_secs(5);

/// Carries out `DatabaseRestore`s until `stop` resolves.
pub async fn run_restores(
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = context.client.clone();
    let api: Api<GuardedRestore> = match context.settings.namespace.as_deref() {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    Controller::new(api, watcher::Config::default())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(stop)
        .run(pass, failed, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn pass(found: Arc<GuardedRestore>, context: Arc<Context>) -> Result<Action, RestoreError> {
    Box::pin(restore(
        &context,
        &found.namespace().unwrap_or_default(),
        &found.name_any(),
    ))
    .await
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is that of the runtime"
)]
fn failed(found: Arc<GuardedRestore>, error: &RestoreError, context: Arc<Context>) -> Action {
    context.metrics.count_failure();
    tracing::warn!(namespace = found.namespace(), name = found.name_any(), %error, "restore pass \
        failed");
    Action::requeue(AGAIN)
}
