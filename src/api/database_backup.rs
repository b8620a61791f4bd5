//! `DatabaseBackup`: one backup set in the bucket, and how the backup went.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BackupConfirmation, BackupCopyStatus, BackupDemotion, BackupDrill, BackupProgress, BackupRead,
    BackupSnapshot, CatalogReport, Finding, names,
};

/// One backup set. To take one yourself, create an object with `database`; else backup Jobs create
/// it. Deleting the object deletes nothing in the bucket.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseBackup",
    plural = "databasebackups",
    shortname = "dbbackup",
    category = "holdfast",
    namespaced,
    derive = "PartialEq",
    selectable = ".spec.database",
    status = "DatabaseBackupStatus",
    doc = "One backup set of a ProtectedDatabase in its bucket. Deleting this object deletes \
        nothing in the bucket.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must have at most 63 characters: the backup's Job and its pod carry \
            it as a label"),
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.database",
        description = "The ProtectedDatabase that was backed up"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "Running, Complete, Suspect or Failed"
    ),
    printcolumn(
        name = "Confirmed",
        type_ = "string",
        json_path = ".status.confirmed.check",
        description = "The good check that found the same data later; without one it does not count"
    ),
    printcolumn(
        name = "Proven",
        type_ = "boolean",
        json_path = ".status.drill.passed",
        description = "Whether the newest drill has restored all of its databases"
    ),
    printcolumn(
        name = "Rows",
        type_ = "integer",
        json_path = ".status.rows",
        description = "Rows in the dump itself"
    ),
    printcolumn(
        name = "Bytes",
        type_ = "integer",
        json_path = ".status.storedBytes",
        description = "Bytes stored in the bucket"
    ),
    printcolumn(
        name = "Seconds",
        type_ = "integer",
        json_path = ".status.durationSeconds",
        description = "How long it took"
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.progress.message",
        priority = "1",
        description = "How far it is, while it runs"
    ),
    printcolumn(
        name = "Path",
        type_ = "string",
        json_path = ".status.path",
        priority = "1",
        description = "Where the set is in the bucket"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseBackup can't be \
    changed; create another one"))]
pub struct DatabaseBackupSpec {
    /// Name of the `ProtectedDatabase` in the same namespace.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
}

/// How many backups that failed are kept as objects, the newest.
pub const FAILED_BACKUPS_KEPT: usize = 10;
/// How long before the first backup a check may have been made: the backup follows the first good
/// check at once.
const FIRST_CHECK_AGE: SignedDuration = SignedDuration::from_mins(2);

impl DatabaseBackup {
    /// When its object was created, by the API server's clock.
    #[must_use]
    pub fn made(&self) -> Option<Timestamp> {
        let created = self.metadata.creation_timestamp.as_ref();
        created.map(|created| created.0)
    }

    /// Whether it is Complete, a good check has confirmed it, and no reset has demoted it.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.status.as_ref().is_some_and(|status| {
            status.state == Some(BackupState::Complete)
                && status.confirmed.is_some()
                && status.demoted.is_none()
        })
    }

    /// Whether it counts, and the newest drill of it has found all that its manifest says.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        let drill = self
            .status
            .as_ref()
            .and_then(|status| status.drill.as_ref());
        self.counts() && drill.is_some_and(|drill| drill.passed)
    }

    /// The drill or restore that could not restore it, if that is the newest of it.
    #[must_use]
    pub fn disproved_by(&self) -> Option<&BackupDrill> {
        let drill = self
            .status
            .as_ref()
            .and_then(|status| status.drill.as_ref());
        drill.filter(|drill| !drill.passed)
    }

    /// Whether it is Complete and no check has said anything about it.
    #[must_use]
    pub fn has_no_verdict(&self) -> bool {
        self.status.as_ref().is_some_and(|status| {
            status.state == Some(BackupState::Complete)
                && status.confirmed.is_none()
                && status.demoted.is_none()
        })
    }

    /// Whether it is Complete, and nothing has demoted it. What counts may be found damaged later.
    #[must_use]
    pub fn may_be_damaged(&self) -> bool {
        self.status.as_ref().is_some_and(|status| {
            status.state == Some(BackupState::Complete) && status.demoted.is_none()
        })
    }

    /// Whether a read of its set is later than the last one that is noted.
    #[must_use]
    pub fn is_news(&self, read: &BackupRead) -> bool {
        self.status.as_ref().is_some_and(|status| {
            let last = status.last_read.as_ref();
            last.is_none_or(|last| last.time.0 < read.time.0)
        })
    }

    /// Since when a check counts as one that was made for this backup: since it began.
    #[must_use]
    pub fn check_since(&self) -> Option<Time> {
        let begun = self.made()?;
        let name = self.metadata.name.as_deref().unwrap_or_default();
        let is_first = name.starts_with(&names::first_backup(&self.spec.database));
        let age = if is_first {
            FIRST_CHECK_AGE
        } else {
            SignedDuration::ZERO
        };
        Some(Time(begun.checked_sub(age).unwrap_or(begun)))
    }
}

/// How a backup went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseBackupStatus {
    /// State of the backup. A set counts only when it is Complete and confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BackupState>,
    /// One word for Suspect and Failed, listed in `docs/conditions.md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened and what to do next. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the backup began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// How far it is, while it runs. Written by the agent that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<BackupProgress>,
    /// When the manifest was written, or when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// The bucket that the set is in. Backups of older versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The endpoint of its object store; none means Amazon's endpoint for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The set's directory in the bucket, without the bucket's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of `manifest.json`, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// Bytes stored in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<i64>,
    /// Bytes before compression, without the files of `spec.backup.directories`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_bytes: Option<i64>,
    /// Tables with data in the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<i64>,
    /// Rows in the dump itself, counted while it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Files of `spec.backup.directories` in the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<i64>,
    /// Why a restore of it is refused whatever the server is, such as an extension that can't be restored yet; at
    /// most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 300)))]
    pub restore_obstacles: Vec<String>,
    /// The identifier that initdb gave the database cluster that was dumped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// What the rows of the dump itself were found to be, compared with the last good check: first what
    /// makes the backup Suspect, the most severe first, then changes that are no loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = super::finding_schema::merge_types)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub findings: Vec<Finding>,
    /// Where in the life of the database it was taken. Backups of older versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<BackupSnapshot>,
    /// The good check that found the data after it was taken. Without it a backup does not count.
    /// Written by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<BackupConfirmation>,
    /// The check that found a reset, with no good check between it and the backup: it may hold what
    /// was left after the reset. Or the Job that found the set damaged. It never counts. Written by the
    /// operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demoted: Option<BackupDemotion>,
    /// The newest drill that has said whether it can be restored, or a restore that has failed because of its
    /// set. Written by the operator, and kept when that `DatabaseRestore` is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<BackupDrill>,
    /// When the set was last read whole and compared with the digests of its manifest. Written by the
    /// operator, from the reports of the looks at the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read: Option<BackupRead>,
    /// How far each copy in `spec.backup.copies` is. Written by the Jobs that copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub copies: Vec<BackupCopyStatus>,
    /// The last look at all sets of the database in its bucket, made while this backup was the newest
    /// confirmed one. Written by a Job of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogReport>,
}

/// The state of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackupState {
    /// The backup is being taken.
    Running,
    /// The backup is taken and its manifest is written.
    Complete,
    /// The backup is taken, but the data looked reset. It never replaces a good backup.
    Suspect,
    /// The backup failed. Objects without a manifest that it could not take back are named in the message.
    Failed,
}
