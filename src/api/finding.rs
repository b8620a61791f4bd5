//! What a check found, as data: each finding is a value of its own type. Sentences are built from
//! it where they are needed; none is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finding_parts::{FINDING_ITEM_LIMIT, cut, is_zero};
use super::{
    AgentFailure, CheckOutcome, ClusterState, Coverage, LostDatabase, OtherBackups, OtherDatabase,
    RenamedTable, SequenceChange, TableChange, reasons,
};

/// The most findings that a verdict carries.
pub const FINDING_LIMIT: usize = 32;

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
    /// An older state of the data was put over the newer one: sequences went back, and tables have
    /// fewer rows.
    OlderData {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
        /// The sequences that went back, at most 100.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 100))]
        sequences: Vec<SequenceChange>,
        /// How many tables were created again under their names.
        recreated_tables: i64,
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
    /// Most tables are gone from a database that has more of them than evidence lists.
    TableCountDropped {
        /// Tables that the database had at the last good check.
        tables_before: i64,
        /// Tables that it has now.
        tables_now: i64,
        /// Name of the database.
        database: String,
    },
    /// Within a week, and by several checks, tables have lost a larger share of their rows than is
    /// allowed.
    RowsDwindled {
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
    /// No table was counted, so nothing is known of the rows.
    NothingCounted {
        /// How much of each database was counted.
        coverage: Vec<Coverage>,
    },
    /// No good check came before, and the databases have no rows.
    NoRows {
        /// Databases of the server that no check connects to, and that have rows, at most 32.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 32))]
        others: Vec<OtherDatabase>,
    },
    /// No good check came before, and a database of the same name in another namespace was backed
    /// up with far more rows.
    MoreRowsElsewhere {
        /// Rows that were counted now.
        rows_now: i64,
    },
    /// No good check came before, and the backups in the place of this database in the bucket are not
    /// known to be its own.
    OthersBackups {
        /// Whose they are.
        whose: OtherBackups,
    },
    /// Tables without a rule have lost rows or are gone. By itself no reset.
    TablesChanged {
        /// The tables concerned, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables have other names than at the last good check. By itself no loss.
    TablesRenamed {
        /// The tables with both names, at most 100.
        #[schemars(length(max = 100))]
        renamed: Vec<RenamedTable>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Not all tables were counted. By itself no loss.
    PartlyCounted {
        /// How much of each database was counted.
        coverage: Vec<Coverage>,
    },
    /// Databases of the server that no check connects to have rows. By itself no loss.
    OtherDatabases {
        /// Databases of the server that no check connects to, and that have rows, at most 32.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 32))]
        others: Vec<OtherDatabase>,
    },
    /// Databases that no check connects to, and that the server had at the last good check, do not
    /// exist. By itself no reset.
    OtherDatabasesMissing {
        /// The databases concerned, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables are concerned than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Another database cluster of a higher major version has the same rows, as after `pg_upgrade`.
    /// By itself no loss.
    LooksUpgraded {
        /// Version of the server at the last good check.
        version_before: String,
        /// Version of the server now.
        version_now: String,
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
            | Self::OlderData { .. }
            | Self::TablesMissing { .. }
            | Self::TablesEmptied { .. }
            | Self::SeedRowsOnly { .. }
            | Self::RowsBelowMinimum { .. }
            | Self::RowsDropped { .. }
            | Self::TableCountDropped { .. }
            | Self::RowsDwindled { .. } => CheckOutcome::Suspected,
            Self::AgentFailed { .. }
            | Self::InRecovery {}
            | Self::DatabaseNotFound { .. }
            | Self::TableNotFound { .. }
            | Self::NotCounted { .. }
            | Self::NothingCounted { .. }
            | Self::NoRows { .. }
            | Self::MoreRowsElsewhere { .. }
            | Self::OthersBackups { .. } => CheckOutcome::Unverifiable,
            Self::TablesChanged { .. }
            | Self::TablesRenamed { .. }
            | Self::PartlyCounted { .. }
            | Self::OtherDatabases { .. }
            | Self::OtherDatabasesMissing { .. }
            | Self::LooksUpgraded { .. }
            | Self::VolumeChanged { .. }
            | Self::SuperuserRole {}
            | Self::Unknown => CheckOutcome::Verified,
        }
    }

    /// Whether it says that this is other data than before, whatever the rows are.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        matches!(
            self,
            Self::DatabaseMissing { .. }
                | Self::ClusterReinitialized { .. }
                | Self::VolumeReplaced { .. }
                | Self::DataOffVolume { .. }
                | Self::RolledBack { .. }
                | Self::DatabaseRecreated { .. }
                | Self::OlderData { .. }
        )
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
            Self::OlderData { .. } => reasons::OLDER_DATA,
            Self::TablesMissing { .. } => reasons::TABLES_MISSING,
            Self::TablesEmptied { .. } => reasons::TABLES_EMPTIED,
            Self::SeedRowsOnly { .. } => reasons::SEED_ROWS_ONLY,
            Self::RowsBelowMinimum { .. } => reasons::ROWS_BELOW_MINIMUM,
            Self::RowsDropped { .. } => reasons::ROWS_DROPPED,
            Self::TableCountDropped { .. } => reasons::TABLE_COUNT_DROPPED,
            Self::RowsDwindled { .. } => reasons::ROWS_DWINDLED,
            Self::AgentFailed { failure } => reasons::known(&failure.reason),
            Self::InRecovery {} => reasons::IN_RECOVERY,
            Self::DatabaseNotFound { .. } => reasons::DATABASE_NOT_FOUND,
            Self::TableNotFound { .. } => reasons::TABLE_NOT_FOUND,
            Self::NotCounted { .. } => reasons::NOT_COUNTED,
            Self::NothingCounted { .. } => reasons::NOTHING_COUNTED,
            Self::NoRows { others } if others.is_empty() => reasons::NEW,
            Self::NoRows { .. } => reasons::NO_ROWS,
            Self::MoreRowsElsewhere { .. } => reasons::MORE_ROWS_ELSEWHERE,
            Self::OthersBackups { .. } => reasons::OTHERS_BACKUPS,
            Self::TablesChanged { .. } => reasons::TABLES_CHANGED,
            Self::OtherDatabasesMissing { .. } => reasons::OTHER_DATABASES_MISSING,
            Self::TablesRenamed { .. }
            | Self::PartlyCounted { .. }
            | Self::OtherDatabases { .. }
            | Self::LooksUpgraded { .. }
            | Self::VolumeChanged { .. }
            | Self::SuperuserRole {}
            | Self::Unknown => reasons::VERIFIED,
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
            Self::OlderData { tables, .. }
            | Self::TablesMissing { tables, .. }
            | Self::TablesEmptied { tables, .. }
            | Self::RowsBelowMinimum { tables, .. }
            | Self::RowsDropped { tables, .. }
            | Self::RowsDwindled { tables, .. }
            | Self::TablesChanged { tables, .. }
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
            | Self::OtherDatabasesMissing { left_out, .. }
            | Self::OlderData { left_out, .. }
            | Self::TablesMissing { left_out, .. }
            | Self::TablesEmptied { left_out, .. }
            | Self::RowsBelowMinimum { left_out, .. }
            | Self::RowsDropped { left_out, .. }
            | Self::RowsDwindled { left_out, .. }
            | Self::TablesChanged { left_out, .. }
            | Self::TablesRenamed { left_out, .. }
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
            }
            | Self::OtherDatabasesMissing {
                databases,
                left_out,
            } => cut(databases, left_out),
            Self::OlderData {
                tables,
                left_out,
                sequences,
                ..
            } => {
                cut(tables, left_out);
                sequences.truncate(FINDING_ITEM_LIMIT);
            }
            Self::TablesMissing { tables, left_out }
            | Self::TablesEmptied { tables, left_out }
            | Self::RowsBelowMinimum { tables, left_out }
            | Self::RowsDropped { tables, left_out }
            | Self::RowsDwindled { tables, left_out }
            | Self::TablesChanged { tables, left_out }
            | Self::NotCounted { tables, left_out } => cut(tables, left_out),
            Self::TablesRenamed { renamed, left_out } => cut(renamed, left_out),
            _ => {}
        }
        self
    }
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
