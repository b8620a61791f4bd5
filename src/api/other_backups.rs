//! Whose backups a bucket has where those of a database belong. Nothing of what they hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose backups a bucket has that are not known to be of this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtherBackups {
    /// In the directory of this database: of another Kubernetes cluster.
    AnotherCluster,
    /// In the directory of this database: of another namespace of this cluster, which had the name before.
    AnotherNamespace,
    /// In the directory of this database: they do not say of which namespace they are, and are of another
    /// ProtectedDatabase.
    NotSaid,
    /// In the directory of another namespace: of a database of the same name, with far more rows.
    Elsewhere,
}
