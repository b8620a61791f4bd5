//! A directory on a claim that belongs to the backup set, and where its claim is mounted.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A directory on a claim that belongs to the backup set. Its claim is mounted read-only into the pod of
/// each backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.path) || !('/' + self.path + '/').contains('/../') \
    && !('/' + self.path + '/').contains('/./')")
    .message("spec.backup.directories: path must not contain `.` or `..`"))]
pub struct BackupDirectory {
    /// Name of the claim, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// Path on the claim, relative, without a slash at its end and without `..`. Default: all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(regex(pattern = r"^([^/]+(/[^/]+)*)?$"), length(max = 1024))]
    pub path: String,
    /// UID that the backup's agent runs with, for files that only their owner may read. Never root. The
    /// same for all directories of a database. Default: 65532, a user that owns no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: Option<i64>,
    /// GID that the backup's agent runs with. Never root's. The same for all directories of a database.
    /// Default: 65532, a group that owns no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_group: Option<i64>,
}

/// The claims of directories, each once, in the order in which they are mounted.
#[must_use]
pub fn claims_of(directories: &[BackupDirectory]) -> Vec<&str> {
    let mut claims = Vec::new();
    for directory in directories {
        if !claims.contains(&directory.claim.as_str()) {
            claims.push(directory.claim.as_str());
        }
    }
    claims
}

/// Where the claim with that place among them is mounted, below the directory of all.
#[must_use]
pub fn claim_mount(all: &str, place: usize) -> String {
    format!("{all}/{place}")
}
