//! Reads who logs in where: the mounted credentials joined with the request.

use std::io::ErrorKind;
use std::path::Path;

use super::login::{CertificateAuthority, ClientCertificate, SecretNames};
use super::{Login, PostgresError, PostgresErrorKind};
use crate::api::{ServerRequest, TlsMode};

impl Login {
    /// Reads what is mounted. A Secret or key that does not exist shows as a file that is not
    /// there.
    pub fn read(
        request: &ServerRequest,
        namespace: &str,
        host: &str,
        credentials_directory: &Path,
        ca_directory: &Path,
        certificate_directory: &Path,
    ) -> Result<Self, PostgresError> {
        let mut login = Self {
            host: host.to_owned(),
            port: request.port,
            username: String::new(),
            password: String::new(),
            certificate: None,
            tls_mode: request.tls_mode,
            tls_ca: None,
            tls_server_name: request.tls_server_name.clone().filter(|name| name != host),
            presence: None,
            options: "",
            secret: SecretNames {
                name: request.credentials_secret.clone(),
                // A name that the spec says comes from no key.
                username_key: if request.username.is_some() {
                    String::new()
                } else {
                    request.username_key.clone()
                },
                password_key: request.password_key.clone(),
                namespace: namespace.to_owned(),
                certificate: request.certificate_secret.clone(),
            },
        };
        login.username = match &request.username {
            Some(username) => username.clone(),
            None => login.read_credential(
                &credentials_directory.join("username"),
                &request.username_key,
            )?,
        };
        if !request.credentials_secret.is_empty() {
            login.password = login.read_credential(
                &credentials_directory.join("password"),
                &request.password_key,
            )?;
        }
        if let Some(secret) = &request.certificate_secret {
            login.certificate = Some(read_certificate(secret, namespace, certificate_directory)?);
        }
        if request.tls_ca && request.tls_mode != TlsMode::Disable {
            let file = ca_directory.join("ca.crt");
            let pem = std::fs::read(&file).map_err(|error| {
                PostgresError::new(
                    PostgresErrorKind::SecretMissing,
                    format!(
                        "the Secret of `spec.connection.tls.caSecret`, or its key, does not exist \
                         in namespace `{namespace}` ({error}): the server's certificate can't be \
                         verified. Create it: `kubectl create secret generic \
                         --namespace={namespace} NAME --from-file=ca.crt`"
                    ),
                )
            })?;
            login.tls_ca = Some(CertificateAuthority { file, pem });
        }
        Ok(login)
    }

    fn read_credential(&self, file: &Path, key: &str) -> Result<String, PostgresError> {
        let missing = |what: String| {
            PostgresError::new(
                PostgresErrorKind::SecretMissing,
                format!(
                    "{what}, so there is nothing to log in with \
                     (`spec.connection.credentialsSecret`). Create it: `{}`",
                    self.create_secret_command()
                ),
            )
        };
        let place = format!(
            "key `{key}` of Secret `{}` in namespace `{}`",
            self.secret.name, self.secret.namespace
        );
        match std::fs::read_to_string(file) {
            // Files made by an editor or `echo` end with a line end that is no part of the
            // credential.
            Ok(content) => match content.trim_end_matches(['\n', '\r']) {
                "" => Err(missing(format!("{place} is empty"))),
                value if value.contains('\0') => {
                    Err(missing(format!("{place} contains a zero byte")))
                }
                // Said by every check: a backup that finds out is too late.
                value if value.contains(['\n', '\r']) => Err(missing(format!(
                    "{place} contains a line end, which the password file of pg_dump can't hold"
                ))),
                value => Ok(value.to_owned()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing(format!(
                "{place} is not mounted: the Secret or the key does not exist"
            ))),
            Err(error) => Err(missing(format!("{place} can't be read ({error})"))),
        }
    }
}

fn read_certificate(
    secret: &str,
    namespace: &str,
    directory: &Path,
) -> Result<ClientCertificate, PostgresError> {
    let (certificate_file, key_file) = (directory.join("tls.crt"), directory.join("tls.key"));
    let read = |file: &Path| {
        std::fs::read(file).map_err(|error| {
            PostgresError::new(
                PostgresErrorKind::SecretMissing,
                format!(
                    "the Secret `{secret}` of `spec.connection.clientCertificateSecret`, or a key \
                     of it, does not exist in namespace `{namespace}` ({error}): there is no \
                     certificate to log in with. See `kubectl get secret {secret} \
                     --namespace={namespace}`"
                ),
            )
        })
    };
    Ok(ClientCertificate {
        certificate_pem: read(&certificate_file)?,
        key_pem: read(&key_file)?,
        certificate_file,
        key_file,
    })
}
