//! What is known of the admission policies and definitions: what is wrong with them, or was a moment
//! ago, and when they were last read and found as installed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::world::{Fact, PolicyFact};

/// How long a reading that found nothing wrong is used by other passes. The objects are watched, and
/// a change ends it at once; this is for a watch that fails.
const READING_LASTS: Duration = Duration::from_secs(10);
/// How long what was wrong is still told to a database that has had no pass meanwhile: a repair takes less
/// than a pass on a busy machine, and whoever reads a namespace's events is to find it.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// A database, by namespace and name.
type Key = (String, String);

/// What is wrong, or was a moment ago; until it is repaired and in force no database is called
/// guarded.
#[derive(Clone, Debug, Default)]
pub struct Disturbance(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    wrong: Option<PolicyFact>,
    /// What was wrong last, and since when.
    last: Option<(PolicyFact, Instant)>,
    /// How many times something was wrong.
    count: u64,
    /// How many of those times each database has reported, or was not there yet.
    reported: BTreeMap<Key, u64>,
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
        let mut known = self.known();
        if let Some(what) = what
            .as_ref()
            .filter(|what| known.wrong.as_ref() != Some(*what))
        {
            known.count += 1;
            known.last = Some((what.clone(), Instant::now()));
        }
        known.wrong = what;
    }

    /// What a pass of a database is to report: what is wrong, or what was wrong a moment ago and no
    /// pass of it has reported. One that is seen for the first time is to report only what is.
    #[must_use]
    pub fn read_for(&self, namespace: &str, name: &str) -> Option<PolicyFact> {
        let mut known = self.known();
        let count = known.count;
        let key = (namespace.to_owned(), name.to_owned());
        let is_behind = *known.reported.entry(key).or_insert(count) < count;
        let last = known.last.as_ref().filter(|_| is_behind);
        let last = last.filter(|(_, since)| since.elapsed() < TOLD_WITHIN);
        known.wrong.as_ref().or(last.map(|(what, _)| what)).cloned()
    }

    /// Notes that a pass of a database has reported what it had read: only what was wrong last counts.
    pub fn note_reported(&self, namespace: &str, name: &str, read: &Fact<PolicyFact>) {
        let mut known = self.known();
        let last = known.last.as_ref().map(|(what, _)| what);
        if last.is_some() && read.known() == last {
            let count = known.count;
            let key = (namespace.to_owned(), name.to_owned());
            known.reported.insert(key, count);
        }
    }

    /// Forgets a database that is gone, or another operator's by now.
    pub fn forget(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.known().reported.remove(&key);
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

    fn changed() -> PolicyFact {
        PolicyFact::DefinitionChanged {
            what: "databaserestores.holdfast.dev is not the one".to_owned(),
            may_restore: true,
        }
    }

    /// A pass of that database, which reports what it has read.
    fn pass(disturbance: &Disturbance, name: &str) -> Option<PolicyFact> {
        let read = disturbance.read_for("shop", name);
        let found = read.clone().unwrap_or(PolicyFact::InForce);
        disturbance.note_reported("shop", name, &Fact::Known(found));
        read
    }

    #[test]
    fn what_was_repaired_before_a_pass_is_told_once() {
        let disturbance = Disturbance::default();
        assert_eq!(pass(&disturbance, "orders"), None);
        disturbance.set(Some(changed()));
        disturbance.set(None);
        assert_eq!(disturbance.read_for("shop", "orders"), Some(changed()));
        assert_eq!(
            pass(&disturbance, "orders"),
            Some(changed()),
            "the pass before this one has failed before it could report it"
        );
        assert_eq!(pass(&disturbance, "orders"), None);
    }

    #[test]
    fn a_pass_that_had_read_before_has_not_reported_it() {
        let disturbance = Disturbance::default();
        assert_eq!(pass(&disturbance, "orders"), None);
        disturbance.set(Some(changed()));
        disturbance.note_reported("shop", "orders", &Fact::Known(PolicyFact::InForce));
        disturbance.set(None);
        assert_eq!(pass(&disturbance, "orders"), Some(changed()));
    }

    #[test]
    fn what_is_wrong_is_told_to_all_and_what_was_to_those_that_were_there() {
        let disturbance = Disturbance::default();
        assert_eq!(pass(&disturbance, "orders"), None);
        disturbance.set(Some(changed()));
        for name in ["orders", "new", "orders"] {
            assert_eq!(pass(&disturbance, name), Some(changed()), "{name}");
        }
        disturbance.set(None);
        disturbance.forget("shop", "orders");
        for name in ["orders", "newest"] {
            assert_eq!(pass(&disturbance, name), None, "{name}");
        }
    }

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
