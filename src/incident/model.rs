//! The incident as data: what `-o json` prints and what every other format is made of. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::safe_text::SafeText;
use crate::api::{BackupState, CheckOutcome, RowCount};

/// The whole account of one database.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Namespace of the database.
    pub namespace: SafeText,
    /// Name of the ProtectedDatabase.
    pub name: SafeText,
    /// When everything was read.
    pub read_at: Time,
    /// The database and what runs it: `knowledge_os of StatefulSet knowledge-postgres`.
    pub about: SafeText,
    /// The state of the data.
    pub assessment: Assessment,
    /// What was last known good.
    pub expected: Option<CheckEntry>,
    /// The newest check that said anything definite.
    pub found: Option<CheckEntry>,
    /// The newest check, if it is another one.
    pub newest: Option<CheckEntry>,
    /// What was expected beside what was found: identity, volume, server.
    pub compared: Vec<Comparison>,
    pub tables: TableDifferences,
    /// Every volume that holds or held the data.
    pub volumes: Vec<VolumeEntry>,
    /// Every start of the database's container that a check has seen, oldest first.
    pub starts: Vec<StartEntry>,
    /// The backups, oldest first.
    pub backups: Vec<BackupEntry>,
    /// Kubernetes' events, oldest first.
    pub events: EventList,
    /// Rows over time.
    pub series: Series,
    /// The five questions of every incident.
    pub questions: Vec<Question>,
    /// Everything that happened, oldest first.
    pub timeline: Timeline,
    /// What to do, in this order.
    pub next_steps: Vec<NextStep>,
    /// What could not be read, and why.
    pub unread: Vec<SafeText>,
}

/// The state of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DataState {
    /// It looks reset.
    Reset,
    /// It is what was last known good.
    Good,
    /// Nothing can be said.
    Unknown,
}

/// The state of the data, and what says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The state.
    pub state: DataState,
    /// One word for why, listed in `docs/conditions.md`.
    pub reason: SafeText,
    /// Since when.
    pub since: Option<Time>,
    /// What the reason means.
    pub meaning: SafeText,
    /// How certain that is.
    pub certainty: SafeText,
    /// Each statement, with what says so.
    pub statements: Vec<Statement>,
}

/// A statement, and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The sentence.
    pub says: SafeText,
    /// What says so: objects and fields that anybody can read again.
    pub source: SafeText,
    /// The type of the finding that it is about; none for anything else.
    pub finding: Option<SafeText>,
}

/// One check of the database.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckEntry {
    /// Name of the DatabaseCheck.
    pub check: SafeText,
    /// Where it was read: the check itself, or the ledger that remembers it.
    pub source: SafeText,
    /// When it ended.
    pub time: Time,
    /// Its outcome; none while it has no verdict.
    pub outcome: Option<CheckOutcome>,
    /// One word for why.
    pub reason: SafeText,
    /// The operator's message.
    pub message: SafeText,
    /// Rows in all tables that were counted.
    pub rows: Option<i64>,
    /// How many tables there were.
    pub tables: Option<i64>,
}

/// One property, before and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Which property.
    pub what: SafeText,
    /// As it was expected.
    pub expected: SafeText,
    /// As it was found.
    pub found: SafeText,
    /// Whether that difference is one that a healthy restart does not make.
    pub alarming: bool,
}

/// The tables that the check's findings name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDifferences {
    /// Whether the check has read the tables, and lists what it found; checks of older versions have only a
    /// message.
    pub is_known: bool,
    /// The tables, those that lost most first.
    pub listed: Vec<TableDifference>,
    /// How many more tables it is about.
    pub left_out: i64,
}

/// A table that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDifference {
    /// `schema.table`, with its database if it is not the main one.
    pub table: SafeText,
    /// Its rows as expected; none if no good check has seen it.
    pub expected: Option<RowCount>,
    /// Its rows as found; none if it does not exist.
    pub found: Option<RowCount>,
    /// `−26,310 rows (99.8 % gone)`.
    pub change: SafeText,
    /// Whether rows, or the table, have gone.
    pub lost: bool,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// What it does.
    pub says: SafeText,
    /// The command; none if it is advice.
    pub command: Option<SafeText>,
}

