//! One request to the webhook. A new connection each time: there is one per minute, and URL and
//! authorities may have changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::address::{Address, read_address};
use super::alert::Alert;
use super::error::NoticeError;
use crate::postgres::bounded_line;

/// Posts alerts to the URL in the file. Only an answer of 200 to 299 within the limit means that
/// they have arrived.
pub async fn post(url_file: &Path, alerts: &[Alert], limit: Duration) -> Result<(), NoticeError> {
    let address = read_address(url_file)?;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(build_tls(&address)?)
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let request = build_request(address, alerts)?;
    let answer = match tokio::time::timeout(limit, client.request(request)).await {
        Ok(answer) => answer.map_err(|error| NoticeError::Unreachable {
            what: causes(&error),
        })?,
        Err(_) => return Err(NoticeError::Silent { limit }),
    };
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(NoticeError::Refused {
            status: answer.status().as_u16(),
        })
    }
}

fn build_request(address: Address, alerts: &[Alert]) -> Result<Request<Body>, NoticeError> {
    let unmade = |what: String| NoticeError::Request { what };
    let body = serde_json::to_vec(alerts).map_err(|error| unmade(error.to_string()))?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(address.uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("holdfast/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(authorization) = address.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request
        .body(Body::from(body))
        .map_err(|error| unmade(error.to_string()))
}

/// Whom to trust: the authorities of the image and the one that lies beside the URL.
fn build_tls(address: &Address) -> Result<ClientConfig, NoticeError> {
    let unusable = |what: String| NoticeError::Authority { what };
    let mut roots = RootCertStore::empty();
    if address.uri.scheme_str() == Some("https") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in
            CertificateDer::pem_slice_iter(address.authority.as_deref().unwrap_or_default())
        {
            let certificate =
                certificate.map_err(|error| unusable(format!("ca.crt is not in PEM ({error})")))?;
            roots.add(certificate).map_err(|error| {
                unusable(format!(
                    "ca.crt holds a certificate that can't be used ({error})"
                ))
            })?;
        }
        if roots.is_empty() {
            return Err(unusable(
                "the image has no certificate authorities, and there is no ca.crt".to_owned(),
            ));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// An error with its causes. They name host and address at most, never the path or the query.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes =
        std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    bounded_line(&causes.fold(error.to_string(), |said, cause| {
        if said.contains(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    }))
}
