//! How a database is recovered, or what blocks it.

use super::Step;

/// What is to be done, in order. After a [`Step::Await`] everything is read again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryPlan {
    /// The steps; none when everything is where it belongs.
    pub steps: Vec<Step>,
    /// What was found, one sentence each.
    pub findings: Vec<String>,
    /// What the user should know and the steps do not do.
    pub notes: Vec<String>,
    /// What is still not as it was at the last good check, and no step changes.
    pub unresolved: Vec<String>,
}

/// What blocks a recovery. Nothing is done until it is resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocker {
    /// Something that the user has to decide or change, and the command for it.
    #[error("{0}")]
    Unresolved(String),
    /// A read failed, so what it would have returned is not known.
    #[error("{0}; nothing is changed until it can be read")]
    Unread(String),
}

impl Blocker {
    /// A blocker that the user can resolve.
    #[must_use]
    pub fn new(message: String) -> Self {
        Self::Unresolved(message)
    }
}
