//! How much counting may work, and how it rests in between: whoever uses the database beside it should hardly notice.

use std::time::Duration;

use tokio::time::Instant;

/// A check rests so many times as long as its statement has taken, so that it keeps the server busy a twentieth of the time.
const RESTS: u32 = 20;
/// It never rests longer than this, however long the statement took.
const LONGEST_REST: Duration = Duration::from_millis(200);
/// It never rests longer than this share of the time that is left until its end.
const SHARE_OF_THE_REST: u32 = 20;

/// Work that is left, and when it must have ended; rests are no work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    left: Duration,
    until: Instant,
}

impl Effort {
    /// As much work as there is time for.
    pub const fn until(until: Instant) -> Self {
        Self { left: Duration::MAX, until }
    }

    /// So much work and no more.
    pub const fn of(self, left: Duration) -> Self {
        Self { left, ..self }
    }

    /// How long the next statement may take.
    pub fn time(&self) -> Duration {
        self.left.min(self.until.saturating_duration_since(Instant::now()))
    }

    /// Whether there is nothing left worth beginning with.
    pub fn is_used_up(&self) -> bool {
        self.time() < Duration::from_millis(1)
    }

    /// Notes what a statement took; returns how long to rest now.
    pub fn spend(&mut self, worked: Duration) -> Duration {
        self.left = self.left.saturating_sub(worked);
        length_of_rest(worked, self.until.saturating_duration_since(Instant::now()))
    }

    /// What is left of the work.
    pub const fn left(&self) -> Duration {
        self.left
    }
}

/// How long to rest after a statement that took `worked`, with so much time until the end.
fn length_of_rest(worked: Duration, remaining: Duration) -> Duration {
    worked.saturating_mul(RESTS).min(LONGEST_REST).min(remaining / SHARE_OF_THE_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_as_long_as_the_work_asks_and_never_use_the_time_up() {
        let rest =
            |worked: u64, remaining: u64| length_of_rest(Duration::from_millis(worked), Duration::from_millis(remaining)).as_millis();
        assert_eq!(rest(5, 60_000), 100);
        assert_eq!(rest(25, 60_000), 200, "not longer than the longest rest");
        assert_eq!(rest(1_000, 400), 20, "a twentieth of the time that is left");
        assert_eq!(rest(1_000, 0), 0);
    }

    #[test]
    fn only_work_uses_the_budget_up() {
        let mut effort = Effort::until(Instant::now() + Duration::from_hours(1)).of(Duration::from_millis(30));
        assert!(!effort.is_used_up());
        effort.spend(Duration::from_millis(5));
        assert_eq!(effort.left(), Duration::from_millis(25));
        effort.spend(Duration::from_millis(25));
        assert!(effort.is_used_up());
        assert!(Effort::until(Instant::now()).is_used_up(), "no time is left");
    }
}
