//! What the agent of a restore says of its work, in the status of its `DatabaseRestore`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentFailure, DrillReport, RestoredDirectory, reasons};

/// The most databases of one set that a report lists.
pub const RESTORED_DATABASE_LIMIT: usize = 32;
/// The most tables that a report lists.
pub const RESTORED_TABLE_LIMIT: usize = 500;
/// The most problems that a report lists.
pub const RESTORE_PROBLEM_LIMIT: usize = 50;
/// The most warnings that a report lists.
pub const RESTORE_WARNING_LIMIT: usize = 50;

/// How far a restore from a backup is. Written by its agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport {
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RestorePhase>,
    /// What is being done, in one sentence with numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Bytes of the archives that were restored so far, before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_bytes: Option<i64>,
    /// Bytes of all archives of the set, before compression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<i64>,
    /// The identifier that initdb gave the database cluster that is restored into. After a restart it goes on
    /// only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// The databases of the set, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub databases: Vec<RestoredDatabase>,
    /// Tables of the restored databases with their rows by the manifest, those with the most rows first,
    /// at most 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    pub tables: Vec<RestoredTable>,
    /// What could not be restored, or needs somebody's attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub warnings: Vec<String>,
    /// What stands against the restore, all of it: only of a dry run, which makes nothing and names it here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub problems: Vec<String>,
    /// Why the restore failed. What was found is as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
    /// How long clients were kept out for the swap, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_milliseconds: Option<i64>,
    /// Seconds for reading and hashing the set before anything was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_seconds: Option<i64>,
    /// Seconds for data, indexes and constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_seconds: Option<i64>,
    /// Seconds for the comparison with the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_seconds: Option<i64>,
    /// What a drill has found in addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillReport>,
    /// The directory that `spec.files` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<RestoredDirectory>,
    /// When the agent ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}

impl RestoreReport {
    /// Whether it has failed because of the set itself: its bytes in the bucket are other ones than were stored,
    /// or what was restored of it is not what its manifest says.
    #[must_use]
    pub fn blames_the_set(&self) -> bool {
        let failure = self.failure.as_ref();
        self.completion_time.is_some()
            && failure.is_some_and(|failure| {
                [reasons::SET_CHANGED, reasons::RESTORE_DIFFERS].contains(&failure.reason.as_str())
            })
    }
}

/// What the agent of a restore is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestorePhase {
    /// Whether it can be done: permissions, roles, extensions, versions, names. Nothing was made yet.
    Preflight,
    /// Every object of the set is read and compared with its SHA-256.
    Hashing,
    /// Rows, indexes and constraints are restored into a new database.
    Restoring,
    /// Every row of the new database is compared with the manifest.
    Verifying,
    /// The present database is being renamed, and the new one takes its name.
    Swapping,
    /// All is done.
    Done,
}

/// A database that was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredDatabase {
    /// Its name in the backup, and, after a swap, in the server.
    pub name: String,
    /// The name that it was restored under, beside the present one.
    pub restored_as: String,
    /// Its object id in the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<i64>,
    /// The name that the database has now which was in its place before. It was not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
    /// Object id of that database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_oid: Option<i64>,
    /// Tables with data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<i64>,
    /// Rows that the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rows: Option<i64>,
    /// Rows that are there now, counted in another dump of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// What could not be restored and concerns no rows, such as a comment or a materialized view that could
    /// not be filled, and why; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 1000)))]
    pub not_restored: Vec<String>,
    /// Whether all rows and bytes of each table are those of the manifest.
    #[serde(default)]
    pub is_identical: bool,
}

/// A table of a restored database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredTable {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
    /// Its rows by the manifest.
    pub rows: i64,
}
