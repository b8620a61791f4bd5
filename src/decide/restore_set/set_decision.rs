//! What a pass does about a `DatabaseRestore` from a backup, as a value. Pure.

use crate::api::{DatabaseRestoreStatus, RestoreState};
use crate::plan::Plan;
use crate::world::{Fact, Observed};

/// What one pass does: first the status, then the steps.
#[derive(Clone, Debug)]
pub struct SetDecision {
    /// The status to write, if it differs. What the agent has written in it stays the agent's.
    pub status: DatabaseRestoreStatus,
    /// The steps, which the rules vet.
    pub plan: Plan,
    /// Whether the Job is about to be created, or has not ended: until then the restore is not to be gone.
    pub is_held: bool,
}

impl SetDecision {
    /// Only the status.
    pub(super) fn says(
        before: &DatabaseRestoreStatus,
        state: RestoreState,
        message: String,
    ) -> Self {
        Self {
            status: DatabaseRestoreStatus {
                state: Some(state),
                message: Some(message),
                ..before.clone()
            },
            plan: Plan::default(),
            is_held: false,
        }
    }

    /// It waits for something, and continues by itself.
    pub(super) fn blocked(before: &DatabaseRestoreStatus, message: String) -> Self {
        Self::says(before, RestoreState::Blocked, message)
    }

    /// It has ended.
    pub(super) fn over(
        observed: &Observed,
        before: &DatabaseRestoreStatus,
        state: RestoreState,
        message: String,
    ) -> Self {
        let mut decision = Self::says(before, state, message);
        decision.status.completion_time = Some(observed.now.clone());
        decision
    }

    pub(super) const fn held(mut self) -> Self {
        self.is_held = true;
        self
    }
}

/// The value of a fact.
pub(super) fn known<T>(fact: &Fact<T>) -> Result<&T, String> {
    match fact {
        Fact::Known(value) => Ok(value),
        Fact::Unknown(why) => Err(why.clone()),
    }
}
