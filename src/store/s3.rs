//! An S3 bucket by `aws-sdk-s3`: opening it, reading from it, and repeating what the storage could
//! not do at the moment.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;

use crate::api::{S3Storage, host_of_endpoint, is_address_of_node, is_host_of_node_or_cluster};

use super::answer::{Again, Answer};
use super::client::build_client;
use super::credentials::read_credentials;
use super::dialect::Dialect;
use super::explain::explain;
use super::identity::find_identity;
use super::limits::StoreLimits;
use super::wait_budget::WaitBudget;
use super::{StoreError, StoreErrorKind};

/// How long an abort is tried: the pod may be about to end.
const ABORT_BUDGET: Duration = Duration::from_secs(15);
/// The same when the set failed because the storage was unavailable: it may be back any moment.
const LATE_ABORT_BUDGET: Duration = Duration::from_mins(5);

/// A bucket and the client for it. Clones share what they know of the storage.
#[derive(Clone, Debug)]
pub struct S3Store {
    pub(super) client: Client,
    pub(super) storage: S3Storage,
    pub(super) dialect: Dialect,
    /// What marks the objects of this set, so that one whose answer was lost is known again.
    pub(super) mark: Arc<str>,
    namespace: String,
    /// The part of the spec that describes it, for messages; none for `spec.backup.storage`.
    field: Option<Arc<str>>,
    /// Whether `If-None-Match` is sent: until the storage says that it does not know it.
    is_conditional: Arc<AtomicBool>,
    pub(super) budget: WaitBudget,
    abort_budget: WaitBudget,
    late_abort_budget: WaitBudget,
}

impl S3Store {
    /// Reads the mounted credentials and builds a client; nothing is sent yet.
    pub fn open(
        storage: &S3Storage,
        namespace: &str,
        credentials_directory: &Path,
        ca_directory: &Path,
    ) -> Result<Self, StoreError> {
        let limits = StoreLimits::default();
        Self::open_within(
            storage,
            namespace,
            credentials_directory,
            ca_directory,
            limits,
        )
    }

    /// The same with limits of one's own.
    pub fn open_within(
        storage: &S3Storage,
        namespace: &str,
        credentials_directory: &Path,
        ca_directory: &Path,
        limits: StoreLimits,
    ) -> Result<Self, StoreError> {
        let secret = &storage.credentials_secret;
        let credentials = match secret {
            Some(secret) => SharedCredentialsProvider::new(read_credentials(
                secret,
                namespace,
                credentials_directory,
            )?),
            None => find_identity(storage, namespace)?,
        };
        let budget = WaitBudget::new(limits.budget);
        let dialect = Dialect::of(storage);
        Ok(Self {
            client: build_client(storage, namespace, credentials, ca_directory, limits)?,
            storage: storage.clone(),
            namespace: namespace.to_owned(),
            field: None,
            is_conditional: Arc::new(AtomicBool::new(dialect.is_conditional)),
            dialect,
            mark: new_mark()?,
            budget: match limits.ends_at {
                Some(end) => budget.until(end),
                None => budget,
            },
            abort_budget: WaitBudget::new(ABORT_BUDGET),
            late_abort_budget: WaitBudget::new(LATE_ABORT_BUDGET),
        })
    }

    /// The same bucket, whose fields are below another one of the spec than `spec.backup.storage`.
    #[must_use]
    pub fn described_by(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Asks whether the bucket is there and the key may use it, before any work is done.
    pub async fn check_bucket(&self) -> Result<(), StoreError> {
        if let Some(endpoint) = &self.storage.endpoint {
            let api_server = std::env::var("KUBERNETES_SERVICE_HOST").ok();
            refuse_node_and_cluster(endpoint, api_server.as_deref()).await?;
        }
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.storage.bucket)
            .prefix(&self.storage.prefix)
            .max_keys(1);
        let ask = || async { answered(request.clone().send().await).map(drop) };
        self.persist(&self.budget, LOOKING, ask).await?;
        self.expect_lock().await
    }

    /// The names of the directories directly below a directory, which ends with a slash.
    pub(super) async fn list_folders(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        self.list_pages(directory, Some("/"), |page| {
            names.extend(page.common_prefixes().iter().filter_map(|found| {
                let name = found.prefix()?.strip_prefix(directory)?.strip_suffix('/')?;
                Some(name.to_owned())
            }));
        })
        .await?;
        Ok(names)
    }

