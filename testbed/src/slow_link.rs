//! A slow link before a server on loopback: every connection has a delay and a rate of its own. It knows
//! nothing of what goes through it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

/// The bytes that are taken from a connection at a time.
const PIECE: usize = 64 << 10;
/// The pieces that are on their way at most: more than any delay and rate of ours need.
const ON_THEIR_WAY: usize = 512;
/// How much a connection may catch up on after its clock woke it too late.
const LATE: Duration = Duration::from_millis(5);

/// How good a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The time from a request to its answer.
    pub round_trip: Duration,
    /// Bytes per second of each connection in each direction.
    pub rate: u32,
}

/// A running link; its connections end with it.
pub struct SlowLink {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl SlowLink {
    /// Starts a link to a server.
    pub fn start(server: SocketAddr, link: Link) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for a slow link")?;
        // By the standard library: the caller may be asynchronous itself.
        let listener =
            std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port for a slow link")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, server, link) => {}
                }
            });
        });
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SlowLink {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn serve(listener: std::net::TcpListener, server: SocketAddr, link: Link) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(async move {
            // What a connection takes to come about.
            sleep(link.round_trip).await;
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                carry(from_client, to_server, link),
                carry(from_server, to_client, link)
            );
        });
    }
}

/// Carries one direction of a connection to its end.
async fn carry(from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin, link: Link) {
    let (sender, receiver) = mpsc::channel(ON_THEIR_WAY);
    tokio::join!(take(from, sender, link), give(to, receiver));
}

/// Takes pieces as fast as the link is, and says when each arrives.
async fn take(
    mut from: impl AsyncRead + Unpin,
    sender: mpsc::Sender<(Instant, Vec<u8>)>,
    link: Link,
) {
    let mut free = Instant::now();
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let now = Instant::now();
        let taken = Duration::from_secs(1) * u32::try_from(length).unwrap_or(u32::MAX) / link.rate;
        free = free.max(now.checked_sub(LATE).unwrap_or(now)) + taken;
        let arrives = free + link.round_trip / 2;
        if sender
            .send((arrives, piece[..length].to_vec()))
            .await
            .is_err()
        {
            return;
        }
        if free > now {
            sleep_until(free).await;
        }
    }
}

async fn give(mut to: impl AsyncWrite + Unpin, mut receiver: mpsc::Receiver<(Instant, Vec<u8>)>) {
    while let Some((arrives, piece)) = receiver.recv().await {
        sleep_until(arrives).await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_connection_has_the_delay_and_the_rate() -> Result<()> {
        let server = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let link = Link {
            round_trip: Duration::from_millis(50),
            rate: 10_000_000,
        };
        let slow = SlowLink::start(server.local_addr()?, link)?;
        let answers = std::thread::spawn(move || -> Result<()> {
            let mut connection = server.accept()?.0;
            let mut request = vec![0; 2_000_000];
            connection.read_exact(&mut request)?;
            connection.write_all(b"yes")?;
            Ok(())
        });
        let begun = std::time::Instant::now();
        let mut connection = std::net::TcpStream::connect(slow.address())?;
        connection.write_all(&vec![7; 2_000_000])?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let taken = begun.elapsed();
        assert_eq!(answer, "yes");
        // 100 ms for the connection and the round trip, 200 ms for the bytes.
        assert!(taken >= Duration::from_millis(290), "{taken:?}");
        answers.join().map_err(|_| anyhow::anyhow!("no answer"))?
    }
}
