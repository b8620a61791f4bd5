//! How much counting may work, what can't be done in that time, and how it rests in between:
//! whoever uses the database beside it should hardly notice.

use std::time::Duration;

use tokio::time::Instant;

/// A check rests so many times as long as its statement has taken, so that it keeps the server busy
/// a fiftieth of the time.
const RESTS: u32 = 50;
/// All rests of one check together: somebody waits for the verdict.
const RESTS_TOGETHER: Duration = Duration::from_secs(5);
/// No rest is longer than this share of those that are left, so that the first is of 0.5 s at most
/// and a check of many tables rests less and less.
const SHARE_OF_THE_RESTS: u32 = 10;
/// It never rests longer than this share of the time that is left until its end.
const SHARE_OF_THE_TIME: u32 = 20;

/// All that one check waits for tables without a rule that somebody has locked.
const WAITS_TOGETHER: Duration = Duration::from_secs(2);
/// How long one such table is waited for.
const WAIT: Duration = Duration::from_millis(100);
/// How long if that is used up.
const NO_WAIT: Duration = Duration::from_millis(1);

/// Work that is left, and when it must have ended; rests are no work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    left: Duration,
    each: Duration,
    until: Instant,
    idle: Idle,
}

/// What is left for doing nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    rests: Duration,
    waits: Duration,
}

impl Idle {
    /// What a check begins with.
    pub const ALL: Self = Self {
        rests: RESTS_TOGETHER,
        waits: WAITS_TOGETHER,
    };
}

/// What a whole check may spend, on all its databases together.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// For counting tables without a rule.
    pub budget: Duration,
    /// For resting between statements, and waiting for locks.
    pub(super) idle: Idle,
}

impl Allowance {
    /// With this budget for tables without a rule.
    #[must_use]
    pub const fn new(budget: Duration) -> Self {
        Self {
            budget,
            idle: Idle::ALL,
        }
    }
}

impl Effort {
    /// As much work as there is time for, with so much time for rests and waits.
    pub const fn until(until: Instant, idle: Idle) -> Self {
        Self {
            left: Duration::MAX,
            each: Duration::MAX,
            until,
            idle,
        }
    }

    /// So much work and no more.
    pub const fn of(self, left: Duration) -> Self {
        Self { left, ..self }
    }

    /// No statement longer than this.
    pub const fn each(self, each: Duration) -> Self {
        Self { each, ..self }
    }

    /// How much time there is.
    pub fn time(&self) -> Duration {
        self.left
            .min(self.until.saturating_duration_since(Instant::now()))
    }

    /// How long the next statement may take.
    pub fn time_of_one(&self) -> Duration {
        self.time().min(self.each)
    }

    /// How long the next statement may wait for a lock.
    pub fn wait(&self) -> Duration {
        WAIT.min(self.idle.waits).max(NO_WAIT)
    }

    /// Notes that a statement has waited that long in vain, which is no work to rest from.
    pub const fn note_wait(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
        self.idle.waits = self.idle.waits.saturating_sub(waited);
    }

    /// Whether there is nothing left worth beginning with.
    pub fn is_used_up(&self) -> bool {
        self.time() < Duration::from_millis(1)
    }

    /// Notes what a statement took; returns how long to rest now.
    pub fn spend(&mut self, worked: Duration) -> Duration {
        self.left = self.left.saturating_sub(worked);
        let rest = length_of_rest(
            worked,
            self.idle.rests,
            self.until.saturating_duration_since(Instant::now()),
        );
        self.idle.rests = self.idle.rests.saturating_sub(rest);
        rest
    }

    /// What is left of the rests and waits.
    pub const fn idle(&self) -> Idle {
        self.idle
    }

    /// What is left of the work.
    pub const fn left(&self) -> Duration {
        self.left
    }
}

/// A table of fewer pages or rows than this says little about how fast counting is: its statement
/// took its time for other things.
const TELLING_PAGES: i64 = 128;
const TELLING_ROWS: i64 = 100_000;
/// No server counts faster: what can't end even so is not begun, although nothing was counted yet.
const FASTEST_PAGE: Duration = Duration::from_nanos(500);
const FASTEST_ROW: Duration = Duration::from_nanos(10);

/// What counting took so far, and the fastest that this server has counted, so that nothing is
/// begun that would only be cut off: the server would have worked for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    worked: Duration,
    page: Option<Duration>,
    row: Option<Duration>,
}

impl Pace {
    /// Notes a count that has ended: how long it took, the rows if they are those of one table, and
    /// its pages if that was counted completely.
    pub fn note(&mut self, worked: Duration, rows: Option<i64>, pages: Option<i64>) {
        self.worked = self.worked.saturating_add(worked);
        let least = |known: Option<Duration>, count: i64| {
            let each = worked.checked_div(number(count));
            known.into_iter().chain(each).min()
        };
        if let Some(rows) = rows.filter(|rows| *rows >= TELLING_ROWS) {
            self.row = least(self.row, rows);
        }
        if let Some(pages) = pages.filter(|pages| *pages >= TELLING_PAGES) {
            self.page = least(self.page, pages);
        }
    }

