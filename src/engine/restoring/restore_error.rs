//! What ends a pass for a `DatabaseRestore` early.

use crate::execute::WriteError;
use crate::plan::RuleViolation;

/// What ended a pass early.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A read failed; nothing was decided.
    #[error("{0}")]
    Read(String),
    /// The plan broke a rule; nothing of it was done.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// A write was refused or not answered.
    #[error(transparent)]
    Write(#[from] WriteError),
}
