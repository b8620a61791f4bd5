//! What one look at files found, as a check carries it. Bounded in size. No opinions here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AgentFailure;

/// The most names that are told, of missing files and of unreferenced ones each.
pub const FILE_NAME_LIMIT: usize = 20;

/// The most rows of a query that are compared with files: a digest of each different path is kept
/// in memory.
pub const FILE_PATH_LIMIT: u64 = 5_000_000;

/// What was found of the files that one rule is about. With a `failure`, the numbers say how far it
/// came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedFiles {
    /// Place of the rule in `spec.verification.files`, counted from 0.
    #[schemars(range(min = 0, max = 31))]
    pub rule: i32,
    /// Name of the claim.
    pub claim: String,
    /// Folder on the claim that was looked at; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// When the look began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the look ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Different paths that rows name.
    #[serde(default)]
    pub paths: i64,
    /// Paths of these with a file.
    #[serde(default)]
    pub found: i64,
    /// Paths of these without a file.
    #[serde(default)]
    pub missing: i64,
    /// The first of the missing ones in the order of their names, at most 20, shortened and with
    /// control characters escaped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 200)))]
    pub missing_names: Vec<String>,
    /// Regular files that are there.
    #[serde(default)]
    pub files: i64,
    /// Regular files that no row names.
    #[serde(default)]
    pub unreferenced: i64,
    /// The first of these in the order of their names, at most 20, shortened and with control
    /// characters escaped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 200)))]
    pub unreferenced_names: Vec<String>,
    /// Why nothing, or not everything, could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
}
