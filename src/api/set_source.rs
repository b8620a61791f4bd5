//! A backup set by its place in the bucket: how a set is restored that no `DatabaseBackup` of this cluster
//! is about.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A backup set by its place in the bucket of `spec.backup.storage`, such as one of a cluster that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.path.split('/').exists(part, part == '.' || part == '..')")
    .message("spec.from.set.path must not contain `.` or `..`: write it as `kubectl holdfast adopt` \
        lists it"))]
pub struct SetSource {
    /// The set's directory in the bucket, without the bucket's name, as `kubectl holdfast adopt` lists it.
    /// It must be below `spec.backup.storage.s3.prefix`.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+){2,}$"),
        length(max = 600)
    )]
    pub path: String,
    /// SHA-256 of its `manifest.json`, in hex. Another manifest is refused.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"), length(max = 64))]
    pub manifest_sha256: String,
}

impl SetSource {
    /// The name of its directory, which is unique among the sets of a database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}
