//! The client of a bucket: how it connects, whom it trusts, and with which credentials.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder, tls};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::api::{PROXY_VARIABLE, S3Storage};

use super::limits::StoreLimits;
use super::stall::watch;
use super::{StoreError, StoreErrorKind};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Builds a client; nothing is sent yet. It neither repeats nor limits a request as a whole: that is
/// what the files `wait_budget` and `stall` are for.
pub(super) fn build_client(
    storage: &S3Storage,
    namespace: &str,
    credentials: SharedCredentialsProvider,
    ca_directory: &Path,
    limits: StoreLimits,
) -> Result<Client, StoreError> {
    let authority = storage
        .ca_secret
        .as_ref()
        .map(|_| ca_directory.join("ca.crt"));
    let encrypted = storage
        .endpoint
        .as_ref()
        .is_none_or(|endpoint| endpoint.starts_with("https://"));
    if authority.is_some() && !encrypted {
        return Err(StoreError::new(
            StoreErrorKind::ClearText,
            "`spec.backup.storage.s3.caSecret` asks for TLS, and `spec.backup.storage.s3.endpoint` is not \
             `https`: all data would go in clear text, so nothing was sent. Write `https`, or remove caSecret",
        ));
    }
    let tls = encrypted
        .then(|| build_tls_context(storage, namespace, authority))
        .transpose()?;
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(storage.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(storage.force_path_style)
        // Which checksum is sent depends on the storage: several refuse what the SDK would add.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_LIMIT)
                .build(),
        )
        .http_client(watch(build_http_client(tls), limits));
    if let Some(endpoint) = &storage.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(config.build()))
}

/// A client that goes through the proxy of `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY`, unless `NO_PROXY`
/// names the server, if `spec.agents` asks for it.
fn build_http_client(tls: Option<tls::TlsContext>) -> SharedHttpClient {
    let proxy = find_proxy();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxy.clone());
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        finish_connector(builder, tls.as_ref())
    })
}

/// A connector for single requests, by the same proxy.
pub(super) fn build_connector(tls: Option<&tls::TlsContext>) -> Connector {
    finish_connector(Connector::builder().proxy_config(find_proxy()), tls)
}

fn find_proxy() -> ProxyConfig {
    if std::env::var_os(PROXY_VARIABLE).is_some() {
        ProxyConfig::from_env()
    } else {
        ProxyConfig::disabled()
    }
}

fn finish_connector(builder: ConnectorBuilder, tls: Option<&tls::TlsContext>) -> Connector {
    match tls {
        Some(context) => builder
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .tls_context(context.clone())
            .build(),
        None => builder.build_http(),
    }
}

/// Trust in the authorities of the image alone.
pub(super) fn build_public_tls(
    storage: &S3Storage,
    namespace: &str,
) -> Result<tls::TlsContext, StoreError> {
    build_tls_context(storage, namespace, None)
}

/// What is trusted: the mounted authority and those of the image, if it has any. The SDK panics on
/// what it can't read, so it is read here first.
fn build_tls_context(
    storage: &S3Storage,
    namespace: &str,
    authority: Option<PathBuf>,
) -> Result<tls::TlsContext, StoreError> {
    let mut roots = RootCertStore::empty();
    let (public, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut trusted = tls::TrustStore::empty().with_native_roots(public > 0);
    match (authority, &storage.ca_secret) {
        (Some(file), Some(secret)) => {
            let missing = |what: String| {
                StoreError::new(
                    StoreErrorKind::SecretMissing,
                    format!(
                        "key `{}` of Secret `{}` in namespace `{namespace}` \
                         (`spec.backup.storage.s3.caSecret`) {what}. Create it: `kubectl create \
                         secret generic {} --namespace={namespace} --from-file={}=FILE`",
                        secret.key, secret.name, secret.name, secret.key
                    ),
                )
            };
            let pem = std::fs::read(&file)
                .map_err(|error| missing(format!("is not mounted ({error})")))?;
            let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
                .collect::<Result<_, _>>()
                .map_err(|error| missing(format!("holds no certificate in PEM ({error})")))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| {
                    missing(format!("holds a certificate that can't be used ({error})"))
                })?;
            }
            trusted = trusted.with_pem_certificate(pem);
        }
        _ if public == 0 => {
            return Err(StoreError::new(
                StoreErrorKind::Unreachable,
                "the endpoint uses `https` and the database's image has no certificate \
                 authorities, so its certificate can't be verified. Name the authority in \
                 `spec.backup.storage.s3.caSecret`, or install `ca-certificates` in the image",
            ));
        }
        _ => {}
    }
    tls::TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| {
            StoreError::new(
                StoreErrorKind::Unreachable,
                format!("the certificate authorities of the endpoint can't be used: {error}"),
            )
        })
}
