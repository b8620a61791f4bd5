//! What is remembered of drills: in the status of a `ProtectedDatabase`, and of the `DatabaseBackup` that a
//! drill has proven.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DrillTimes, RestoreState};

/// The newest drill that says whether a backup can be restored; or a restore that has failed because of its set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupDrill {
    /// Name of its `DatabaseRestore`.
    #[schemars(length(max = 253))]
    pub restore: String,
    /// When it ended.
    pub time: Time,
    /// Whether all that the manifest says was there: then the backup is proven.
    pub passed: bool,
    /// How long its parts took: what a restore takes.
    #[serde(default)]
    pub times: DrillTimes,
    /// What could not be compared, such as `definitions` of a set of another major version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 63)))]
    pub unchecked: Vec<String>,
    /// What a restore of it leaves out and names, because it concerns no rows: such as a materialized view
    /// whose function needs a `search_path`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 300)))]
    pub not_restored: Vec<String>,
}

/// One drill that has ended, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillSummary {
    /// Name of its `DatabaseRestore`.
    pub restore: String,
    /// UID of its `DatabaseRestore`.
    pub restore_uid: String,
    /// Name of the `DatabaseBackup` that was restored, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// When it ended.
    pub time: Time,
    /// Complete or Failed.
    pub state: RestoreState,
    /// Why it failed, as one word, if its agent has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What it said at its end.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// The newest backup that a drill has proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenBackup {
    /// Name of the `DatabaseBackup`.
    pub backup: String,
    /// When the backup was begun: how old the data is that surely can be restored.
    pub backup_time: Time,
    /// The bucket that the set is in.
    pub bucket: String,
    /// The endpoint of its object store; none means Amazon's endpoint for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The set's directory in the bucket.
    pub path: String,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: String,
    /// The identifier that initdb gave the database cluster in it.
    pub system_identifier: String,
    /// Name of the `DatabaseRestore` that has proven it.
    pub restore: String,
    /// When that ended.
    pub time: Time,
    /// How long its parts took: what a restore takes.
    #[serde(default)]
    pub times: DrillTimes,
    /// What could not be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 63)))]
    pub unchecked: Vec<String>,
    /// What a restore of it leaves out and names, because it concerns no rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 300)))]
    pub not_restored: Vec<String>,
}
