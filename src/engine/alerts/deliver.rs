//! The task that sends alerts to the webhook, and the handle by which passes leave them. Leaving
//! one never waits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::read_address;
use super::client::post;
use super::pending::PendingAlerts;
use crate::engine::metrics::Metrics;

/// How fast alerts are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long one request may take.
    pub limit: Duration,
    /// The pause after a first failure; it doubles with each further one, give or take a random
    /// part.
    pub first_pause: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
    /// How often an alert that fires is sent again. Alertmanager resolves an alert that was not
    /// sent for 5 minutes.
    pub repeat: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            repeat: Duration::from_mins(1),
        }
    }
}

/// Where alerts go, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The file with the URL, a mounted Secret.
    pub url_file: PathBuf,
    /// How fast.
    pub pace: Pace,
}

/// The alerts to send. All clones share them.
#[derive(Clone, Default)]
pub struct Notices {
    shared: Option<Arc<Shared>>,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<PendingAlerts>,
    news: Notify,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, PendingAlerts> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notices {
    /// For an operator with a webhook. The default has none, and keeps nothing.
    #[must_use]
    pub fn for_webhook() -> Self {
        Self {
            shared: Some(Arc::default()),
        }
    }

    /// Leaves what a pass reported of a database.
    pub fn observe(&self, namespace: &str, name: &str, conditions: &[Condition], now: Timestamp) {
        self.change(|pending| pending.observe(namespace, name, conditions, now));
    }

    /// Ends the alerts of a database that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.change(|pending| pending.forget(namespace, name, Timestamp::now()));
    }

    fn change(&self, change: impl FnOnce(&mut PendingAlerts) -> bool) {
        let Some(shared) = &self.shared else { return };
        if change(&mut shared.pending()) {
            shared.news.notify_one();
        }
    }
}

/// Sends the webhook what is left in `notices`, for ever.
pub async fn deliver(notices: Notices, webhook: Webhook, metrics: Metrics) {
    let Some(shared) = notices.shared else { return };
    let Webhook { url_file, pace } = webhook;
    examine(&url_file, &metrics);
    let pauses = ExponentialBuilder::default()
        .with_min_delay(pace.first_pause)
        .with_max_delay(pace.longest_pause)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times();
    let mut failures = pauses.build();
    let began = Instant::now();
    loop {
        let due = shared.pending().due(began.elapsed(), pace.repeat);
        if due.is_empty() {
            let pause = shared.pending().pause(began.elapsed(), pace.repeat);
            wait(&shared.news, pause).await;
            continue;
        }
        match post(&url_file, &due, pace.limit).await {
            Ok(()) => {
                shared.pending().accepted(&due, began.elapsed());
                metrics.count_alerts_sent(due.len());
                failures = pauses.build();
            }
            Err(error) => {
                metrics.count_webhook_failure();
                tracing::warn!(%error, alerts = due.len(), "alerts have not been sent");
                tokio::time::sleep(failures.next().unwrap_or(pace.longest_pause)).await;
            }
        }
    }
}

/// Reads the file before anything happens, so that a mistake is seen on the day it is made.
fn examine(url_file: &Path, metrics: &Metrics) {
    match read_address(url_file) {
        Ok(_) => tracing::info!(file = %url_file.display(), "alerts go to a webhook"),
        Err(error) => {
            metrics.count_webhook_failure();
            tracing::error!(%error, "no alert can be sent; everything else continues");
        }
    }
}

async fn wait(news: &Notify, pause: Option<Duration>) {
    match pause {
        Some(pause) => drop(tokio::time::timeout(pause, news.notified()).await),
        None => news.notified().await,
    }
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
