//! What is known of the admission policies and definitions: what is wrong with them, or was a moment
//! ago, and when they were last read and found as installed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::world::PolicyFact;

/// How long a reading that found nothing wrong is used by other passes. The objects are watched, and
/// a change ends it at once; this is for a watch that fails.
const READING_LASTS: Duration = Duration::from_secs(10);

/// What is wrong, or was a moment ago; until it is repaired and in force no database is called
/// guarded.
#[derive(Clone, Debug, Default)]
pub struct Disturbance(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    wrong: Option<PolicyFact>,
    /// When the last reading that found nothing wrong began.
    good_reading: Option<Instant>,
    /// When one of the objects was last seen to change.
    touched: Option<Instant>,
}

impl Disturbance {
    fn known(&self) -> MutexGuard<'_, Known> {
        match self.0.lock() {
            Ok(known) => known,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// What is wrong, if the API server may not guard as it should.
    #[must_use]
    pub fn current(&self) -> Option<PolicyFact> {
        self.known().wrong.clone()
    }

    /// Sets what is wrong, or that nothing is.
    pub fn set(&self, what: Option<PolicyFact>) {
        self.known().wrong = what;
    }

    /// Notes that a reading that began then found the policies as installed. It counts for nothing
    /// if one of them has changed since.
    pub fn note_good_reading(&self, began: Instant) {
        let mut known = self.known();
        if known.touched.is_none_or(|touched| touched < began) {
            known.good_reading = Some(began);
        }
    }

    /// Notes that one of the objects has changed: what was read before counts for nothing.
    pub fn touch(&self) {
        let mut known = self.known();
        known.touched = Some(Instant::now());
        known.good_reading = None;
    }

    /// Whether the policies were read a moment ago, found as installed, and not changed since.
    #[must_use]
    pub fn has_good_reading(&self) -> bool {
        let reading = self.known().good_reading;
        reading.is_some_and(|began| began.elapsed() < READING_LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_counts_until_a_change() {
        let disturbance = Disturbance::default();
        assert!(!disturbance.has_good_reading());
        disturbance.note_good_reading(Instant::now());
        assert!(disturbance.has_good_reading());
        disturbance.touch();
        assert!(!disturbance.has_good_reading());
    }

    #[test]
    fn a_reading_that_began_before_a_change_counts_for_nothing() {
        let disturbance = Disturbance::default();
        let began = Instant::now();
        disturbance.touch();
        disturbance.note_good_reading(began);
        assert!(!disturbance.has_good_reading());
    }

    #[test]
    fn an_old_reading_counts_for_nothing() {
        let disturbance = Disturbance::default();
        if let Some(long_ago) = Instant::now().checked_sub(READING_LASTS) {
            disturbance.note_good_reading(long_ago);
        }
        assert!(!disturbance.has_good_reading());
    }
}
