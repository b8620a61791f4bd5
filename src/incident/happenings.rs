//! The story as data, second part: what there is and what happened over time. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::{Line, RowsSeen};
use crate::api::{BackupState, CheckOutcome};

/// A volume that holds or held the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeTold {
    /// Name of the PersistentVolume.
    pub volume: Line,
    /// The claim that it is, or was, mounted by.
    pub claim: Line,
    /// The storage's own name for it.
    pub handle: Line,
    /// When it was created.
    pub created_at: Option<Time>,
    /// What it has to do with this: expected, found, guarded, remembered.
    pub roles: Vec<VolumeRole>,
    /// Whether the volume object is there; none when that is not known.
    pub is_there: Option<bool>,
    /// Phase, claim, reclaim policy and capacity as read now, or why that is not known.
    pub state: Line,
    /// The claim as read now.
    pub claim_state: Line,
}

/// What a volume has to do with the story.
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
pub struct StartTold {
    /// When the server process started, else when the start was first seen.
    pub time: Time,
    /// Whether the time is the server's own word.
    pub is_exact: bool,
    /// Name of the pod.
    pub pod: Line,
    /// UID of the pod.
    pub pod_uid: Line,
    /// Id of the container.
    pub container_id: Line,
    /// The first check of this start.
    pub check: Line,
    /// Volumes that were mounted: `volume pvc-a of claim data at /var/lib/postgresql/data`.
    pub volumes: Vec<Line>,
    /// Where the data was, as far as that can be told.
    pub data_volume: Option<Line>,
    /// What is new against the start before.
    pub change: Line,
    /// Whether the data was on another volume at the start before.
    pub volume_changed: bool,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTold {
    /// Its name.
    pub name: Line,
    /// When it ended, or began if it still runs.
    pub time: Option<Time>,
    /// Where it stands.
    pub state: Option<BackupState>,
    /// Rows in the dump itself.
    pub rows: Option<i64>,
    /// Where it is in the bucket.
    pub path: Line,
    /// What it says about itself.
    pub message: Line,
    /// Whether it is the newest good one.
    pub last_good: bool,
}

/// Kubernetes' events.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventsTold {
    /// The events, oldest first.
    pub listed: Vec<EventTold>,
    /// How many older ones were left out.
    pub left_out: usize,
    /// How long Kubernetes keeps them, and what could not be read.
    pub note: Line,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTold {
    /// When it was last seen.
    pub time: Time,
    /// Whether it is a warning.
    pub warning: bool,
    /// One word for it.
    pub reason: Line,
    /// `Pod knowledge-postgres-0`.
    pub object: Line,
    /// Its words.
    pub message: Line,
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
    /// The starts.
    pub starts: Vec<Time>,
}

/// The rows of one table, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// The table, or `all tables`.
    pub name: Line,
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
    pub seen: RowsSeen,
    /// The check.
    pub check: Line,
    /// What came of it.
    pub outcome: Option<CheckOutcome>,
}

/// A stretch of time on one volume.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpan {
    /// Since when.
    pub from: Time,
    /// The volume.
    pub volume: Line,
}

/// An answer to one of the five questions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The question.
    pub question: Line,
    /// The answer in one sentence.
    pub answer: Line,
    /// What it rests on.
    pub facts: Vec<Line>,
    /// What can't be known from here.
    pub not_known: Vec<Line>,
    /// Commands that tell more.
    pub commands: Vec<Line>,
}

/// Everything that happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How many older moments were left out.
    pub left_out: usize,
    /// The moments, oldest first.
    pub moments: Vec<Moment>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When.
    pub time: Time,
    /// Of which kind.
    pub kind: MomentKind,
    /// Whether it may have to do with a loss.
    pub alarming: bool,
    /// What happened.
    pub says: Line,
}

/// Kinds of moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MomentKind {
    /// A cluster of data, a volume or a claim was made.
    Made,
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
    /// The operator's word about the whole changed.
    Condition,
    /// Kubernetes said something.
    Event,
    /// A node changed.
    Node,
}
