//! Whether a backup set counts, as later checks say: its position, what confirmed it, what demoted it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WalPosition;

/// Where in the life of its database a backup was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSnapshot {
    /// When, by the database's clock.
    pub time: Time,
    /// Timeline of the write-ahead log.
    pub timeline: i64,
    /// Position in the write-ahead log, such as `16/B374D848`.
    #[schemars(length(max = 17))]
    pub wal_position: String,
}

impl BackupSnapshot {
    /// The position; none if it can't be read.
    #[must_use]
    pub fn position(&self) -> Option<WalPosition> {
        WalPosition::parse(self.timeline, &self.wal_position)
    }
}

/// The good check that found the data of a backup after it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupConfirmation {
    /// Name of the `DatabaseCheck`.
    #[schemars(length(max = 253))]
    pub check: String,
    /// When that check was made, by the API server's clock.
    pub time: Time,
}

/// The check that found a reset, with no good check between it and the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupDemotion {
    /// Why that check was Suspected, as one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Name of the `DatabaseCheck`.
    #[schemars(length(max = 253))]
    pub check: String,
    /// When that check was made, by the API server's clock.
    pub time: Time,
}

/// What a later check says about a backup. It is written once and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupVerdict {
    /// It counts.
    Confirmed(BackupConfirmation),
    /// It never counts.
    Demoted(BackupDemotion),
}
