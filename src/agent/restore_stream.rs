//! From the bucket into `pg_restore`: decrypted, decompressed, looked at and hashed on its way. Nothing
//! lands on a disk. However it ends, the program ends, too.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::{Notify, mpsc};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchiveParser, ArchiveSummary, DigestKey, ReadProblem, parse_head};
use crate::store::{PieceReader, open_stored};

use super::dump_run::{Lines, Running, keep_and_see, without_pipes};
use super::restore_errors::{Said, Verdict};
use super::restore_fetch::{StoredDump, changed, explain};

/// The program, in messages.
pub const PROGRAM: &str = "pg_restore";
/// Pieces that wait between two stages.
const WAITING: usize = 4;
/// Bytes that are decompressed at a time.
const PIECE: usize = 256 << 10;

/// The longest head and table of contents that is kept.
pub const HEAD_LIMIT: usize = 64 << 20;

/// Why a dump could not be decompressed completely.
enum Broken {
    /// Nobody wants more of it.
    Abandoned,
    /// It is not what the manifest says.
    Odd(String),
}

/// A dump that was restored.
#[derive(Debug)]
pub struct Streamed {
    /// What it holds, digested in any order, too.
    pub dumped: ArchiveSummary,
    /// The program's warnings.
    pub warnings: Vec<String>,
    /// Until the program had read all rows.
    pub data_time: Duration,
    /// From then on, for indexes and constraints.
    pub index_time: Duration,
    /// What could not be restored and concerns no rows.
    pub not_restored: Vec<String>,
    /// The entries of its table of contents that this is, by their numbers.
    pub missing: BTreeSet<i64>,
    /// Its head and table of contents; none if it is very long.
    pub head: Option<Vec<u8>>,
}

/// The beginning of a dump, until its table of contents has ended.
#[derive(Default)]
struct Head {
    bytes: Vec<u8>,
    /// How many bytes there must be until it is tried again whether that is all of it.
    next: usize,
    is_over: bool,
}

impl Head {
    fn push(&mut self, piece: &[u8]) {
        if self.is_over {
            return;
        }
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() < self.next {
            return;
        }
        self.next = self.bytes.len().saturating_mul(2);
        match parse_head(&self.bytes) {
            Ok((_, length)) => {
                self.bytes.truncate(length);
                self.is_over = true;
            }
            Err(ReadProblem::More) if self.bytes.len() < HEAD_LIMIT => {}
            Err(_) => {
                self.bytes = Vec::new();
                self.is_over = true;
            }
        }
    }

    /// All of it, if that is known.
    fn finish(mut self) -> Option<Vec<u8>> {
        if !self.is_over {
            let (_, length) = parse_head(&self.bytes).ok()?;
            self.bytes.truncate(length);
        }
        (!self.bytes.is_empty()).then_some(self.bytes)
    }
}

/// Restores one dump by a program that was not started yet. `said` knows which of its errors are forgiven.
pub async fn restore_object(
    dump: &StoredDump<'_>,
    command: Command,
    said: Said,
    key_of_digests: DigestKey,
    restored: Arc<AtomicU64>,
) -> Result<Streamed, AgentFailure> {
    let begun = Instant::now();
    let StoredDump {
        store, key, object, ..
    } = dump;
    let goes_on = said.goes_on();
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
    let (stored_sender, stored) = mpsc::channel::<Bytes>(WAITING);
    let (raw_sender, raw) = mpsc::channel::<Vec<u8>>(WAITING);
    let (raw_size, encryption) = (object.raw_size, object.encryption);
    let identities = dump.identities.cloned();
    let worker = tokio::task::spawn_blocking(move || {
        let parser = ArchiveParser::in_any_order(key_of_digests);
        let stored = open_stored(PieceReader::new(stored), encryption, identities.as_deref());
        let stored = stored.map_err(|why| Broken::Odd(why.to_string()))?;
        let mut head = Head::default();
        let dumped = decode(
            stored,
            (parser, &mut head),
            &raw_sender,
            raw_size,
            &restored,
        )?;
        Ok((dumped, head.finish()))
    });
    let sending = async {
        let sent = store.send_object(key, object.size, &stored_sender).await;
        drop(stored_sender);
        sent
    };
    let fed = tokio::select! {
        biased;
        fed = async { tokio::join!(sending, feed(&mut child, input, raw, goes_on)) } => Some(fed),
        // One error that counts is enough: the rest would take hours for nothing.
        () = must_end.notified() => None,
    };
    let Some((fetched, status)) = fed else {
        drop(child);
        // What it says last may be that its connection is lost.
        messages.await.ok();
        return Err(failed("failed", &lock(&said), ""));
    };
    let data_time = begun.elapsed();
    let outcome = worker
        .await
        .unwrap_or_else(|error| Err(Broken::Odd(error.to_string())));
    let sha256 = fetched.map_err(|error| explain(error, key))?;
    if let Err(Broken::Odd(what)) = &outcome {
        return Err(changed(&format!(
            "`{key}` is not the dump that was stored ({what})"
        )));
    }
    let status = match status {
        Some(status) => status?,
        None => child.wait(PROGRAM).await?,
    };
    let messages = messages.await.unwrap_or_default();
    let (judged, missing) = {
        let said = lock(&said);
        (said.judge(status.success(), status.code()), said.missing())
    };
    let Verdict::Restored(not_restored) = judged else {
        let lines = Vec::from(messages.last).join(" | ");
        return Err(failed(&describe_end(status), &lock(&said), &lines));
    };
    match outcome {
        Ok((dumped, head)) if sha256 == object.sha256 => Ok(Streamed {
            dumped,
            head,
            warnings: messages.warnings,
            data_time,
            index_time: begun.elapsed().saturating_sub(data_time),
            not_restored,
            missing,
        }),
        _ => Err(changed(&format!(
            "`{key}` had other bytes while it was restored than when it was hashed"
        ))),
    }
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

/// Decompresses what was decrypted, and makes sure that it is a whole archive of the size that the
/// manifest says.
fn decode(
    stored: impl Read,
    (mut parser, head): (ArchiveParser, &mut Head),
    raw: &mpsc::Sender<Vec<u8>>,
    raw_size: u64,
    restored: &AtomicU64,
) -> Result<ArchiveSummary, Broken> {
    let odd = |error: io::Error| Broken::Odd(error.to_string());
    let mut decoder = zstd::stream::read::Decoder::new(stored).map_err(odd)?;
    let mut length = 0;
    loop {
        let mut piece = vec![0; PIECE];
        let read = decoder.read(&mut piece).map_err(odd)?;
        if read == 0 {
            break;
        }
        piece.truncate(read);
        length += read as u64;
        if length > raw_size {
            return Err(Broken::Odd(format!("it has more than {raw_size} bytes")));
        }
        parser
            .push(&piece)
            .map_err(|error| Broken::Odd(error.to_string()))?;
        parser.take_block_begins();
        head.push(&piece);
        raw.blocking_send(piece).map_err(|_| Broken::Abandoned)?;
        restored.fetch_add(read as u64, Ordering::Relaxed);
    }
    if length != raw_size {
        return Err(Broken::Odd(format!(
            "it has {length} bytes instead of {raw_size}"
        )));
    }
    parser
        .finish()
        .map_err(|error| Broken::Odd(error.to_string()))
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
