//! What restoring backups needs: the `restore` part of a `ProtectedDatabase`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{CredentialsSecret, SecretKey};

/// How backups are restored into the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.deadline) >= duration('1m') && \
    duration(self.deadline) <= duration('168h')")
    .message("spec.restore.deadline must be 1m to 168h"))]
#[x_kube(validation = Rule::new("!has(self.identitySecret) || \
    self.identitySecret.name != self.credentialsSecret.name || \
    !(self.identitySecret.key in [self.credentialsSecret.usernameKey, \
    self.credentialsSecret.passwordKey])")
    .message("spec.restore.identitySecret must not be the user name or password of \
        spec.restore.credentialsSecret: it names the private keys of age"))]
pub struct Restore {
    /// Secret in the same namespace with the user name and password that restores log in with, mounted
    /// by their Jobs only: a role that may create databases, as checks and backups must not. What it
    /// needs: `kubectl holdfast grant-sql --restore`.
    pub credentials_secret: CredentialsSecret,
    /// A key of a Secret in the same namespace with the private keys that read encrypted sets, as
    /// `age-keygen` writes them (`AGE-SECRET-KEY-...`, X25519). It is mounted by the Jobs of restores and drills only.
    /// It may be removed again after the restore: without it nobody in the cluster can read a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_secret: Option<SecretKey>,
    /// The longest time that a restore may take, such as `24h`. 1 m to 168 h.
    #[serde(default = "default_deadline")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub deadline: String,
    /// How many sessions restore rows, indexes and constraints beside each other, each with its own
    /// `maintenance_work_mem`. With one the rows keep their order on the disk. 1 to 16.
    #[serde(default = "default_jobs")]
    #[schemars(range(min = 1, max = 16))]
    pub jobs: i32,
}

/// How many sessions there are where nobody says it.
#[must_use]
pub const fn default_jobs() -> i32 {
    2
}

fn default_deadline() -> String {
    "24h".to_owned()
}
