//! A restore of files: which directory of a set, what its agent is asked, and what it reports.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The directory of `spec.backup.directories` whose files are restored, and nothing else of the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.path) || !('/' + self.path + '/').contains('/../') \
    && !('/' + self.path + '/').contains('/./')")
    .message("spec.files: path must not contain `.` or `..`"))]
#[x_kube(validation = Rule::new("!has(self.acceptWriters) || (has(self.path) && self.path != '')")
    .message("spec.files.acceptWriters needs a path: the entries of a whole claim are moved one by one, and no \
        pod may write to it meanwhile"))]
pub struct RestoredFiles {
    /// Name of the claim, as in `spec.backup.directories`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub claim: String,
    /// Path on the claim, as in `spec.backup.directories`. Default: all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = r"^([^/]+(/[^/]+)*)?$"), length(max = 1024))]
    pub path: String,
    /// Restores although pods may write to the directory. What they write until it is replaced is in the
    /// directory that is kept, and what mounts it by `subPath` sees that one until it starts again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_writers: Option<bool>,
}

/// What the agent of a restore of files is asked, beside what every restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesToRestore {
    /// Name of the claim, which is mounted in `FILES_DIRECTORY`.
    pub claim: String,
    /// UID of the claim that was announced.
    pub claim_uid: String,
    /// Path on it; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// A directory that was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoredDirectory {
    /// Name of the claim.
    pub claim: String,
    /// Path on the claim; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The path on the claim that the restored files have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_as: Option<String>,
    /// The path on the claim that the files have which were there before. They were not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
    /// Files that were there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_before: Option<i64>,
    /// Files that the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_files: Option<i64>,
    /// Files that are there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<i64>,
    /// Bytes of the files that the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_bytes: Option<i64>,
    /// Bytes of the files that are there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Whether every path, file, link and byte is as in the manifest, read again from the disk.
    #[serde(default)]
    pub is_identical: bool,
}
