//! `holdfast agent restore`: restores a backup set into the server, and writes how far it is into the
//! status of its `DatabaseRestore`, and nothing else of it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use crate::api::{
    AgentFailure, DatabaseRestore, RestoreReport, RestoreRequest, RestoreTarget,
    SCRATCH_SOCKET_DIRECTORY, reasons,
};
use crate::store::StoreLimits;

use super::claim_work::nothing_after;
use super::drill::{DrillOrder, prove_set};
use super::host::Server;
use super::presence::build_presence_in_pod;
use super::restore_directory::{DirectoryOrder, restore_directory};
use super::restore_order::{RestoreOrder, RestoreWatcher};
use super::restore_set::restore_set;
use super::{Interrupt, MountedFiles, host, kubernetes};

/// Field manager of the report: an apply removes what the same manager applied before.
const MANAGER: &str = "holdfast-agent-restore";
/// The report is written no more often.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Writes the newest report.
struct Shown<'a> {
    client: &'a Client,
    request: &'a RestoreRequest,
    newest: watch::Sender<RestoreReport>,
    /// One write at a time: an older one must not come after a newer one.
    writing: Mutex<()>,
}

impl Shown<'_> {
    /// Writes it now.
    async fn write(&self) -> anyhow::Result<()> {
        let writing = self.writing.lock().await;
        let report = self.newest.borrow().clone();
        let written = write(self.client, self.request, &report).await;
        drop(writing);
        written
    }

    /// Writes each report that is newer than the one before, with a pause after each.
    async fn keep_writing(&self) -> std::convert::Infallible {
        let mut reports = self.newest.subscribe();
        loop {
            if reports.changed().await.is_err() {
                return std::future::pending().await;
            }
            reports.mark_unchanged();
            if let Err(error) = self.write().await {
                tracing::warn!("how far the restore is could not be reported: {error:#}");
            }
            sleep(REPORT_INTERVAL).await;
        }
    }
}

impl RestoreWatcher for Shown<'_> {
    fn note(&self, report: &RestoreReport) {
        self.newest.send_replace(report.clone());
    }

    async fn keep(&self) -> Result<(), AgentFailure> {
        self.write().await.map_err(|error| AgentFailure {
            reason: reasons::SWAP_FAILED.to_owned(),
            message: format!("what was restored could not be reported: {error:#}"),
        })
    }
}

/// Restores a set and reports it. One that failed is an error, so that its Job fails, too.
pub async fn run_restore(request: RestoreRequest) -> anyhow::Result<()> {
    anyhow::ensure!(
        request.files.is_none(),
        "files are restored by another task, and the request says otherwise, which is a fault of the operator"
    );
    run(request, "spec.restore.deadline").await
}

/// Restores the files of one directory and reports it.
pub async fn run_files(request: RestoreRequest) -> anyhow::Result<()> {
    anyhow::ensure!(
        request.files.is_some() && request.into != RestoreTarget::Scratch,
        "no directory is named, or files are to be restored into Scratch, which is a fault of the operator"
    );
    run(request, "spec.restore.deadline").await
}

/// The same into the throwaway server of this pod, with all that a drill looks at.
pub async fn run_drill(request: RestoreRequest) -> anyhow::Result<()> {
    anyhow::ensure!(
        request.into == RestoreTarget::Scratch && request.files.is_none(),
        "a drill restores into Scratch, and the request says otherwise, which is a fault of the operator"
    );
    run(request, "spec.drill.deadline").await
}

async fn run(request: RestoreRequest, field: &'static str) -> anyhow::Result<()> {
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let ends_at = Instant::now() + deadline;
    let interrupt = Interrupt::listen(deadline, field)?;
    let client = kubernetes::connect().await?;
    let shown = Shown {
        client: &client,
        request: &request,
        newest: watch::channel(RestoreReport::default()).0,
        writing: Mutex::default(),
    };
    let outcome = {
        let restoring = Box::pin(restore(&client, &request, &shown, &interrupt, ends_at));
        tokio::select! {
            outcome = restoring => outcome,
            never = shown.keep_writing() => match never {},
        }
    };
    let mut report = shown.newest.borrow().clone();
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
    shown: &Shown<'_>,
    interrupt: &Interrupt,
    ends_at: Instant,
) -> Result<RestoreReport, AgentFailure> {
    let files = MountedFiles::default();
    let limits = StoreLimits {
        budget: Duration::from_secs(request.retry_seconds),
        ends_at: Some(ends_at),
        ..StoreLimits::default()
    };
    if request.files.is_some() {
        let order = DirectoryOrder {
            request,
            files: &files,
            limits,
            known: fetch_known(client, request).await,
            after: nothing_after(),
        };
        return Box::pin(restore_directory(order, shown, interrupt)).await;
    }
    if request.into == RestoreTarget::Scratch {
        let order = DrillOrder {
            request,
            files: &files,
            socket: Path::new(SCRATCH_SOCKET_DIRECTORY),
            limits,
        };
        return Box::pin(prove_set(order, shown, interrupt)).await;
    }
    let namespace = &request.namespace;
    let server = tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        server = host::find_server(client, namespace, &request.server, &files) => server?,
    };
    // Bound to the pod that the operator has chosen.
    let Server { host, presence } = server;
    let presence = presence.or_else(|| build_presence_in_pod(client, namespace, &request.server));
    let known = fetch_known(client, request).await;
    let known = known.map(|report| report.map(|report| report.databases).unwrap_or_default());
    tracing::info!(host, path = request.path, "restoring");
    let order = RestoreOrder {
        request,
        files: &files,
        host,
        presence,
        limits,
        known,
    };
    Box::pin(restore_set(&order, shown, interrupt)).await
}

/// What an earlier start has reported. It is read before this one reports anything.
async fn fetch_known(
    client: &Client,
    request: &RestoreRequest,
) -> Result<Option<RestoreReport>, AgentFailure> {
    let api: Api<DatabaseRestore> = Api::namespaced(client.clone(), &request.namespace);
    let found = kubernetes::persist("read the DatabaseRestore", || api.get(&request.restore)).await;
    let restore = found.map_err(|error| AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!(
            "it is not known what an earlier start of this restore has done, so it does not go on: {error:#}"
        ),
    })?;
    let is_same = restore.uid().as_deref() == Some(request.restore_uid.as_str());
    let status = restore.status.filter(|_| is_same);
    Ok(status.and_then(|status| status.report))
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
