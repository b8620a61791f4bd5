//! What is to be sent to the webhook: the latest state of every alert and nothing older, so that it
//! can't grow. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::alert::{Alert, Finding, Labels, find_alerts};

/// How many alerts one request carries.
pub const BATCH: usize = 100;

struct Entry {
    alert: Alert,
    /// When it was last accepted as it is now, since the operator started.
    accepted: Option<Duration>,
}

/// The latest state of every alert.
#[derive(Default)]
pub struct PendingAlerts {
    entries: BTreeMap<Labels, Entry>,
}

impl PendingAlerts {
    /// Takes in what a pass reported of one database. Says whether something is to be sent at once.
    pub fn observe(
        &mut self,
        namespace: &str,
        name: &str,
        conditions: &[Condition],
        now: Timestamp,
    ) -> bool {
        let mut news = false;
        for (alertname, finding) in find_alerts(namespace, name, conditions) {
            news |= match finding {
                Finding::Held => false,
                Finding::Over => {
                    self.end(namespace, name, now, |labels| labels.alertname == alertname)
                }
                Finding::Firing(alert) => {
                    let other_reason = |labels: &Labels| {
                        labels.alertname == alertname && labels.reason != alert.labels.reason
                    };
                    let ended = self.end(namespace, name, now, other_reason);
                    self.fire(*alert) || ended
                }
            };
        }
        news
    }

    /// Ends every alert of a database that is gone.
    pub fn forget(&mut self, namespace: &str, name: &str, now: Timestamp) -> bool {
        self.end(namespace, name, now, |_| true)
    }

    fn fire(&mut self, alert: Alert) -> bool {
        match self.entries.get_mut(&alert.labels) {
            // A new text is sent with the next repetition.
            Some(entry) if entry.alert.ends_at.is_none() => {
                entry.alert = alert;
                entry.accepted.is_none()
            }
            _ => {
                self.entries.insert(
                    alert.labels.clone(),
                    Entry {
                        alert,
                        accepted: None,
                    },
                );
                true
            }
        }
    }

    fn end(
        &mut self,
        namespace: &str,
        name: &str,
        now: Timestamp,
        which: impl Fn(&Labels) -> bool,
    ) -> bool {
        let mut ended = false;
        for (labels, entry) in &mut self.entries {
            if labels.namespace == namespace
                && labels.name == name
                && entry.alert.ends_at.is_none()
                && which(labels)
            {
                entry.alert.ends_at = Some(now.max(entry.alert.starts_at));
                entry.accepted = None;
                ended = true;
            }
        }
        ended
    }

    /// What is to be sent now, most urgent first: what was never accepted as it is, and what fires
    /// and was last accepted `repeat` ago.
    pub fn due(&self, elapsed: Duration, repeat: Duration) -> Vec<Alert> {
        let is_due = |entry: &&Entry| {
            entry
                .accepted
                .is_none_or(|accepted| elapsed.saturating_sub(accepted) >= repeat)
        };
        self.entries
            .values()
            .filter(is_due)
            .take(BATCH)
            .map(|entry| entry.alert.clone())
            .collect()
    }

    /// How long until something is due, if nothing happens.
    pub fn pause(&self, elapsed: Duration, repeat: Duration) -> Option<Duration> {
        self.entries
            .values()
            .map(|entry| {
                entry
                    .accepted
                    .map_or(Duration::ZERO, |at| (at + repeat).saturating_sub(elapsed))
            })
            .min()
    }

    /// Notes what the webhook has accepted. What has changed since it was sent stays due.
    pub fn accepted(&mut self, sent: &[Alert], elapsed: Duration) {
        for alert in sent {
            let Some(entry) = self.entries.get_mut(&alert.labels) else {
                continue;
            };
            if entry.alert.ends_at != alert.ends_at || entry.alert.starts_at != alert.starts_at {
                continue;
            }
            if alert.ends_at.is_some() {
                self.entries.remove(&alert.labels);
            } else {
                entry.accepted = Some(elapsed);
            }
        }
    }
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
