//! A drill: a set is restored into a throwaway server, compared as every restore is, and looked at further. It
//! shows whether the backup can be restored; the protected database and its server have no part in it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, RestoreReport, RestoreRequest, ServerRequest, TlsMode, reasons};
use crate::postgres::{Writer, fetch_identity};
use crate::store::{Manifest, StoreLimits};
use crate::wording::quoted_line;

use super::drill_class::classify;
use super::restore_context::seconds;
use super::restore_fetch::fetch_manifest;
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreOrder, RestoreStep, RestoreWatcher};
use super::restore_set::restore_set;
use super::scratch_files::{DiskSpace, ScratchFiles};
use super::scratch_server::{SCRATCH_PORT, SCRATCH_USER};
use super::{Interrupt, MountedFiles};

/// How often the agent says that it is at work.
const BEAT: Duration = Duration::from_secs(5);
/// How long the throwaway server is waited for.
const SERVER_LIMIT: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_millis(200);
/// How long the server has to say why it has ended, after a session with it has.
const REASON_LIMIT: Duration = Duration::from_secs(3);
/// Rows take at least so much less on a disk than in a dump, however well they are compressed.
const COMPRESSION: u64 = 4;

/// What is restored, and where the throwaway server is.
#[derive(Clone, Copy, Debug)]
pub struct DrillOrder<'a> {
    pub request: &'a RestoreRequest,
    pub files: &'a MountedFiles,
    /// The directory of the server's socket.
    pub socket: &'a Path,
    pub limits: StoreLimits,
}

/// Says that the agent is at work; dropped, that it has ended.
struct Heart {
    files: ScratchFiles,
    beating: JoinHandle<()>,
}

impl Heart {
    fn start(files: &ScratchFiles) -> Self {
        let beats = files.clone();
        let beating = tokio::spawn(async move {
            loop {
                if let Err(error) = beats.say_alive() {
                    tracing::warn!("the throwaway server may end too early: {error}");
                }
                sleep(BEAT).await;
            }
        });
        Self {
            files: files.clone(),
            beating,
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.beating.abort();
        if let Err(error) = self.files.say_done() {
            tracing::warn!("the throwaway server ends only after a while: {error}");
        }
    }
}

/// Passes reports on, with what only a drill knows of its server.
struct Drilling<'a, W> {
    watcher: &'a W,
    server_version: String,
    scratch_seconds: Option<i64>,
    newest: Mutex<RestoreReport>,
}

impl<W: RestoreWatcher> Drilling<'_, W> {
    fn complete(&self, mut report: RestoreReport) -> RestoreReport {
        let drill = report.drill.get_or_insert_default();
        drill.server_version = Some(self.server_version.clone()).filter(|one| !one.is_empty());
        drill.times.scratch_seconds = self.scratch_seconds;
        report
    }

    fn newest(&self) -> RestoreReport {
        let newest = self.newest.lock();
        newest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<W: RestoreWatcher> RestoreWatcher for Drilling<'_, W> {
    fn note(&self, report: &RestoreReport) {
        let report = self.complete(report.clone());
        self.watcher.note(&report);
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    async fn after(&self, step: RestoreStep) {
        self.watcher.after(step).await;
    }
}

/// Restores a set into the throwaway server and looks at all of it. What was found is also in the reports that
/// the watcher sees: after a failure, its class is in the last one.
pub async fn prove_set<W: RestoreWatcher>(
    order: DrillOrder<'_>,
    watcher: &W,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let files = ScratchFiles::new(order.socket);
    let heart = Heart::start(&files);
    let mut drilling = Drilling {
        watcher,
        server_version: String::new(),
        scratch_seconds: None,
        newest: Mutex::default(),
    };
    let mut outcome = prove(order, &files, &mut drilling, interrupt).await;
    if let Err(failure) = &mut outcome {
        explain(failure, &files).await;
        let mut report = drilling.newest();
        report.drill.get_or_insert_default().class = Some(classify(failure));
        drilling.note(&report);
    }
    drop(heart);
    outcome.map(|report| drilling.complete(report))
}

async fn prove<W: RestoreWatcher>(
    order: DrillOrder<'_>,
    files: &ScratchFiles,
    drilling: &mut Drilling<'_, W>,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let begun = Clock::now();
    let request = build_request(order);
    let space = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        space = wait_for_server(files) => space?,
    };
    drilling.scratch_seconds = seconds(begun);
    drilling.server_version = fetch_version(&request, order).await?;
    let drilling = &*drilling;
    let store = order
        .files
        .open_store(&request.storage, &request.namespace, order.limits)?;
    let manifest = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        manifest = fetch_manifest(&store, &request.path, &request.manifest_sha256) => manifest?,
    };
    ensure_space(&manifest, space)?;
    let restore = RestoreOrder {
        request: &request,
        files: order.files,
        host: order.socket.display().to_string(),
        presence: None,
        limits: order.limits,
        // Each start has a server of its own.
        system_identifier: None,
        known: Ok(Vec::new()),
    };
    tokio::select! {
        biased;
        failure = wait_for_failure(files) => Err(failure),
        outcome = Box::pin(restore_set(&restore, drilling, interrupt)) => outcome,
    }
}

