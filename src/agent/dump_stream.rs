//! What happens to a dump's bytes: read, inspected, compressed, passed on. Inspection and
//! compression have a thread of their own.

use std::io::Write;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::postgres::{ArchiveError, ArchiveParser, ArchiveSummary};

/// Bytes read at a time.
const PIECE: usize = 256 << 10;
/// Pieces that wait between two stages.
const WAITING: usize = 4;
/// Level of Zstandard: 1 costs the dump hardly any time, and gives less bytes than gzip.
const LEVEL: i32 = 1;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// How `pg_dumpall` ends what it has finished.
const END_OF_GLOBALS: &str = "-- PostgreSQL database cluster dump complete";

/// What looks at the bytes before they are compressed.
pub enum Inspector {
    /// `pg_dump`'s custom format.
    Archive(Box<ArchiveParser>),
    /// The text of `pg_dumpall`: its last bytes.
    Globals(Vec<u8>),
}

/// What the inspector saw of a whole stream.
#[derive(Debug)]
pub struct Inspected {
    /// Bytes before compression.
    pub raw_size: u64,
    /// What the archive held; none for globals.
    pub archive: Option<ArchiveSummary>,
}

/// Why a stream is not a whole dump.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It could not be read.
    #[error("the dump's output can't be read: {0}")]
    Read(std::io::Error),
    /// It could not be compressed.
    #[error("the dump can't be compressed: {0}")]
    Compress(std::io::Error),
    /// It is not a whole archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It does not end as `pg_dumpall` ends.
    #[error("the text of roles and tablespaces has no end mark after {0} bytes")]
    Globals(u64),
    /// The other side does not want any more.
    #[error("the upload ended first")]
    Abandoned,
}

impl StreamError {
    /// Whether the bytes themselves are wrong, so that waiting for the program to end would be in
    /// vain.
    #[must_use]
    pub const fn is_odd(&self) -> bool {
        matches!(
            self,
            Self::Archive(ArchiveError::Odd { .. }) | Self::Compress(_)
        )
    }
}

impl Inspector {
    fn push(&mut self, piece: &[u8]) -> Result<(), StreamError> {
        match self {
            Self::Archive(parser) => parser.push(piece)?,
            Self::Globals(tail) => {
                tail.extend_from_slice(piece);
                let surplus = tail.len().saturating_sub(2 * END_OF_GLOBALS.len());
                tail.drain(..surplus);
            }
        }
        Ok(())
    }

    fn rows(&self) -> u64 {
        if let Self::Archive(parser) = self {
            parser.rows()
        } else {
            0
        }
    }

    fn finish(self, raw_size: u64) -> Result<Inspected, StreamError> {
        match self {
            Self::Archive(parser) => Ok(Inspected {
                raw_size,
                archive: Some(parser.finish()?),
            }),
            Self::Globals(tail) if String::from_utf8_lossy(&tail).contains(END_OF_GLOBALS) => {
                Ok(Inspected {
                    raw_size,
                    archive: None,
                })
            }
            Self::Globals(_) => Err(StreamError::Globals(raw_size)),
        }
    }
}

/// Starts the two stages. The receiver gives compressed bytes; when it is empty, the handle says
/// whether the stream was whole.
pub fn start(
    source: impl AsyncRead + Send + Unpin + 'static,
    inspector: Inspector,
    name: String,
) -> (
    mpsc::Receiver<Vec<u8>>,
    JoinHandle<Result<Inspected, StreamError>>,
) {
    let (raw_sender, raw_receiver) = mpsc::channel(WAITING);
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(read(source, raw_sender));
    let worker =
        tokio::task::spawn_blocking(move || compress(raw_receiver, &sender, inspector, &name));
    (receiver, worker)
}

async fn read(mut source: impl AsyncRead + Unpin, sender: mpsc::Sender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        // A pipe gives at most 64 KiB at once; filling the piece saves messages.
        let outcome = loop {
            match source.read_buf(&mut piece).await {
                Ok(0) => break Ok(true),
                Ok(_) if piece.len() >= PIECE => break Ok(false),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        let last = match outcome {
            Ok(last) => last,
            Err(error) => {
                // Nobody listens any more when this fails.
                let _abandoned = sender.send(Err(error)).await;
                return;
            }
        };
        if (!piece.is_empty() && sender.send(Ok(piece)).await.is_err()) || last {
            return;
        }
    }
}

fn compress(
    mut pieces: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    sender: &mpsc::Sender<Vec<u8>>,
    mut inspector: Inspector,
    name: &str,
) -> Result<Inspected, StreamError> {
    let mut encoder =
        zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(StreamError::Compress)?;
    encoder
        .include_checksum(true)
        .map_err(StreamError::Compress)?;
    let (mut raw_size, mut stored, mut shown) = (0_u64, 0_u64, Instant::now());
    let mut hand_on = |bytes: Vec<u8>| {
        stored += bytes.len() as u64;
        sender
            .blocking_send(bytes)
            .map_err(|_| StreamError::Abandoned)
            .map(|()| stored)
    };
    let mut sent = 0;
    while let Some(piece) = pieces.blocking_recv() {
        let piece = piece.map_err(StreamError::Read)?;
        raw_size += piece.len() as u64;
        inspector.push(&piece)?;
        encoder.write_all(&piece).map_err(StreamError::Compress)?;
        if encoder.get_ref().len() >= PIECE {
            sent = hand_on(std::mem::take(encoder.get_mut()))?;
        }
        if shown.elapsed() >= PROGRESS_INTERVAL {
            shown = Instant::now();
            tracing::info!(
                object = name,
                raw_bytes = raw_size,
                stored_bytes = sent,
                rows = inspector.rows(),
                "dumping"
            );
        }
    }
    hand_on(encoder.finish().map_err(StreamError::Compress)?)?;
    inspector.finish(raw_size)
}
