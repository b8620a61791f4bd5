//! What the agent of a drill says of the restored data, beyond what every restore says: in the report of its
//! `DatabaseRestore`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most indexes, and constraints, that a report names.
pub const DRILL_NAME_LIMIT: usize = 32;

/// What a drill has found in its throwaway server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    /// What kind of failure it was, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<DrillFailureClass>,
    /// Version of the throwaway server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The identifier that initdb gave the database cluster that was dumped, by the manifest of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// How long its parts took.
    #[serde(default)]
    pub times: DrillTimes,
    /// Whether the definitions of all tables, columns, indexes and constraints are those of the manifest.
    /// Absent if the manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_matches: Option<bool>,
    /// Indexes that are not valid, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub invalid_indexes: Vec<String>,
    /// Constraints that are not validated although they were, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub unvalidated_constraints: Vec<String>,
    /// Whether all sequences have the values of the manifest. Absent if the manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences_match: Option<bool>,
    /// What amcheck says of the indexes, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amcheck: Option<String>,
    /// The results of `spec.drill.queries`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub queries: Vec<DrilledQuery>,
    /// The results of `spec.drill.freshness`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub freshness: Vec<DrilledColumn>,
}

/// How long the parts of a drill took, in seconds: together what a restore takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillTimes {
    /// Until the throwaway server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_seconds: Option<i64>,
    /// Reading and hashing the set before anything was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_seconds: Option<i64>,
    /// Definitions and rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_seconds: Option<i64>,
    /// Indexes and constraints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_seconds: Option<i64>,
    /// Statistics of the planner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyze_seconds: Option<i64>,
    /// Comparison with the manifest, and all other checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_seconds: Option<i64>,
}

impl DrillTimes {
    /// What a restore takes, in seconds: all parts but that for the throwaway server. None if none is known.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        let parts = self.parts().into_iter().skip(1);
        let known: Vec<i64> = parts.filter_map(|(_, part)| part).collect();
        (!known.is_empty()).then(|| known.into_iter().fold(0, i64::saturating_add))
    }

    /// The parts with their names, in their order.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, Option<i64>); 6] {
        [
            ("scratch", self.scratch_seconds),
            ("download", self.download_seconds),
            ("data", self.data_seconds),
            ("indexes", self.index_seconds),
            ("analyze", self.analyze_seconds),
            ("verify", self.verify_seconds),
        ]
    }
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrillFailureClass {
    /// A role that the set needs could not be made.
    RoleMissing,
    /// The image does not have an extension of the set.
    ExtensionMissing,
    /// The image has another version of an extension.
    ExtensionVersion,
    /// A schema of the set was there before.
    SchemaExists,
    /// A definition of the set works only with another `search_path`.
    SearchPath,
    /// A permission is missing.
    Privilege,
    /// The restored data is not what the manifest says, or a check of it failed.
    Data,
    /// The throwaway server did not start, or ended.
    Scratch,
    /// The bucket could not be read, or the set in it is another one.
    Storage,
    /// None of these. It has failed nevertheless.
    Unknown,
}

impl DrillFailureClass {
    /// The word in the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoleMissing => "RoleMissing",
            Self::ExtensionMissing => "ExtensionMissing",
            Self::ExtensionVersion => "ExtensionVersion",
            Self::SchemaExists => "SchemaExists",
            Self::SearchPath => "SearchPath",
            Self::Privilege => "Privilege",
            Self::Data => "Data",
            Self::Scratch => "Scratch",
            Self::Storage => "Storage",
            Self::Unknown => "Unknown",
        }
    }
}

/// What one of the user's queries has said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrilledQuery {
    /// Its name.
    pub name: String,
    /// Its result, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the result is within its bounds.
    pub passed: bool,
}

/// What the newest value of a column is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrilledColumn {
    /// The database that it is in.
    pub database: String,
    /// `schema.table`.
    pub table: String,
    /// Its name.
    pub column: String,
    /// Its newest value, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Whether it is recent enough.
    pub passed: bool,
}
