//! `DatabaseRestore`: a request to restore data.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RestoreReport, RestoredFiles, SetSource};

/// A request to restore data: it binds a volume to its claim again, or restores a backup into a new
/// database of the same server, which takes the place of the present one or stays beside it, or into a
/// throwaway server, which proves the backup; or it restores the files of a directory.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseRestore",
    plural = "databaserestores",
    shortname = "dbrestore",
    category = "holdfast",
    namespaced,
    derive = "PartialEq",
    status = "DatabaseRestoreStatus",
    doc = "A request to restore data: it binds a volume to its claim again, or restores a backup. It \
        runs once; its status says how far it is.",
    printcolumn(
        name = "Database",
        type_ = "string",
        json_path = ".spec.database",
        description = "The ProtectedDatabase to restore"
    ),
    printcolumn(
        name = "Volume",
        type_ = "string",
        json_path = ".spec.from.volume",
        description = "The volume that the data comes from"
    ),
    printcolumn(
        name = "Backup",
        type_ = "string",
        json_path = ".status.set.backup",
        description = "The DatabaseBackup that the data comes from"
    ),
    printcolumn(
        name = "Into",
        type_ = "string",
        json_path = ".spec.into",
        description = "Where the data goes"
    ),
    printcolumn(
        name = "Dry Run",
        type_ = "boolean",
        json_path = ".spec.dryRun",
        priority = "1",
        description = "Whether it only looks whether it could be done"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.state",
        description = "Running, Blocked, Verifying, Complete or Failed"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec of a DatabaseRestore can't be \
    changed; create another one"))]
#[x_kube(validation = Rule::new("!has(self.from.volume) || self.into == 'Replace'")
    .message("spec.into must be Replace for a volume: it is mounted instead of the present volume, \
        which is kept"))]
#[x_kube(validation = Rule::new("!has(self.dryRun) || !self.dryRun || (self.into != 'Scratch' && \
    !has(self.from.volume) && !has(self.files))")
    .message("spec.dryRun is for a backup with into: Replace or Beside. A drill (Scratch) changes nothing \
        anyway; for a volume: kubectl holdfast recover --dry-run; files have none"))]
#[x_kube(validation = Rule::new("self.into != 'Replace' || (has(self.dryRun) && self.dryRun) || \
    (has(self.confirm) && \
    self.confirm != self.database)")
    .message(Message::Expression("'spec.confirm: Replace needs the UID of the ProtectedDatabase, so \
        that nobody replaces data by accident, and no tool does it again: kubectl get protdb ' + \
        self.database + ' -o jsonpath={.metadata.uid}'".to_owned())))]
#[x_kube(validation = Rule::new("!has(self.acceptSuspect) || has(self.from.backup) || \
    has(self.from.set)")
    .message("spec.acceptSuspect goes with spec.from.backup or spec.from.set only: what does not count as \
        good is restored only where it is named"))]
#[x_kube(validation = Rule::new("!has(self.tables) || self.into == 'Beside'")
    .message("spec.tables needs into: Beside: tables are restored into a new database, and the present one \
        stays as it is. Copy their rows from there"))]
#[x_kube(validation = Rule::new("!has(self.files) || (self.into != 'Scratch' && \
    !has(self.from.volume) && !has(self.tables))")
    .message("spec.files goes with a backup and with into: Replace or Beside, and without tables: it restores \
        the files of one directory and nothing else"))]
pub struct DatabaseRestoreSpec {
    /// Name of the `ProtectedDatabase` in the same namespace.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub database: String,
    /// Where the data comes from.
    pub from: RestoreSource,
    /// Where the data goes.
    pub into: RestoreTarget,
    /// `true`: only looks whether the backup could be restored so, and says what stands against it, in
    /// `status.report`. Nothing is made, closed, renamed or ended, in the server or elsewhere, so `Replace`
    /// needs no `confirm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The UID of the `ProtectedDatabase`, needed for `Replace`: a restore that was written for another
    /// one of the name is not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub confirm: Option<String>,
    /// Restores the backup that `from.backup` or `from.set` names although it does not count as good: it is
    /// Suspect, was demoted, or no good check has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_suspect: Option<bool>,
    /// Restores only these tables, as `schema.table`, as in the catalog: without quotes, and case-sensitive;
    /// of a partitioned table all its partitions. With them come their indexes, constraints, sequences,
    /// types, and what else they need. What needs another table, such as a foreign key to one, is left out
    /// and named. Holds for every database of the backup that has such a table. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(max = 127),
            regex(pattern = r#"^[^.\s"';]{1,63}\.[^.\s"';]{1,63}$"#)
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tables: Vec<String>,
    /// Restores the files of this directory instead of databases: into a new directory of the same claim, which
    /// is compared with the manifest and then takes the name of the present one, which is kept, or stays beside
    /// it. The databases are not touched, nor are other directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<RestoredFiles>,
}

/// Where restored data comes from; exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.backup), has(self.latestGood), has(self.set), \
    has(self.volume)].filter(x, x).size() == 1")
    .message("spec.from needs exactly one of backup, latestGood, set and volume"))]
