//! How a check ends: its outcome, and why an agent could not do its work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The three outcomes of a check. There is no fourth, and the third is neither of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckOutcome {
    /// The data is what was last known good, or has grown from it.
    Verified,
    /// The data looks reset.
    Suspected,
    /// Nothing can be said.
    Unverifiable,
}

/// Why an agent could not do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentFailure {
    /// One word, listed in `docs/conditions.md`.
    pub reason: String,
    /// What happened, what it means and what to do next. Never a secret.
    pub message: String,
}
