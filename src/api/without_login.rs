//! What can be learnt of a server that nobody could log in to: what it says before a login, and
//! where its data directory is meant to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a check learnt of a server without logging in. A good check notes it, so that a later one
/// that is refused can still tell another database cluster from a wrong Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WithoutLogin {
    /// How the server asks the agent's role who it is.
    #[serde(default)]
    pub method: LoginMethod,
    /// Digest of the salt that the server gives for a role that does not exist. The server makes it
    /// of a secret of its database cluster: it stays over restarts and on copies, and is another
    /// one after every initdb. None where the server gives no salt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_digest: Option<String>,
    /// Digest of the name of the agent's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Digest of the salt that the server gives for the agent's role. It stays as long as the
    /// password of the role in the database does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_digest: Option<String>,
    /// Whether the server says that the agent's role does not exist. Most methods don't tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub role_missing: bool,
    /// The same digest at the default port, where the spec has another one: a fresh `initdb` listens
    /// there. Empty if nothing listens there, none if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_port_digest: Option<String>,
    /// The data directory that the pod or its image configures; empty if neither does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub configured_directory: String,
}

/// How a server asks a role who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoginMethod {
    /// It did not say.
    #[default]
    Unknown,
    /// By `scram-sha-256`: its salts tell the database cluster and the role.
    ScramSha256,
    /// By `md5`: its salt is another one for every connection, so it says nothing.
    Md5,
    /// By the password itself, as with `password`, `ldap`, `pam` and `radius`: there is no salt.
    Password,
    /// By nothing that the role has to say, as with `trust`, `peer` and `cert`: there is no salt.
    None,
    /// It refuses before it asks, as `pg_hba.conf` does without a matching line.
    Refused,
}
