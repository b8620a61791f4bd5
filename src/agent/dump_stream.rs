//! What happens to a dump's bytes: read, inspected, compressed, encrypted, passed on. Inspection,
//! compression and encryption have a thread of their own.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::encryption::{Recipients, Sink};
use super::meter::BackupMeter;
use crate::postgres::{ArchiveError, ArchiveParser, ArchiveSummary};

/// Bytes read at a time.
pub const PIECE: usize = 256 << 10;
/// Pieces that wait between two stages.
pub const WAITING: usize = 4;
/// Level of Zstandard: 1 costs the dump hardly any time, and gives less bytes than gzip.
const LEVEL: i32 = 1;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// A frame of Zstandard ends where a block of data begins, once it holds so many bytes; so a table is
/// read without most of the others.
const FRAME_FROM: u64 = 1 << 20;
/// The most bytes of a frame.
const FRAME_LIMIT: u64 = 64 << 20;
/// How `pg_dumpall` ends what it has finished.
const END_OF_GLOBALS: &str = "-- PostgreSQL database cluster dump complete";

/// What looks at the bytes before they are compressed.
pub enum Inspector {
    /// `pg_dump`'s custom format.
    Archive(Box<ArchiveParser>),
    /// The text of `pg_dumpall`: its last bytes.
    Globals(Vec<u8>),
    /// What was made here, and says itself whether it is whole.
    Own,
}

/// What the inspector saw of a whole stream.
#[derive(Debug)]
pub struct Inspected {
    /// Bytes before compression.
    pub raw_size: u64,
    /// What the archive held; none for globals.
    pub archive: Option<ArchiveSummary>,
    /// Where the frames of Zstandard begin, the first one left out. None if they are encrypted: then
    /// nothing but the whole can be read.
    pub frames: Vec<Frame>,
}

/// Where a frame of Zstandard begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// In bytes before compression.
    pub raw: u64,
    /// In bytes after compression.
    pub stored: u64,
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
    /// It could not be encrypted.
    #[error("the dump can't be encrypted: {0}")]
    Encrypt(std::io::Error),
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
    /// Why compressed bytes did not go on.
    fn of_sink(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            Self::Abandoned
        } else {
            Self::Encrypt(error)
        }
    }

    /// Whether the bytes themselves are wrong, so that waiting for the program to end would be in
    /// vain.
    #[must_use]
    pub const fn is_odd(&self) -> bool {
        matches!(
            self,
            Self::Archive(ArchiveError::Odd { .. }) | Self::Compress(_) | Self::Encrypt(_)
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
            Self::Own => {}
        }
        Ok(())
    }

    /// Where blocks of data have begun since this was asked the last time.
    fn take_block_begins(&mut self) -> Vec<u64> {
        match self {
            Self::Archive(parser) => parser.take_block_begins(),
            Self::Globals(_) | Self::Own => Vec::new(),
        }
    }

    /// How many tables are complete, and how many there are, if it is an archive.
    fn tables(&self) -> Option<(usize, usize)> {
        if let Self::Archive(parser) = self {
            parser.tables()
        } else {
            None
        }
    }

    fn rows(&self) -> u64 {
        if let Self::Archive(parser) = self {
            parser.rows()
        } else {
            0
        }
    }

    fn finish(self, raw_size: u64, frames: Vec<Frame>) -> Result<Inspected, StreamError> {
        match self {
            Self::Archive(parser) => Ok(Inspected {
                raw_size,
                archive: Some(parser.finish()?),
                frames,
            }),
            Self::Globals(tail) if String::from_utf8_lossy(&tail).contains(END_OF_GLOBALS) => {
                Ok(Inspected {
                    raw_size,
                    archive: None,
                    frames,
                })
            }
            Self::Globals(_) => Err(StreamError::Globals(raw_size)),
            Self::Own => Ok(Inspected {
                raw_size,
                archive: None,
                frames,
            }),
        }
    }
}

