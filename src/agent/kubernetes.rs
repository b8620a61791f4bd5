//! The agent's few requests to the API server, each with an end in time.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::api::names::AGENT_MANAGER;

/// The longest a single request may take; the client's own retries count.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// How long a report is tried; an API server that restarts is back by then.
const REPORT_LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_secs(2);

/// A client for the API server that runs this pod.
pub async fn connect() -> anyhow::Result<Client> {
    let mut config = match Config::incluster() {
        Ok(config) => config,
        Err(_) => Config::infer().await.context(
            "there is neither a service account nor a kubeconfig to reach the API server with",
        )?,
    };
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(REQUEST_LIMIT);
    Client::try_from(config).context("no client for the API server could be created")
}

/// Runs a request until it succeeds, fails for good, or `REPORT_LIMIT` is over.
pub async fn persist<Output, Attempt, Request>(
    what: &str,
    attempt: Attempt,
) -> anyhow::Result<Output>
where
    Attempt: Fn() -> Request,
    Request: Future<Output = kube::Result<Output>>,
{
    let end = Instant::now() + REPORT_LIMIT;
    loop {
        let error = match timeout(REQUEST_LIMIT, attempt()).await {
            Ok(Ok(output)) => return Ok(output),
            Ok(Err(kube::Error::Api(status)))
                if (400..500).contains(&status.code) && !matches!(status.code, 408 | 409 | 429) =>
            {
                return Err(kube::Error::Api(status))
                    .with_context(|| format!("the API server refused to let the agent {what}"));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", REQUEST_LIMIT.as_secs()),
        };
        if Instant::now() + PAUSE >= end {
            anyhow::bail!("could not {what}: {error}");
        }
        tracing::warn!("could not {what} yet: {error}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes the agent's fields of an object's status by server-side apply.
pub async fn apply_status<Kind>(
    client: &Client,
    namespace: &str,
    name: &str,
    status: &impl Serialize,
) -> anyhow::Result<()>
where
    Kind: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    apply_status_as::<Kind>(client, AGENT_MANAGER, namespace, name, status).await
}

/// The same as another field manager, where several agents write into one status.
pub async fn apply_status_as<Kind>(
    client: &Client,
    manager: &str,
    namespace: &str,
    name: &str,
    status: &impl Serialize,
) -> anyhow::Result<()>
where
    Kind: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<Kind> = Api::namespaced(client.clone(), namespace);
    let patch = build_patch::<Kind>(name, status);
    let parameters = PatchParams::apply(manager).force();
    let what = format!("write the status of {} {namespace}/{name}", Kind::kind(&()));
    persist(&what, || api.patch_status(name, &parameters, &patch))
        .await
        .map(drop)
}

/// The same, tried once: for what nobody waits for.
pub async fn apply_status_once<Kind>(
    client: &Client,
    manager: &str,
    namespace: &str,
    name: &str,
    status: &impl Serialize,
) -> Result<(), String>
where
    Kind: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<Kind> = Api::namespaced(client.clone(), namespace);
    let patch = build_patch::<Kind>(name, status);
    let parameters = PatchParams::apply(manager).force();
    let written = api.patch_status(name, &parameters, &patch);
    match timeout(REQUEST_LIMIT, written).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", REQUEST_LIMIT.as_secs())),
    }
}

fn build_patch<Kind>(name: &str, status: &impl Serialize) -> Patch<serde_json::Value>
where
    Kind: Resource<DynamicType = ()>,
{
    Patch::Apply(serde_json::json!({
        "apiVersion": Kind::api_version(&()),
        "kind": Kind::kind(&()),
        "metadata": {"name": name},
        "status": status,
    }))
}
