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
/// How long a request is tried, and the pauses between two tries: each is twice as long as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// How long no further try is begun after.
    pub limit: Duration,
    /// For how long of that a refusal is not believed: an API server that starts may not know yet who may do
    /// what.
    pub disbelief: Duration,
    /// The first pause.
    pub first: Duration,
    /// The longest one. An agent that has to stop has 30 s, and must try once more in them.
    pub longest: Duration,
}

impl Tries {
    /// For what can be repeated; an API server that restarts is back by then.
    pub const SHORT: Self = Self {
        limit: Duration::from_secs(90),
        disbelief: Duration::ZERO,
        first: Duration::from_secs(2),
        longest: Duration::from_secs(2),
    };
    /// For what hours of work wait for: a control plane that is upgraded is back by then.
    pub const LONG: Self = Self {
        limit: Duration::from_mins(15),
        longest: Duration::from_secs(10),
        ..Self::SHORT
    };

    /// The same until a moment.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        Self {
            limit: end.saturating_duration_since(Instant::now()),
            ..self
        }
    }
}

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

/// Runs a request until it succeeds, fails for good, or the time of [`Tries::SHORT`] is over.
pub async fn persist<Output, Attempt, Request>(
    what: &str,
    attempt: Attempt,
) -> anyhow::Result<Output>
where
    Attempt: Fn() -> Request,
    Request: Future<Output = kube::Result<Output>>,
{
    persist_for(Tries::SHORT, what, attempt).await
}

/// The same, tried for so long.
pub async fn persist_for<Output, Attempt, Request>(
    tries: Tries,
    what: &str,
    attempt: Attempt,
) -> anyhow::Result<Output>
where
    Attempt: Fn() -> Request,
    Request: Future<Output = kube::Result<Output>>,
{
    let begun = Instant::now();
    let mut pause = tries.first;
    loop {
        let error = match timeout(REQUEST_LIMIT, attempt()).await {
            Ok(Ok(output)) => return Ok(output),
            Ok(Err(kube::Error::Api(status)))
                if is_refusal(status.code) && begun.elapsed() >= tries.disbelief =>
            {
                return Err(kube::Error::Api(status))
                    .with_context(|| format!("the API server refused to let the agent {what}"));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", REQUEST_LIMIT.as_secs()),
        };
        if begun.elapsed() + pause >= tries.limit {
            anyhow::bail!("could not {what}: {error}");
        }
        tracing::warn!("could not {what} yet: {error}");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(tries.longest);
    }
}

/// Whether an answer says that the same request will be answered so again.
fn is_refusal(code: u16) -> bool {
    (400..500).contains(&code) && !matches!(code, 408 | 409 | 429)
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

/// The same, tried for so long.
pub async fn apply_status_for<Kind>(
    client: &Client,
    tries: Tries,
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
    apply::<Kind>(client, AGENT_MANAGER, tries, (namespace, name), status).await
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
    apply::<Kind>(client, manager, Tries::SHORT, (namespace, name), status).await
}

async fn apply<Kind>(
    client: &Client,
    manager: &str,
    tries: Tries,
    (namespace, name): (&str, &str),
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
    persist_for(tries, &what, || api.patch_status(name, &parameters, &patch))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::core::Status;

    use super::*;

    /// Pauses that are too short to be noticed.
    const QUICK: Tries = Tries {
        limit: Duration::from_mins(1),
        disbelief: Duration::ZERO,
        first: Duration::from_micros(1),
        longest: Duration::from_micros(4),
    };

    fn answer(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code,
            ..Status::default()
        }))
    }

    /// The outcome of a request that is answered so that many times, and how often it was asked.
    async fn ask(tries: Tries, code: u16, times: usize) -> (anyhow::Result<()>, usize) {
        let asked = AtomicUsize::new(0);
        let outcome = persist_for(tries, "ask", || {
            let is_over = asked.fetch_add(1, Ordering::Relaxed) >= times;
            async move { if is_over { Ok(()) } else { Err(answer(code)) } }
        });
        (outcome.await, asked.into_inner())
    }

    #[tokio::test]
    async fn it_is_asked_until_there_is_an_answer() {
        for code in [500, 503, 429, 409] {
            let (outcome, asked) = ask(QUICK, code, 500).await;
            outcome.unwrap();
            assert_eq!(asked, 501, "{code}");
        }
        let none = Tries {
            limit: Duration::ZERO,
            ..QUICK
        };
        let (outcome, asked) = ask(none, 503, 500).await;
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .starts_with("could not ask")
        );
        assert_eq!(asked, 1);
    }

    #[tokio::test]
    async fn a_refusal_is_believed_at_once_unless_hours_of_work_wait_for_it() {
        let (outcome, asked) = ask(QUICK, 403, 50).await;
        assert!(outcome.unwrap_err().to_string().contains("refused"));
        assert_eq!(asked, 1);
        let doubting = Tries {
            disbelief: Duration::from_mins(1),
            ..QUICK
        };
        for code in [401, 403, 404] {
            let (outcome, asked) = ask(doubting, code, 50).await;
            outcome.unwrap();
            assert_eq!(asked, 51, "{code}");
        }
    }

    /// Kubernetes kills an agent 30 s after it has told it to stop.
    #[test]
    fn who_is_told_to_stop_tries_once_more() {
        let grace = Duration::from_secs(30);
        assert!(Tries::LONG.longest + Duration::from_secs(10) < grace);
    }
}
