//! How long agents' Jobs may take to start and to report, and how long to wait before another try.
//! An operator in a test is given shorter ones. Pure.

use std::time::Duration;

/// How patient the operator is with agents' Jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobPace {
    /// How long the agent of any Job may take to begin. The operator then ends the Job, and says why it
    /// has not begun.
    pub start: Duration,
    /// How long the pod of a check may take to start and to report, in addition to the time limit of its
    /// task. Kubernetes then ends the Job, without a word; so it is no shorter than `start`.
    pub margin: Duration,
    /// Before a start is checked again that could not be verified, and may be by waiting.
    pub retry: Pauses,
    /// Before a start is checked again that can't be verified until a user changes something.
    pub hopeless: Pauses,
    /// Before the first backup is tried again.
    pub first_backup: Pauses,
    /// Between looks at the sets in the bucket.
    pub catalog: CatalogPace,
}

/// When the sets in a bucket are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogPace {
    /// How old the only confirmed backup is at the first.
    pub first: Duration,
    /// The time between two looks.
    pub interval: Duration,
    /// The time after one that failed.
    pub retry: Duration,
    /// Before a short one stores what checks have said since the last.
    pub verdicts: Duration,
}

/// Pauses that grow by the same factor, up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// The first.
    pub first: Duration,
    /// How much longer the next one is.
    pub factor: u32,
    /// The longest, which then stays.
    pub longest: Duration,
}

impl Default for JobPace {
    fn default() -> Self {
        Self {
            start: Duration::from_mins(5),
            margin: Duration::from_mins(5),
            retry: Pauses {
                first: Duration::from_secs(10),
                factor: 2,
                longest: Duration::from_mins(5),
            },
            hopeless: Pauses {
                first: Duration::from_secs(10),
                factor: 2,
                longest: Duration::from_hours(1),
            },
            first_backup: Pauses {
                first: Duration::from_mins(1),
                factor: 4,
                longest: Duration::from_hours(1),
            },
            catalog: CatalogPace {
                first: Duration::from_hours(1),
                interval: Duration::from_hours(24),
                retry: Duration::from_hours(1),
                verdicts: Duration::from_mins(5),
            },
        }
    }
}

impl Pauses {
    /// The pause after that many failures; after none it is the first.
    #[must_use]
    pub fn after(&self, failures: usize) -> Duration {
        let steps = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first
            .saturating_mul(self.factor.saturating_pow(steps))
            .min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests on a cluster run with shorter ones; this is what a user gets.
    #[test]
    fn what_is_hopeless_backs_off_to_an_hour_and_the_rest_to_five_minutes() {
        let pace = JobPace::default();
        assert_eq!(pace.start.as_secs(), 300);
        assert!(pace.margin >= pace.start, "the operator says why first");
        let seconds = |pauses: Pauses, failures: &[usize]| {
            failures
                .iter()
                .map(|failures| pauses.after(*failures).as_secs())
                .collect::<Vec<_>>()
        };
        let first = [0, 1, 2, 3, 4, 5, 6, 7, usize::MAX];
        assert_eq!(
            seconds(pace.retry, &first),
            [10, 10, 20, 40, 80, 160, 300, 300, 300]
        );
        assert_eq!(
            seconds(pace.hopeless, &[6, 7, 8, 9, 10, 11]),
            [320, 640, 1280, 2560, 3600, 3600]
        );
        assert_eq!(
            seconds(pace.first_backup, &[1, 2, 3, 4, 5]),
            [60, 240, 960, 3600, 3600]
        );
    }
}
