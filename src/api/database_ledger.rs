//! `DatabaseLedger`: the memory that survives the namespace. The type is here; nothing writes it yet.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evidence, MountedVolume};

/// What is remembered of a protected database outside its namespace. Not written yet.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseLedger",
    plural = "databaseledgers",
    shortname = "dbledger",
    category = "holdfast",
    derive = "PartialEq",
    status = "DatabaseLedgerStatus",
    doc = "What is remembered of a protected database outside its namespace. Not written yet.",
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace", description = "Where the database is"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database", description = "The ProtectedDatabase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseLedger can't be changed"))]
pub struct DatabaseLedgerSpec {
    /// Namespace of the `ProtectedDatabase`.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Name of the `ProtectedDatabase`.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
}

/// The memory itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseLedgerStatus {
    /// What was last known good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Evidence>,
    /// The claims and volumes that held it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<MountedVolume>,
}
