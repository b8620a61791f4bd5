//! `DatabaseRestore`: a request to bring data back. The type is here; nothing acts on it yet.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request to bring data back. Not acted on yet.
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
    doc = "A request to bring data back from a backup or a volume. Not acted on yet.",
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database", description = "The ProtectedDatabase to restore"),
    printcolumn(name = "Into", type_ = "string", json_path = ".spec.into", description = "Where the data goes"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseRestore can't be changed; create another one"))]
#[x_kube(validation = Rule::new("self.into != 'Replace' || (has(self.confirm) && self.confirm == self.database)")
    .message("spec.into Replace needs spec.confirm with the name of the database, so that nobody replaces data by accident"))]
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
#[x_kube(validation = Rule::new("[has(self.backup), has(self.latestGood), has(self.volume)].filter(x, x).size() == 1")
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
    pub state: Option<String>,
    /// What happened and what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
