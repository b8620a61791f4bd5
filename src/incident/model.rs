//! The story as data: what `-o json` prints and what every other format is made of. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::{Answer, BackupTold, EventsTold, Line, Series, StartTold, Timeline, VolumeTold};
use crate::api::{CheckOutcome, CountKind};

/// Everything that is told about one database.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Namespace of the database.
    pub namespace: Line,
    /// Name of the ProtectedDatabase.
    pub name: Line,
    /// When it was told.
    pub told_at: Time,
    /// The database and what runs it: `knowledge_os of StatefulSet knowledge-postgres`.
    pub about: Line,
    /// The present verdict.
    pub verdict: VerdictTold,
    /// What was last known good.
    pub expected: Option<Look>,
    /// The newest look that said anything definite.
    pub found: Option<Look>,
    /// The newest look, if it is another one.
    pub newest: Option<Look>,
    /// What was expected beside what was found: identity, volume, server.
    pub compared: Vec<Comparison>,
    /// The tables.
    pub tables: TablesTold,
    /// Every volume that holds or held the data.
    pub volumes: Vec<VolumeTold>,
    /// Every start of the database's container that a check has seen, oldest first.
    pub starts: Vec<StartTold>,
    /// The backups, oldest first.
    pub backups: Vec<BackupTold>,
    /// Kubernetes' events, oldest first.
    pub events: EventsTold,
    /// Rows over time.
    pub series: Series,
    /// The five questions of every incident.
    pub answers: Vec<Answer>,
    /// Everything that happened, oldest first.
    pub timeline: Timeline,
    /// What to do, in this order.
    pub next_steps: Vec<NextStep>,
    /// What could not be read, and why.
    pub not_known: Vec<Line>,
}

/// How it stands with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It looks reset.
    Reset,
    /// It is what was last known good.
    Good,
    /// Nothing can be said.
    NotKnown,
}

/// The present verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictTold {
    /// How it stands.
    pub standing: Standing,
    /// One word for why, listed in `docs/conditions.md`.
    pub reason: Line,
    /// Since when.
    pub since: Option<Time>,
    /// What the reason means.
    pub meaning: Line,
    /// How sure that is.
    pub certainty: Line,
    /// Each thing that is said, with what says so.
    pub sentences: Vec<Sentence>,
}

/// Something that is said, and where it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sentence {
    /// What is said.
    pub says: Line,
    /// What says so: objects and fields that anybody can read again.
    pub evidence: Line,
}

/// One look at the database.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Name of the DatabaseCheck.
    pub check: Line,
    /// Where it was read: the check itself, or the ledger that remembers it.
    pub source: Line,
    /// When it was taken.
    pub time: Time,
    /// What came of it; none while nobody has judged it.
    pub outcome: Option<CheckOutcome>,
    /// One word for why.
    pub reason: Line,
    /// The operator's own words.
    pub message: Line,
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
    pub what: Line,
    /// As it was expected.
    pub expected: Line,
    /// As it was found.
    pub found: Line,
    /// Whether that difference is one that a healthy restart does not make.
    pub alarming: bool,
}

/// What there is to say about tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TablesTold {
    /// Whether there were two looks to compare.
    pub compared: bool,
    /// The tables that differ, those that lost most first.
    pub different: Vec<TableDifference>,
    /// How many tables differ beyond those listed.
    pub left_out: usize,
    /// How many are as they were.
    pub same: usize,
}

/// A table that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDifference {
    /// `schema.table`, with its database if it is not the main one.
    pub table: Line,
    /// Its rows as expected; none when it was not there.
    pub expected: Option<RowsSeen>,
    /// Its rows as found; none when it is not there.
    pub found: Option<RowsSeen>,
    /// `−26,310 rows (99.8 % gone)`.
    pub change: Line,
    /// Whether rows, or the table, have gone.
    pub lost: bool,
}

/// A number of rows and how far it can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsSeen {
    /// The number.
    pub rows: i64,
    /// How it was read.
    pub count: CountKind,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// What it is good for.
    pub says: Line,
    /// The very command; none when it is advice.
    pub command: Option<Line>,
}
