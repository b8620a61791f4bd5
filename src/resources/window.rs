//! A window after each tick of a cron line: a database is backed up at a minute of its own in it, by its
//! UID, so that many databases with one line do not begin together. The line itself is moved, so that
//! Kubernetes keeps the time, with the operator or without. Pure.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::cron_field::PlainFields;
use super::schedule::Schedule;
use super::valid_dump::read_window;
use super::valid_spec::SpecParts;
use crate::api::ProtectedDatabase;

const MINUTES_OF_AN_HOUR: u32 = 60;
const HOURS_OF_A_DAY: u32 = 24;
const DAYS_OF_A_WEEK: u32 = 7;

/// When the backups of a database are due: its cron line, moved to its own minute of the window. None
/// without backups, or while one of the fields can't be read.
#[must_use]
pub fn backup_schedule(database: &ProtectedDatabase) -> Option<Schedule> {
    let backup = database.spec.backup.as_ref()?;
    let schedule = Schedule::parse(&backup.schedule, backup.time_zone.as_deref()).ok()?;
    let window = read_window(backup).ok()?;
    Some(schedule.within(window, database.metadata.uid.as_deref().unwrap_or_default()))
}

impl SpecParts {
    /// Reads each part of the spec of a database. Its backups are due at its own minute of the window.
    #[must_use]
    pub fn of(database: &ProtectedDatabase) -> Self {
        let mut parts = Self::parse(&database.spec);
        if let Ok(Some(backup)) = &mut parts.backup {
            let uid = database.metadata.uid.as_deref().unwrap_or_default();
            backup.schedule = backup.schedule.within(backup.window, uid);
        }
        parts
    }
}

impl Schedule {
    /// The same schedule at another minute of the window that begins with each of its ticks. Those minutes
    /// that no cron line can say are left out, such as those of the next day where the days of the month
    /// are listed; the tick itself always can be said.
    #[must_use]
    pub fn within(&self, window: Duration, uid: &str) -> Self {
        let minutes = u32::try_from(window.as_secs() / 60).unwrap_or(u32::MAX);
        let possible: Vec<PlainFields> = (0..minutes)
            .filter_map(|minutes| moved(self.fields(), minutes))
            .collect();
        let number = hash(uid) % u64::try_from(possible.len()).unwrap_or(u64::MAX).max(1);
        let chosen = usize::try_from(number)
            .ok()
            .and_then(|number| possible.get(number));
        let moved = chosen
            .filter(|fields| *fields != self.fields())
            .and_then(|fields| Self::parse(&fields.join(" "), Some(self.time_zone())).ok());
        moved.unwrap_or_else(|| self.clone())
    }
}

