//! What a user writes about files that rows refer to: one rule of `spec.verification.files`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The most rules of one ProtectedDatabase. The field manager of each rule contains its index.
pub const FILE_RULE_LIMIT: usize = 32;

/// Files on a claim that rows refer to. After every check Holdfast looks whether they exist.
/// `docs/files.md` says how paths are matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.root) || !('/' + self.root + '/').contains('/../')")
    .message("spec.verification.files: root must not contain `..`"))]
#[x_kube(validation = Rule::new("!has(self.prefix) || !('/' + self.prefix + '/').contains('/../')")
    .message("spec.verification.files: prefix must not contain `..`"))]
#[x_kube(validation = Rule::new("duration(self.timeout) >= duration('1s') && \
    duration(self.timeout) <= duration('1h')")
    .message("spec.verification.files: timeout must be 1s to 1h"))]
pub struct FileRule {
    /// Name of the claim, in the same namespace. It is mounted read-only.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
    /// Directory on the claim that the rows' paths start from. Default: the root of the claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub root: String,
    /// Prefix of the rows' paths, such as the directory where the application mounts the claim. It
    /// is removed from each path that begins with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub prefix: String,
    /// A query that returns one path per row, in its only column: `select example_image_path from
    /// trends`.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// The database that the query runs in. Default: `spec.connection.database`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// UID that the agent runs with, for directories that only their owner may list. Never root.
    /// Default: 65532, a user that owns no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_user: Option<i64>,
    /// GID that the agent runs with. Never root's. Default: 65532, a group that owns no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub run_as_group: Option<i64>,
    /// Timeout of the search for files, such as `10m`. 1 s to 1 h.
    #[serde(default = "default_timeout")]
    #[schemars(regex(pattern = r"^([0-9]+(s|m|h))+$"), length(max = 20))]
    pub timeout: String,
}

impl FileRule {
    /// Where the files are, in words.
    #[must_use]
    pub fn place(&self) -> String {
        place(&self.claim, &self.root)
    }
}

/// `claim uploads`, `directory trend_examples of claim uploads`.
#[must_use]
pub fn place(claim: &str, root: &str) -> String {
    if root.is_empty() {
        format!("claim {claim}")
    } else {
        format!("directory {root} of claim {claim}")
    }
}

fn default_timeout() -> String {
    "10m".to_owned()
}
