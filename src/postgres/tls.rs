//! Encryption of the connection to Postgres with the meanings that libpq gives to its modes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore,
    SignatureScheme,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::api::TlsMode;

use super::{ClientCertificate, Login, PostgresError, PostgresErrorKind};

/// The driver's word for a mode. Whether a certificate is verified is decided by the connector.
#[must_use]
pub const fn driver_mode(mode: TlsMode) -> SslMode {
    match mode {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
    }
}

/// The connector for a login: without a certificate authority nothing is verified, with one its
/// chain is, and `VerifyFull` asks for the host's name too.
pub fn build_connector(login: &Login) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = login
        .tls_ca
        .as_ref()
        .map(|authority| ChainVerifier::new(&authority.pem, &provider))
        .transpose()?;
    if chain.is_none() && login.tls_mode == TlsMode::VerifyFull {
        return Err(failed(
            "mode VerifyFull needs `spec.connection.tls.caSecret`, the certificate authority to \
             verify the server with",
        ));
    }
    let verifier = Verifier {
        chain,
        verify_name: login.tls_mode == TlsMode::VerifyFull,
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &login.certificate {
        Some(certificate) => {
            let certified = parse_certificate(certificate, &provider)?;
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => config.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Whether the server takes it is the server's to say: also one that is too old for webpki is sent.
fn parse_certificate(
    certificate: &ClientCertificate,
    provider: &Arc<CryptoProvider>,
) -> Result<CertifiedKey, PostgresError> {
    let chain = CertificateDer::pem_slice_iter(&certificate.certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable_certificate(&error.to_string()))?;
    // The parser's own error is not passed on: it is about a secret.
    let key = PrivateKeyDer::from_pem_slice(&certificate.key_pem)
        .map_err(|_| unusable_certificate("its private key is no PEM without a passphrase"))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| unusable_certificate("its private key is of an unknown kind"))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(
            unusable_certificate("the private key is that of another certificate"),
        ),
        _ if certified.cert.is_empty() => {
            Err(unusable_certificate("there is no certificate in it"))
        }
        _ => Ok(certified),
    }
}

fn unusable_certificate(what: &str) -> PostgresError {
    PostgresError::new(
        PostgresErrorKind::TlsFailed,
        format!(
            "the certificate of `spec.connection.clientCertificateSecret` is not usable: {what}. \
             Put certificate and private key of the role into the Secret"
        ),
    )
}

fn failed(what: &str) -> PostgresError {
    PostgresError::new(
        PostgresErrorKind::TlsFailed,
        format!("the connection can't be encrypted: {what}. Correct `spec.connection.tls`"),
    )
}

/// Verifies a chain with rustls' own verifier.
#[derive(Debug)]
struct ChainVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl ChainVerifier {
    fn new(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Self, PostgresError> {
        let unusable = |what: String| {
            failed(&format!(
                "the certificate authority of `spec.connection.tls.caSecret` is not usable: {what}"
            ))
        };
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            roots
                .add(authority.clone())
                .map_err(|error| unusable(error.to_string()))?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            verifier,
            authorities,
        })
    }
}

#[derive(Debug)]
struct Verifier {
    chain: Option<ChainVerifier>,
    verify_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        if chain
            .authorities
            .iter()
            .any(|authority| authority.as_ref() == end_entity.as_ref())
        {
            // A server's self-signed certificate given as its own authority: OpenSSL, and so libpq,
            // takes it; webpki would not.
            if self.verify_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        // The name is judged last, so a complaint about the name says that the chain is good.
        match chain.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.verify_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.chain {
            Some(chain) => chain
                .verifier
                .verify_tls12_signature(message, certificate, signature),
            // Nothing is known of the certificate, so a signature by it proves nothing;
            // certificates too old for webpki work too.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.chain {
            Some(chain) => chain
                .verifier
                .verify_tls13_signature(message, certificate, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
