//! From the bucket into one `pg_restore`, all of a dump. However it ends, the program ends, too.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Notify, mpsc};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchivePart, ArchiveSummary};

use super::dump_run::{Lines, Running, keep_and_see, without_pipes};
use super::memory_file::MemoryFile;
use super::restore_decode::{Broken, Decoding, Outlet, WAITING, fetch_decoded};
use super::restore_errors::{Said, Verdict};
use super::restore_fetch::StoredDump;

/// The program, in messages.
pub const PROGRAM: &str = "pg_restore";

/// The longest head and table of contents that is kept.
pub const HEAD_LIMIT: usize = 64 << 20;

/// A dump that was restored.
#[derive(Debug)]
pub struct Streamed {
    /// What it holds, digested in any order, too.
    pub dumped: ArchiveSummary,
    pub part: Part,
    /// Until the program had read all rows.
    pub data_time: Duration,
    /// From then on, for indexes and constraints.
    pub index_time: Duration,
}

/// What programs have said that have restored a part of a dump.
#[derive(Debug, Default)]
pub struct Part {
    /// Their warnings.
    pub warnings: Vec<String>,
    /// What could not be restored and concerns no rows.
    pub not_restored: Vec<String>,
}

impl Part {
    /// Both, in this order.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.warnings.extend(other.warnings);
        self.not_restored.extend(other.not_restored);
        self
    }
}

/// All of a dump goes to one program.
struct Whole(mpsc::Sender<Vec<u8>>);

impl Outlet for Whole {
    fn see(&mut self, _: ArchivePart<'_>) {}

    fn take(&mut self, piece: Vec<u8>) -> Result<(), Broken> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.blocking_send(piece).map_err(|_| Broken::Abandoned)
    }
}

/// A program that was not started yet, and what is listened for in what it says: it knows which of its errors are
/// forgiven.
pub struct Program {
    pub command: Command,
    pub said: Said,
    /// The list that it reads, to be kept until it has ended.
    pub list: Option<MemoryFile>,
}

/// A program that has ended well.
pub struct Ran {
    pub part: Part,
    /// When it had read all that it was given.
    pub has_read: Instant,
}

/// Restores one dump by one program.
pub async fn restore_object(
    dump: &StoredDump<'_>,
    program: Program,
    decoding: Decoding,
) -> Result<Streamed, AgentFailure> {
    let begun = Instant::now();
    let (sender, raw) = mpsc::channel::<Vec<u8>>(WAITING);
    let fetching = Box::pin(fetch_decoded(dump, decoding, Whole(sender)));
    // A set that is another one by now makes the program fail, too: that is what is reported then.
    let (fetched, ran) = tokio::join!(fetching, run_program(program, raw));
    let (fetched, ran) = (fetched?, ran?);
    let Some(dumped) = fetched else {
        return Err(failed("ended before it had read all", &Said::default(), ""));
    };
    Ok(Streamed {
        dumped,
        part: ran.part,
        data_time: ran.has_read.duration_since(begun),
        index_time: ran.has_read.elapsed(),
    })
}

/// Runs a program and gives it an archive.
pub async fn run_program(
    Program {
        mut command,
        said,
        list: _list,
    }: Program,
    archive: mpsc::Receiver<Vec<u8>>,
) -> Result<Ran, AgentFailure> {
    let goes_on = said.goes_on();
    command.stdin(Stdio::piped());
    let mut child = Running::start(command, PROGRAM)?;
    let (Some(input), _, Some(messages)) = child.pipes() else {
        return Err(without_pipes(PROGRAM));
    };
    let (said, must_end) = (Arc::new(Mutex::new(said)), Arc::new(Notify::new()));
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
        fed = feed(&mut child, input, archive, goes_on) => Some(fed),
        // One error that counts is enough: the rest would take hours for nothing.
        () = must_end.notified() => None,
    };
    let Some(status) = fed else {
        drop(child);
        // What it says last may be that its connection is lost.
        messages.await.ok();
        return Err(failed("failed", &lock(&said), ""));
    };
    let has_read = Instant::now();
    let status = match status {
        Some(status) => status?,
        None => child.wait(PROGRAM).await?,
    };
    let messages = messages.await.unwrap_or_default();
    let said = lock(&said);
    if let Verdict::Restored(not_restored) = said.judge(status.success(), status.code()) {
        let warnings = messages.warnings;
        let part = Part {
            warnings,
            not_restored,
        };
        return Ok(Ran { part, has_read });
    }
    let lines = Vec::from(messages.last).join(" | ");
    Err(failed(&describe_end(status), &said, &lines))
}

/// Looks at what it has said.
pub fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to the program what comes. One that ends well may leave the end of the dump unread, and so may one
/// that went on after errors; all of it is still hashed. Says how it has ended if it ended before all was
/// written.
async fn feed(
    child: &mut Running,
    mut input: ChildStdin,
    mut raw: mpsc::Receiver<Vec<u8>>,
    goes_on: bool,
) -> Option<Result<ExitStatus, AgentFailure>> {
    while let Some(piece) = raw.recv().await {
        if input.write_all(&piece).await.is_ok() {
            continue;
        }
        let status = child.wait(PROGRAM).await;
        let may_be_good =
            |status: &ExitStatus| status.success() || goes_on && status.code() == Some(1);
        if status.as_ref().is_ok_and(may_be_good) {
            while raw.recv().await.is_some() {}
        }
        return Some(status);
    }
    input.shutdown().await.ok();
    None
}

/// How a program has ended.
#[must_use]
pub fn describe_end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    }
}

/// Why it failed. After a lost connection it may be tried again.
#[must_use]
pub fn failed(how: &str, said: &Said, lines: &str) -> AgentFailure {
    let what = match said.fatal() {
        Some(fatal) => fatal,
        None if lines.is_empty() => "it wrote no message",
        None => lines,
    };
    let reason = if said.judge(false, None) == Verdict::Broken {
        reasons::CONNECTION_FAILED
    } else {
        reasons::RESTORE_FAILED
    };
    AgentFailure {
        reason: reason.to_owned(),
        message: format!(
            "{PROGRAM} {how}: {what}. The server's log has the statements and rows of it, which may be secret"
        ),
    }
}
