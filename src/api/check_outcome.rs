//! How a check ends: its outcome, and why an agent could not do its work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The three outcomes of a check. Unverifiable is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckOutcome {
    /// The data is that of the last good check, or has grown from it.
    Verified,
    /// The data looks reset.
    Suspected,
    /// It is not known whether the data is good.
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
