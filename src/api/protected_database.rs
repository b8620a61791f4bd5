//! `ProtectedDatabase`: what a user writes. Its status is in `protected_database_status`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Agents, Backup, Connection, Drill, FileRule, PodLabels, ProtectedDatabaseStatus, Restore,
    WorkloadKind,
};

/// A Postgres database whose data Holdfast guards, verifies and backs up.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "holdfast.dev",
    version = "v1alpha1",
    kind = "ProtectedDatabase",
    plural = "protecteddatabases",
    shortname = "protdb",
    category = "holdfast",
    namespaced,
    derive = "PartialEq",
    status = "ProtectedDatabaseStatus",
    doc = "A Postgres database whose data Holdfast guards against deletion, verifies after every \
        restart and backs up to S3.",
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name must have at most 40 characters: the names of its CronJob and Jobs \
            are derived from it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Guarded and verified, and backed up if spec.backup is set"),
    printcolumn(name = "Data", type_ = "string", json_path = ".status.conditions[?(@.type==\"DataVerified\")].reason", description = "What the last check found"),
    printcolumn(name = "Guarded", type_ = "string", json_path = ".status.conditions[?(@.type==\"Guarded\")].status", description = "Whether deletion is refused and volumes are retained"),
    printcolumn(name = "Last Backup", type_ = "date", json_path = ".status.lastGoodBackup.time", description = "Age of the newest good backup"),
    printcolumn(name = "Last Check", type_ = "date", json_path = ".status.lastCheck.time", description = "Age of the newest check"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.backup) || !has(self.backup.excludeTableData) || \
    !has(self.verification) || !has(self.verification.tables) || \
    self.backup.excludeTableData.all(x, !self.verification.tables.exists(t, has(t.minRows) && \
    t.name == x))")
    .message("spec.backup.excludeTableData: the rows of a table with minRows must be in the backup; \
        remove it there, or its minRows"))]
pub struct ProtectedDatabaseSpec {
    /// The workload that runs Postgres.
    pub workload: Workload,
    /// Additional claims of the namespace to guard, such as those of a cache or of uploaded files.
    /// At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extra_claims: Vec<String>,
    /// How to reach the database.
    pub connection: Connection,
    /// What the API server refuses.
    #[serde(default)]
    pub guard: Guard,
    /// What to check after every restart and on schedule.
    #[serde(default)]
    pub verification: Verification,
    /// Where and when to back up. Without it no backup is taken and `BackupFresh` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// How a `DatabaseRestore` restores a backup. Without it none is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// When to prove the backups by restoring one into a throwaway server, and what else to look at there.
    /// Without it a drill is run only when it is asked for: `kubectl holdfast drill`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// The pods in which Holdfast checks and backs up: what they may use, where they run, what the
    /// namespace asks of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Agents>,
    /// Stops checks and backups. The guard stays.
    #[serde(default)]
    pub suspend: bool,
}

/// The workload that runs Postgres: a StatefulSet or Deployment by its name, or pods by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.name) != has(self.selector)")
    .message("spec.workload must have either name, of a StatefulSet or Deployment, or selector, for \
        pods that neither controls"))]
#[x_kube(validation = Rule::new("has(self.selector) ? !has(self.kind) : !has(self.primary)")
    .message("spec.workload.kind belongs to name, and spec.workload.primary to selector"))]
#[x_kube(validation = Rule::new("!has(self.selector) || !has(self.primary) || \
    self.primary.matchLabels.all(key, !(key in self.selector.matchLabels) || \
    self.selector.matchLabels[key] == self.primary.matchLabels[key])")
    .message("spec.workload.primary.matchLabels has a label of spec.workload.selector.matchLabels with \
        another value: no pod has both, and the other value may be that of another database. Leave it \
        out of primary"))]
pub struct Workload {
    /// `StatefulSet` or `Deployment`. Default: the one with that name. If both exist, nothing is
    /// done until you set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<WorkloadKind>,
    /// Its name, in the same namespace. Instead of `selector`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The labels of the pods, where another operator runs them without a StatefulSet, such as
    /// `cnpg.io/cluster: NAME` for CloudNativePG. Each of their claims is guarded. Instead of `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<PodLabels>,
    /// The labels that the primary has in addition, such as `cnpg.io/instanceRole: primary`. That pod is
    /// checked and backed up. While no pod has them, or two have, nothing is called verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<PodLabels>,
    /// The container that runs Postgres. Default: the only one, or the one called `postgres`. Name it
    /// beside a selector: poolers, exporters and Jobs may have the same labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
}

/// What the API server refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    /// Whether deletion of guarded objects is refused. Quote `"Off"`: YAML reads the unquoted word
    /// as false.
    #[serde(default)]
    pub deletion: DeletionGuard,
}

/// Whether deletion of guarded objects is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionGuard {
    /// Deletion is refused until it is confirmed, and volumes are set to Retain.
    #[default]
    Deny,
    /// Nothing is refused, and Ready is False. The change from Deny needs a confirmation: `kubectl
    /// holdfast unlock protdb/NAME --change`. Then marks are removed; volumes stay on Retain.
    Off,
}

/// What to check after every restart and on schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.timeout) >= duration('1s') && \
    duration(self.timeout) <= duration('1h')")
    .message("spec.verification.timeout must be 1s to 1h"))]
