//! What restoring backups needs: the `restore` part of a `ProtectedDatabase`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::CredentialsSecret;

/// How backups are restored into the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.deadline) >= duration('1m') && \
    duration(self.deadline) <= duration('168h')")
    .message("spec.restore.deadline must be 1m to 168h"))]
pub struct Restore {
    /// Secret in the same namespace with the user name and password that restores log in with, mounted
    /// by their Jobs only: a role that may create databases, as checks and backups must not. What it
    /// needs: `kubectl holdfast grant-sql --restore`.
    pub credentials_secret: CredentialsSecret,
    /// The longest time that a restore may take, such as `24h`. 1 m to 168 h.
    #[serde(default = "default_deadline")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub deadline: String,
}

fn default_deadline() -> String {
    "24h".to_owned()
}
