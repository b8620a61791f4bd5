//! What a user writes about drills: the `drill` part of a `ProtectedDatabase`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AgentResources;

/// The most queries of one drill.
pub const DRILL_QUERY_LIMIT: usize = 32;
/// The most columns whose freshness a drill looks at.
pub const DRILL_FRESHNESS_LIMIT: usize = 32;

/// Regular restores of a backup into a throwaway server, which prove that backups can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.deadline) >= duration('1m') && \
    duration(self.deadline) <= duration('168h')")
    .message("spec.drill.deadline must be 1m to 168h"))]
pub struct Drill {
    /// When, in the format of `spec.backup.schedule`.
    #[schemars(
        regex(
            pattern = r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+(\s+\S+){4})$"
        ),
        length(max = 100)
    )]
    pub schedule: String,
    /// Time zone of the schedule, by its name in the IANA database. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Which of the backups that count is restored.
    #[serde(default)]
    pub of: DrillSelection,
    /// The longest time that a drill may take, such as `6h`. One that takes longer has failed. 1 m to
    /// 168 h.
    #[serde(default = "default_deadline")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub deadline: String,
    /// Where the throwaway server has its data. Default: on the node's disk, at most three times the bytes
    /// of the backup before compression and 2 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<DrillStorage>,
    /// Queries of your own for the restored data, each with bounds. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub queries: Vec<DrillQuery>,
    /// Columns whose newest value must not be much older than the backup. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub freshness: Vec<DrillFreshness>,
    /// Requests and limits of the containers of a drill, in place of those of `spec.agents.resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<AgentResources>,
}

/// Which of the backups that count is restored. Never a demoted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrillSelection {
    /// The newest one.
    #[default]
    Latest,
    /// Any one, another one each time.
    Random,
    /// The oldest one that is kept.
    Oldest,
}

/// Where the throwaway server of a drill has its data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.size)")
    .message("spec.drill.storage.size is missing: how much the restored data and its indexes may take, \
        such as 20Gi"))]
#[x_kube(validation = Rule::new("!has(self.size) || !isQuantity(self.size) || \
    quantity(self.size).isGreaterThan(quantity('0'))")
    .message("spec.drill.storage.size must be more than 0"))]
pub struct DrillStorage {
    /// How much the restored data, its indexes and its write-ahead log may take, such as `20Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"),
        length(max = 20)
    )]
    pub size: Option<String>,
    /// A volume of this storage class, which lives as long as the drill's pod. Default: none, the data is
    /// on the node's disk. A class with the reclaim policy Retain leaves a volume behind each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub storage_class_name: Option<String>,
}

/// A query for the restored data. Its result is one number, in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.minimum) || has(self.maximum)")
    .message("spec.drill.queries: each query needs minimum, maximum or both"))]
#[x_kube(validation = Rule::new("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum")
    .message("spec.drill.queries: minimum must not be above maximum"))]
pub struct DrillQuery {
    /// A name for it, in messages.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// A query whose result is one number in one row: `select count(*) from public.orders`.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// The database that it runs in. Default: `spec.connection.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// A smaller result means that the drill has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// A greater result means that the drill has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
}

/// A column with times whose newest value says how recent the data of a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("duration(self.within) >= duration('1s') && \
    duration(self.within) <= duration('87600h')")
    .message("spec.drill.freshness: within must be 1s to 87600h"))]
pub struct DrillFreshness {
    /// `schema.table`, as in the catalog: without quotes, and case-sensitive.
    #[schemars(regex(pattern = r#"^[^.\s"';]{1,63}\.[^.\s"';]{1,63}$"#))]
    pub table: String,
    /// The column, of the type `timestamptz`, `timestamp` or `date`.
    #[schemars(length(min = 1, max = 63))]
    pub column: String,
    /// How much older than the backup its newest value may be, such as `26h`. 1 s to 87600 h.
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub within: String,
    /// The database that it is in. Default: `spec.connection.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
}

fn default_deadline() -> String {
    "6h".to_owned()
}
