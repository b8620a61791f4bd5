//! Who carries a plan out, and what it was decided from. Pure.

use jiff::Timestamp;

use super::Actor;
use crate::api::ProtectedDatabaseStatus;
use crate::world::{Observed, ObservedRecovery};

/// Who carries a plan out, and what it was decided from.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// The operator, in its pass for one database.
    Database {
        /// What the pass saw.
        observed: &'a Observed,
        /// The status that the plan reports.
        status: &'a ProtectedDatabaseStatus,
    },
    /// The operator, for a `DatabaseRestore`.
    Restore {
        /// What the pass saw.
        observed: &'a ObservedRecovery,
        /// What its status has announced before this pass.
        announced: &'a [String],
        /// Whether it was deleted on its way, and the workload only gets its pods back.
        is_given_up: bool,
    },
    /// A user of `kubectl holdfast recover`.
    User {
        /// What was read.
        observed: &'a ObservedRecovery,
        /// What the user has confirmed; none if they were not to be asked.
        confirmed: Option<&'a [String]>,
    },
}

impl<'a> Scope<'a> {
    pub(super) const fn actor(&self) -> Actor {
        match self {
            Self::Database { .. } => Actor::Operator,
            Self::Restore { .. } => Actor::Restore,
            Self::User { .. } => Actor::User,
        }
    }

    /// The time by which confirmations are judged.
    pub(super) fn now(&self) -> Timestamp {
        match self {
            Self::Database { observed, .. } => observed.server_time(),
            Self::Restore { observed, .. } | Self::User { observed, .. } => {
                observed.world.server_time()
            }
        }
    }

    /// What the operator's pass saw.
    pub(super) fn database(&self) -> Result<&'a Observed, &'static str> {
        match self {
            Self::Database { observed, .. } => Ok(observed),
            Self::Restore { .. } | Self::User { .. } => {
                Err("it belongs to the operator's pass for a database")
            }
        }
    }

    /// What was read of a database that is recovered.
    pub(super) fn recovery(&self) -> Result<&'a ObservedRecovery, &'static str> {
        match self {
            Self::Restore { observed, .. } | Self::User { observed, .. } => Ok(observed),
            Self::Database { .. } => Err("it belongs to a recovery"),
        }
    }
}