/// The request, with the throwaway server as the one to restore into.
fn build_request(order: DrillOrder<'_>) -> RestoreRequest {
    let request = order.request.clone();
    RestoreRequest {
        server: ServerRequest {
            host: Some(order.socket.display().to_string()),
            port: SCRATCH_PORT,
            databases: request.server.databases.clone(),
            tls_mode: TlsMode::Disable,
            username: Some(SCRATCH_USER.to_owned()),
            ..ServerRequest::default()
        },
        drill: Some(request.drill.clone().unwrap_or_default()),
        ..request
    }
}

/// Waits until the server answers, and says how much space it has.
async fn wait_for_server(files: &ScratchFiles) -> Result<DiskSpace, AgentFailure> {
    let end = Instant::now() + SERVER_LIMIT;
    loop {
        if let Some(why) = files.failed() {
            return Err(scratch_failed(&why));
        }
        if let Some(space) = files.ready() {
            return Ok(space);
        }
        if Instant::now() >= end {
            return Err(scratch_failed(&format!(
                "the throwaway server did not start within {} s. See the log of the container `scratch`",
                SERVER_LIMIT.as_secs()
            )));
        }
        sleep(PAUSE).await;
    }
}

/// Returns when the server says that it has ended.
async fn wait_for_failure(files: &ScratchFiles) -> AgentFailure {
    loop {
        if let Some(why) = files.failed() {
            return scratch_failed(&why);
        }
        sleep(PAUSE).await;
    }
}

/// Why the server has ended says more than that a session with it has.
async fn explain(failure: &mut AgentFailure, files: &ScratchFiles) {
    if classify(failure) != crate::api::DrillFailureClass::Scratch {
        return;
    }
    let said = tokio::time::timeout(REASON_LIMIT, wait_for_failure(files)).await;
    if let Ok(why) = said {
        *failure = why;
    }
}

async fn fetch_version(
    request: &RestoreRequest,
    order: DrillOrder<'_>,
) -> Result<String, AgentFailure> {
    let (namespace, host) = (&request.namespace, order.socket.display().to_string());
    let login = order
        .files
        .read_login(&request.server, namespace, &host, None)?;
    let deadline = Instant::now() + SERVER_LIMIT;
    let writer = Writer::connect(&login, SCRATCH_USER, RESTORE_APPLICATION_NAME, deadline).await?;
    Ok(fetch_identity(&writer).await?.identity.server_version)
}

/// Refuses what surely does not fit, before hours are spent with it. What fits by then may still grow: the
/// server ends itself before its disk is full.
fn ensure_space(manifest: &Manifest, space: DiskSpace) -> Result<(), AgentFailure> {
    let of_databases = manifest.objects.iter().filter(|object| {
        let mut databases = manifest.databases.iter();
        databases.any(|database| database.object == object.name)
    });
    let raw: u64 = of_databases
        .map(|object| object.raw_size)
        .fold(0, u64::saturating_add);
    if raw / COMPRESSION <= space.usable() {
        return Ok(());
    }
    Err(scratch_failed(&format!(
        "the set has {} MiB of rows, and the throwaway server can use {} MiB of its disk, so the drill was not \
         begun: it does not say whether the backup can be restored. Give it more: `spec.drill.storage`",
        raw >> 20,
        space.usable() >> 20
    )))
}

fn scratch_failed(why: &str) -> AgentFailure {
    AgentFailure {
        reason: reasons::SCRATCH_FAILED.to_owned(),
        message: quoted_line(why, 1_000),
    }
}
