//! How much counting may work, and how it rests in between: whoever uses the database beside it should hardly notice.

use std::time::Duration;

use tokio::time::{Instant, sleep};

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

    /// Notes what a statement took, and rests.
    pub async fn rest_after(&mut self, worked: Duration) {
        self.left = self.left.saturating_sub(worked);
        let spare = self.until.saturating_duration_since(Instant::now()) / SHARE_OF_THE_REST;
        sleep(worked.saturating_mul(RESTS).min(LONGEST_REST).min(spare)).await;
    }

    /// What is left of the work.
    pub const fn left(&self) -> Duration {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rests_cost_time_and_no_work_and_never_all_of_the_time() {
        let begin = Instant::now();
        let mut effort = Effort::until(begin + Duration::from_mins(1)).of(Duration::from_millis(30));
        effort.rest_after(Duration::from_millis(5)).await;
        assert_eq!((begin.elapsed(), effort.left()), (Duration::from_millis(100), Duration::from_millis(25)));
        effort.rest_after(Duration::from_millis(25)).await;
        assert_eq!(begin.elapsed(), Duration::from_millis(300), "not longer than the longest rest");
        assert!(effort.is_used_up());

        let mut short = Effort::until(Instant::now() + Duration::from_millis(400));
        let begin = Instant::now();
        short.rest_after(Duration::from_secs(1)).await;
        assert_eq!(begin.elapsed(), Duration::from_millis(20), "a twentieth of the time that is left");
        assert!(!short.is_used_up());
    }
}
