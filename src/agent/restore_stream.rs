//! From the bucket into `pg_restore`: decrypted, decompressed, looked at and hashed on its way. Nothing
//! lands on a disk. However it ends, the program ends, too.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchiveParser, ArchiveSummary, DigestKey};
use crate::store::{PieceReader, open_stored};

use super::dump_run::{Lines, Running, keep_messages, without_pipes};
use super::restore_fetch::{StoredDump, changed, explain};

/// The program, in messages.
const PROGRAM: &str = "pg_restore";
/// Pieces that wait between two stages.
const WAITING: usize = 4;
/// Bytes that are decompressed at a time.
const PIECE: usize = 256 << 10;

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
}

/// Restores one dump by a program that was not started yet.
pub async fn restore_object(
    dump: &StoredDump<'_>,
    command: Command,
    key_of_digests: DigestKey,
    restored: Arc<AtomicU64>,
) -> Result<Streamed, AgentFailure> {
    let StoredDump {
        store, key, object, ..
    } = dump;
    let mut child = Running::start(command, PROGRAM)?;
    let (Some(input), _, Some(messages)) = child.pipes() else {
        return Err(without_pipes(PROGRAM));
    };
    let messages = tokio::spawn(keep_messages(messages, PROGRAM.to_owned(), Lines::OwnOnly));
    let (stored_sender, stored) = mpsc::channel::<Bytes>(WAITING);
    let (raw_sender, raw) = mpsc::channel::<Vec<u8>>(WAITING);
    let (raw_size, encryption) = (object.raw_size, object.encryption);
    let identities = dump.identities.cloned();
    let worker = tokio::task::spawn_blocking(move || {
        let parser = ArchiveParser::in_any_order(key_of_digests);
        let stored = open_stored(PieceReader::new(stored), encryption, identities.as_deref());
        decode(
            stored.map_err(|why| Broken::Odd(why.to_string()))?,
            parser,
            &raw_sender,
            raw_size,
            &restored,
        )
    });
    let sending = async {
        let sent = store.send_object(key, object.size, &stored_sender).await;
        drop(stored_sender);
        sent
    };
    let (fetched, status) = tokio::join!(sending, feed(&mut child, input, raw));
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
    if !status.success() {
        let lines = Vec::from(messages.last).join(" | ");
        return Err(failed(status, &lines));
    }
    match outcome {
        Ok(dumped) if sha256 == object.sha256 => Ok(Streamed {
            dumped,
            warnings: messages.warnings,
        }),
        _ => Err(changed(&format!(
            "`{key}` had other bytes while it was restored than when it was hashed"
        ))),
    }
}

/// Writes to the program what comes. One that ends well may leave the end of the dump unread; all of it
/// is still hashed. Says how it has ended if it ended before all was written.
async fn feed(
    child: &mut Running,
    mut input: ChildStdin,
    mut raw: mpsc::Receiver<Vec<u8>>,
) -> Option<Result<ExitStatus, AgentFailure>> {
    while let Some(piece) = raw.recv().await {
        if input.write_all(&piece).await.is_ok() {
            continue;
        }
        let status = child.wait(PROGRAM).await;
        if status.as_ref().is_ok_and(ExitStatus::success) {
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
    mut parser: ArchiveParser,
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

fn failed(status: ExitStatus, lines: &str) -> AgentFailure {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let lines = if lines.is_empty() {
        "it wrote no message"
    } else {
        lines
    };
    AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!(
            "{PROGRAM} {how}: {lines}. The server's log has the statements and rows of it, which may be secret"
        ),
    }
}
