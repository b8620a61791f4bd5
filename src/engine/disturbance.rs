//! What is wrong with the admission policies and definitions, or was a moment ago.

use std::sync::{Arc, Mutex};

use crate::world::PolicyFact;

/// What is wrong, or was a moment ago; until it is repaired and in force no database is called
/// guarded.
#[derive(Clone, Debug, Default)]
pub struct Disturbance(Arc<Mutex<Option<PolicyFact>>>);

impl Disturbance {
    /// What is wrong, if the API server may not guard as it should.
    #[must_use]
    pub fn current(&self) -> Option<PolicyFact> {
        self.0.lock().map_or_else(
            |poisoned| poisoned.into_inner().clone(),
            |held| held.clone(),
        )
    }

    /// Sets what is wrong, or that nothing is.
    pub fn set(&self, what: Option<PolicyFact>) {
        match self.0.lock() {
            Ok(mut held) => *held = what,
            Err(poisoned) => *poisoned.into_inner() = what,
        }
    }
}
