//! Whether a backup set counts, as later checks say: its position, what confirmed it, what demoted it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{WalPosition, reasons};

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

/// The check that found a reset, with no good check between it and the backup; or the Job that read the
/// set and found it damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupDemotion {
    /// Why that check was Suspected, as one word; `SetDamaged` if the set is damaged.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Name of the `DatabaseCheck`, or of the Job.
    #[schemars(length(max = 253))]
    pub check: String,
    /// When that check was made, by the API server's clock; or when the set was read.
    pub time: Time,
}

impl BackupDemotion {
    /// Whether the set is damaged, and its data was good.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.reason == reasons::SET_DAMAGED
    }

    /// Why the backup does not count.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { reason, check, .. } = self;
        if self.is_damage() {
            return format!(
                "Job {check} has read its set, and objects have other bytes than were stored ({reason})"
            );
        }
        format!("check {check} found a reset ({reason}), and no good check lies between the two")
    }
}

/// What a later check says about a backup. It is written once and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupVerdict {
    /// It counts.
    Confirmed(BackupConfirmation),
    /// It never counts.
    Demoted(BackupDemotion),
}
