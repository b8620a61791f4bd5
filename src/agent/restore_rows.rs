//! The rows of a dump by several sessions of `pg_restore`, each of which reads an archive of its own that is made
//! from the one stream out of the bucket. However it ends, all of them end, too.

use std::sync::{Arc, Mutex};

use futures::future::try_join_all;
use tokio::process::Command;
use tokio::sync::{Notify, mpsc};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchivePart, ArchiveSummary};

use super::dump_run::{Lines, Running, keep_and_see, without_pipes};
use super::restore_decode::{Broken, Decoding, Outlet, WAITING, fetch_decoded};
use super::restore_errors::{Said, Verdict};
use super::restore_fetch::StoredDump;
use super::restore_rows_plan::RowsPlan;
use super::restore_rows_split::RowSplitter;
use super::restore_stream::{PROGRAM, describe_end, failed, feed, lock};

/// Rows go to the sessions that restore them.
struct Shared {
    splitter: RowSplitter,
    sessions: Vec<mpsc::Sender<Vec<u8>>>,
}

impl Outlet for Shared {
    fn see(&mut self, part: ArchivePart<'_>) {
        self.splitter.take(part);
    }

    fn take(&mut self, _: Vec<u8>) -> Result<(), Broken> {
        for (session, ready) in self.splitter.take_ready() {
            self.sessions[session]
                .blocking_send(ready)
                .map_err(|_| Broken::Abandoned)?;
        }
        Ok(())
    }
}

/// Restores the rows of a dump whose tables are there. `commands` are those of the sessions of the plan. Returns
/// what the dump held, and the warnings; none if a session has failed: several do not say together what one that
/// restores all of it says.
pub async fn restore_rows(
    dump: &StoredDump<'_>,
    (commands, plan): (Vec<Command>, RowsPlan),
    decoding: Decoding,
) -> Result<Option<(ArchiveSummary, Vec<String>)>, AgentFailure> {
    let (sessions, inputs): (Vec<_>, Vec<_>) =
        commands.iter().map(|_| mpsc::channel(WAITING)).unzip();
    let shared = Shared {
        splitter: RowSplitter::new(plan),
        sessions,
    };
    let fetching = Box::pin(fetch_decoded(dump, decoding, shared));
    let programs = commands.into_iter().zip(inputs);
    let running = try_join_all(programs.map(|(command, input)| run_session(command, input)));
    match tokio::try_join!(fetching, running) {
        Ok((Some(dumped), warnings)) => Ok(Some((dumped, warnings.concat()))),
        Ok((None, _)) => Ok(None),
        Err(failure) if failure.reason == reasons::RESTORE_FAILED => {
            tracing::warn!(
                "rows could not be restored by several sessions: {}",
                failure.message
            );
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// Runs one session. Returns its warnings.
async fn run_session(
    command: Command,
    archive: mpsc::Receiver<Vec<u8>>,
) -> Result<Vec<String>, AgentFailure> {
    let mut child = Running::start(command, PROGRAM)?;
    let (Some(input), _, Some(messages)) = child.pipes() else {
        return Err(without_pipes(PROGRAM));
    };
    let said = Arc::new(Mutex::new(Said::default()));
    let must_end = Arc::new(Notify::new());
    let messages = tokio::spawn({
        let (said, must_end) = (said.clone(), must_end.clone());
        keep_and_see(messages, PROGRAM.to_owned(), Lines::OwnOnly, move |line| {
            if lock(&said).take(PROGRAM, line) {
                must_end.notify_one();
            }
        })
    });
    let fed = tokio::select! {
        biased;
        fed = feed(&mut child, input, archive, false) => Some(fed),
        () = must_end.notified() => None,
    };
    let Some(status) = fed else {
        drop(child);
        // What it says last may be that its connection is lost.
        messages.await.ok();
        return Err(failed("failed", &lock(&said), ""));
    };
    let status = match status {
        Some(status) => status?,
        None => child.wait(PROGRAM).await?,
    };
    let messages = messages.await.unwrap_or_default();
    let said = lock(&said);
    if let Verdict::Restored(_) = said.judge(status.success(), status.code()) {
        return Ok(messages.warnings);
    }
    let lines = Vec::from(messages.last).join(" | ");
    Err(failed(&describe_end(status), &said, &lines))
}
