//! What a check found, as data: each finding is a value of its own type. Sentences are made of it
//! where they are needed; none is kept here.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    AgentFailure, CheckOutcome, ClusterState, Coverage, LostDatabase, OtherDatabase, RenamedTable,
    SequenceChange, TableChange, reasons,
};

/// The most findings that a verdict carries.
pub const FINDING_LIMIT: usize = 32;
/// The most databases or tables that one finding names; `leftOut` counts the others.
pub const FINDING_ITEM_LIMIT: usize = 100;

/// One thing that a check found. `type` says what it is, and of a suspected reset it is the reason
/// as well; the fields that belong to it are set, the others are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Finding {
    /// Databases of the last good check do not exist.
    DatabaseMissing {
        /// The databases that it is about, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables it is about than are listed.
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
    /// Another database cluster is in a directory that is on no PersistentVolumeClaim.
    DataOffVolume {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
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
        /// The databases that it is about, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// An older state of the data was put over the newer one: sequences went back, and tables have
    /// fewer rows.
    OlderData {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
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
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables that had rows have none.
    TablesEmptied {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Hardly anything is left, as much as an application seeds.
    SeedRowsOnly {
        /// Rows that are left in the whole database.
        rows: i64,
        /// Tables that these rows are in.
        table_count: i64,
    },
    /// Tables have fewer rows than their `minRows`.
    RowsBelowMinimum {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables have lost a larger share of their rows than is allowed.
    RowsDropped {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
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
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// The agent could not look, or not everywhere, or ended without a report.
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
        /// The field of the ProtectedDatabase that asks for it.
        field: String,
    },
    /// A table of the spec does not exist, and no good check has ever seen it.
    TableNotFound {
        /// Name of the database.
        database: String,
        /// The field of the ProtectedDatabase that asks for it.
        field: String,
        /// `schema.table`.
        table: String,
        /// Whether the database is one that checks connect to.
        is_connected: bool,
    },
    /// Tables with rules were not counted far enough.
    NotCounted {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
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
        /// The namespace whose backup it is.
        namespace: String,
        /// The backup's path in the bucket.
        path: String,
        /// Rows in that backup.
        rows_in_backup: i64,
        /// Rows that were counted now.
        rows_now: i64,
    },
    /// Tables without a rule have lost rows or are gone. By itself no reset.
    TablesChanged {
        /// The tables that it is about, at most 100.
        #[schemars(length(max = 100))]
        tables: Vec<TableChange>,
        /// How many more databases or tables it is about than are listed.
        #[serde(default, skip_serializing_if = "is_zero")]
        left_out: i64,
    },
    /// Tables have other names than at the last good check. By itself no loss.
    TablesRenamed {
        /// The tables with both names, at most 100.
        #[schemars(length(max = 100))]
        renamed: Vec<RenamedTable>,
        /// How many more databases or tables it is about than are listed.
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
        /// The databases that it is about, at most 100.
        #[schemars(length(max = 100))]
        databases: Vec<LostDatabase>,
        /// How many more databases or tables it is about than are listed.
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
    /// The same database cluster is on another volume. By itself no loss.
    VolumeChanged {
        /// The database cluster of the last good check.
        before: ClusterState,
        /// The database cluster that was found.
        now: ClusterState,
    },
    /// The agent's role is a superuser, which is more than a check needs. By itself no loss.
    SuperuserRole {},
    /// Written by another version of Holdfast, and not known to this one.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl Finding {
    /// What it makes of a check by itself: Verified is a change that is no loss. One of another
    /// version is never taken for a loss: the verdict beside it says whether there is one.
    #[must_use]
    pub const fn outcome(&self) -> CheckOutcome {
        match self {
            Self::DatabaseMissing { .. }
            | Self::ClusterReinitialized { .. }
            | Self::VolumeReplaced { .. }
            | Self::DataOffVolume { .. }
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
            | Self::MoreRowsElsewhere { .. } => CheckOutcome::Unverifiable,
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

/// Makes one object of the types of a list of findings, as a structural schema must be: `type` says
/// which there are, every other field is optional. `type` takes any word, so that the definition of
/// one version does not refuse the verdicts of another.
pub(super) fn merge_types(list: &mut Schema) {
    let Some(schema) = list.get_mut("items").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let mut words = Vec::new();
    let mut properties = Map::new();
    for variant in &variants {
        let word = variant
            .pointer("/properties/type/const")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let meaning = variant
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        words.push(format!("{word}: {meaning}"));
        let fields = variant.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            properties.insert(name.clone(), field.clone());
        }
    }
    let description = format!("What was found. {}", words.join(" "));
    properties.insert(
        "type".to_owned(),
        json!({ "type": "string", "maxLength": 64, "description": description }),
    );
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), json!(["type"]));
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
