//! What one check of a server found: the evidence, which the verdict chain judges. Nothing is
//! judged here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most tables that evidence carries, so that a status stays far below the API server's limit
/// for an object. Tables named in `spec.verification.tables` come first, then those with the most
/// rows.
pub const EVIDENCE_TABLE_LIMIT: usize = 500;

/// The most sequences that evidence carries.
pub const EVIDENCE_SEQUENCE_LIMIT: usize = 500;
/// The most other databases of the server that evidence carries.
pub const EVIDENCE_OTHER_DATABASE_LIMIT: usize = 32;
/// The most directories that [`ImageEvidence`] carries.
pub const IMAGE_VOLUME_LIMIT: usize = 32;
/// The most names that one reason of [`NotCounted`] carries.
pub const NOT_COUNTED_NAME_LIMIT: usize = 10;

/// What one check of a server found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Which database cluster this is, and its position in the write-ahead log.
    pub identity: Identity,
    /// The databases that exist, sorted by name.
    #[serde(default)]
    pub databases: Vec<DatabaseEvidence>,
    /// The tables, at most 500, with their rows. A partitioned table, or one that others inherit
    /// from, is one table.
    #[serde(default)]
    pub tables: Vec<TableEvidence>,
    /// How many tables exist, including those not listed.
    pub table_count: i64,
    /// Rows in all tables that were counted.
    pub total_rows: i64,
    /// Tables that the agent was asked to look for and that do not exist. Older agents do not
    /// report them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_tables: Option<Vec<TableName>>,
    /// How much of each database was counted. Older agents do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
    /// Databases of the server that the spec does not name, at most 32, the largest first. Older
    /// agents do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_databases: Vec<OtherDatabase>,
    /// Sequences and how far they have come, at most 500, those furthest first. Older agents do not
    /// say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<SequenceEvidence>,
    /// Whether the agent's role is a superuser, which is more than a check needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superuser: bool,
    /// Whether large tables are still being counted; they are estimated here. A reset that shows
    /// already is reported at once, and nothing is verified.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What the image of the server mounts by itself. Older agents do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageEvidence>,
    /// When the server was asked, by the database's clock.
    #[schemars(with = "Time")]
    pub observed_at: Time,
    /// The server's own address in the connection that was asked, such as `10.0.0.7`: in a pod it is
    /// the pod's. Empty if the connection came through a socket. Older agents do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub server_address: String,
}

impl Evidence {
    /// A table by its database and its name.
    #[must_use]
    pub fn table(&self, database: &str, name: &str) -> Option<&TableEvidence> {
        self.tables
            .iter()
            .find(|table| table.name == name && table.database == database)
    }
}

/// What the agent saw of the image that Postgres runs from: it runs in the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageEvidence {
    /// Directories, at most 32, that the image declares as `VOLUME` and the container runtime
    /// mounts an empty directory at, unless the pod mounts something there. What is in it is lost with
    /// the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub volumes: Vec<String>,
    /// The data directory by the image's own `PGDATA`; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_directory: String,
}

/// Which database cluster answered, and its position in the write-ahead log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The identifier that initdb gave this database cluster, a decimal number of 64 bits.
    pub system_identifier: String,
    /// When initdb created it: the upper 32 bits of the identifier.
    pub initialized_at: Time,
    /// Timeline of the write-ahead log; it grows with every promotion.
    pub timeline: i64,
    /// Position up to which the write-ahead log is flushed to disk, such as `0/1A2B3C8`; of a
    /// replica, up to which it is replayed.
    pub wal_position: String,
    /// The next transaction id, a decimal number of 64 bits.
    pub next_transaction_id: String,
    /// When the server process started.
    pub postmaster_started_at: Time,
    /// Version of the server, such as `15.18`.
    pub server_version: String,
    /// The server's data directory; empty if the role is not allowed to read it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data_directory: String,
    /// Whether the server is a replica or still recovering.
    pub in_recovery: bool,
}

/// A database of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseEvidence {
    /// Its name.
    pub name: String,
    /// Its object id; it changes when the database is dropped and created again.
    pub oid: i64,
}

/// How much of a database was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// The database.
    pub database: String,
    /// How many tables it has. Partitions and inheriting tables are part of theirs.
    pub table_count: i64,
    /// How many of them were counted completely, or as far as their `minRows` asks.
    pub counted_tables: i64,
    /// Rows that were counted.
    pub counted_rows: i64,
    /// Rows of all tables: counted where they were counted, estimated by the planner where not.
    pub estimated_rows: i64,
    /// Why the others were not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<NotCounted>,
}

/// Tables that were not counted, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotCounted {
    /// Why.
    pub reason: NotCountedReason,
    /// How many tables.
    pub table_count: i64,
    /// Their names, `schema.table`, at most 10, those with the most rows first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// Why tables were not counted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum NotCountedReason {
    /// `spec.verification.countingBudget`, or the time of the check, was used up.
    Budget,
    /// The role may not read them.
    NotReadable,
    /// Row security would hide rows from the role.
    RowSecurity,
    /// An extension keeps their rows elsewhere, compressed or on other servers.
    StoredElsewhere,
    /// Somebody held a lock on them for too long.
    Locked,
    /// The server reported an error.
    Failed,
}

/// A database of the server that the spec does not name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherDatabase {
    /// Its name.
    pub name: String,
    /// Its object id.
    pub oid: i64,
    /// Bytes on disk, if the role may see that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    /// Rows in the tables of its users by the statistics; none if the role could not connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<i64>,
    /// Tables of its users; none if the role could not connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_count: Option<i64>,
}

/// A sequence and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SequenceEvidence {
    /// The database that it is in.
    pub database: String,
    /// `schema.sequence`.
    pub name: String,
    /// Its object id; it changes when the sequence is dropped and created again.
    pub oid: i64,
    /// The last value that it gave.
    pub last_value: i64,
}

/// A table by its database and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableName {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
}

/// A table and its rows. Partitions and inheriting tables count as part of the table that they
/// belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableEvidence {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub name: String,
    /// Its object id; it changes when the table is dropped and created again.
    pub oid: i64,
    /// Number of its file (relfilenode); it changes with TRUNCATE and when the table is rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relfilenode: Option<i64>,
    /// Rows, read as `count` says.
    pub rows: i64,
    /// How far the number of rows can be relied on.
    pub count: CountKind,
    /// Rows that surely exist although `rows` is an estimate: counting began, and stopped at this
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_bound: Option<i64>,
    /// Whether it is unlogged: a crash empties it, and a replica has none of its rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlogged: bool,
}

impl TableEvidence {
    /// Rows that surely exist.
    #[must_use]
    pub fn least_rows(&self) -> i64 {
        match self.count {
            CountKind::Exact | CountKind::LowerBound => self.rows,
            CountKind::Estimated => self.lower_bound.unwrap_or(0),
        }
    }
}

/// How far a number of rows can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CountKind {
    /// Every row was counted.
    Exact,
    /// Counting stopped there because it was enough; there may be more.
    // Checks and ledgers from before say `AtLeast`, and must stay readable.
    #[serde(alias = "AtLeast")]
    LowerBound,
    /// The planner's estimate; never enough to report a reset.
    Estimated,
}