#[x_kube(validation = Rule::new("!has(self.latestGood) || self.latestGood")
    .message("spec.from.latestGood must be true, or left out beside backup, set and volume"))]
pub struct RestoreSource {
    /// Name of a `DatabaseBackup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub backup: Option<String>,
    /// `true`: the newest backup that counts, which is Complete and confirmed by a good check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_good: Option<bool>,
    /// A backup set by its place in the bucket, that no `DatabaseBackup` here is about. Only who may read
    /// the Secrets of the namespace may write it. `kubectl holdfast adopt` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetSource>,
    /// Name of a `PersistentVolume`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub volume: Option<String>,
}

/// Where restored data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreTarget {
    /// Replaces the present data, which is kept under another name.
    Replace,
    /// A new database beside the existing one.
    Beside,
    /// A throwaway server of its own, to prove that the backup works: a drill. Nothing of the database, of
    /// its server and of its workload is touched, and nothing is left.
    Scratch,
}

/// How far a restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseRestoreStatus {
    /// State of the restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RestoreState>,
    /// What happened and what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the restore stops or removes, or the claim that it writes files to, with the UID of each
    /// object. Each is listed here at least one pass before it happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub announced: Vec<String>,
    /// When the operator began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Since when the data was unavailable, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable_since: Option<Time>,
    /// When the claim was Bound to the volume again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_time: Option<Time>,
    /// When the data was verified, or found to be other data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// The backup set that is restored. Chosen once, by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<RestoredSet>,
    /// The Job that restores the backup, once it was seen. It has no second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// UID of that Job: another one of its name is none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_uid: Option<String>,
    /// How far the agent of a restore from a backup is. Written by that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<RestoreReport>,
}

/// The backup set of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredSet {
    /// Name of its `DatabaseBackup`, or of its directory where `spec.from.set` names it.
    pub backup: String,
    /// The bucket that it is in.
    pub bucket: String,
    /// Its directory in the bucket.
    pub path: String,
    /// SHA-256 of its manifest, in hex.
    pub manifest_sha256: String,
}

/// The state of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreState {
    /// The restore is in progress.
    Running,
    /// The restore can't continue; the message says what to do. It continues by itself when that is
    /// done.
    Blocked,
    /// The claim is Bound to the volume, or the restored database has taken its place; the check of it
    /// has not ended yet.
    Verifying,
    /// The data is restored and verified; of a drill: the backup is proven.
    Complete,
    /// The claim is Bound to the volume, but its data is not what was last known good; the restore of a
    /// backup failed, and what was there is as it was; or it was not begun, and the message says why.
    Failed,
}

impl DatabaseRestore {
    /// Whether it only looks whether it could be done.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.spec.dry_run == Some(true)
    }

    /// Whether it may change something of the database: not a drill, and not a dry run.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        self.spec.into != RestoreTarget::Scratch && !self.is_dry_run()
    }

    /// Whether it restores files, and no database.
    #[must_use]
    pub const fn is_of_files(&self) -> bool {
        self.spec.files.is_some()
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let state = self.status.as_ref().and_then(|status| status.state);
        !state.is_some_and(RestoreState::is_final)
    }
}

impl RestoreState {
    /// Whether the restore has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}

/// Where a restore takes the data from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreFrom<'a> {
    /// A volume.
    Volume(&'a str),
    /// The `DatabaseBackup` of that name.
    Backup(&'a str),
    /// The newest backup that counts.
    LatestGood,
    /// The backup set at that place in the bucket.
    Set(&'a SetSource),
}

impl RestoreSource {
    /// Where the data comes from. None of an object whose schema did not refuse it.
    #[must_use]
    pub fn which(&self) -> Option<RestoreFrom<'_>> {
        match (&self.volume, &self.backup, self.latest_good, &self.set) {
            (Some(volume), None, None, None) => Some(RestoreFrom::Volume(volume)),
            (None, Some(backup), None, None) => Some(RestoreFrom::Backup(backup)),
            (None, None, Some(true), None) => Some(RestoreFrom::LatestGood),
            (None, None, None, Some(set)) => Some(RestoreFrom::Set(set)),
            _ => None,
        }
    }
}
