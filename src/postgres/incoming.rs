//! What the server says, read before the driver sees it: a password asked for in clear by a server
//! that may be anybody ends the connection, for the driver would send it; and the rows of COPY are
//! counted and taken out, for the driver would hold each of them, however large.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// `AuthenticationCleartextPassword`
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const PASSWORD_IN_CLEAR: i32 = 3;
/// `AuthenticationOk`.
const LET_IN: i32 = 0;
const AUTHENTICATION: u8 = b'R';
const COPY_DATA: u8 = b'd';
/// `CopyOutResponse`, `CopyData` and `CopyDone`. What is left of COPY is its `CommandComplete`, which
/// says how many rows there were.
const COPY: [u8; 3] = [b'H', COPY_DATA, b'c'];

/// The server has asked for the password in clear.
#[derive(Debug, thiserror::Error)]
#[error("the server asks for the password in clear, and may be anybody")]
pub struct PasswordAsked;

/// How many rows COPY has sent on a connection so far.
#[derive(Clone, Debug, Default)]
pub struct CopiedRows(Arc<AtomicI64>);

impl CopiedRows {
    /// Says how many, and begins anew.
    pub(super) fn take(&self) -> i64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    /// Each row ends with a line break, and has no other one.
    /// <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".
    fn add(&self, data: &[u8]) {
        let ends = data.iter().filter(|byte| **byte == b'\n').count();
        self.0
            .fetch_add(i64::try_from(ends).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// Where in the server's messages the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The one byte by which the server answers the request for encryption.
    Answer,
    /// The head of a message, with the code of an authentication request: the bytes of it so far.
    Head { bytes: [u8; 9], known: usize },
    /// The rest of a message of this kind.
    Rest { kind: u8, left: usize },
    /// In an encrypted stream, which is read elsewhere.
    Encrypted,
}

const HEAD: Place = Place::Head {
    bytes: [0; 9],
    known: 0,
};

/// Reads messages as they come, in pieces of any size.
#[derive(Debug)]
struct Reader {
    place: Place,
    /// Whether the password may be asked for: the server was verified, or has let the role in.
    is_trusted: bool,
    rows: CopiedRows,
}

impl Reader {
    /// Moves what the driver is to see to the beginning of these bytes, and says how many they are.
    fn pass(&mut self, bytes: &mut [u8]) -> Result<usize, PasswordAsked> {
        let (mut next, mut kept) = (0, 0);
        while let Some(byte) = bytes.get(next).copied() {
            match self.place {
                Place::Answer => {
                    keep(bytes, &mut kept, next..next + 1);
                    next += 1;
                    self.place = if byte == b'S' { Place::Encrypted } else { HEAD };
                }
                Place::Encrypted => {
                    let end = bytes.len();
                    keep(bytes, &mut kept, next..end);
                    next = end;
                }
                Place::Head {
                    bytes: mut head,
                    known,
                } => {
                    if let Some(place) = head.get_mut(known) {
                        *place = byte;
                    }
                    if !COPY.contains(&head[0]) {
                        keep(bytes, &mut kept, next..next + 1);
                    }
                    next += 1;
                    self.place = self.judge_head(head, known + 1)?;
                }
                Place::Rest { kind, left } => {
                    let end = next.saturating_add(left).min(bytes.len());
                    if COPY.contains(&kind) {
                        if kind == COPY_DATA {
                            self.rows.add(bytes.get(next..end).unwrap_or_default());
                        }
                    } else {
                        keep(bytes, &mut kept, next..end);
                    }
                    self.place = rest(kind, left - (end - next));
                    next = end;
                }
            }
        }
        Ok(kept)
    }

    fn judge_head(&mut self, bytes: [u8; 9], known: usize) -> Result<Place, PasswordAsked> {
        let [kind, length @ .., _, _, _, _] = bytes;
        let [_, _, _, _, _, code @ ..] = bytes;
        let is_request = kind == AUTHENTICATION && !self.is_trusted;
        if known < 5 || (is_request && known < 9) {
            return Ok(Place::Head { bytes, known });
        }
        // The length counts itself.
        let left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let left = left.saturating_sub(4);
        if !is_request {
            return Ok(rest(kind, left));
        }
        match i32::from_be_bytes(code) {
            PASSWORD_IN_CLEAR => return Err(PasswordAsked),
            LET_IN => self.is_trusted = true,
            _ => {}
        }
        Ok(rest(kind, left.saturating_sub(4)))
    }
}

fn keep(bytes: &mut [u8], kept: &mut usize, range: Range<usize>) {
    let length = range.len();
    bytes.copy_within(range, *kept);
    *kept += length;
}

const fn rest(kind: u8, left: usize) -> Place {
    match left {
        0 => HEAD,
        left => Place::Rest { kind, left },
    }
}

/// A stream whose incoming messages are read.
#[derive(Debug)]
pub struct Incoming<S> {
    stream: S,
    reader: Reader,
}

impl<S> Incoming<S> {
    /// A stream on which encryption is asked for first, if `asks`: what comes inside of it is
    /// read elsewhere.
    pub const fn plain(stream: S, asks: bool, rows: CopiedRows) -> Self {
        let reader = Reader {
            place: if asks { Place::Answer } else { HEAD },
            is_trusted: false,
            rows,
        };
        Self { stream, reader }
    }

    const fn encrypted(stream: S, is_trusted: bool, rows: CopiedRows) -> Self {
        let reader = Reader {
            place: HEAD,
            is_trusted,
            rows,
        };
        Self { stream, reader }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Incoming<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, reader } = &mut *self;
        loop {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
            let Some((_, new)) = buffer.filled_mut().split_at_mut_checked(before) else {
                return Poll::Ready(Ok(()));
            };
            let is_end = new.is_empty();
            let kept = reader.pass(new).map_err(io::Error::other)?;
            buffer.set_filled(before + kept);
            // Nothing would mean that the stream has ended.
            if is_end || kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Incoming<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Incoming<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// A TLS connector whose streams are read too.
pub struct ReadingConnect<T> {
    pub inner: T,
    /// Whether the server's certificate is verified.
    pub is_verified: bool,
    pub rows: CopiedRows,
}

impl<S, T> TlsConnect<S> for ReadingConnect<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
{
    type Stream = Incoming<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let handshake = self.inner.connect(stream);
        let (is_verified, rows) = (self.is_verified, self.rows);
        Box::pin(async move { Ok(Incoming::encrypted(handshake.await?, is_verified, rows)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(place: Place) -> Reader {
        Reader {
            place,
            is_trusted: false,
            rows: CopiedRows::default(),
        }
    }

    /// What the driver sees, with the bytes coming in pieces of this size.
    fn pass(reader: &mut Reader, bytes: &[u8], size: usize) -> Result<Vec<u8>, PasswordAsked> {
        let mut seen = Vec::new();
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            let kept = reader.pass(&mut piece)?;
            seen.extend_from_slice(&piece[..kept]);
        }
        Ok(seen)
    }

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(4 + content.len()).unwrap_or(u32::MAX);
        [&[kind], length.to_be_bytes().as_slice(), content].concat()
    }

    fn request(code: i32, rest: &[u8]) -> Vec<u8> {
        message(b'R', &[code.to_be_bytes().as_slice(), rest].concat())
    }

    #[test]
    fn only_a_password_in_clear_is_refused() {
        let notice = message(b'N', b"RRRR");
        for (bytes, refused) in [
            (request(3, &[]), true),
            ([notice.as_slice(), &request(3, &[])].concat(), true),
            (
                [request(10, b"SCRAM-SHA-256\0\0"), request(3, &[])].concat(),
                true,
            ),
            (request(5, b"salt"), false),
            (request(10, b"SCRAM-SHA-256\0\0"), false),
            // After the role was let in everything is data.
            ([request(0, &[]), request(3, &[])].concat(), false),
            // A message without content ends at once.
            ([message(b'Z', &[]), request(3, &[])].concat(), true),
        ] {
            for size in [1, 2, 7, 4096] {
                let seen = pass(&mut reader(HEAD), &bytes, size);
                assert_eq!(seen.is_err(), refused, "{bytes:?}");
                let unencrypted = [b"N".as_slice(), &bytes].concat();
                assert_eq!(
                    pass(&mut reader(Place::Answer), &unencrypted, size).is_err(),
                    refused
                );
                let encrypted = [b"S".as_slice(), &bytes].concat();
                assert_eq!(
                    pass(&mut reader(Place::Answer), &encrypted, size).ok(),
                    Some(encrypted)
                );
                let mut verified = reader(HEAD);
                verified.is_trusted = true;
                assert_eq!(pass(&mut verified, &bytes, size).ok(), Some(bytes.clone()));
            }
        }
    }

    #[test]
    fn rows_of_copy_are_counted_and_everything_else_is_passed_on() {
        let kept = [request(0, &[]), message(b'T', b"dddd"), message(b'D', b"H")].concat();
        let complete = [message(b'C', b"COPY 4\0"), message(b'Z', b"I")].concat();
        let copied = [
            message(b'H', &[0; 9]),
            message(b'd', b"1\n"),
            message(b'd', b"a\\nb\n"),
            // Servers may join rows and part them.
            message(b'd', b"2\n3"),
            message(b'd', b"\n"),
            message(b'c', &[]),
        ]
        .concat();
        let bytes = [kept.as_slice(), &copied, &complete].concat();
        for size in [1, 2, 5, 9, 4096] {
            let mut reader = reader(HEAD);
            assert_eq!(
                pass(&mut reader, &bytes, size).ok(),
                Some([kept.as_slice(), &complete].concat()),
                "in pieces of {size}"
            );
            assert_eq!((reader.rows.take(), reader.rows.take()), (4, 0));
        }
    }
}