fn hash(uid: &str) -> u64 {
    let digest = Sha256::digest(format!("backups of {uid}"));
    digest
        .iter()
        .take(8)
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// The same line, so many minutes later; none if no cron line says that.
fn moved(fields: &PlainFields, minutes: u32) -> Option<PlainFields> {
    let [minute, hour, day, month, weekday] = fields;
    let is_every_day = day == "*" && month == "*" && weekday == "*";
    let later = minutes % MINUTES_OF_AN_HOUR;
    let numbers = values(minute, MINUTES_OF_AN_HOUR);
    let carried: Vec<u32> = numbers
        .iter()
        .map(|number| (number + later) / MINUTES_OF_AN_HOUR)
        .collect();
    let first = *carried.first()?;
    let is_one_hour = carried.iter().all(|hours| *hours == first);
    let hours = values(hour, HOURS_OF_A_DAY);
    let is_every_hour = hours.len() == HOURS_OF_A_DAY as usize;
    let new_minute = if minute == "*" {
        minute.clone()
    } else {
        list(
            numbers
                .iter()
                .map(|number| (number + later) % MINUTES_OF_AN_HOUR),
        )
    };
    if is_every_hour && is_every_day {
        return Some([
            new_minute,
            hour.clone(),
            day.clone(),
            month.clone(),
            weekday.clone(),
        ]);
    }
    let shift = minutes / MINUTES_OF_AN_HOUR + first;
    if !is_one_hour {
        return None;
    }
    let days: Vec<u32> = hours
        .iter()
        .map(|number| (number + shift) / HOURS_OF_A_DAY)
        .collect();
    let days_later = *days.first()?;
    let is_one_day = days.iter().all(|days| *days == days_later);
    let new_weekday = if is_every_day || (is_one_day && days_later == 0) {
        weekday.clone()
    } else if is_one_day && day == "*" && month == "*" {
        let days = values(weekday, DAYS_OF_A_WEEK);
        list(
            days.iter()
                .map(|number| (number + days_later) % DAYS_OF_A_WEEK),
        )
    } else {
        return None;
    };
    let new_hour = if hour == "*" {
        hour.clone()
    } else {
        list(hours.iter().map(|number| (number + shift) % HOURS_OF_A_DAY))
    };
    Some([
        new_minute,
        new_hour,
        day.clone(),
        month.clone(),
        new_weekday,
    ])
}

/// The numbers of a field that counts from 0.
fn values(field: &str, end: u32) -> Vec<u32> {
    if field == "*" {
        return (0..end).collect();
    }
    field
        .split(',')
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn list(numbers: impl Iterator<Item = u32>) -> String {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use proptest::prelude::*;

    use super::*;

    fn schedule(line: &str) -> Schedule {
        Schedule::parse(line, None).unwrap()
    }

    const NOW: &str = "2026-02-27T12:00:00Z";

    fn ticks(schedule: &Schedule, count: usize) -> Vec<Timestamp> {
        ticks_after(schedule, NOW.parse().unwrap(), count)
    }

    fn ticks_after(schedule: &Schedule, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut after = Time(after);
        (0..count)
            .map(|_| {
                after = schedule.next_tick(&after).unwrap();
                after.0
            })
            .collect()
    }

    fn line_after(line: &str, minutes: u32) -> Option<String> {
        moved(schedule(line).fields(), minutes).map(|fields| fields.join(" "))
    }

    #[test]
    fn a_line_is_moved_as_far_as_a_line_can_say_it() {
        for (line, minutes, expected) in [
            ("0 3 * * *", 37, Some("37 3 * * *")),
            ("@daily", 119, Some("59 1 * * *")),
            ("50 23 * * *", 20, Some("10 0 * * *")),
            ("0 3 * * 1-5", 65, Some("5 4 * * 1,2,3,4,5")),
            ("0 23 * * 5,6", 90, Some("30 0 * * 0,6")),
            ("0 */6 * * *", 400, Some("40 0,6,12,18 * * *")),
            ("0 0 1 * *", 90, Some("30 1 1 * *")),
            ("30 * * * *", 45, Some("15 * * * *")),
            ("*/15 2 * * *", 14, Some("14,29,44,59 2 * * *")),
            ("*/15 2 * * *", 15, None),
            ("0 23 1 * *", 60, None),
            ("0 22,23 * * 1", 60, None),
            ("0 22,23 * * 1", 120, Some("0 0,1 * * 2")),
            ("0 23 * 6 *", 60, None),
        ] {
            assert_eq!(
                line_after(line, minutes).as_deref(),
                expected,
                "{line} {minutes}"
            );
        }
    }

    #[test]
    fn a_hundred_databases_with_one_line_are_spread_over_the_window() {
        let plain = schedule("0 3 * * *");
        let mut minutes: BTreeMap<i64, u32> = BTreeMap::new();
        for number in 0..100 {
            let own = plain.within(Duration::from_hours(2), &format!("uid-{number}"));
            let [first, second] = ticks(&own, 2)[..] else {
                panic!("two ticks")
            };
            assert_eq!(second.duration_since(first), SignedDuration::from_hours(24));
            let after = first.duration_since(ticks(&plain, 1)[0]).as_mins();
            assert!((0..120).contains(&after), "{after}");
            *minutes.entry(after).or_default() += 1;
        }
        assert!(minutes.len() > 50, "{minutes:?}");
        assert!(minutes.values().all(|count| *count <= 6), "{minutes:?}");
    }

    #[test]
    fn without_a_window_the_line_stays_as_it_was_written() {
        for minutes in [0, 1] {
            let window = Duration::from_mins(minutes);
            assert_eq!(schedule("@daily").within(window, "uid").line(), "@daily");
        }
    }

    proptest! {
        /// Every moved line has exactly the ticks of the line itself, so many minutes later.
        #[test]
        fn a_moved_line_has_the_same_ticks_later(
            minute in prop_oneof!["[0-5]?[0-9]", Just("*/20".to_owned()), Just("5,50".to_owned())],
            hour in prop_oneof![
                "([01]?[0-9]|2[0-3])", Just("*".to_owned()), Just("1,13".to_owned()), Just("22,23".to_owned())
            ],
            day in prop_oneof![3 => Just("*"), 1 => Just("1,15")],
            weekday in prop_oneof![2 => Just("*"), 1 => Just("1-5"), 1 => Just("6")],
            minutes in 0_u32..1440,
        ) {
            let line = format!("{minute} {hour} {day} * {weekday}");
            let plain = schedule(&line);
            if let Some(later) = line_after(&line, minutes) {
                let length = SignedDuration::from_mins(i64::from(minutes));
                let expected: Vec<Timestamp> = ticks(&plain, 40)
                    .into_iter()
                    .map(|tick| tick.checked_add(length).unwrap())
                    .collect();
                let before = expected[0].checked_sub(SignedDuration::from_secs(1)).unwrap();
                let found = ticks_after(&schedule(&later), before, 40);
                prop_assert_eq!(found, expected, "{} {}", line, later);
            }
        }
    }
}
