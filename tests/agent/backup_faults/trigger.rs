//! What the proxy before the storage does with the requests of one backup after the other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use testbed::storage_proxy::{Fault, Seen};

use super::fault::{Kind, PlannedFault};
use super::processes::{kill, stop};

/// Counts requests, and lets a fault happen at one of them.
#[derive(Default)]
pub struct Trigger(Mutex<State>);

#[derive(Default)]
struct State {
    /// The requests since the backup began.
    count: usize,
    /// The fault, and the request from which on it may happen.
    armed: Option<(PlannedFault, usize)>,
    /// For how many requests it has happened, and when for the first.
    hits: usize,
    since: Option<Instant>,
    /// The process that makes the requests.
    agent: Option<u32>,
    /// The requests at which it happened.
    places: Vec<String>,
}

impl Trigger {
    /// Begins to count; `start` starts the agent, which makes its requests after it.
    pub fn arm<T>(
        &self,
        fault: Option<(PlannedFault, usize)>,
        start: impl FnOnce() -> (u32, T),
    ) -> T {
        let mut state = self.state();
        let (agent, started) = start();
        *state = State {
            armed: fault,
            agent: Some(agent),
            ..State::default()
        };
        started
    }

    /// Ends it, and says how many requests there were, and at which it happened.
    pub fn disarm(&self) -> (usize, Vec<String>) {
        let mut state = self.state();
        state.armed = None;
        (state.count, std::mem::take(&mut state.places))
    }

    pub fn decide(&self, seen: &Seen) -> Fault {
        let mut state = self.state();
        let number = state.count;
        state.count += 1;
        let Some((fault, from)) = state.armed else {
            return Fault::None;
        };
        let since = state.since.map_or(Duration::ZERO, |since| since.elapsed());
        if number < from || !fault.lasts(state.hits, since) {
            return Fault::None;
        }
        let Some(what) = fault.at_request(seen.operation) else {
            return Fault::None;
        };
        state.hits += 1;
        if state.hits == 1 {
            state.since = Some(Instant::now());
            let name = seen.uri.path().rsplit('/').next().unwrap_or_default();
            state.places.push(format!("{:?} {name}", seen.operation));
        }
        match (fault.kind, state.agent) {
            (Kind::AgentKilledAtRequest, Some(agent)) => kill(agent),
            (Kind::AgentStopped, Some(agent)) => stop(agent),
            _ => {}
        }
        what
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
