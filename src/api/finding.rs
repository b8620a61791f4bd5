//! What a check found, as data: each finding is a value of its own type. Sentences are built from
//! it where they are needed; none is stored.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AgentFailure, CheckOutcome, CountKind, MountedVolume, TableEvidence, reasons};

/// The most findings that a verdict carries.
pub const FINDING_LIMIT: usize = 32;
/// The most databases or tables that one finding names; `leftOut` counts the others.
pub const FINDING_ITEM_LIMIT: usize = 100;

/// One thing that a check found. `type` says what it is; for a suspected reset it is also the
/// reason. Only the fields of that type are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Finding {
    /// Databases of the last good check do not exist.
    DatabaseMissing {
        /// The databases concerned, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Another database cluster is on the same volume.
    ClusterReinitialized {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
        /// `spec.connection.host`, where the check asked a host instead of the pod.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// Another database cluster is on another volume.
    VolumeReplaced {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// Another database cluster is running, in a directory that is not on a PersistentVolumeClaim.
    DataOffVolume {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// Another database cluster is in another directory of the same volume, or nothing can be read
    /// there.
    OtherDataDirectory {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// The pod runs on another volume, and nothing can be read.
    OtherVolumeUnread {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// The role of the checks is gone, was created again, or has another password in the database.
    RoleChanged {
        /// Whether the database cluster is known to be that of the last good check.
        same_cluster: bool,
        /// Whether the server says that the role does not exist.
        role_missing: bool,
    },
    /// The same database cluster is in an older state.
    RolledBack {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// Databases were dropped and created again under their names.
    DatabaseRecreated {
        /// The databases concerned, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables of the last good check do not exist.
    TablesMissing {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables that had rows have none.
    TablesEmptied {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Hardly any rows are left: as many as an application inserts into an empty database.
    SeedRowsOnly {
        /// Rows that are left in the whole database.
        rows: i64,
        /// Tables that these rows are in.
        table_count: i64,
    },
    /// Tables have fewer rows than their `minRows`.
    RowsBelowMinimum {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables have lost a larger share of their rows than is allowed.
    RowsDropped {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// The agent could not check everything, or ended without a report.
    AgentFailed {
        /// Why.
        failure: AgentFailure,
    },
    /// The server is a replica or still recovering.
    InRecovery {},
    /// A database of the spec does not exist, and no good check has ever seen it.
    DatabaseNotFound {
        /// Name of the database.
        database: String,
        /// The field of the ProtectedDatabase that names it.
        field: String,
    },
    /// A table of the spec does not exist, and no good check has ever seen it.
    TableNotFound {
        /// Name of the database.
        database: String,
        /// The field of the ProtectedDatabase that names it.
        field: String,
        /// `schema.table`.
        table: String,
        /// Whether checks connect to this database.
        is_connected: bool,
    },
    /// Tables with rules were not counted far enough to judge them.
    NotCounted {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// The same database cluster is on another volume. This alone is no loss.
    VolumeChanged {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// The agent's role is a superuser, which is more than a check needs. This alone is no loss.
    SuperuserRole {},
    /// Written by another version of Holdfast, and unknown to this one.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

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

/// A database that does not exist, or that was dropped and created again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostDatabase {
    /// Its name.
    pub name: String,
    /// Its object id at the last good check.
    pub oid_before: i64,
    /// Its object id now; not set if it does not exist.
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
    /// Its rows at the last good check; not set if that check did not report the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RowCount>,
    /// Its rows now; not set if it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<RowCount>,
    /// The limit for its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<RowLimit>,
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

impl Finding {
    /// The outcome of a check that has only this finding: Verified is a change that is no loss. A
    /// finding of another version never counts as a loss: the verdict beside it says whether there
    /// is one.
    #[must_use]
    pub const fn outcome(&self) -> CheckOutcome {
        match self {
            Self::DatabaseMissing { .. }
            | Self::ClusterReinitialized { .. }
            | Self::VolumeReplaced { .. }
            | Self::DataOffVolume { .. }
            | Self::OtherDataDirectory { .. }
            | Self::OtherVolumeUnread { .. }
            | Self::RoleChanged { .. }
            | Self::RolledBack { .. }
            | Self::DatabaseRecreated { .. }
            | Self::TablesMissing { .. }
            | Self::TablesEmptied { .. }
            | Self::SeedRowsOnly { .. }
            | Self::RowsBelowMinimum { .. }
            | Self::RowsDropped { .. } => CheckOutcome::Suspected,
            Self::AgentFailed { .. }
            | Self::InRecovery {}
            | Self::DatabaseNotFound { .. }
            | Self::TableNotFound { .. }
            | Self::NotCounted { .. } => CheckOutcome::Unverifiable,
            Self::VolumeChanged { .. } | Self::SuperuserRole {} | Self::Unknown => {
                CheckOutcome::Verified
            }
        }
    }

    /// The word for it in `reason` of a verdict and of a condition, a constant of
    /// [`crate::api::reasons`].
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DatabaseMissing { .. } => reasons::DATABASE_MISSING,
            Self::ClusterReinitialized { .. } => reasons::CLUSTER_REINITIALIZED,
            Self::VolumeReplaced { .. } => reasons::VOLUME_REPLACED,
            Self::DataOffVolume { .. } => reasons::DATA_OFF_VOLUME,
            Self::OtherDataDirectory { .. } => reasons::OTHER_DATA_DIRECTORY,
            Self::OtherVolumeUnread { .. } => reasons::OTHER_VOLUME_UNREAD,
            Self::RoleChanged { .. } => reasons::ROLE_CHANGED,
            Self::RolledBack { .. } => reasons::ROLLED_BACK,
            Self::DatabaseRecreated { .. } => reasons::DATABASE_RECREATED,
            Self::TablesMissing { .. } => reasons::TABLES_MISSING,
            Self::TablesEmptied { .. } => reasons::TABLES_EMPTIED,
            Self::SeedRowsOnly { .. } => reasons::SEED_ROWS_ONLY,
            Self::RowsBelowMinimum { .. } => reasons::ROWS_BELOW_MINIMUM,
            Self::RowsDropped { .. } => reasons::ROWS_DROPPED,
            Self::AgentFailed { failure } => reasons::known(&failure.reason),
            Self::InRecovery {} => reasons::IN_RECOVERY,
            Self::DatabaseNotFound { .. } => reasons::DATABASE_NOT_FOUND,
            Self::TableNotFound { .. } => reasons::TABLE_NOT_FOUND,
            Self::NotCounted { .. } => reasons::NOT_COUNTED,
            Self::VolumeChanged { .. } | Self::SuperuserRole {} | Self::Unknown => {
                reasons::VERIFIED
            }
        }
    }

    /// The word in its `type`.
    #[must_use]
    pub fn type_word(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let word = value.get("type").and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    }

    /// The database clusters that it is about, before and now.
    #[must_use]
    pub const fn clusters(&self) -> Option<(&ClusterState, &ClusterState)> {
        match self {
            Self::ClusterReinitialized { before, now, .. }
            | Self::VolumeReplaced { before, now }
            | Self::DataOffVolume { before, now }
            | Self::OtherDataDirectory { before, now }
            | Self::OtherVolumeUnread { before, now }
            | Self::RolledBack { before, now }
            | Self::VolumeChanged { before, now } => Some((before, now)),
            _ => None,
        }
    }

    /// The tables that it is about.
    #[must_use]
    pub fn tables(&self) -> &[TableChange] {
        match self {
            Self::TablesMissing { tables, .. }
            | Self::TablesEmptied { tables, .. }
            | Self::RowsBelowMinimum { tables, .. }
            | Self::RowsDropped { tables, .. }
            | Self::NotCounted { tables, .. } => tables,
            _ => &[],
        }
    }

    /// How many more databases or tables it is about than it lists.
    #[must_use]
    pub const fn left_out(&self) -> i64 {
        match self {
            Self::DatabaseMissing { left_out, .. }
            | Self::DatabaseRecreated { left_out, .. }
            | Self::TablesMissing { left_out, .. }
            | Self::TablesEmptied { left_out, .. }
            | Self::RowsBelowMinimum { left_out, .. }
            | Self::RowsDropped { left_out, .. }
            | Self::NotCounted { left_out, .. } => *left_out,
            _ => 0,
        }
    }

    /// The same, with no more databases or tables than a status can hold.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        match &mut self {
            Self::DatabaseMissing {
                databases,
                left_out,
            }
            | Self::DatabaseRecreated {
                databases,
                left_out,
            } => cut(databases, left_out),
            Self::TablesMissing { tables, left_out }
            | Self::TablesEmptied { tables, left_out }
            | Self::RowsBelowMinimum { tables, left_out }
            | Self::RowsDropped { tables, left_out }
            | Self::NotCounted { tables, left_out } => cut(tables, left_out),
            _ => {}
        }
        self
    }
}

fn cut<T>(items: &mut Vec<T>, left_out: &mut i64) {
    let surplus = items.len().saturating_sub(FINDING_ITEM_LIMIT);
    items.truncate(FINDING_ITEM_LIMIT);
    *left_out = left_out.saturating_add(i64::try_from(surplus).unwrap_or(i64::MAX));
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes what it may skip by reference"
)]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_of_a_finding_is_its_reason() {
        let table = TableChange {
            database: "d".to_owned(),
            name: "public.t".to_owned(),
            before: Some(RowCount {
                rows: 5,
                count: CountKind::Exact,
            }),
            now: None,
            limit: None,
        };
        let found = Finding::TablesMissing {
            tables: vec![table],
            left_out: 0,
        };
        assert_eq!(
            serde_json::to_value(&found).unwrap(),
            json!({
                "type": "TablesMissing",
                "tables": [{"database": "d", "name": "public.t", "before": {"rows": 5, "count": "Exact"}}],
            })
        );
        assert_eq!(found.reason(), "TablesMissing");
    }

    #[test]
    fn a_finding_of_a_newer_version_can_be_read() {
        let found: Finding =
            serde_json::from_value(json!({"type": "TablesRenamed", "tables": [{"new": true}]}))
                .unwrap();
        assert_eq!(found, Finding::Unknown);
        assert_ne!(found.outcome(), CheckOutcome::Suspected);
    }

    #[test]
    fn a_finding_has_a_bounded_size() {
        let database = |number: i64| LostDatabase {
            name: format!("d{number}"),
            oid_before: number,
            oid_now: None,
            rows: 1,
            table_count: 1,
        };
        let found = Finding::DatabaseMissing {
            databases: (0..250).map(database).collect(),
            left_out: 0,
        };
        let Finding::DatabaseMissing {
            databases,
            left_out,
        } = found.bounded()
        else {
            unreachable!("it stays what it is")
        };
        assert_eq!((databases.len(), left_out), (FINDING_ITEM_LIMIT, 150));
    }
}
