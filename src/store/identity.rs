//! Temporary credentials of the agents' service account, where no Secret is named: an IAM role by the
//! annotation of EKS (IRSA), or by its Pod Identity. Both put variables into the pod.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::timeout;

use super::client::{build_connector, build_public_tls};
use super::{StoreError, StoreErrorKind};
use crate::api::S3Storage;

/// What the message begins with when the identity is refused for good; the table of answers knows it by this.
pub(super) const REFUSED: &str = "the identity of the service account was refused";
/// The longest time that credentials are waited for.
const LIMIT: Duration = Duration::from_secs(30);
/// Addresses at which the node gives credentials to pods: of ECS, and of EKS Pod Identity.
const OF_NODE: &[&str] = &[
    "http://169.254.170.2",
    "http://169.254.170.23",
    "http://[fd00:ec2::23]",
    "http://127.0.0.1",
    "http://localhost",
];

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A token of the service account, exchanged for credentials of a role.
    Role {
        endpoint: String,
        role: String,
        token: PathBuf,
    },
    /// A service of the node, asked with a token.
    Node { uri: String, token: Option<PathBuf> },
}

/// Fetches credentials, again whenever they are about to end.
#[derive(Debug)]
struct Identity {
    source: Source,
    connector: Connector,
}

/// The credentials of the service account, as the variables of the pod say.
pub(super) fn find_identity(
    storage: &S3Storage,
    namespace: &str,
) -> Result<SharedCredentialsProvider, StoreError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let source = find_source(&storage.region, variable)
        .map_err(|what| StoreError::new(StoreErrorKind::Denied, explain(namespace, &what)))?;
    let uri = match &source {
        Source::Role { endpoint, .. } => endpoint,
        Source::Node { uri, .. } => uri,
    };
    let tls = uri
        .starts_with("https://")
        .then(|| build_public_tls(storage, namespace))
        .transpose()?;
    let connector = build_connector(tls.as_ref());
    Ok(SharedCredentialsProvider::new(Identity {
        source,
        connector,
    }))
}

fn explain(namespace: &str, what: &str) -> String {
    format!(
        "there is no access key: `spec.backup.storage.s3.credentialsSecret` names no Secret, and the \
         service account `holdfast-agent` in namespace `{namespace}` stands for no role ({what}). \
         Name a Secret, or for IRSA: `kubectl annotate serviceaccount holdfast-agent \
         --namespace={namespace} eks.amazonaws.com/role-arn=ARN`"
    )
}

fn find_source(region: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Source, String> {
    if let (Some(role), Some(token)) = (
        variable("AWS_ROLE_ARN"),
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
    ) {
        let region = variable("AWS_REGION").unwrap_or_else(|| region.to_owned());
        let endpoint = variable("AWS_ENDPOINT_URL_STS");
        return Ok(Source::Role {
            endpoint: endpoint
                .unwrap_or_else(|| format!("https://sts.{region}.{}", domain_of(&region))),
            role,
            token: token.into(),
        });
    }
    let Some(uri) = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
        return Err("its pods have no variables of IRSA or Pod Identity".to_owned());
    };
    let is_of_node = OF_NODE.iter().any(|address| {
        let rest = uri.strip_prefix(address);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if !is_of_node && !uri.starts_with("https://") {
        return Err(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither of the node nor encrypted".to_owned(),
        );
    }
    let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    Ok(Source::Node {
        uri,
        token: token.map(PathBuf::from),
    })
}

fn domain_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let fetched = timeout(LIMIT, self.fetch()).await;
            fetched
                .unwrap_or_else(|_| Err(format!("no credentials within {} s", LIMIT.as_secs())))
                .map_err(CredentialsError::provider_error)
        })
    }
}

impl Identity {
    async fn fetch(&self) -> Result<Credentials, String> {
        match &self.source {
            Source::Role {
                endpoint,
                role,
                token,
            } => {
                let token = read_token(token)?;
                let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let form = format!(
                    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=holdfast&\
                     RoleArn={}&WebIdentityToken={}",
                    encoded(role),
                    encoded(&token)
                );
                let mut request = HttpRequest::new(SdkBody::from(form.clone()));
                prepare(&mut request, "POST", endpoint)?;
                let headers = request.headers_mut();
                headers.insert("content-type", "application/x-www-form-urlencoded");
                headers.insert("content-length", form.len().to_string());
                read_role(&self.ask(request).await?)
            }
            Source::Node { uri, token } => {
                let mut request = HttpRequest::new(SdkBody::empty());
                prepare(&mut request, "GET", uri)?;
                if let Some(token) = token {
                    let token = read_token(token)?;
                    request
                        .headers_mut()
                        .try_insert("authorization", token)
                        .map_err(|_| "the token is no header".to_owned())?;
                }
                read_of_node(&self.ask(request).await?)
            }
        }
    }

