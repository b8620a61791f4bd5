//! What every pass shares: the client, the settings, who reports events, the metrics.

use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::{Selector, SelectorExt as _};
use kube::runtime::events::Reporter;
use kube::{Client, Resource, ResourceExt as _};
use tokio::sync::OnceCell;

use super::alerts::Notices;
use super::disturbance::Disturbance;
use super::metrics::Metrics;
use super::refused::Refusals;
use super::turns::Turns;
use super::undone::Undone;
use super::written::Written;
pub use crate::api::Agents;
use crate::api::names;
pub use crate::resources::{JobPace, Pauses};
use crate::world::{Enforcement, Reader, WatchedVolumes};

/// The namespace whose UID names a Kubernetes cluster: it is as old as the cluster.
const CLUSTER_NAMESPACE: &str = "kube-system";

/// How the operator was started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image that agents' binary is copied from: the operator's own.
    pub agent_image: String,
    /// How agents' pods are to be where a `ProtectedDatabase` does not say it.
    pub agent_defaults: Arc<Agents>,
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
    /// How many volumes without a claim the databases of one namespace may keep.
    pub kept_volume_limit: usize,
    /// How many backups of its databases run at once at most; none without a limit.
    pub backups_at_once: Option<usize>,
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
            agent_defaults: Arc::default(),
            concurrency: 1,
            namespace: None,
            selector: Selector::default(),
            operator_namespace: operator_namespace.to_owned(),
            webhook_url_file: None,
            kept_volume_limit: 20,
            backups_at_once: None,
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
    /// When the API server has last refused a dry-run delete.
    pub enforcement: Enforcement,
    /// How often in a row something was refused, for the pauses.
    pub refusals: Refusals,
    /// What the last pass of each database has written.
    pub written: Written,
    /// What was written how many times in a row, because something takes it back.
    pub undone: Undone,
    /// The volumes of the cluster, by what storage they are for.
    pub volumes: Arc<WatchedVolumes>,
    /// Whose turn it is to take a backup.
    pub turns: Turns,
    /// UID of the namespace `kube-system`, once it was read.
    kubernetes_cluster: OnceCell<String>,
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
            turns: Turns::new(settings.backups_at_once),
            settings,
            reporter,
            metrics,
            notices,
            disturbance: Disturbance::default(),
            refusals: Refusals::default(),
            written: Written::default(),
            undone: Undone::default(),
            enforcement: Enforcement::default(),
            volumes: Arc::default(),
            kubernetes_cluster: OnceCell::new(),
        }
    }

    /// Forgets a database that is gone, or another operator's by now.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.metrics.forget_database(namespace, name);
        self.notices.forget(namespace, name);
        self.refusals.forget(namespace, name);
        self.written.forget(namespace, name);
        self.turns.forget(namespace, name);
        self.disturbance.forget(namespace, name);
    }

    /// Which Kubernetes cluster this is: the UID of its namespace `kube-system`, which never changes.
    /// None as long as it could not be read.
    pub async fn fetch_kubernetes_cluster(&self) -> Option<String> {
        let read = async || {
            let reader = Reader::new(self.client.clone(), CLUSTER_NAMESPACE);
            let namespace = reader
                .get_cluster_metadata::<Namespace>(CLUSTER_NAMESPACE)
                .await;
            let found = namespace.known().and_then(Option::as_ref);
            found.and_then(|metadata| metadata.uid.clone()).ok_or(())
        };
        self.kubernetes_cluster
            .get_or_try_init(read)
            .await
            .ok()
            .cloned()
    }
}
