//! What a look at all sets of a database in its bucket found, and what retention removed. Limited in
//! size.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentFailure, Retention, SampleReport, SetRemark};

/// The most sets that one run removes, and that a report lists.
pub const CATALOG_LIMIT: usize = 100;
/// The most damaged sets that a report names.
pub const DAMAGED_LIMIT: usize = 16;
/// The most characters of a reason in a report.
pub const CATALOG_TEXT_LIMIT: usize = 300;

/// What a look at all sets of a database found. It is made once a day, and after a new confirmed backup
/// it removes the sets that no rule of retention keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogReport {
    /// Name of the Job.
    #[schemars(length(max = 63))]
    pub job: String,
    /// When it ended; absent while it removes sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Why not everything could be read or stored. What was not read is reported as by the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
    /// Why the next backup would fail: the storage refuses what it will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<AgentFailure>,
    /// Sets and directories of the database in the bucket, before anything was removed.
    #[serde(default)]
    pub sets: i64,
    /// How many of them are confirmed.
    #[serde(default)]
    pub confirmed: i64,
    /// Bytes of all of them.
    #[serde(default)]
    pub stored_bytes: i64,
    /// Why nothing at all may be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub held: Option<String>,
    /// Since when looks are held, by the clock of a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Time>,
    /// Whether this run was to remove sets: the first after a new confirmed backup is.
    #[serde(default)]
    pub removes: bool,
    /// The rules that the plan is of. Only rules that an earlier look has planned remove anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Retention>,
    /// What was read of the newest confirmed set before the first one was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub read_back: Option<String>,
    /// How many sets are left for later looks, because one removes only so many.
    #[serde(default)]
    pub postponed: i64,
    /// What retention says of each set. No more than 100, those that it removes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub plan: Vec<PlannedSet>,
    /// Directories whose removal was begun and has not ended. Noted before the first object is removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 1024)))]
    pub removing: Vec<String>,
    /// Directories that are removed. The operator deletes their `DatabaseBackup`s.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 1024)))]
    pub removed: Vec<String>,
    /// Sets that were to be removed and are left, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub left: Vec<SetRemark>,
    /// How many sets lack an object, or have one of another size.
    #[serde(default)]
    pub damaged_count: i64,
    /// The first of them, the newest first, at most 16, and what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub damaged: Vec<SetRemark>,
    /// How many sets are gone as a whole that are older than every set that is there, as after a lifecycle
    /// rule of the bucket.
    #[serde(default)]
    pub expired_count: i64,
    /// The first of them, the newest first, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub expired: Vec<SetRemark>,
    /// What the last sample read whole, and found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleReport>,
    /// Which sets have beside their manifests what checks have said of them. A short look between two others
    /// writes this alone. Looks of older versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<VerdictReport>,
}

/// Which sets have beside their manifests what checks have said of them: the newest, by the names of their
/// directories, without what all sets of the database share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictReport {
    /// Name of the Job.
    #[schemars(length(max = 63))]
    pub job: String,
    /// When it looked, by the clock of a node.
    pub time: Time,
    /// Sets that a check has confirmed. No more than 100, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 255)))]
    pub confirmed: Vec<String>,
    /// Sets that never count. No more than 100, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 255)))]
    pub demoted: Vec<String>,
}

impl VerdictReport {
    /// The sets, and whether each is demoted.
    pub fn sets(&self) -> impl Iterator<Item = (&str, bool)> {
        let confirmed = self.confirmed.iter().map(|set| (set.as_str(), false));
        let demoted = self.demoted.iter().map(|set| (set.as_str(), true));
        confirmed.chain(demoted)
    }
}

/// What retention says of one set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSet {
    /// Name of its directory, without what all sets of the database share.
    #[schemars(length(max = 255))]
    pub set: String,
    /// Whether it is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
    /// Why it is kept or removed.
    #[schemars(length(max = 300))]
    pub why: String,
}

/// The newest look at the sets in the bucket, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogSummary {
    /// Name of the `DatabaseBackup` that has the report.
    pub backup: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// When the last look ended that could read everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_complete: Option<Time>,
    /// Sets and directories of the database in the bucket.
    #[serde(default)]
    pub sets: i64,
    /// How many of them are confirmed.
    #[serde(default)]
    pub confirmed: i64,
    /// Bytes of all of them.
    #[serde(default)]
    pub stored_bytes: i64,
    /// How many sets lack an object, or have one of another size.
    #[serde(default)]
    pub damaged: i64,
    /// How many sets were to be removed and are left.
    #[serde(default)]
    pub left: i64,
    /// Why nothing at all may be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Why not everything could be read or stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
}
