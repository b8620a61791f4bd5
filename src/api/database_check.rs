//! `DatabaseCheck`: one check of a database and its result.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AgentFailure, CheckOutcome, CheckedFiles, Evidence, Finding, ImageEvidence, MountedVolume,
    OtherBackups, WithoutLogin,
};

/// One check. To ask for one yourself, create an object with `database` and `trigger: Manual`; the
/// operator sets the rest.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "DatabaseCheck",
    plural = "databasechecks",
    shortname = "dbcheck",
    category = "holdfast",
    namespaced,
    derive = "PartialEq",
    selectable = ".spec.database",
    status = "DatabaseCheckStatus",
    doc = "One check of a ProtectedDatabase: identity, tables and rows as found, and the verdict.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name must have at most 63 characters: the check's Job and its pod carry \
            it as a label"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database", description = "The ProtectedDatabase that is checked"),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".spec.trigger", description = "What asked for the check"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.verdict.outcome", description = "Verified, Suspected or Unverifiable"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.verdict.reason", description = "Why"),
    printcolumn(name = "Rows", type_ = "integer", json_path = ".status.evidence.totalRows", description = "Rows counted in all tables"),
    printcolumn(name = "Pod", type_ = "string", json_path = ".spec.target.pod", priority = "1", description = "The pod that was checked"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.database == oldSelf.database && self.trigger == \
    oldSelf.trigger && (!has(oldSelf.target) || (has(self.target) && self.target == \
    oldSelf.target))")
    .message("spec of a DatabaseCheck can't be changed; create another one"))]
pub struct DatabaseCheckSpec {
    /// Name of the `ProtectedDatabase` in the same namespace.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
    /// What asked for the check.
    #[serde(default)]
    pub trigger: CheckTrigger,
    /// What is checked. The operator sets it, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<CheckTarget>,
}

/// What asked for a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckTrigger {
    /// A pod or its container started.
    Restart,
    /// The check before was Unverifiable.
    Retry,
    /// The spec of the ProtectedDatabase changed, so the last verdict may no longer apply.
    SpecChange,
    /// `spec.verification.schedule`, or every hour without it.
    Schedule,
    /// A backup begins or is complete: it counts as good only if the data is verified then, and after
    /// it.
    Backup,
    /// A user.
    #[default]
    Manual,
    /// A restore that is being verified.
    Restore,
}

/// One start of the database's container, and the volumes that it mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckTarget {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container that runs Postgres.
    pub container: String,
    /// Id of the running container; a restart gives a new one.
    pub container_id: String,
    /// How often a check of this start was tried before; 0 for the first check.
    #[serde(default)]
    pub attempt: i32,
    /// `metadata.generation` of the `ProtectedDatabase` when the check was made.
    #[serde(default)]
    pub database_generation: i64,
    /// The claims mounted into the container and the volumes behind them.
    #[serde(default)]
    pub volumes: Vec<MountedVolume>,
    /// The data directory that the pod itself configures: its `PGDATA`, or an argument of the
    /// server. Empty if it leaves that to the image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub configured_directory: String,
    /// Where the container mounts something else than a claim, such as an emptyDir.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_mounts: Vec<String>,
    /// `spec.connection.host`, if it is asked instead of the pod's own address. Such a check opens
    /// no readiness gate, and verifies nothing unless the server of this very pod answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The addresses that only this pod has, at most 8, where a host is asked. Empty for a pod that
    /// has those of its node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub addresses: Vec<String>,
    /// When the container started, where a host is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseCheckStatus {
    /// When the agent began. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the agent ended. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What was found. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Why nothing, or not everything, could be checked. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
    /// What the server says before a login. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_login: Option<WithoutLogin>,
    /// What the agent saw of the image when it could read nothing of the server; else `evidence`
    /// has it. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageEvidence>,
    /// What the newest good backup says was there, read when nothing else remembers it. Written by
    /// the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_evidence: Option<BackupEvidence>,
    /// Whose backups the bucket has instead, read when it has none of this database. Nothing of what
    /// they hold: they may be another owner's. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_backups: Option<OtherBackups>,
    /// Why the next backup would fail, as far as the check can see it. Written by the check's Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_obstacle: Option<AgentFailure>,
    /// What was found of the files that rows refer to, one entry per rule of
    /// `spec.verification.files`. Written by separate Jobs, which start after the check of the
    /// data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".to_owned()]))]
    #[schemars(length(max = 32))]
    pub files: Vec<CheckedFiles>,
    /// The operator's verdict on the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CheckVerdict>,
}

impl DatabaseCheck {
    /// When its object was created, by the API server's clock.
    #[must_use]
    pub fn made(&self) -> Option<Timestamp> {
        let created = self.metadata.creation_timestamp.as_ref();
        created.map(|created| created.0)
    }

    /// What the check learnt of the server without logging in.
    #[must_use]
    pub fn without_login(&self) -> Option<&WithoutLogin> {
        self.status.as_ref()?.without_login.as_ref()
    }

    /// What the check found, if its agent found anything.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        self.status.as_ref()?.evidence.as_ref()
    }

    /// What the agent saw of the server's image.
    #[must_use]
    pub fn image(&self) -> Option<&ImageEvidence> {
        let status = self.status.as_ref()?;
        let with_evidence = status.evidence.as_ref();
        with_evidence
            .and_then(|evidence| evidence.image.as_ref())
            .or(status.image.as_ref())
    }
}

/// What the manifest of a backup says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupEvidence {
    /// The backup's path in the bucket.
    pub path: String,
    /// What the dump contains.
    pub evidence: Evidence,
    /// Digest of the salt that the server gave for a role that does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_digest: Option<String>,
}

/// The operator's verdict on a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckVerdict {
    /// Verified, Suspected or Unverifiable.
    pub outcome: CheckOutcome,
    /// One word, listed in `docs/conditions.md`.
    pub reason: String,
    /// What was expected, what was found, and what to do.
    pub message: String,
    /// The findings: first those that make the check Suspected or Unverifiable, the most severe
    /// first, then changes that are no loss. Checks of older versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), transform = super::finding_schema::merge_types)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub findings: Vec<Finding>,
    /// The check that this one was compared with; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// The value of the annotation `holdfast.dev/accept-next-change` that declared the change, if a
    /// user declared it beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_by: Option<String>,
    /// Whether the agent was still counting large tables. It is judged again when it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}
