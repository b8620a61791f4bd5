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
use super::restore_directory::{DirectoryOrder, restore_directory};
use super::restore_order::RestoreWatcher;
use super::restore_pod::find_server_now;
use super::restore_starts::{Starts, may_be_closed, restore_in_starts};
use super::{Interrupt, MountedFiles, kubernetes};

/// Field manager of the report: an apply removes what the same manager applied before.
const MANAGER: &str = "holdfast-agent-restore";
/// The report is written no more often.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How long a pod that follows the one of Postgres is waited for, while every database accepts connections.
const POD_LIMIT: Duration = Duration::from_mins(10);

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
    let earlier = tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        earlier = fetch_earlier(&client, &request) => earlier,
    };
    let is_known = earlier.is_ok();
    let shown = Shown {
        client: &client,
        request: &request,
        newest: watch::channel(earlier.clone().unwrap_or_default()).0,
        writing: Mutex::default(),
    };
    let outcome = {
        let limits = StoreLimits {
            budget: Duration::from_secs(request.retry_seconds),
            ends_at: Some(ends_at),
            ..StoreLimits::default()
        };
        let restoring = Box::pin(restore(&shown, earlier, &interrupt, limits));
        tokio::select! {
            outcome = restoring => outcome,
            never = shown.keep_writing() => match never {},
        }
    };
    let mut report = shown.newest.borrow().clone();
    if !is_known && outcome.is_err() {
        anyhow::ensure!(!interrupt.is_stopped(), "stopped before it had begun");
        // What was reported before must not be lost: the object ids in it say what was renamed.
        report = fetch_earlier(&client, &request)
            .await
            .map_err(|failure| anyhow::anyhow!(failure.message))?;
    }
    if let Err(failure) = &outcome {
        let reason = failure.reason.as_str();
        tracing::error!(reason, "the restore failed: {}", failure.message);
    }
    let ended = Time(Timestamp::now());
    let report = conclude(report, outcome, interrupt.is_stopped(), ended);
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

/// What is reported at the end of an agent, of which this was reported last.
fn conclude(
    newest: RestoreReport,
    outcome: Result<RestoreReport, AgentFailure>,
    is_stopped: bool,
    ended: Time,
) -> RestoreReport {
    match outcome {
        Ok(done) => RestoreReport {
            completion_time: Some(ended),
            ..done
        },
        // Another pod of the Job goes on. If none comes, the operator says so.
        Err(failure) if is_stopped => RestoreReport {
            message: Some(failure.message),
            ..newest
        },
        Err(failure) => RestoreReport {
            failure: Some(failure),
            completion_time: Some(ended),
            ..newest
        },
    }
}

async fn restore(
    shown: &Shown<'_>,
    earlier: Result<RestoreReport, AgentFailure>,
    interrupt: &Interrupt,
    limits: StoreLimits,
) -> Result<RestoreReport, AgentFailure> {
    let (client, request) = (shown.client, shown.request);
    let files = MountedFiles::default();
    if request.files.is_some() {
        let order = DirectoryOrder {
            request,
            files: &files,
            limits,
            known: earlier.map(Some),
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
    let starts = Starts {
        request,
        files: &files,
        limits,
        earlier,
    };
    let find = async |known: &RestoreReport| {
        // As long as nobody can connect it is waited for until the deadline.
        let limit = if may_be_closed(known) {
            Duration::from_secs(request.deadline_seconds)
        } else {
            POD_LIMIT
        };
        let is_known = known.system_identifier.is_some();
        find_server_now(client, request, is_known, Instant::now() + limit).await
    };
    Box::pin(restore_in_starts(&starts, shown, interrupt, find)).await
}

/// What an earlier start has reported. It is read before this one reports anything.
async fn fetch_earlier(
    client: &Client,
    request: &RestoreRequest,
) -> Result<RestoreReport, AgentFailure> {
    if request.into == RestoreTarget::Scratch {
        // Each start has a server of its own.
        return Ok(RestoreReport::default());
    }
    let api: Api<DatabaseRestore> = Api::namespaced(client.clone(), &request.namespace);
    let found = kubernetes::persist("read the DatabaseRestore", || api.get(&request.restore)).await;
    let restore = found.map_err(|error| AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!(
            "it is not known what an earlier start of this restore has done, so it does not go on: {error:#}"
        ),
    })?;
    let is_same = restore.uid().as_deref() == Some(request.restore_uid.as_str());
    let report = restore
        .status
        .filter(|_| is_same)
        .and_then(|status| status.report);
    Ok(RestoreReport {
        failure: None,
        completion_time: None,
        ..report.unwrap_or_default()
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    /// The object ids say which database is which, and the phase whether one may be closed.
    #[test]
    fn a_start_that_fails_at_once_takes_nothing_from_what_was_reported() {
        let earlier: RestoreReport = serde_json::from_value(json!({
            "phase": "Swapping", "systemIdentifier": "7597",
            "databases": [{"name": "shop", "restoredAs": "shop_restore_1", "oid": 16_999}],
        }))
        .unwrap();
        let failure = || AgentFailure {
            reason: reasons::SUPERSEDED.to_owned(),
            message: "gone".to_owned(),
        };
        let ended = || Time(Timestamp::UNIX_EPOCH);
        let failed = conclude(earlier.clone(), Err(failure()), false, ended());
        assert_eq!(failed.failure, Some(failure()));
        assert_eq!(failed.completion_time, Some(ended()));
        let stopped = conclude(earlier.clone(), Err(failure()), true, ended());
        assert_eq!((&stopped.failure, &stopped.completion_time), (&None, &None));
        assert_eq!(stopped.message.as_deref(), Some("gone"));
        for report in [failed, stopped] {
            assert_eq!(report.phase, earlier.phase);
            assert_eq!(report.databases, earlier.databases);
            assert_eq!(report.system_identifier, earlier.system_identifier);
        }
        let done = RestoreReport::default();
        let done = conclude(earlier, Ok(done), false, ended());
        assert_eq!(done.completion_time, Some(ended()));
        assert!(done.databases.is_empty(), "it says all itself");
    }
}