/// A volume that holds or held the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeEntry {
    /// Name of the PersistentVolume.
    pub volume: SafeText,
    /// The claim that it is, or was, mounted by.
    pub claim: SafeText,
    /// The storage's own name for it.
    pub handle: SafeText,
    /// When it was created.
    pub created_at: Option<Time>,
    /// What it has to do with this: expected, found, guarded, remembered.
    pub roles: Vec<VolumeRole>,
    /// Whether the volume object is there; none when that is not known.
    pub is_there: Option<bool>,
    /// Phase, claim, reclaim policy and capacity as read now, or why that is not known.
    pub state: SafeText,
    /// The claim as read now.
    pub claim_state: SafeText,
}

/// What a volume has to do with the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum VolumeRole {
    /// The last good check ran on it.
    Expected,
    /// The newest definite check ran on it.
    Found,
    /// The ProtectedDatabase's status lists it.
    Guarded,
    /// The ledger remembers it.
    Remembered,
    /// An earlier check ran on it.
    Earlier,
}

/// One start of the database's container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartEntry {
    /// When the server process started, else when the start was first seen.
    pub time: Time,
    /// Whether the time is what the server says.
    pub is_exact: bool,
    /// Name of the pod.
    pub pod: SafeText,
    /// UID of the pod.
    pub pod_uid: SafeText,
    /// Id of the container.
    pub container_id: SafeText,
    /// The first check of this start.
    pub check: SafeText,
    /// Volumes that were mounted: `volume pvc-a of claim data at /var/lib/postgresql/data`.
    pub volumes: Vec<SafeText>,
    /// Where the data was, as far as that is known.
    pub data_volume: Option<SafeText>,
    /// What is new against the start before.
    pub change: SafeText,
    /// Whether the data was on another volume at the start before.
    pub volume_changed: bool,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupEntry {
    pub name: SafeText,
    /// When it ended, or began if it still runs.
    pub time: Option<Time>,
    /// Where it stands.
    pub state: Option<BackupState>,
    /// Rows in the dump itself.
    pub rows: Option<i64>,
    /// Where it is in the bucket.
    pub path: SafeText,
    /// What it says about itself.
    pub message: SafeText,
    /// Whether it is the newest good one.
    pub last_good: bool,
}

/// Kubernetes' events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    /// The events, oldest first.
    pub listed: Vec<EventEntry>,
    /// How many older ones were left out.
    pub left_out: usize,
    /// How long Kubernetes keeps them, and what could not be read.
    pub note: SafeText,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventEntry {
    /// When it was last seen.
    pub time: Time,
    /// Whether it is a warning.
    pub warning: bool,
    /// One word for it.
    pub reason: SafeText,
    /// `Pod knowledge-postgres-0`.
    pub object: SafeText,
    /// Its words.
    pub message: SafeText,
    /// How often it was seen.
    pub count: i32,
}

/// Rows over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// All tables together first, then tables with rules.
    pub curves: Vec<Curve>,
    /// Which volume the data was on, oldest first.
    pub volumes: Vec<VolumeSpan>,
    pub starts: Vec<Time>,
}

/// The rows of one table, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// The table, or `all tables`.
    pub name: SafeText,
    /// The fewest rows that its rule allows.
    pub minimum: Option<i64>,
    /// What checks found, oldest first.
    pub points: Vec<Point>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When.
    pub time: Time,
    /// Rows; 0 for a table that does not exist.
    pub counted: RowCount,
    pub check: SafeText,
    /// Its outcome.
    pub outcome: Option<CheckOutcome>,
}

/// A stretch of time on one volume.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpan {
    /// Since when.
    pub from: Time,
    pub volume: SafeText,
}

/// One of the five questions of every incident, answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub question: SafeText,
    /// The answer in one statement.
    pub answer: SafeText,
    /// What it rests on.
    pub facts: Vec<SafeText>,
    /// What can't be known from here.
    pub unknown: Vec<SafeText>,
    /// Commands that say more.
    pub commands: Vec<SafeText>,
}

/// Everything that happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How many older entries were left out.
    pub left_out: usize,
    /// The entries, oldest first.
    pub entries: Vec<TimelineEntry>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// When.
    pub time: Time,
    /// Of which kind.
    pub kind: EntryKind,
    /// Whether it may have to do with a loss.
    pub alarming: bool,
    /// What happened.
    pub says: SafeText,
}

/// Kinds of entries of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EntryKind {
    /// A database cluster or a volume was created.
    Created,
    /// The pod template changed.
    Template,
    /// The database's container started.
    Start,
    /// The data was on another volume than before.
    Volume,
    /// A check ended.
    Check,
    /// A backup ended.
    Backup,
    /// A restore began or ended.
    Restore,
    /// A condition changed.
    Condition,
    /// Kubernetes wrote an event.
    Event,
    /// A node changed.
    Node,
}
