//! What findings are about: database clusters, databases, tables, sequences, before and now.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CountKind, MountedVolume, TableEvidence};

/// The most databases or tables that one finding names; `leftOut` counts the others.
pub const FINDING_ITEM_LIMIT: usize = 100;

/// A database cluster, its position in the write-ahead log, and its volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// The identifier that initdb gave the database cluster; empty if nobody could log in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub system_identifier: String,
    /// When initdb ran; none if nobody could log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized_at: Option<Time>,
    /// Timeline of the write-ahead log; 0 if nobody could log in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeline: i64,
    /// Position of the write-ahead log, such as `0/1A2B3C8`; empty if nobody could log in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wal_position: String,
    /// The server's data directory; empty if the role is not allowed to read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_directory: String,
    /// The volume that the data directory is on; not set if it is not on a PersistentVolumeClaim,
    /// or if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<MountedVolume>,
}

/// A database that is gone, or that was dropped and created again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostDatabase {
    /// Its name.
    pub name: String,
    /// Its object id at the last good check.
    pub oid_before: i64,
    /// Its object id now; none if it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid_now: Option<i64>,
    /// Rows that were counted in it at the last good check.
    pub rows: i64,
    /// Tables that it had at the last good check.
    pub table_count: i64,
}

/// A table, before and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableChange {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
    /// Its rows at the last good check; none if that did not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RowCount>,
    /// Its rows now; none if it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<RowCount>,
    /// The limit that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<RowLimit>,
}

/// A sequence, before and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SequenceChange {
    /// The database that it is in.
    pub database: String,
    /// `schema.sequence`.
    pub name: String,
    /// The last value that it had given at the last good check.
    pub before: i64,
    /// The last value that it has given now.
    pub now: i64,
}

/// A table that has another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenamedTable {
    /// The database that it is in.
    pub database: String,
    /// `schema.table` at the last good check.
    pub name_before: String,
    /// `schema.table` now.
    pub name_now: String,
}

/// A number of rows and how far it can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowCount {
    /// The number.
    pub rows: i64,
    /// How it was read.
    pub count: CountKind,
}

/// A limit for the rows of a table, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowLimit {
    /// The field of the ProtectedDatabase, `spec.verification.tables[0].minRows`.
    pub field: String,
    /// Its value: rows or percent, as the field has it.
    pub value: i64,
}

impl From<&TableEvidence> for RowCount {
    fn from(table: &TableEvidence) -> Self {
        Self {
            rows: table.rows,
            count: table.count,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes what it may skip by reference"
)]
pub(super) const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Keeps no more than a finding names, and counts the others.
pub(super) fn cut<T>(items: &mut Vec<T>, left_out: &mut i64) {
    let surplus = items.len().saturating_sub(FINDING_ITEM_LIMIT);
    items.truncate(FINDING_ITEM_LIMIT);
    *left_out = left_out.saturating_add(i64::try_from(surplus).unwrap_or(i64::MAX));
}
