//! How long a storage is waited for that does not answer or says that it is busy: one budget for
//! all requests of a set, counted once however many of them wait at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::answer::Again;

/// As long as nothing has ever answered the endpoint is more likely wrong than away.
const BEFORE_FIRST_ANSWER: Duration = Duration::from_mins(10);
/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];
/// How often a request is sent that may be refused for a passing reason, but hardly is.
const FEW: u32 = 5;

/// A budget of waiting. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct WaitBudget {
    limit: Duration,
    until: Option<Instant>,
    spent: Arc<Mutex<Spent>>,
}

#[derive(Debug, Default)]
struct Spent {
    /// How many requests wait now, and since when at least one does.
    waiting: usize,
    since: Option<Instant>,
    /// What ended times of waiting took.
    before: Duration,
    /// Whether the storage has answered at all.
    has_answered: bool,
}

impl Spent {
    fn total(&self, now: Instant) -> Duration {
        let lasting = self.since.map(|since| now.duration_since(since));
        self.before + lasting.unwrap_or_default()
    }
}

impl WaitBudget {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            until: None,
            spent: Arc::default(),
        }
    }

    /// Ends at that time at the latest.
    #[must_use]
    pub(super) const fn until(mut self, end: Instant) -> Self {
        self.until = Some(end);
        self
    }

    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        self.left(Instant::now()).is_zero()
    }

    /// One request that may have to wait.
    pub(super) fn begin(&self) -> Wait<'_> {
        Wait {
            budget: self,
            pauses: ExponentialBuilder::default()
                .with_min_delay(PAUSES[0])
                .with_max_delay(PAUSES[1])
                .with_jitter()
                .without_max_times()
                .build(),
            attempts: 0,
            is_waiting: false,
        }
    }

    /// The storage has answered, whatever it said.
    pub(super) fn note_answer(&self) {
        self.lock().has_answered = true;
    }

    fn left(&self, now: Instant) -> Duration {
        let spent = self.lock();
        let limit = if spent.has_answered {
            self.limit
        } else {
            self.limit.min(BEFORE_FIRST_ANSWER)
        };
        let left = limit.saturating_sub(spent.total(now));
        let until = self.until.map(|end| end.saturating_duration_since(now));
        until.map_or(left, |until| left.min(until))
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waiting of one request. It ends when this is dropped.
pub(super) struct Wait<'budget> {
    budget: &'budget WaitBudget,
    pauses: ExponentialBackoff,
    attempts: u32,
    is_waiting: bool,
}

impl Wait<'_> {
    /// Pauses after a failed attempt. False if it is not to be repeated any more.
    pub(super) async fn pause(&mut self, again: Again) -> bool {
        let pause = self.next(again, Instant::now());
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        pause.is_some()
    }

    /// How long to pause after an attempt that failed at this time, if it is to be repeated.
    fn next(&mut self, again: Again, now: Instant) -> Option<Duration> {
        self.attempts += 1;
        if !self.is_waiting {
            self.is_waiting = true;
            let mut spent = self.budget.lock();
            spent.waiting += 1;
            spent.since.get_or_insert(now);
        }
        let left = self.budget.left(now);
        let is_enough = match again {
            Again::No => true,
            Again::FewTimes => self.attempts >= FEW,
            Again::WithinBudget => false,
        };
        if is_enough || left.is_zero() {
            return None;
        }
        let pause = self.pauses.next().unwrap_or(PAUSES[1]);
        Some(pause.min(left))
    }

    fn end(&mut self, now: Instant) {
        if !std::mem::take(&mut self.is_waiting) {
            return;
        }
        let mut spent = self.budget.lock();
        spent.waiting -= 1;
        if spent.waiting == 0 {
            spent.before = spent.total(now);
            spent.since = None;
        }
    }

    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::DEFAULT_BUDGET;
    use super::*;

    fn answered(limit: Duration) -> WaitBudget {
        let budget = WaitBudget::new(limit);
        budget.note_answer();
        budget
    }

    /// Waits until nothing is repeated any more; how long that took, and the attempts.
    fn wait_out(budget: &WaitBudget, again: Again, begun: Instant) -> (Duration, u32) {
        let (mut wait, mut now) = (budget.begin(), begun);
        while let Some(pause) = wait.next(again, now) {
            assert!(!pause.is_zero() && pause <= PAUSES[1] * 2, "{pause:?}");
            now += pause;
        }
        wait.end(now);
        (now - begun, wait.attempts())
    }

    #[test]
    fn a_storage_that_is_away_is_waited_for_until_the_budget_is_spent() {
        let (budget, begun) = (answered(DEFAULT_BUDGET), Instant::now());
        let (waited, attempts) = wait_out(&budget, Again::WithinBudget, begun);
        assert_eq!(waited, DEFAULT_BUDGET);
        assert!((60..250).contains(&attempts), "{attempts}");
        assert!(budget.is_over());
        let (waited, attempts) = wait_out(&budget, Again::WithinBudget, begun + waited);
        assert_eq!((waited, attempts), (Duration::ZERO, 1), "spent is spent");
    }

    #[test]
    fn requests_that_wait_together_spend_the_time_once() {
        let (budget, begun) = (answered(DEFAULT_BUDGET), Instant::now());
        let half = begun + DEFAULT_BUDGET / 2;
        let mut waits: Vec<Wait<'_>> = (0..4).map(|_| budget.begin()).collect();
        for wait in &mut waits {
            assert!(wait.next(Again::WithinBudget, begun).is_some());
        }
        for wait in &mut waits {
            wait.end(half);
        }
        assert_eq!(budget.left(half), DEFAULT_BUDGET / 2);
        // Nobody waits any more: nothing is spent.
        assert_eq!(budget.left(half + DEFAULT_BUDGET), DEFAULT_BUDGET / 2);
    }

    #[test]
    fn where_nothing_ever_answered_and_at_the_deadline_it_ends_earlier() {
        let begun = Instant::now();
        let silent = WaitBudget::new(DEFAULT_BUDGET);
        assert_eq!(
            wait_out(&silent, Again::WithinBudget, begun).0,
            BEFORE_FIRST_ANSWER
        );
        let end = Duration::from_secs(90);
        let bounded = answered(DEFAULT_BUDGET).until(begun + end);
        assert_eq!(wait_out(&bounded, Again::WithinBudget, begun).0, end);
    }

    #[test]
    fn what_is_final_is_not_repeated() {
        let (budget, begun) = (answered(DEFAULT_BUDGET), Instant::now());
        assert_eq!(wait_out(&budget, Again::No, begun), (Duration::ZERO, 1));
        assert_eq!(wait_out(&budget, Again::FewTimes, begun).1, FEW);
    }
}
