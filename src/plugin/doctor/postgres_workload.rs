//! A workload that runs a Postgres, with its claims as they were read. Pure.

use serde::Serialize;

use super::PostgresTemplate;
use crate::api::{VolumeStorage, WorkloadKind};

/// A workload that runs a Postgres, with everything that was read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresWorkload {
    /// StatefulSet or Deployment.
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// What its pod template says.
    pub template: PostgresTemplate,
    /// The moments at which its claims are deleted automatically.
    pub claims_deleted_when: Vec<&'static str>,
    pub claims: Vec<ClaimFound>,
    /// How many servers it runs at a time, and on which claims.
    pub servers: ServersFound,
}

/// How many servers a workload runs at a time, and on which claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServersFound {
    pub replicas: i32,
    /// Whether a pod may start before the one in whose place it comes has stopped.
    pub overlaps: bool,
    /// The claims with the data directory that all its pods share.
    pub shared_claims: Vec<String>,
}

/// A claim and what is known of its volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimFound {
    pub name: String,
    /// Its volume; none if it is not bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The volume's reclaim policy; none if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reclaim_policy: Option<String>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// How it may be mounted; none if it is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// What storage its volume is for; empty if it is not known.
    #[serde(skip)]
    pub storage: VolumeStorage,
}
