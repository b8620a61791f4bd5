//! The status of a `ProtectedDatabase`: what the operator reports. Limited in size.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AgentFailure, BackupState, BackupTurn, CatalogSummary, CheckOutcome, DrillSummary,
    ProvenBackup, WorkloadKind,
};

/// What the operator reports about a protected database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedDatabaseStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Guarded`, `DataVerified`, `DataReset`, `DataChanged` and `BackupFresh`,
    /// `FilesMatch` with `spec.verification.files`, and `RestoreProven` once a drill was asked for; each reason is
    /// explained in `docs/conditions.md`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// The workload that carries the labels of Holdfast because this database names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<MarkedWorkload>,
    /// The claims that are guarded and the volumes behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimStatus>,
    /// What later checks are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineStatus>,
    /// The newest check that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<CheckSummary>,
    /// Until when the last good check counts: then `DataVerified` becomes Unknown. Absent while it
    /// is not True for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_until: Option<Time>,
    /// The newest backup, whatever its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<BackupSummary>,
    /// The newest backup that is Complete and that a later good check has confirmed. What is
    /// remembered of an older version was not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_backup: Option<BackupSummary>,
    /// The same, of the `DatabaseBackup`s that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_confirmed_backup: Option<BackupSummary>,
    /// When the next backup is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_backup: Option<Time>,
    /// The backup that runs or waits for its turn, where only so many run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_turn: Option<BackupTurn>,
    /// Why the next backup would fail, as far as that can be seen before it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_obstacle: Option<AgentFailure>,
    /// The newest look at the sets in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogSummary>,
    /// The newest drill that has ended. It stays when its `DatabaseRestore` is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<DrillSummary>,
    /// The newest backup that a drill has proven. It stays when the `DatabaseRestore` of that drill is
    /// deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_proven: Option<ProvenBackup>,
    /// When the next drill is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_drill: Option<Time>,
}

/// A workload that carries the labels of Holdfast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkedWorkload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

/// A guarded claim and the volume behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// Name of the claim.
    pub name: String,
    /// UID of the claim.
    pub uid: String,
    /// Name of the volume; empty while the claim is not bound.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volume: String,
    /// The storage's name for the volume: the CSI handle, or the path of a local volume.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub volume_handle: String,
    /// What happens to the volume when the claim is deleted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reclaim_policy: String,
    /// Whether claim and volume have their marks and the volume is on Retain, as read back.
    pub guarded: bool,
    /// Whether a pod of the workload mounts it now.
    #[serde(default)]
    pub mounted: bool,
    /// When the claim was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Time>,
}

/// What later checks are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineStatus {
    /// Name of the `DatabaseCheck` whose evidence it is.
    pub check: String,
    /// When that check ended.
    pub time: Time,
    /// The identifier that initdb gave the database cluster.
    pub system_identifier: String,
    /// When that check was made, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Time>,
}

/// One check in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckSummary {
    /// Name of the `DatabaseCheck`.
    pub name: String,
    /// When it ended.
    pub time: Time,
    /// When it was made, by the API server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Time>,
    /// Its outcome.
    pub outcome: CheckOutcome,
    /// Why, as one word.
    pub reason: String,
}

/// One backup in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSummary {
    /// Name of the `DatabaseBackup`.
    pub name: String,
    /// When it ended, or began if it still runs.
    pub time: Time,
    /// Its state.
    pub state: BackupState,
    /// Rows in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Bytes that it has in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<i64>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// The identifier that initdb gave the database cluster in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// Why a restore of it is refused, if it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 300)))]
    pub restore_obstacles: Vec<String>,
}
