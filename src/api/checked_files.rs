//! What one look for files found, as part of a check. Limited in size. Nothing is judged here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AgentFailure;

/// The most names that are reported: of missing files, and of files that no row names.
pub const FILE_NAME_LIMIT: usize = 20;

/// The most rows of a query that are compared with files: a digest of each different path is kept
/// in memory.
pub const FILE_PATH_LIMIT: u64 = 5_000_000;

/// What was found of the files of one rule. With a `failure`, the numbers are what was found before
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckedFiles {
    /// Index of the rule in `spec.verification.files`, from 0.
    #[schemars(range(min = 0, max = 31))]
    pub rule: i32,
    /// Name of the claim.
    pub claim: String,
    /// Directory on the claim that was searched; empty for the whole claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// When the search began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the search ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Number of different paths that rows name.
    #[serde(default)]
    pub paths: i64,
    /// Number of these paths that have a file.
    #[serde(default)]
    pub found: i64,
    /// Number of these paths that have no file.
    #[serde(default)]
    pub missing: i64,
    /// The first missing paths, sorted by name, at most 20. They are shortened and control
    /// characters are escaped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 200)))]
    pub missing_names: Vec<String>,
    /// Number of regular files in the directory.
    #[serde(default)]
    pub files: i64,
    /// Number of regular files that no row names.
    #[serde(default)]
    pub unreferenced: i64,
    /// The first files that no row names, sorted by name, at most 20. They are shortened and
    /// control characters are escaped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 200)))]
    pub unreferenced_names: Vec<String>,
    /// Why nothing, or not everything, could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentFailure>,
}
