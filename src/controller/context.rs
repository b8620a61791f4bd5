//! What every pass shares: the client, the settings, the events' recorder, the metrics.

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use super::metrics::Metrics;
use crate::api::names;

/// How the operator was started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image that agents' binary is copied from: the operator's own.
    pub agent_image: String,
    /// How many databases are worked on at once. One broken database must slow no other.
    pub concurrency: u16,
    /// Only this namespace; all without it.
    pub namespace: Option<String>,
}

/// What every pass shares.
pub struct Context {
    /// The client.
    pub client: Client,
    /// How the operator was started.
    pub settings: Settings,
    /// Where events go.
    pub recorder: Recorder,
    /// Counters and gauges.
    pub metrics: Metrics,
}

impl Context {
    /// Makes the context of one operator.
    #[must_use]
    pub fn new(client: Client, settings: Settings, metrics: Metrics) -> Self {
        let reporter = Reporter { controller: names::OPERATOR_MANAGER.to_owned(), instance: std::env::var("HOSTNAME").ok() };
        Self { recorder: Recorder::new(client.clone(), reporter), client, settings, metrics }
    }
}
