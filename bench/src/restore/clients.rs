//! Clients that connect all the time while names are swapped, and what they see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::backup::{DATABASE, Setting};
use crate::server::Connector;

/// How many there are.
pub const CLIENTS: usize = 200;
/// How long each waits before it connects again.
const PAUSE: Duration = Duration::from_millis(250);

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    all: JoinSet<Duration>,
}

impl Clients {
    /// Starts them: each connects to the database, asks once, leaves, and does that again.
    pub fn start(setting: &Setting) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut all = JoinSet::new();
        for _ in 0..CLIENTS {
            let connector = setting.server.connector(DATABASE);
            all.spawn(client(connector, stop.clone()));
        }
        Self { stop, all }
    }

    /// Ends them. The longest time that one of them had no answer.
    pub async fn end(mut self) -> Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        while let Some(gap) = self.all.join_next().await {
            longest = longest.max(gap.context("a client was lost")?);
        }
        Ok(longest)
    }
}

async fn client(connector: Connector, stop: Arc<AtomicBool>) -> Duration {
    let (mut answered, mut longest) = (Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        if connector.ask().await {
            longest = longest.max(answered.elapsed());
            answered = Instant::now();
        }
        sleep(PAUSE).await;
    }
    longest.max(answered.elapsed())
}