    /// Lists all objects below a prefix, or up to the delimiter, page by page.
    pub(super) async fn list_pages(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        mut take: impl FnMut(&ListObjectsV2Output) + Send,
    ) -> Result<(), StoreError> {
        let mut next: Option<String> = None;
        loop {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.storage.bucket)
                .prefix(prefix)
                .set_delimiter(delimiter.map(ToOwned::to_owned))
                .set_continuation_token(next);
            let ask = || async { answered(request.clone().send().await) };
            let page = self.persist(&self.budget, LOOKING, ask).await?;
            take(&page);
            next = page.next_continuation_token().map(ToOwned::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads an object, which must not be larger than `limit` bytes, and its checksum.
    pub async fn fetch(&self, key: &str, limit: usize) -> Result<(Vec<u8>, String), StoreError> {
        let ask = || self.fetch_once(key, limit);
        self.persist(&self.budget, "reading an object of", ask)
            .await
    }

    async fn fetch_once(&self, key: &str, limit: usize) -> Result<(Vec<u8>, String), Answer> {
        let request = self
            .client
            .get_object()
            .bucket(&self.storage.bucket)
            .key(key);
        let mut answer = answered(request.send().await)?;
        let checksum = bare_checksum(answer.e_tag());
        let mut body = Vec::new();
        loop {
            match answer.body.try_next().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok((body, checksum)),
                Err(error) => {
                    return Err(Answer {
                        kind: StoreErrorKind::Unreachable,
                        again: Again::WithinBudget,
                        text: format!("the connection broke while `{key}` was read: {error}"),
                        was_answered: true,
                    });
                }
            }
            if body.len() > limit {
                return Err(Answer {
                    kind: StoreErrorKind::TooLarge,
                    again: Again::No,
                    text: format!(
                        "`{key}` is larger than the {limit} bytes that are read of such an object"
                    ),
                    was_answered: true,
                });
            }
        }
    }

    /// Sends a request until it succeeds, fails for good, or the budget is over.
    pub(super) async fn persist<Output, Attempt, Request>(
        &self,
        budget: &WaitBudget,
        doing: &str,
        attempt: Attempt,
    ) -> Result<Output, StoreError>
    where
        Attempt: Fn() -> Request,
        Request: Future<Output = Result<Output, Answer>>,
    {
        let mut wait = budget.begin();
        loop {
            let answer = match attempt().await {
                Ok(output) => {
                    budget.note_answer();
                    return Ok(output);
                }
                Err(answer) => answer,
            };
            if answer.was_answered {
                budget.note_answer();
            }
            if !wait.pause(answer.again).await {
                return Err(self.explain(&answer, doing, wait.attempts()));
            }
            tracing::warn!(
                attempts = wait.attempts(),
                "{doing} `{}` is tried again: {}",
                self.storage.bucket,
                answer.text
            );
        }
    }

    pub(super) fn explain(&self, answer: &Answer, doing: &str, attempts: u32) -> StoreError {
        let error = explain(&self.storage, &self.namespace, answer, doing, attempts);
        match &self.field {
            Some(field) => error.below(field),
            None => error,
        }
    }

    /// How long an abort may take now.
    pub(super) fn budget_of_aborts(&self) -> &WaitBudget {
        if self.budget.is_over() {
            &self.late_abort_budget
        } else {
            &self.abort_budget
        }
    }

    /// The condition of a write, if the storage heeds it.
    pub(super) fn is_conditional(&self) -> bool {
        self.is_conditional.load(Ordering::Relaxed)
    }

    /// Notes, and says once, that the storage does not heed the condition.
    pub(super) fn give_up_condition(&self, said: &str) {
        if self.is_conditional.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "the storage does not heed If-None-Match ({said}); instead it is looked whether \
                 something is at a key before it is written"
            );
        }
    }
}

/// Refuses an endpoint whose name leads to the node or the API server: the schema sees only the name.
async fn refuse_node_and_cluster(
    endpoint: &str,
    api_server: Option<&str>,
) -> Result<(), StoreError> {
    let host = host_of_endpoint(endpoint).unwrap_or_default();
    let is_refused = |address: IpAddr| {
        is_address_of_node(address) || api_server == Some(address.to_string().as_str())
    };
    let is_name = is_host_of_node_or_cluster(&host) || api_server == Some(host.as_str());
    // A name without an address is not reached either, and that is reported when it is tried.
    let leads_there = is_name
        || tokio::net::lookup_host((host.as_str(), 0))
            .await
            .is_ok_and(|mut found| found.any(|address| is_refused(address.ip())));
    if !leads_there {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Redirected,
        format!(
            "the host {host:?} of `spec.backup.storage.s3.endpoint` leads to an address of the node \
             or of the API server, which no storage has, so nothing was sent. Name the host of the \
             storage"
        ),
    ))
}

pub(super) const LOOKING: &str = "looking into the bucket";

/// An outcome of the SDK, told apart.
pub(super) fn answered<Output, E>(outcome: Result<Output, SdkError<E>>) -> Result<Output, Answer>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    outcome.map_err(|error| Answer::of(&error))
}

pub(super) fn bare_checksum(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

fn new_mark() -> Result<Arc<str>, StoreError> {
    let mut bytes = [0; 16];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| {
            StoreError::new(
                StoreErrorKind::UploadFailed,
                "the system gives no random numbers, so no object could be marked as ours",
            )
        })?;
    Ok(hex::encode(bytes).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_the_node_or_the_api_server_is_refused() {
        for endpoint in [
            "http://169.254.169.254:80",
            "http://[fe80::1]/",
            "http://kubernetes.default.svc",
            "https://10.96.0.1:443",
            "https://localhost",
        ] {
            let api_server = if endpoint.contains("localhost") {
                "127.0.0.1"
            } else {
                "10.96.0.1"
            };
            let refused = refuse_node_and_cluster(endpoint, Some(api_server)).await;
            let error = refused.unwrap_err();
            assert!(
                error.message.contains("spec.backup.storage.s3.endpoint"),
                "{error}"
            );
        }
        refuse_node_and_cluster("http://127.0.0.1:9000", Some("10.96.0.1"))
            .await
            .unwrap();
    }
}
