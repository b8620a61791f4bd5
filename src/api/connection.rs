//! How to reach the database: the `connection` part of a `ProtectedDatabase`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The port of a Postgres that nobody has configured.
pub const DEFAULT_PORT: u16 = 5432;

/// How the agents reach the server. Nothing here is a secret: credentials are named, never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.additionalDatabases) || !(self.database in \
    self.additionalDatabases)")
    .message("spec.connection.additionalDatabases repeats spec.connection.database; list each \
        database once"))]
#[x_kube(validation = Rule::new("has(self.credentialsSecret) || \
    (has(self.clientCertificateSecret) && has(self.username))")
    .message("spec.connection.credentialsSecret is missing: there is nothing to log in with; name a \
        Secret, or a role (username) and its clientCertificateSecret"))]
#[x_kube(validation = Rule::new("!has(self.clientCertificateSecret) || (has(self.tls) && \
    self.tls.mode in ['Require', 'VerifyFull'])")
    .message("spec.connection.clientCertificateSecret needs spec.connection.tls.mode Require or \
        VerifyFull: without encryption there is no certificate"))]
pub struct Connection {
    /// Host name or IP address to connect to. Default: the address of the pod that is being checked
    /// or backed up. A pod with the readiness gate `holdfast.dev/data-verified` is always checked at
    /// its own address: no Service leads to it before its gate is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub host: Option<String>,
    /// TCP port of the server, 1 to 65535.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535), with = "i32")]
    pub port: u16,
    /// The database that must exist. At most 63 bytes, the limit of a Postgres identifier
    /// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>).
    #[schemars(length(min = 1, max = 63))]
    pub database: String,
    /// Additional databases of the same server that must exist. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub additional_databases: Vec<String>,
    /// Name of the role to log in as. Default: the key `usernameKey` of `credentialsSecret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub username: Option<String>,
    /// Secret in the same namespace with the user name and password that agents log in with; only
    /// the password if `username` is set. Use a role that is not superuser: a member of
    /// `pg_monitor` and `pg_read_all_data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<CredentialsSecret>,
    /// Secret in the same namespace with a client certificate to log in with, as cert-manager
    /// creates it. Instead of a password, or in addition to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_secret: Option<ClientCertificateSecret>,
    /// Encryption of the connection.
    #[serde(default)]
    pub tls: Tls,
}

impl Connection {
    /// The main database, then the additional ones.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.database.as_str())
            .chain(self.additional_databases.iter().map(String::as_str))
    }
}

/// A Secret with a user name and a password. The agents mount it; the operator never reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the user name.
    #[serde(default = "default_username_key")]
    #[schemars(length(min = 1, max = 253))]
    pub username_key: String,
    /// Key that holds the password.
    #[serde(default = "default_password_key")]
    #[schemars(length(min = 1, max = 253))]
    pub password_key: String,
}

/// A Secret with a client certificate. The agents mount it; the operator never reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key that holds the certificate (PEM), with its chain.
    #[serde(default = "default_certificate_key")]
    #[schemars(length(min = 1, max = 253))]
    pub certificate_key: String,
    /// Key that holds the certificate's private key (PEM), without a passphrase.
    #[serde(default = "default_private_key_key")]
    #[schemars(length(min = 1, max = 253))]
    pub private_key_key: String,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key inside the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Encryption of the connection to Postgres.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.mode != 'VerifyFull' || has(self.caSecret)")
    .message("spec.connection.tls.mode VerifyFull needs spec.connection.tls.caSecret, the \
        certificate authority to verify the server with"))]
pub struct Tls {
    /// `Disable`: never. `Prefer` (default): if the server offers it. `Require`: or fail; the
    /// certificate is not verified. `VerifyFull`: or fail, and the certificate must be issued by
    /// `caSecret` for `serverName`.
    #[serde(default)]
    pub mode: TlsMode,
    /// Certificate authority (PEM) that must have issued the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
    /// Name that the server's certificate must be issued for with `VerifyFull`. Default:
    /// `spec.connection.host`, or else the address of the pod, which few certificates name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
}

/// How much encryption is asked for; the words follow libpq's `sslmode`
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt if the server offers it.
    #[default]
    Prefer,
    /// Encrypt or fail; the certificate is not verified.
    Require,
    /// Encrypt, verify the certificate and the host name, or fail.
    VerifyFull,
}

fn default_port() -> u16 {
    DEFAULT_PORT
}

fn default_username_key() -> String {
    "username".to_owned()
}

fn default_certificate_key() -> String {
    "tls.crt".to_owned()
}

fn default_private_key_key() -> String {
    "tls.key".to_owned()
}

fn default_password_key() -> String {
    "password".to_owned()
}
