//! When checks are due in addition to every restart, and when green is over. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::schedule::{Schedule, ScheduleError};

/// The word for no schedule at all.
const OFF: &str = "Off";
/// The interval without a schedule of the user's.
const INTERVAL_SECONDS: i64 = 3600;
/// However rare a schedule is, green is over after that long: a month and a day.
const LONGEST_AGE: SignedDuration = SignedDuration::from_hours(32 * 24);

/// `spec.verification.schedule` as it was read.
#[derive(Clone, Debug)]
pub enum CheckSchedule {
    /// Nothing is asked for: every hour, each database at a second of its own.
    Hourly,
    /// Checks at restarts and before backups only. Green is over as if they were hourly.
    Off,
    /// A cron line.
    Cron(Box<Schedule>),
}

impl CheckSchedule {
    /// Reads the field.
    ///
    /// # Errors
    /// It is no cron line, or no such date comes.
    pub fn parse(field: Option<&str>) -> Result<Self, ScheduleError> {
        match field {
            None => Ok(Self::Hourly),
            Some(OFF) => Ok(Self::Off),
            Some(line) => Schedule::parse(line, None).map(|line| Self::Cron(Box::new(line))),
        }
    }

    /// The first tick after `after` of the database with this UID; none if there is none.
    #[must_use]
    pub fn next_tick(&self, uid: &str, after: &Time) -> Option<Time> {
        match self {
            Self::Off => None,
            Self::Hourly => next_hourly(uid, after.0).map(Time),
            Self::Cron(schedule) => schedule.next_tick(after),
        }
    }

    /// When the data that was good at `good` does not count as verified any more, if no good check
    /// follows.
    #[must_use]
    pub fn verified_until(&self, good: &Time) -> Time {
        let longest = good.0.checked_add(LONGEST_AGE).unwrap_or(Timestamp::MAX);
        let hourly = SignedDuration::from_secs(2 * INTERVAL_SECONDS);
        let until = match self {
            Self::Hourly | Self::Off => good.0.checked_add(hourly).ok(),
            Self::Cron(schedule) => schedule.overdue_at(good).map(|time| time.0),
        };
        Time(until.map_or(longest, |until| until.min(longest)))
    }
}

/// The hour's tick of a database: its second of the hour is made of its UID, so that not all look at
/// once.
fn next_hourly(uid: &str, after: Timestamp) -> Option<Timestamp> {
    let digest = Sha256::digest(format!("checks of {uid}"));
    let number = digest
        .iter()
        .take(4)
        .fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
    let offset = number % INTERVAL_SECONDS;
    let hours = (after.as_second() - offset).div_euclid(INTERVAL_SECONDS) + 1;
    Timestamp::from_second(hours * INTERVAL_SECONDS + offset).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeSet;

    use super::*;

    fn time(text: &str) -> Time {
        Time(text.parse().unwrap())
    }

    #[test]
    fn without_a_schedule_each_database_has_its_own_second_of_the_hour() {
        let next = |uid: &str, after: &Time| CheckSchedule::Hourly.next_tick(uid, after).unwrap();
        let start = time("2026-02-01T09:30:00Z");
        let mut seconds = BTreeSet::new();
        for number in 0..100 {
            let uid = format!("uid-{number}");
            let first = next(&uid, &start);
            let second = next(&uid, &first);
            assert!(first.0 > start.0 && first.0 <= start.0 + jiff::Span::new().hours(1));
            assert_eq!(second.0.duration_since(first.0).as_secs(), 3600);
            seconds.insert(first.0.as_second() % 3600);
        }
        assert!(seconds.len() > 90, "spread over the hour: {seconds:?}");
    }

    #[test]
    fn green_is_over_after_two_intervals_and_never_stays_for_longer_than_a_month() {
        let good = time("2026-02-01T09:00:05Z");
        let until = |field: Option<&str>| {
            let schedule = CheckSchedule::parse(field).unwrap();
            schedule.verified_until(&good).0.to_string()
        };
        assert_eq!(until(None), "2026-02-01T11:00:05Z");
        assert_eq!(until(Some("Off")), "2026-02-01T11:00:05Z");
        assert_eq!(until(Some("*/30 * * * *")), "2026-02-01T10:00:05Z");
        assert_eq!(until(Some("@daily")), "2026-02-03T09:00:05Z");
        assert_eq!(until(Some("@weekly")), "2026-02-15T09:00:05Z");
        for rare in ["@monthly", "@yearly", "0 0 29 2 *"] {
            assert_eq!(until(Some(rare)), "2026-03-05T09:00:05Z", "{rare}");
        }
        assert!(CheckSchedule::parse(Some("0 0 31 2 *")).is_err());
        assert!(CheckSchedule::parse(Some("off")).is_err());
        let off = CheckSchedule::parse(Some("Off")).unwrap();
        assert_eq!(off.next_tick("uid", &good), None);
    }
}
