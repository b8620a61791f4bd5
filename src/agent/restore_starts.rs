//! The starts of one restore: when the pod of Postgres is replaced, or does not answer while a database may be
//! closed, the restore begins again where Postgres is then. What an earlier start has reported leads it on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::api::{AgentFailure, RestorePhase, RestoreReport, RestoreRequest, reasons};
use crate::postgres::Presence;
use crate::store::StoreLimits;

use super::host::Server;
use super::restore_order::{RestoreOrder, RestoreStep, RestoreWatcher};
use super::restore_set::restore_set;
use super::restore_swap::left_closed;
use super::{Interrupt, MountedFiles};

/// Between two starts.
const PAUSE: Duration = Duration::from_secs(3);

/// What is restored in all starts.
#[derive(Clone, Debug)]
pub struct Starts<'a> {
    pub request: &'a RestoreRequest,
    pub files: &'a MountedFiles,
    pub limits: StoreLimits,
    /// The report of an earlier agent of this restore, or why it is not known.
    pub earlier: Result<RestoreReport, AgentFailure>,
}

/// Passes reports on, and keeps the newest for the next start.
struct Remembering<'a, W> {
    watcher: &'a W,
    newest: Mutex<Result<RestoreReport, AgentFailure>>,
}

impl<W> Remembering<'_, W> {
    fn newest(&self) -> Result<RestoreReport, AgentFailure> {
        let newest = self.newest.lock();
        newest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<W: RestoreWatcher> RestoreWatcher for Remembering<'_, W> {
    fn note(&self, report: &RestoreReport) {
        self.watcher.note(report);
        let newest = self.newest.lock();
        *newest.unwrap_or_else(PoisonError::into_inner) = Ok(report.clone());
    }

    async fn keep(&self) -> Result<(), AgentFailure> {
        self.watcher.keep().await
    }

    async fn after(&self, step: RestoreStep) {
        self.watcher.after(step).await;
    }
}

/// Whether a start has closed a database, as far as is known, and none has opened it since.
#[must_use]
pub fn may_be_closed(report: &RestoreReport) -> bool {
    report.phase == Some(RestorePhase::Swapping)
}

/// Restores a set, in as many starts as it takes. `find` finds the server of each, by what was reported last.
pub async fn restore_in_starts<W: RestoreWatcher>(
    starts: &Starts<'_>,
    watcher: &W,
    interrupt: &Interrupt,
    find: impl AsyncFn(&RestoreReport) -> Result<Server, AgentFailure>,
) -> Result<RestoreReport, AgentFailure> {
    let remembering = Remembering {
        watcher,
        newest: Mutex::new(starts.earlier.clone()),
    };
    loop {
        let (failure, presence) = match start(starts, &remembering, interrupt, &find).await {
            Ok(report) => return Ok(report),
            Err(ended) => ended,
        };
        let newest = remembering.newest().unwrap_or_default();
        let is_closed = may_be_closed(&newest);
        let goes_on = is_gone(presence.as_ref()).await || is_closed && passes(&failure);
        if !goes_on || interrupt.is_over() {
            return Err(if is_closed && (goes_on || is_elsewhere(&failure)) {
                say_closed(failure, &newest)
            } else {
                failure
            });
        }
        tracing::warn!(
            reason = failure.reason,
            "it begins again where Postgres is now: {}",
            failure.message
        );
        sleep(PAUSE).await;
    }
}

/// One of them. With a failure comes whom to ask whether its server is still there.
async fn start<W: RestoreWatcher>(
    starts: &Starts<'_>,
    remembering: &Remembering<'_, W>,
    interrupt: &Interrupt,
    find: &impl AsyncFn(&RestoreReport) -> Result<Server, AgentFailure>,
) -> Result<RestoreReport, (AgentFailure, Option<Presence>)> {
    let earlier = remembering.newest();
    let known = earlier.clone().unwrap_or_default();
    let Server { host, presence } = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err((failure, None)),
        server = find(&known) => server.map_err(|failure| (failure, None))?,
    };
    tracing::info!(host, path = starts.request.path, "restoring");
    let order = RestoreOrder {
        request: starts.request,
        files: starts.files,
        host,
        presence: presence.clone(),
        limits: starts.limits,
        system_identifier: known.system_identifier,
        known: earlier.map(|report| report.databases),
    };
    let outcome = Box::pin(restore_set(&order, remembering, interrupt)).await;
    outcome.map_err(|failure| (failure, presence))
}

/// Whether the pod that was asked is surely not there any more.
async fn is_gone(presence: Option<&Presence>) -> bool {
    match presence {
        Some(presence) => presence.ask().await.is_err_and(|absence| absence.is_known),
        None => false,
    }
}

/// Whether it may be another one when the server answers again.
fn passes(failure: &AgentFailure) -> bool {
    [
        reasons::CONNECTION_FAILED,
        reasons::DATABASE_CLOSED,
        reasons::NO_RUNNING_POD,
        reasons::SERVER_STARTING,
        reasons::TOO_MANY_CONNECTIONS,
    ]
    .contains(&failure.reason.as_str())
}

/// Whether there is no server any more that the restore was begun in.
fn is_elsewhere(failure: &AgentFailure) -> bool {
    [reasons::SERVER_REPLACED, reasons::SUPERSEDED].contains(&failure.reason.as_str())
}

/// What it means that it is not gone on with.
fn say_closed(failure: AgentFailure, newest: &RestoreReport) -> AgentFailure {
    if failure.reason == reasons::DATABASE_CLOSED {
        return failure;
    }
    let names: Vec<&str> = newest
        .databases
        .iter()
        .map(|database| database.name.as_str())
        .collect();
    left_closed(&failure.message, &names)
}
