//! What one area of a plan contributes, and what all areas need to know.

use crate::api::{DeletionGuard, reasons};
use crate::resources::{SpecError, describe_errors};
use crate::world::Observed;

/// Something that only a user can change, and the sentence that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// A constant of [`reasons`].
    pub reason: &'static str,
    /// What happened, what it means, what to do next.
    pub message: String,
}

impl Stall {
    /// What is wrong with a spec, by its fields.
    pub fn invalid_spec(errors: &[SpecError]) -> Self {
        Self {
            reason: reasons::INVALID_SPEC,
            message: describe_errors(errors),
        }
    }
}

/// What one area of the plan contributes.
#[derive(Debug, Default)]
pub(crate) struct Area {
    /// Something that only a user can change.
    pub stall: Option<Stall>,
    /// What the area waits for.
    pub waiting_on: Option<String>,
}

/// Whether the guard is wanted.
pub(crate) fn guard_wanted(observed: &Observed) -> bool {
    observed.database.spec.guard.deletion == DeletionGuard::Deny
}