    /// How long all of them took.
    pub const fn worked(&self) -> Duration {
        self.worked
    }

    /// How long counting takes at least: so many rows, or all of these pages if they hold fewer.
    pub fn least_time(&self, rows: Option<i64>, pages: i64) -> Duration {
        let all = self
            .page
            .unwrap_or(FASTEST_PAGE)
            .saturating_mul(number(pages));
        rows.map_or(all, |rows| {
            self.row
                .unwrap_or(FASTEST_ROW)
                .saturating_mul(number(rows))
                .min(all)
        })
    }
}

fn number(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How long to rest after a statement that took `worked`, with so much of the rests left and so
/// much time until the end.
fn length_of_rest(worked: Duration, rests: Duration, remaining: Duration) -> Duration {
    worked
        .saturating_mul(RESTS)
        .min(rests / SHARE_OF_THE_RESTS)
        .min(remaining / SHARE_OF_THE_TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_as_long_as_the_work_asks_and_never_use_the_time_up() {
        let milliseconds = Duration::from_millis;
        let rest = |worked: u64, remaining: u64| {
            length_of_rest(
                milliseconds(worked),
                RESTS_TOGETHER,
                milliseconds(remaining),
            )
            .as_millis()
        };
        assert_eq!(rest(5, 60_000), 250);
        assert_eq!(rest(25, 60_000), 500, "not longer than the longest rest");
        assert_eq!(rest(1_000, 400), 20, "a twentieth of the time that is left");
        assert_eq!(rest(1_000, 0), 0);
        let mut effort = Effort::until(Instant::now() + Duration::from_hours(1), Idle::ALL);
        let together: Duration = (0..10_000).map(|_| effort.spend(milliseconds(10))).sum();
        assert!(
            together <= RESTS_TOGETHER,
            "many tables do not make a check rest without an end: {together:?}"
        );
    }

    #[test]
    fn the_fastest_count_so_far_says_what_another_one_takes_at_least() {
        let milliseconds = Duration::from_millis;
        let mut pace = Pace::default();
        assert_eq!(
            pace.least_time(None, 1_000_000),
            milliseconds(500),
            "nothing is known yet"
        );
        pace.note(milliseconds(1), Some(10), Some(1));
        assert_eq!(
            pace.least_time(None, 1_000_000),
            milliseconds(500),
            "a small statement says nothing of large ones"
        );
        assert_eq!(
            pace.least_time(Some(1_000_000), 1_000_000),
            milliseconds(10)
        );
        pace.note(milliseconds(10), Some(100_000), Some(500));
        assert_eq!(pace.least_time(None, 1_000), milliseconds(20));
        assert_eq!(pace.least_time(Some(10_000), 1_000), milliseconds(1));
        assert_eq!(
            pace.least_time(Some(1_000_000), 1_000),
            milliseconds(20),
            "not longer than all of it"
        );
        pace.note(milliseconds(30), Some(100_000), Some(500));
        assert_eq!(
            pace.least_time(None, 1_000),
            milliseconds(20),
            "slower ones were disturbed"
        );
        pace.note(milliseconds(5), Some(100_000), None);
        assert_eq!(
            (
                pace.least_time(None, 1_000),
                pace.least_time(Some(100_000), 1_000)
            ),
            (milliseconds(20), milliseconds(5))
        );
        pace.note(milliseconds(7), None, None);
        assert_eq!(pace.worked(), milliseconds(53));
    }

    #[test]
    fn locks_are_waited_for_until_that_is_used_up() {
        let mut effort = Effort::until(Instant::now() + Duration::from_hours(1), Idle::ALL);
        for _ in 0..20 {
            assert_eq!(effort.wait(), WAIT);
            effort.note_wait(WAIT);
        }
        assert_eq!(effort.wait(), NO_WAIT);
        let small = effort.each(Duration::from_secs(1));
        assert_eq!(small.time_of_one(), Duration::from_secs(1));
        assert!(small.time() > Duration::from_secs(1));
    }

    #[test]
    fn only_work_uses_the_budget_up() {
        let mut effort = Effort::until(Instant::now() + Duration::from_hours(1), Idle::ALL)
            .of(Duration::from_millis(30));
        assert!(!effort.is_used_up());
        effort.spend(Duration::from_millis(5));
        assert_eq!(effort.left(), Duration::from_millis(25));
        effort.spend(Duration::from_millis(25));
        assert!(effort.is_used_up());
        assert!(
            Effort::until(Instant::now(), Idle::ALL).is_used_up(),
            "no time is left"
        );
    }
}
