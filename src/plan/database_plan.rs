//! What one pass of the operator intends for one database.

use std::time::Duration;

use super::Step;
use crate::api::{ConditionType, DesiredCondition, ProtectedDatabaseStatus};

/// What one pass intends.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What to write, in this order. The first failure ends the pass.
    pub steps: Vec<Step>,
    /// The status to report, without its conditions.
    pub status: ProtectedDatabaseStatus,
    /// The conditions to report.
    pub conditions: Vec<DesiredCondition>,
    /// The conditions that are not about this database any more.
    pub withdrawn: Vec<ConditionType>,
    /// When to read again without being called.
    pub again_after: Option<Duration>,
}

impl Plan {
    /// Reads again after at most that long, and never without a pause.
    pub fn read_again_after(&mut self, wait: Duration) {
        let wait = wait.max(Duration::from_secs(1));
        self.again_after = Some(self.again_after.map_or(wait, |present| present.min(wait)));
    }
}
