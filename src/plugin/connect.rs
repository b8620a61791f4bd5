//! The connection to the cluster: the user's own kubeconfig, context and namespace, as kubectl
//! reads them.

use std::time::Duration;

use kube::config::KubeConfigOptions;
use kube::{Client, Config};

use super::error::PluginError;
use crate::world::Reader;

/// How long the cluster may take to accept a connection; the user waits for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// The cluster that a command talks to.
pub struct Cluster {
    pub client: Client,
    /// The namespace of the command line, else the context's.
    pub namespace: String,
    /// Whether the namespace was named on the command line.
    pub namespace_was_named: bool,
    /// The context, if it was named on the command line.
    pub context: Option<String>,
    /// What the client was made of.
    config: Option<Config>,
}

impl Cluster {
    /// Connects with the kubeconfig, or with the service account when the command runs in a pod.
    pub async fn connect(
        context: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Self, PluginError> {
        let options = KubeConfigOptions {
            context: context.map(ToOwned::to_owned),
            ..KubeConfigOptions::default()
        };
        let mut config = match Config::from_kubeconfig(&options).await {
            Ok(config) => config,
            Err(source) => match Config::incluster() {
                Ok(config) if context.is_none() => config,
                _ => {
                    return Err(PluginError::Kubeconfig {
                        source: Box::new(source),
                    });
                }
            },
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        let default_namespace = config.default_namespace.clone();
        let client = build_client(config.clone())?;
        Ok(Self {
            client,
            namespace: namespace.map_or(default_namespace, ToOwned::to_owned),
            namespace_was_named: namespace.is_some(),
            context: context.map(ToOwned::to_owned),
            config: Some(config),
        })
    }

    /// A cluster of a test, which has no kubeconfig.
    #[cfg(test)]
    pub fn of(client: Client, namespace: Option<&str>) -> Self {
        Self {
            client,
            namespace: namespace.unwrap_or("default").to_owned(),
            namespace_was_named: namespace.is_some(),
            context: None,
            config: None,
        }
    }

    /// A client that asks as somebody else, as `kubectl --as` does. None where there is nothing to make
    /// it of.
    pub fn client_as(&self, user: &str) -> Option<Client> {
        let mut config = self.config.clone()?;
        config.auth_info.impersonate = Some(user.to_owned());
        // The API server adds the groups of a service account itself.
        config.auth_info.impersonate_groups = None;
        build_client(config).ok()
    }

    /// Reads from the namespace of the command line.
    pub fn reader(&self) -> Reader {
        Reader::new(self.client.clone(), &self.namespace)
    }

    /// The context as a flag of kubectl, with a blank before it; empty if none was named.
    pub fn context_flag(&self) -> String {
        self.context
            .as_ref()
            .map(|context| format!(" --context {context}"))
            .unwrap_or_default()
    }
}

fn build_client(config: Config) -> Result<Client, PluginError> {
    Client::try_from(config).map_err(|source| PluginError::Client {
        source: Box::new(source),
    })
}
