//! Keeps the password from a server that asks for it in clear and may be anybody: the driver would
//! send it. What the server says is watched until it lets the role in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// `AuthenticationCleartextPassword`
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const PASSWORD_IN_CLEAR: i32 = 3;
/// `AuthenticationOk`.
const LET_IN: i32 = 0;

/// The server has asked for the password in clear.
#[derive(Debug, thiserror::Error)]
#[error("the server asks for the password in clear, and may be anybody")]
pub struct PasswordAsked;

/// What is watched of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// The one byte by which the server answers the request for encryption.
    Answer,
    /// The head of a message, or the code of an authentication request: the bytes of it so far.
    Head { bytes: [u8; 9], known: usize },
    /// The rest of a message.
    Rest(u32),
    /// Nothing any more.
    Nothing,
}

const HEAD: Watching = Watching::Head {
    bytes: [0; 9],
    known: 0,
};

impl Watching {
    /// Takes in one byte.
    fn see(self, byte: u8) -> Result<Self, PasswordAsked> {
        match self {
            Self::Answer => Ok(if byte == b'S' { Self::Nothing } else { HEAD }),
            Self::Head { mut bytes, known } => {
                if let Some(place) = bytes.get_mut(known) {
                    *place = byte;
                }
                Self::judge_head(bytes, known + 1)
            }
            Self::Rest(1) => Ok(HEAD),
            Self::Rest(left) => Ok(Self::Rest(left - 1)),
            Self::Nothing => Ok(Self::Nothing),
        }
    }

    fn judge_head(bytes: [u8; 9], known: usize) -> Result<Self, PasswordAsked> {
        let [kind, length @ .., _, _, _, _] = bytes;
        let [_, _, _, _, _, code @ ..] = bytes;
        let is_request = kind == b'R';
        if known < 5 || (is_request && known < 9) {
            return Ok(Self::Head { bytes, known });
        }
        // The length counts itself.
        let rest = u32::from_be_bytes(length).saturating_sub(4);
        if !is_request {
            return Ok(if rest == 0 { HEAD } else { Self::Rest(rest) });
        }
        match i32::from_be_bytes(code) {
            PASSWORD_IN_CLEAR => Err(PasswordAsked),
            LET_IN => Ok(Self::Nothing),
            _ => Ok(match rest.saturating_sub(4) {
                0 => HEAD,
                rest => Self::Rest(rest),
            }),
        }
    }
}

/// A stream whose incoming messages are watched.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    watching: Watching,
}

impl<S> Watched<S> {
    /// A stream on which encryption is asked for first, if `asks`: what comes inside of it is
    /// watched elsewhere.
    pub const fn plain(stream: S, asks: bool) -> Self {
        let watching = if asks { Watching::Answer } else { HEAD };
        Self { stream, watching }
    }

    const fn encrypted(stream: S, is_verified: bool) -> Self {
        let watching = if is_verified { Watching::Nothing } else { HEAD };
        Self { stream, watching }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        for byte in new {
            if self.watching == Watching::Nothing {
                break;
            }
            self.watching = self.watching.see(*byte).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// A TLS connector whose streams are watched too, unless the server's certificate was verified.
pub struct WatchedConnect<T> {
    pub inner: T,
    pub is_verified: bool,
}

impl<S, T> TlsConnect<S> for WatchedConnect<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let handshake = self.inner.connect(stream);
        let is_verified = self.is_verified;
        Box::pin(async move { Ok(Watched::encrypted(handshake.await?, is_verified)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(mut watching: Watching, bytes: &[u8]) -> Result<Watching, PasswordAsked> {
        for byte in bytes {
            watching = watching.see(*byte)?;
        }
        Ok(watching)
    }

    fn request(code: i32, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + rest.len()).unwrap_or(u32::MAX);
        [
            b"R",
            length.to_be_bytes().as_slice(),
            code.to_be_bytes().as_slice(),
            rest,
        ]
        .concat()
    }

    #[test]
    fn only_a_password_in_clear_is_refused() {
        let notice = b"N\0\0\0\x08RRRR";
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
        ] {
            assert_eq!(watch(HEAD, &bytes).is_err(), refused, "{bytes:?}");
            let unencrypted = [b"N".as_slice(), &bytes].concat();
            assert_eq!(watch(Watching::Answer, &unencrypted).is_err(), refused);
            let encrypted = [b"S".as_slice(), &bytes].concat();
            assert_eq!(
                watch(Watching::Answer, &encrypted).ok(),
                Some(Watching::Nothing)
            );
        }
    }

    #[test]
    fn a_message_without_content_ends_at_once() {
        let bytes = [b"Z\0\0\0\x04".as_slice(), &request(3, &[])].concat();
        assert!(watch(HEAD, &bytes).is_err());
    }
}
