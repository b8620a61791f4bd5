//! Which sets a look has read whole, and what of them is not as it was stored. Limited in size.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a look has read whole of the sets in the bucket: a sample each day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampleReport {
    /// When it was taken, by the clock of a node.
    pub time: Time,
    /// Bytes that `spec.backup.verifySample` permits and that were not read: they are added up for a set
    /// that is larger.
    #[serde(default)]
    pub credit_bytes: i64,
    /// The sets that were read, and those found damaged before whose backups do not say so yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub read: Vec<SetRead>,
    /// Sets that could not be read, or of which two reads differ. Neither says that a set is damaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub unread: Vec<SetRemark>,
}

/// One set that was read whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetRead {
    /// Its directory in the bucket.
    #[schemars(length(max = 1024))]
    pub path: String,
    /// When, by whom, and what was found.
    pub found: BackupRead,
}

/// When a set was read whole, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupRead {
    /// When, by the clock of a node.
    pub time: Time,
    /// The Job that read it.
    #[schemars(length(max = 63))]
    pub job: String,
    /// Which objects have other bytes than were stored, in two reads one after the other. None if all
    /// have the SHA-256 of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 600))]
    pub damage: Option<String>,
}

/// One set and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetRemark {
    /// Its directory in the bucket.
    #[schemars(length(max = 1024))]
    pub path: String,
    /// What is wrong with it, or why it is left.
    #[schemars(length(max = 300))]
    pub why: String,
    /// Whether nothing of it is there any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_gone: bool,
}
