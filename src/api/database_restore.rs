//! `DatabaseRestore`: a request to bring data back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request to bring data back: a volume to the claim that it belongs to. Backups follow in a
/// later version.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseRestore",
    plural = "databaserestores",
    shortname = "dbrestore",
    category = "holdfast",
    namespaced,
    derive = "PartialEq",
    status = "DatabaseRestoreStatus",
    doc = "A request to bring data back: a volume to the claim that it belongs to. It is carried \
        out once; its status says how far it is.",
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.database",
        description = "The ProtectedDatabase to restore"
    ),
    printcolumn(
        name = "Volume",
        type_ = "string",
        json_path = ".spec.from.volume",
        description = "Where the data comes from"
    ),
    printcolumn(
        name = "Into",
        type_ = "string",
        json_path = ".spec.into",
        description = "Where the data goes"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "Running, Blocked, Verifying, Complete or Failed"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseRestore can't be \
    changed; create another one"))]
#[x_kube(validation = Rule::new("has(self.from.volume)")
    .message("spec.from: only volume is supported in this version; to restore a backup, use \
        pg_restore with the dump that the DatabaseBackup names"))]
#[x_kube(validation = Rule::new("!has(self.from.volume) || self.into == 'Replace'")
    .message("spec.into must be Replace for a volume: it is mounted in the place of the one that \
        is there, which is kept"))]
#[x_kube(validation = Rule::new("self.into != 'Replace' || (has(self.confirm) && self.confirm == \
    self.database)")
    .message("spec.into Replace needs spec.confirm with the name of the database, so that nobody \
        replaces data by accident"))]
pub struct DatabaseRestoreSpec {
    /// Name of the `ProtectedDatabase` in the same namespace.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
    /// Where the data comes from.
    pub from: RestoreSource,
    /// Where the data goes.
    pub into: RestoreTarget,
    /// The name of the database again, needed for `Replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub confirm: Option<String>,
}

/// Where restored data comes from; exactly one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.backup), has(self.latestGood), \
    has(self.volume)].filter(x, x).size() == 1")
    .message("spec.from needs exactly one of backup, latestGood and volume"))]
pub struct RestoreSource {
    /// Name of a `DatabaseBackup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub backup: Option<String>,
    /// The newest backup that is Complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_good: Option<bool>,
    /// Name of a `PersistentVolume`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub volume: Option<String>,
}

/// Where restored data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreTarget {
    /// Takes the place of the data that is there, which is kept under another name.
    Replace,
    /// A new database beside the one that is there.
    Beside,
    /// A throwaway server, to prove that it works.
    Scratch,
}

/// How far a restore has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRestoreStatus {
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RestoreState>,
    /// What happened and what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it stops or removes on its way, with the UID of each object. Each is announced here in a
    /// pass before it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub announced: Vec<String>,
    /// When the operator began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Since when the data was unavailable, where the cluster knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_since: Option<Time>,
    /// When the claim was Bound to the volume again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_time: Option<Time>,
    /// When the data was verified, or found not to be the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

/// Where a restore stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreState {
    /// Under way.
    Running,
    /// It can't go on; the message says what to do. It goes on by itself when that is done.
    Blocked,
    /// The volume is in its place; the check of the next start is waited for.
    Verifying,
    /// The data is back and verified.
    Complete,
    /// The volume is in its place, and what is on it is not what was last known good.
    Failed,
}

impl RestoreState {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}
