//! What all databases of this operator use of its storage at the moment, for those of which only so many
//! may run at once. Nothing is lost with the process: each pass says what its database uses, and what was
//! given is in the status of the database.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use super::triggers::GuardedDatabase;
use crate::decide::{
    TurnClaim, TurnKey, TurnState, planned_claim, remembered_claim, turn_claim, turn_of_all,
};
use crate::plan::Plan;
use crate::world::{Observed, TurnFact};

/// Who uses what, and whom to call when something is free.
pub struct Turns {
    /// How many run at once at most; none without a limit.
    at_most: Option<usize>,
    claims: Mutex<BTreeMap<TurnKey, TurnClaim>>,
    /// All databases, as the watch has them.
    databases: OnceLock<Store<GuardedDatabase>>,
    is_seeded: OnceLock<()>,
    call: UnboundedSender<ObjectRef<GuardedDatabase>>,
    called: Mutex<Option<UnboundedReceiver<ObjectRef<GuardedDatabase>>>>,
}

impl Turns {
    /// Nobody uses anything, as far as is known.
    pub fn new(at_most: Option<usize>) -> Self {
        let (call, called) = unbounded();
        Self {
            at_most,
            claims: Mutex::default(),
            databases: OnceLock::new(),
            is_seeded: OnceLock::new(),
            call,
            called: Mutex::new(Some(called)),
        }
    }

    /// Where the databases are whose statuses say what was given before this process began.
    pub fn remember_by(&self, databases: Store<GuardedDatabase>) {
        let _first = self.databases.set(databases);
    }

    /// The databases whose turn may have come; only the first who asks gets them.
    pub fn calls(&self) -> UnboundedReceiver<ObjectRef<GuardedDatabase>> {
        let called = self
            .called
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        called.unwrap_or_else(|| unbounded().1)
    }

    /// Notes what a database uses, and says what it may do; nothing where there is no limit.
    pub fn settle(&self, observed: &Observed) -> Option<TurnFact> {
        let at_most = self.at_most?;
        let key = (
            observed.namespace_name().to_owned(),
            observed.name().to_owned(),
        );
        let mut claims = self.claims();
        // What could not be read stays as it was.
        if let Some(found) = turn_claim(observed) {
            let known = claims.remove(&key);
            match found {
                Some(mut found) => {
                    let is_given = known.as_ref().is_some_and(|known| {
                        known.name == found.name && known.state == TurnState::Given
                    });
                    if is_given && found.state == TurnState::Asked {
                        found.state = TurnState::Given;
                    }
                    claims.insert(key.clone(), found);
                }
                None if known.is_some() => self.call_next(at_most, &claims),
                None => {}
            }
        }
        let turn = turn_of_all(at_most, &key, &claims, observed.server_time());
        let is_given = turn.place.as_ref().is_some_and(|place| place.is_given);
        if let Some(mine) = claims.get_mut(&key).filter(|_| is_given) {
            mine.state = TurnState::Given;
        }
        Some(turn)
    }

    /// Notes the Job that a plan is about to create, so that no other pass takes its place.
    pub fn note_planned(&self, observed: &Observed, plan: &Plan) {
        let (Some(_), Some(claim)) = (self.at_most, planned_claim(plan, Timestamp::now())) else {
            return;
        };
        let key = (
            observed.namespace_name().to_owned(),
            observed.name().to_owned(),
        );
        self.claims().entry(key).or_insert(claim);
    }

    /// Forgets a database that is gone, or another operator's by now.
    pub fn forget(&self, namespace: &str, name: &str) {
        let Some(at_most) = self.at_most else { return };
        let mut claims = self.claims();
        if claims
            .remove(&(namespace.to_owned(), name.to_owned()))
            .is_some()
        {
            self.call_next(at_most, &claims);
        }
    }

    /// Calls those who have waited for longest.
    fn call_next(&self, at_most: usize, claims: &BTreeMap<TurnKey, TurnClaim>) {
        let mut waiting: Vec<_> = claims
            .iter()
            .filter(|(_, claim)| claim.state == TurnState::Asked)
            .map(|(key, claim)| (claim.since, key))
            .collect();
        waiting.sort_unstable();
        for (_, (namespace, name)) in waiting.into_iter().take(at_most) {
            // Nobody listens in a test, or when the operator ends.
            let _ended = self
                .call
                .unbounded_send(ObjectRef::new(name).within(namespace));
        }
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<TurnKey, TurnClaim>> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_seeded.get().is_some() {
            return claims;
        }
        let databases = self.databases.get().map(Store::state).unwrap_or_default();
        for database in &databases {
            let Ok(database) = &database.0 else { continue };
            if let Some(claim) = remembered_claim(database) {
                let key = (
                    database.namespace().unwrap_or_default(),
                    database.name_any(),
                );
                claims.entry(key).or_insert(claim);
            }
        }
        // Not before the watch has listed them.
        if !databases.is_empty() {
            let _first = self.is_seeded.set(());
        }
        claims
    }
}