    async fn ask(&self, request: HttpRequest) -> Result<String, String> {
        let uri = request.uri().to_owned();
        let answer = self.connector.call(request).await;
        let answer = answer.map_err(|error| format!("{uri} can't be reached: {error}"))?;
        let status = answer.status().as_u16();
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| format!("the answer of {uri} broke off: {error}"))?;
        let text = String::from_utf8_lossy(&body.into_bytes()).into_owned();
        match status {
            200 => Ok(text),
            400..=499 if !matches!(status, 408 | 429) => {
                let code = between(&text, "<Code>", "</Code>").unwrap_or("no code");
                Err(format!("{REFUSED} by {uri}: {status} {code}"))
            }
            _ => Err(format!("{uri} answered {status}")),
        }
    }
}

fn prepare(request: &mut HttpRequest, method: &str, uri: &str) -> Result<(), String> {
    let is_set = request.set_method(method).is_ok() && request.set_uri(uri).is_ok();
    let answer = is_set.then_some(());
    request.headers_mut().insert("accept", "*/*");
    answer.ok_or_else(|| format!("{uri} is no URL"))
}

fn read_token(file: &Path) -> Result<String, String> {
    let token = std::fs::read_to_string(file);
    let token = token.map_err(|error| format!("{} can't be read: {error}", file.display()))?;
    Ok(token.trim().to_owned())
}

fn between<'text>(text: &'text str, start: &str, end: &str) -> Option<&'text str> {
    let rest = text.split_once(start)?.1;
    Some(rest.split_once(end)?.0.trim())
}

fn read_role(answer: &str) -> Result<Credentials, String> {
    let field = |name: &str| between(answer, &format!("<{name}>"), &format!("</{name}>"));
    build(
        field("AccessKeyId"),
        field("SecretAccessKey"),
        field("SessionToken"),
        field("Expiration"),
    )
}

fn read_of_node(answer: &str) -> Result<Credentials, String> {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let field = |name: &str| answer[name].as_str();
    build(
        field("AccessKeyId"),
        field("SecretAccessKey"),
        field("Token"),
        field("Expiration"),
    )
}

fn build(
    id: Option<&str>,
    key: Option<&str>,
    token: Option<&str>,
    end: Option<&str>,
) -> Result<Credentials, String> {
    let (Some(id), Some(key)) = (id, key) else {
        return Err("the answer holds no credentials".to_owned());
    };
    let end = end.and_then(|end| end.parse::<Timestamp>().ok());
    Ok(Credentials::new(
        id,
        key,
        token.map(ToOwned::to_owned),
        end.map(SystemTime::from),
        "service account",
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn source(variables: &[(&str, &str)]) -> Result<Source, String> {
        find_source("eu-central-1", |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_of_the_pod_say_where_credentials_come_from() {
        let role = [
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/backup"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ];
        let Ok(Source::Role { endpoint, .. }) = source(&role) else {
            panic!("a role");
        };
        assert_eq!(endpoint, "https://sts.eu-central-1.amazonaws.com");
        let node = |uri: &str| source(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)]);
        assert!(node("http://169.254.170.23/v1/credentials").is_ok());
        assert!(node("https://credentials.example/").is_ok());
        assert!(node("http://169.254.170.23.example/").is_err());
        assert!(node("http://169.254.169.254/latest").is_err());
        assert!(source(&[]).is_err());
    }

    #[test]
    fn credentials_are_read_from_both_answers() {
        let role = read_role(
            "<A><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>k/+=</SecretAccessKey>\
             <SessionToken>t</SessionToken><Expiration>2026-11-27T03:00:00Z</Expiration>\
             </Credentials></A>",
        )
        .unwrap();
        let node = read_of_node(
            r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"k/+=","Token":"t","Expiration":"2026-11-27T03:00:00Z"}"#,
        )
        .unwrap();
        for read in [role, node] {
            assert_eq!(
                (
                    read.access_key_id(),
                    read.secret_access_key(),
                    read.session_token()
                ),
                ("ASIA1", "k/+=", Some("t"))
            );
            assert!(read.expiry().is_some());
        }
        assert!(read_role("<Error/>").is_err() && read_of_node("no JSON").is_err());
    }
}
