//! Which fault happens to a restore, and when: drawn by a seed. Pure.

use std::fmt;

use crate::random::Random;

/// Something that happens to a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL of the agent.
    AgentKilled,
    /// SIGTERM of the agent, as at the eviction of its pod.
    AgentStopped,
    /// SIGKILL of `pg_restore` or of the `pg_dump` that compares.
    ProgramKilled,
    /// The server ends all sessions of the restore.
    SessionsEnded,
    /// The server ends without a word, and starts again.
    ServerCrashed,
}

/// The kinds, each as often as it is to come up.
const KINDS: [(Kind, usize); 5] = [
    (Kind::AgentKilled, 8),
    (Kind::AgentStopped, 3),
    (Kind::ProgramKilled, 3),
    (Kind::SessionsEnded, 3),
    (Kind::ServerCrashed, 3),
];

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(match self {
            Self::AgentKilled => "agent killed",
            Self::AgentStopped => "agent stopped",
            Self::ProgramKilled => "program killed",
            Self::SessionsEnded => "sessions ended",
            Self::ServerCrashed => "server crashed",
        })
    }
}

/// A fault, and when it happens.
#[derive(Clone, Copy, Debug)]
pub struct PlannedFault {
    pub kind: Kind,
    /// From the beginning of the restore to its usual end: 0 to 1.
    pub point: f64,
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} at {:.0} %", self.kind, self.point * 100.0)
    }
}

/// Draws one. The first ones are of each kind once, so that a short run has them all.
pub fn draw(step: usize, random: &mut Random) -> PlannedFault {
    let mut drawn = random.below(KINDS.iter().map(|(_, weight)| weight).sum());
    let mut by_weight = Kind::AgentKilled;
    for (kind, weight) in KINDS {
        if drawn < weight {
            by_weight = kind;
            break;
        }
        drawn -= weight;
    }
    PlannedFault {
        kind: KINDS.get(step).map_or(by_weight, |kind| kind.0),
        point: random.fraction(),
    }
}
