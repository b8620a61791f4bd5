//! Which fault happens, and where: drawn by a seed. Pure.

use std::fmt;
use std::time::Duration;

use testbed::storage_proxy::{Fault, Operation, Refusal};

use crate::random::Random;

/// Something that happens to a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL of the agent, at a moment.
    AgentKilled,
    /// SIGKILL of the agent when it has sent a request to the storage.
    AgentKilledAtRequest,
    /// SIGTERM of the agent when it has sent a request to the storage, as at the eviction of its pod.
    AgentStopped,
    /// SIGKILL of `pg_dump` or `pg_dumpall`.
    DumpKilled,
    /// The server ends one of the sessions of the set.
    SessionEnded,
    /// The storage is busy for one to three requests.
    Busy,
    /// A connection to the storage is cut before the request is carried out.
    Reset,
    /// A request is carried out, and its answer is lost.
    LostAnswer,
    /// An answer with status 200 that says it is an error.
    ErrorInSuccess,
    /// A request of which nothing moves any more.
    Stall,
    /// From one request on the storage does nothing, for longer than a backup is patient.
    Away,
}

/// The kinds, each as often as it is to come up.
const KINDS: [(Kind, usize); 11] = [
    (Kind::AgentKilled, 4),
    (Kind::AgentKilledAtRequest, 6),
    (Kind::AgentStopped, 3),
    (Kind::DumpKilled, 3),
    (Kind::SessionEnded, 4),
    (Kind::Busy, 2),
    (Kind::Reset, 2),
    (Kind::LostAnswer, 3),
    (Kind::ErrorInSuccess, 2),
    (Kind::Stall, 2),
    (Kind::Away, 2),
];

impl Kind {
    /// Whether it happens at a request to the storage, and not at a moment.
    pub const fn is_at_request(self) -> bool {
        !matches!(
            self,
            Self::AgentKilled | Self::DumpKilled | Self::SessionEnded
        )
    }

    /// Whether a backup has to outlive it.
    pub const fn is_outlived(self) -> bool {
        matches!(
            self,
            Self::Busy | Self::Reset | Self::LostAnswer | Self::ErrorInSuccess | Self::Stall
        )
    }

    /// Whether the agent is killed.
    pub const fn kills_agent(self) -> bool {
        matches!(self, Self::AgentKilled | Self::AgentKilledAtRequest)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(match self {
            Self::AgentKilled => "agent killed",
            Self::AgentKilledAtRequest => "agent killed at a request",
            Self::AgentStopped => "agent stopped",
            Self::DumpKilled => "pg_dump killed",
            Self::SessionEnded => "session ended",
            Self::Busy => "storage busy",
            Self::Reset => "connection cut before",
            Self::LostAnswer => "answer lost",
            Self::ErrorInSuccess => "error with status 200",
            Self::Stall => "nothing moves",
            Self::Away => "storage away",
        })
    }
}

/// How long a storage is away: longer than the agents here wait, shorter than they try to abort what they
/// have begun.
const AWAY: Duration = Duration::from_secs(7);
/// How long a request is kept whose agent is stopped.
const AFTER_STOP: Duration = Duration::from_millis(100);

/// A fault, and where it happens.
#[derive(Clone, Copy, Debug)]
pub struct PlannedFault {
    pub kind: Kind,
    /// When, from the beginning of the backup to its usual end: 0 to 1.
    pub point: f64,
    /// Whether the storage carries out the request at which it happens.
    pub is_carried_out: bool,
    /// For how many requests.
    pub times: usize,
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, point, .. } = self;
        write!(to, "{kind} at {:.0} %", point * 100.0)
    }
}

/// Draws one. The first ones are of each kind once, so that a short run has them all.
pub fn draw(step: usize, random: &mut Random) -> PlannedFault {
    let drawn = random.below(KINDS.iter().map(|(_, weight)| weight).sum());
    let kind = KINDS
        .get(step)
        .map_or_else(|| at_weight(drawn), |kind| kind.0);
    PlannedFault {
        kind,
        point: random.fraction(),
        is_carried_out: random.below(2) == 0,
        times: 1 + random.below(3),
    }
}

fn at_weight(mut drawn: usize) -> Kind {
    for (kind, weight) in KINDS {
        if drawn < weight {
            return kind;
        }
        drawn -= weight;
    }
    Kind::AgentKilled
}

impl PlannedFault {
    /// What the proxy does with a request at which it happens; none if it can't happen to this one. The
    /// agent is killed by whoever asks.
    pub fn at_request(&self, operation: Operation) -> Option<Fault> {
        let busy = Refusal::new(503, "SlowDown", "Please reduce your request rate.");
        let error = Refusal::new(200, "InternalError", "We encountered an internal error.");
        let has_body = matches!(
            operation,
            Operation::Create | Operation::Complete | Operation::Part | Operation::Put
        );
        Some(match self.kind {
            Kind::AgentKilledAtRequest | Kind::AgentStopped if self.is_carried_out => Fault::None,
            Kind::AgentStopped => Fault::Late(AFTER_STOP),
            Kind::AgentKilledAtRequest | Kind::Reset => Fault::CutBefore,
            Kind::Busy | Kind::Away => Fault::Refuse(busy),
            Kind::LostAnswer => Fault::CutAfter,
            // Elsewhere there is no body in which an error could be, or a client can't know it.
            Kind::ErrorInSuccess if !has_body => return None,
            Kind::ErrorInSuccess if self.is_carried_out => Fault::AnswerAfter(error),
            Kind::ErrorInSuccess => Fault::Refuse(error),
            Kind::Stall => Fault::Stall,
            Kind::AgentKilled | Kind::DumpKilled | Kind::SessionEnded => return None,
        })
    }

    /// Whether it goes on after it has happened to so many requests, the first of them so long ago.
    pub fn lasts(&self, requests: usize, since: Duration) -> bool {
        match self.kind {
            Kind::Busy => requests < self.times,
            Kind::Away => since < AWAY,
            _ => requests < 1,
        }
    }
}

#[test]
fn the_first_faults_are_of_each_kind_and_the_same_seed_draws_the_same() {
    let all = |seed: u64| -> Vec<(Kind, f64)> {
        let mut random = Random::new(seed);
        let drawn = (0..100).map(|step| draw(step, &mut random));
        drawn.map(|fault| (fault.kind, fault.point)).collect()
    };
    let drawn = all(7);
    assert_eq!(drawn, all(7));
    assert_ne!(drawn, all(8));
    for (kind, _) in KINDS {
        let is_of_kind = |(drawn, _): &&(Kind, f64)| *drawn == kind;
        assert!(drawn[..KINDS.len()].iter().any(|one| is_of_kind(&one)));
        assert!(drawn[KINDS.len()..].iter().any(|one| is_of_kind(&one)));
    }
}
