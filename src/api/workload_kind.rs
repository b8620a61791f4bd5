//! The kinds of workload that can run Postgres.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds of workload that can run Postgres.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WorkloadKind {
    /// `apps/v1` `StatefulSet`.
    StatefulSet,
    /// `apps/v1` Deployment.
    Deployment,
}

impl std::fmt::Display for WorkloadKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
        })
    }
}
