//! Reads what is sent in pieces, in a thread that may wait for them.

use std::io::{self, Read};

use bytes::Bytes;
use tokio::sync::mpsc;

/// A reader of what the other end of a channel sends. It ends when the channel does.
#[derive(Debug)]
pub struct PieceReader {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl PieceReader {
    /// Reads what is received.
    #[must_use]
    pub const fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self {
            receiver,
            current: Bytes::new(),
        }
    }
}

impl Read for PieceReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(into.len());
        into[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}
