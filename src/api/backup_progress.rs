//! How far a backup is, in the status of its `DatabaseBackup` while it runs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a backup is. Written by its agent, every 10 s at most, and removed when it has ended. Where the
/// agent was killed, it is how far it had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupProgress {
    /// How far it is, in a few words with numbers.
    #[schemars(length(max = 200))]
    pub message: String,
    /// The database that is dumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub database: Option<String>,
    /// The claim whose files are archived, after the databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub claim: Option<String>,
    /// Tables of the database whose rows were dumped completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables_done: Option<i64>,
    /// Tables of the database with rows to dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<i64>,
    /// Bytes of it that were dumped so far, before compression.
    pub dumped_bytes: i64,
    /// Bytes of it that were passed on to the bucket so far, after compression.
    pub stored_bytes: i64,
    /// An estimate of all its bytes before compression: what its tables take on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<i64>,
    /// When its dump was begun.
    pub start_time: Time,
    /// When these numbers were read.
    pub time: Time,
}
