//! What is known of how an agent's pod is to be. Pure.

use super::placement::Placement;
use crate::api::Agents;

/// How an agent's pod is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentPodSettings {
    /// The operator's own image, which the static binary is copied from.
    pub agent_image: String,
    /// The database's own image, so that `pg_dump` matches the server.
    pub database_image: String,
    /// The pull policy of the database's container.
    pub image_pull_policy: Option<String>,
    /// What it takes over from the database's own pod.
    pub placement: Placement,
    /// What the user and the installation want.
    pub agents: Agents,
}