/// Starts the two stages. The receiver gives compressed bytes; when it is empty, the handle says
/// whether the stream was whole.
pub fn start(
    source: impl AsyncRead + Send + Unpin + 'static,
    inspector: Inspector,
    recipients: Recipients,
    (name, meter): (String, BackupMeter),
) -> (
    mpsc::Receiver<Vec<u8>>,
    JoinHandle<Result<Inspected, StreamError>>,
) {
    let (raw_sender, raw_receiver) = mpsc::channel(WAITING);
    tokio::spawn(read(source, raw_sender));
    start_from(raw_receiver, inspector, recipients, (name, meter))
}

/// The same for pieces that are made by another thread.
pub fn start_from(
    raw_receiver: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    inspector: Inspector,
    recipients: Recipients,
    (name, meter): (String, BackupMeter),
) -> (
    mpsc::Receiver<Vec<u8>>,
    JoinHandle<Result<Inspected, StreamError>>,
) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let worker = tokio::task::spawn_blocking(move || {
        let sink = Sink::begin(&recipients, &sender, PIECE).map_err(StreamError::of_sink)?;
        let mut inspected = compress(raw_receiver, sink, inspector, (&name, &meter))?;
        if recipients.is_encrypted() {
            inspected.frames.clear();
        }
        Ok(inspected)
    });
    (receiver, worker)
}

/// Reads a stream completely and says what it held; nothing of it is kept.
pub async fn inspect(
    source: impl AsyncRead + Send + Unpin + 'static,
    mut inspector: Inspector,
) -> Result<Inspected, StreamError> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    tokio::spawn(read(source, sender));
    let worker = tokio::task::spawn_blocking(move || {
        let mut raw_size = 0;
        while let Some(piece) = pieces.blocking_recv() {
            let piece: Vec<u8> = piece.map_err(StreamError::Read)?;
            raw_size += piece.len() as u64;
            inspector.push(&piece)?;
            inspector.take_block_begins();
        }
        inspector.finish(raw_size, Vec::new())
    });
    worker
        .await
        .unwrap_or_else(|error| Err(StreamError::Read(std::io::Error::other(error))))
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
    sink: Sink<'_>,
    mut inspector: Inspector,
    (name, meter): (&str, &BackupMeter),
) -> Result<Inspected, StreamError> {
    let mut frames = Frames::begin(sink)?;
    let mut shown = Instant::now();
    while let Some(piece) = pieces.blocking_recv() {
        let piece = piece.map_err(StreamError::Read)?;
        inspector.push(&piece)?;
        frames.write(&piece, &inspector.take_block_begins())?;
        meter.note_dumped(frames.raw, inspector.tables());
        if shown.elapsed() >= PROGRESS_INTERVAL {
            shown = Instant::now();
            tracing::info!(
                object = name,
                raw_bytes = frames.raw,
                stored_bytes = frames.stored,
                rows = inspector.rows(),
                "dumping"
            );
        }
    }
    let raw_size = frames.raw;
    let begins = frames.finish()?;
    inspector.finish(raw_size, begins)
}

/// Compresses into frames, one after the other: together they are one file for `zstd -d`.
struct Frames<'sender> {
    sink: Sink<'sender>,
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    begins: Vec<Frame>,
    /// Bytes before compression, of all frames.
    raw: u64,
    /// Bytes after compression that were passed on.
    stored: u64,
}

impl<'sender> Frames<'sender> {
    fn begin(sink: Sink<'sender>) -> Result<Self, StreamError> {
        Ok(Self {
            sink,
            encoder: new_encoder()?,
            begins: Vec::new(),
            raw: 0,
            stored: 0,
        })
    }

    /// Takes the next piece, in which blocks begin.
    fn write(&mut self, piece: &[u8], blocks: &[u64]) -> Result<(), StreamError> {
        let mut rest = piece;
        for block in blocks {
            // One whose first bytes came with the piece before begins with this piece.
            let before = block.saturating_sub(self.raw);
            let before = usize::try_from(before)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (front, back) = rest.split_at(before);
            self.write_plainly(front)?;
            if self.length() >= FRAME_FROM {
                self.end_frame()?;
            }
            rest = back;
        }
        self.write_plainly(rest)
    }

