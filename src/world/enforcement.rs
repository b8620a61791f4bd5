//! When the API server has last refused a dry-run delete. The admission policies can all be there, and
//! the API server not ask them: its admission plugin is off, or it no longer hears of policies.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a refusal counts, for all databases. Each database is read again within 10 minutes.
const REFUSAL_LASTS: Duration = Duration::from_mins(5);

/// The last refusal, in the operator's memory.
#[derive(Debug, Default)]
pub struct Enforcement(Mutex<Option<Instant>>);

impl Enforcement {
    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the API server has refused a moment ago.
    #[must_use]
    pub fn is_recent(&self) -> bool {
        let last = *self.last();
        last.is_some_and(|last| last.elapsed() < REFUSAL_LASTS)
    }

    /// Notes the answer to a dry-run delete that was sent then. One that was accepted ends what was known,
    /// so that each database tries it.
    pub fn note(&self, sent: Instant, refused: bool) {
        *self.last() = refused.then_some(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_a_time_and_until_another_answer() {
        let enforcement = Enforcement::default();
        assert!(!enforcement.is_recent());
        enforcement.note(Instant::now(), true);
        assert!(enforcement.is_recent());
        enforcement.note(Instant::now(), false);
        assert!(!enforcement.is_recent());
        if let Some(long_ago) = Instant::now().checked_sub(REFUSAL_LASTS) {
            enforcement.note(long_ago, true);
        }
        assert!(!enforcement.is_recent());
    }
}
