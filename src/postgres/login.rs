//! Who logs in where. Passwords stay out of every `Debug` and message.

use std::fmt;
use std::path::PathBuf;

use crate::api::TlsMode;

use super::Presence;

/// Names of the Secret and its keys, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretNames {
    /// Name of the Secret.
    pub name: String,
    /// Key of the user name.
    pub username_key: String,
    /// Key of the password.
    pub password_key: String,
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret with the client certificate, if one is used.
    pub certificate: Option<String>,
}

/// Everything needed to log in, but the database.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Host name or address, or the directory of a Unix socket, which begins with a slash.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role to log in as.
    pub username: String,
    /// Empty if a certificate alone is to do.
    pub password: String,
    /// The client certificate, if one is mounted.
    pub certificate: Option<ClientCertificate>,
    /// How much encryption.
    pub tls_mode: TlsMode,
    /// Certificate authority that must have issued the server's certificate, if one is mounted.
    pub tls_ca: Option<CertificateAuthority>,
    /// The name that the server's certificate must be issued for, if it is not the host.
    pub tls_server_name: Option<String>,
    /// Whether the server is still the one that is meant; asked before every connection.
    pub presence: Option<Presence>,
    /// What every session asks for in addition, as libpq takes it; nothing if it is empty.
    pub options: &'static str,
    /// Where the credentials come from.
    pub secret: SecretNames,
}

/// A mounted certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// Its file, for libpq.
    pub file: PathBuf,
    /// Its content, PEM.
    pub pem: Vec<u8>,
}

/// A mounted client certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The file of the certificate and its chain, for libpq.
    pub certificate_file: PathBuf,
    /// The file of its private key, for libpq.
    pub key_file: PathBuf,
    /// The certificate and its chain, PEM.
    pub certificate_pem: Vec<u8>,
    /// The private key, PEM.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Login")
            .field("address", &self.address())
            .field("tls_mode", &self.tls_mode)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The Unix socket, if the host is the directory of one.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let directory = Some(&self.host).filter(|host| host.starts_with('/'))?;
        Some(PathBuf::from(directory).join(format!(".s.PGSQL.{}", self.port)))
    }

    /// Whether a server that was reached is known to be the right one: its certificate was issued
    /// by the authority that the spec names.
    #[must_use]
    pub const fn is_verified(&self, encrypted: bool) -> bool {
        encrypted && self.tls_ca.is_some()
    }

    /// The command that makes the Secret as it should be.
    #[must_use]
    pub fn create_secret_command(&self) -> String {
        let SecretNames {
            name,
            username_key,
            password_key,
            namespace,
            ..
        } = &self.secret;
        if username_key.is_empty() {
            return format!(
                "kubectl create secret generic {name} --namespace={namespace} \
                 --from-file={password_key}=FILE --dry-run=client -o yaml | kubectl apply -f -"
            );
        }
        format!(
            "kubectl create secret generic {name} --namespace={namespace} \
             --from-literal={username_key}=USER --from-file={password_key}=FILE --dry-run=client \
             -o yaml | kubectl apply -f -"
        )
    }
}