#[x_kube(validation = Rule::new("duration(self.countingBudget) >= duration('1ms') && \
    duration(self.countingBudget) <= duration('1h')")
    .message("spec.verification.countingBudget must be 1ms to 1h"))]
pub struct Verification {
    /// When to check in addition to every restart, as five cron fields in UTC or a macro such as
    /// `@daily`. Default: every hour, at a minute of its own. `"Off"` checks only at restarts and
    /// backups. Two intervals after the last good check, 2 hours with `"Off"`, and at the latest
    /// after 32 days, `DataVerified` becomes Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(
            pattern = r"^(Off|@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+(\s+\S+){4})$"
        ),
        length(max = 100)
    )]
    pub schedule: Option<String>,
    /// Rules for single tables. At most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub tables: Vec<TableRule>,
    /// What is expected of every table without a rule.
    #[serde(default)]
    pub baseline: Baseline,
    /// Files that rows refer to, and that must exist. At most 32 rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub files: Vec<FileRule>,
    /// Timeout of a check from its first connection, such as `60s` or `5m`. It includes waiting for
    /// a server that is still starting. 1 s to 1 h.
    #[serde(default = "default_timeout")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub timeout: String,
    /// Time for counting all tables without a rule together, such as `20ms` or `2s`. 1 ms to 1 h.
    /// The smallest tables, up to 4 MiB in all, are always counted. The rows of the others are
    /// estimated; an estimate alone is never reported as a reset. Tables in `tables` are counted as
    /// far as their rules need it, within `timeout`.
    #[serde(default = "default_counting_budget")]
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"), length(max = 20))]
    pub counting_budget: String,
    /// What happens to pods with the readiness gate `holdfast.dev/data-verified` whose data can't
    /// be verified.
    #[serde(default)]
    pub gate: Gate,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            schedule: None,
            tables: Vec::new(),
            baseline: Baseline::default(),
            files: Vec::new(),
            timeout: default_timeout(),
            counting_budget: default_counting_budget(),
            gate: Gate::default(),
        }
    }
}

/// What happens to pods with the readiness gate whose data can't be verified. A pod whose data
/// looks reset never gets traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.timeout) >= duration('1s') && \
    duration(self.timeout) <= duration('24h')")
    .message("spec.verification.gate.timeout must be 1s to 24h"))]
pub struct Gate {
    /// How long to wait for a verdict after the container started, such as `5m`. 1 s to 24 h.
    #[serde(default = "default_gate_timeout")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub timeout: String,
    /// What happens after `timeout`.
    #[serde(default)]
    pub when_unverifiable: WhenUnverifiable,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            timeout: default_gate_timeout(),
            when_unverifiable: WhenUnverifiable::default(),
        }
    }
}

/// What happens to a pod with the readiness gate that could not be verified for longer than
/// `timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnverifiable {
    /// It gets no traffic, and `Stalled` says so.
    #[default]
    Hold,
    /// It gets traffic: availability matters more than verified data.
    Open,
}

fn default_gate_timeout() -> String {
    "5m".to_owned()
}

/// What is expected of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.volatile) || !self.volatile || \
    !has(self.maxDropPercent)")
    .message("spec.verification.tables: a volatile table may lose any share of its rows; leave out \
        maxDropPercent, or volatile"))]
pub struct TableRule {
    /// `schema.table`, as in the catalog: without quotes, and case-sensitive. Names that contain a
    /// dot can't be listed.
    #[schemars(regex(pattern = r#"^[^.\s"';]{1,63}\.[^.\s"';]{1,63}$"#))]
    pub name: String,
    /// The database that it is in. Default: `spec.connection.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// Fewer rows than this count as a reset. 0 or more. The share that may be lost counts as well,
    /// unless `maxDropPercent` is 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min_rows: Option<i64>,
    /// Losing more than this share of the rows since the last good check counts as a reset.
    /// Percent, 0 to 100. Default: `maxDropPercent` of `baseline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_drop_percent: Option<i32>,
    /// For a table such as a queue or a cache: losing its rows, or the table itself, is no reset.
    /// `minRows` still applies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub volatile: bool,
}

/// What is expected of every table without a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// Losing more than this share of the rows since the last good check counts as a reset: for each
    /// table with a rule that has no share of its own, and for all other tables of a database
    /// together. Percent, 0 to 100, or `"Off"` (quoted: YAML reads the unquoted word as false).
    #[serde(default = "default_max_drop_percent")]
    #[x_kube(validation = Rule::new("type(self) == int ? self >= 0 && self <= 100 : self == 'Off'")
        .message("spec.verification.baseline.maxDropPercent must be 0 to 100, or \"Off\""))]
    pub max_drop_percent: IntOrString,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            max_drop_percent: default_max_drop_percent(),
        }
    }
}

impl Baseline {
    /// The share in percent, or `None` when switched off.
    #[must_use]
    pub fn max_drop_percent(&self) -> Option<i32> {
        match &self.max_drop_percent {
            IntOrString::Int(percent) => Some(*percent),
            IntOrString::String(_) => None,
        }
    }
}

fn default_timeout() -> String {
    "60s".to_owned()
}

fn default_counting_budget() -> String {
    "10ms".to_owned()
}

fn default_max_drop_percent() -> IntOrString {
    IntOrString::Int(50)
}
