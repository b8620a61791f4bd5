//! What can end a pass early.

use crate::execute::WriteError;
use crate::plan::RuleViolation;

/// What can end a pass early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The ProtectedDatabase itself could not be read.
    #[error("{0}")]
    Read(String),
    /// The plan broke a rule; nothing of it was done.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// A write was refused or not answered; what came after it was not done.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The status could not be written.
    #[error("{0}")]
    Report(WriteError),
}
