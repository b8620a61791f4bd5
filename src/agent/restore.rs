//! `holdfast agent restore`: restores a backup set into the server, and writes how far it is into the
//! status of its `DatabaseRestore`, and nothing else of it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, DatabaseRestore, RestoreReport, RestoreRequest};
use crate::store::StoreLimits;

use super::host::Server;
use super::presence::build_presence;
use super::restore_order::{RestoreOrder, RestoreWatcher};
use super::restore_set::restore_set;
use super::{Interrupt, MountedFiles, host, kubernetes};

/// Field manager of the report: an apply removes what the same manager applied before.
const MANAGER: &str = "holdfast-agent-restore";
/// The report is written no more often.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Passes the newest report on.
struct Shown(watch::Sender<RestoreReport>);

impl RestoreWatcher for Shown {
    fn note(&self, report: &RestoreReport) {
        self.0.send_replace(report.clone());
    }
}

/// Restores a set and reports it. One that failed is an error, so that its Job fails, too.
pub async fn run_restore(request: RestoreRequest) -> anyhow::Result<()> {
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let ends_at = Instant::now() + deadline;
    let interrupt = Interrupt::listen(deadline, "spec.restore.deadline")?;
    let client = kubernetes::connect().await?;
    let (sender, receiver) = watch::channel(RestoreReport::default());
    let shown = Shown(sender);
    let outcome = {
        let restoring = Box::pin(restore(&client, &request, &shown, &interrupt, ends_at));
        tokio::select! {
            outcome = restoring => outcome,
            never = keep_writing(&client, &request, receiver.clone()) => match never {},
        }
    };
    let mut report = receiver.borrow().clone();
    report.completion_time = Some(Time(Timestamp::now()));
    match outcome {
        Ok(done) => {
            report = RestoreReport {
                completion_time: report.completion_time,
                ..done
            };
        }
        // Another pod of the Job goes on. If none comes, the operator says so.
        Err(failure) if interrupt.is_stopped() => {
            report.completion_time = None;
            report.message = Some(failure.message);
        }
        Err(failure) => {
            tracing::error!(
                reason = failure.reason,
                "the restore failed: {}",
                failure.message
            );
            report.failure = Some(failure);
        }
    }
    let is_done = report.failure.is_none() && report.completion_time.is_some();
    write(&client, &request, &report).await?;
    if !is_done {
        anyhow::bail!(
            "the restore did not end well, which its DatabaseRestore says: {}",
            request.restore
        );
    }
    Ok(())
}

async fn restore(
    client: &Client,
    request: &RestoreRequest,
    shown: &Shown,
    interrupt: &Interrupt,
    ends_at: Instant,
) -> Result<RestoreReport, AgentFailure> {
    let files = MountedFiles::default();
    let namespace = &request.namespace;
    let server = tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        server = host::find_server(client, namespace, &request.server, &files) => server?,
    };
    // Bound to the one start of the pod that the operator has chosen.
    let Server { host, presence } = server;
    let presence = presence.or_else(|| build_presence(client, namespace, &request.server));
    tracing::info!(host, path = request.path, "restoring");
    let order = RestoreOrder {
        request,
        files: &files,
        host,
        presence,
        limits: StoreLimits {
            budget: Duration::from_secs(request.retry_seconds),
            ends_at: Some(ends_at),
            ..StoreLimits::default()
        },
    };
    Box::pin(restore_set(&order, shown, interrupt)).await
}

/// Writes each report that is newer than the one before, with a pause after each.
async fn keep_writing(
    client: &Client,
    request: &RestoreRequest,
    mut reports: watch::Receiver<RestoreReport>,
) -> std::convert::Infallible {
    loop {
        if reports.changed().await.is_err() {
            return std::future::pending().await;
        }
        let report = reports.borrow_and_update().clone();
        if let Err(error) = write(client, request, &report).await {
            tracing::warn!("how far the restore is could not be reported: {error:#}");
        }
        sleep(REPORT_INTERVAL).await;
    }
}

async fn write(
    client: &Client,
    request: &RestoreRequest,
    report: &RestoreReport,
) -> anyhow::Result<()> {
    let status = json!({ "report": report });
    kubernetes::apply_status_as::<DatabaseRestore>(
        client,
        MANAGER,
        &request.namespace,
        &request.restore,
        &status,
    )
    .await
}