    fn write_plainly(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            if self.length() >= FRAME_LIMIT {
                self.end_frame()?;
            }
            let space = usize::try_from(FRAME_LIMIT - self.length()).unwrap_or(usize::MAX);
            let (front, back) = bytes.split_at(space.min(bytes.len()));
            self.encoder
                .write_all(front)
                .map_err(StreamError::Compress)?;
            self.raw += front.len() as u64;
            bytes = back;
            if self.encoder.get_ref().len() >= PIECE {
                let ready = std::mem::take(self.encoder.get_mut());
                self.pass_on(ready)?;
            }
        }
        Ok(())
    }

    /// Bytes of the frame so far, before compression.
    fn length(&self) -> u64 {
        self.raw - self.begins.last().map_or(0, |frame| frame.raw)
    }

    fn end_frame(&mut self) -> Result<(), StreamError> {
        let ended = std::mem::replace(&mut self.encoder, new_encoder()?);
        let rest = ended.finish().map_err(StreamError::Compress)?;
        self.pass_on(rest)?;
        self.begins.push(Frame {
            raw: self.raw,
            stored: self.stored,
        });
        Ok(())
    }

    fn pass_on(&mut self, bytes: Vec<u8>) -> Result<(), StreamError> {
        self.stored += bytes.len() as u64;
        self.sink.take(bytes).map_err(StreamError::of_sink)
    }

    fn finish(mut self) -> Result<Vec<Frame>, StreamError> {
        self.encoder.do_finish().map_err(StreamError::Compress)?;
        let rest = std::mem::take(self.encoder.get_mut());
        self.pass_on(rest)?;
        self.sink.finish().map_err(StreamError::of_sink)?;
        Ok(self.begins)
    }
}

fn new_encoder() -> Result<zstd::stream::write::Encoder<'static, Vec<u8>>, StreamError> {
    let mut encoder =
        zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(StreamError::Compress)?;
    encoder
        .include_checksum(true)
        .map_err(StreamError::Compress)?;
    Ok(encoder)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    fn compressed(pieces: &[(&[u8], &[u64])]) -> (Vec<u8>, Vec<Frame>) {
        let (sender, mut receiver) = mpsc::channel(100_000);
        let mut frames = Frames::begin(Sink::Plain(&sender)).unwrap();
        for (piece, blocks) in pieces {
            frames.write(piece, blocks).unwrap();
        }
        let begins = frames.finish().unwrap();
        let mut stored = Vec::new();
        while let Ok(bytes) = receiver.try_recv() {
            stored.extend(bytes);
        }
        (stored, begins)
    }

    #[test]
    fn a_frame_ends_where_a_block_begins_and_each_can_be_read_by_itself() {
        let mebibyte = vec![7_u8; 1 << 20];
        let (stored, begins) = compressed(&[
            (&mebibyte[..500], &[100, 400]),
            (&mebibyte, &[700, (1 << 20) + 500]),
            (b"after", &[(1 << 20) + 500, (1 << 20) + 502]),
        ]);
        assert_eq!(
            begins.iter().map(|frame| frame.raw).collect::<Vec<_>>(),
            [(1 << 20) + 500],
            "small blocks share a frame"
        );
        let whole = zstd::decode_all(stored.as_slice()).unwrap();
        assert_eq!(whole.len(), (1 << 20) + 505);
        let last = usize::try_from(begins[0].stored).unwrap();
        assert_eq!(zstd::decode_all(&stored[last..]).unwrap(), b"after");
    }

    #[test]
    fn a_large_block_has_several_frames() {
        let piece = vec![7_u8; 32 << 20];
        let pieces: Vec<(&[u8], &[u64])> = vec![(&piece, &[]); 5];
        let (stored, begins) = compressed(&pieces);
        let raw: Vec<u64> = begins.iter().map(|frame| frame.raw >> 20).collect();
        assert_eq!(raw, [64, 128]);
        assert_eq!(
            zstd::decode_all(stored.as_slice()).unwrap().len(),
            160 << 20
        );
        let middle =
            usize::try_from(begins[0].stored).unwrap()..usize::try_from(begins[1].stored).unwrap();
        assert_eq!(zstd::decode_all(&stored[middle]).unwrap().len(), 64 << 20);
    }
}
