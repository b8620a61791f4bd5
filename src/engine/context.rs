//! What every pass shares: the client, the settings, who reports events, the metrics.

use std::path::PathBuf;

use kube::core::{Selector, SelectorExt as _};
use kube::runtime::events::Reporter;
use kube::{Client, Resource, ResourceExt as _};

use super::alerts::Notices;
use super::disturbance::Disturbance;
use super::metrics::Metrics;
use crate::api::names;
pub use crate::resources::{JobPace, Pauses};

/// How the operator was started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image that agents' binary is copied from: the operator's own.
    pub agent_image: String,
    /// How many databases are worked on at once. A broken database must not slow down the others.
    pub concurrency: u16,
    /// Only this namespace; all without it.
    pub namespace: Option<String>,
    /// The labels of the databases that are its own; an empty selector selects all. Other operators
    /// have the others.
    pub selector: Selector,
    /// Where the operator runs: the guard's rules know it by its service account there.
    pub operator_namespace: String,
    /// The file with the URL of the webhook that gets alerts, a mounted Secret. Without it no alert
    /// is sent.
    pub webhook_url_file: Option<PathBuf>,
    /// How patient it is with agents' Jobs. Only tests change it.
    pub pace: JobPace,
}

#[cfg(test)]
impl Settings {
    /// An operator of a test, in that namespace.
    #[must_use]
    pub fn for_tests(operator_namespace: &str) -> Self {
        Self {
            agent_image: String::new(),
            concurrency: 1,
            namespace: None,
            selector: Selector::default(),
            operator_namespace: operator_namespace.to_owned(),
            webhook_url_file: None,
            pace: JobPace::default(),
        }
    }
}

/// What every pass shares.
pub struct Context {
    pub client: Client,
    /// How the operator was started.
    pub settings: Settings,
    /// In whose name events are written.
    pub reporter: Reporter,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// The alerts to send to the webhook.
    pub notices: Notices,
    /// What is wrong with the admission policies and definitions, or was a moment ago.
    pub disturbance: Disturbance,
}

impl Settings {
    /// Whether a database is this operator's own, by its labels as they are now.
    pub fn selects(&self, database: &impl Resource) -> bool {
        self.selector.matches(database.labels())
    }
}

impl Context {
    /// Makes the context of one operator.
    #[must_use]
    pub fn new(client: Client, settings: Settings, metrics: Metrics) -> Self {
        let reporter = Reporter {
            controller: names::OPERATOR_MANAGER.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        let notices = if settings.webhook_url_file.is_some() {
            Notices::for_webhook()
        } else {
            Notices::default()
        };
        Self {
            client,
            settings,
            reporter,
            metrics,
            notices,
            disturbance: Disturbance::default(),
        }
    }
}
