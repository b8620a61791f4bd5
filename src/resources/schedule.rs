//! Cron lines as Kubernetes reads them: when the next tick is, and when a backup is overdue. Pure.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cron_field::{FIELDS, PlainFields};

/// The time zone of a schedule that names none.
const DEFAULT_TIME_ZONE: &str = "Etc/UTC";

/// The macros of Kubernetes, which takes them in lowercase only, and what they stand for.
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A moment long ago, after which every cron line that ever fires does so within eight years.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// A cron line that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is no cron line.
    #[error(
        "{line:?} is not a cron line ({reason}); write minute, hour, day of month, month and day \
         of week, such as \"0 3 * * *\", or a macro such as @daily"
    )]
    Malformed {
        /// What it says.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time zone is not known.
    #[error(
        "time zone {0:?} is not in the IANA database; write one such as Europe/Berlin, with its \
         capital letters"
    )]
    TimeZone(String),
    /// There is no such date.
    #[error(
        "{0:?} never fires; there is no such date. Write one that exists, such as \"0 3 * * *\""
    )]
    NeverFires(String),
}

/// A cron line in its time zone, read as Kubernetes reads it. It fires some day.
#[derive(Clone, Debug)]
pub struct Schedule {
    line: String,
    time_zone: String,
    fields: PlainFields,
    crontab: Crontab,
}

impl Schedule {
    /// Reads the fields as Kubernetes does, and hands plain lists of numbers to the library that
    /// finds the dates. Without a zone it is UTC.
    ///
    /// # Errors
    /// It is no cron line, the zone is not known, or there is no such date.
    pub fn parse(line: &str, time_zone: Option<&str>) -> Result<Self, ScheduleError> {
        let time_zone = time_zone.unwrap_or(DEFAULT_TIME_ZONE);
        if !is_time_zone(time_zone) {
            return Err(ScheduleError::TimeZone(time_zone.to_owned()));
        }
        let malformed = |reason: String| ScheduleError::Malformed {
            line: line.to_owned(),
            reason,
        };
        let expanded = MACROS
            .iter()
            .find(|(name, _)| *name == line)
            .map_or(line, |(_, stands_for)| stands_for);
        let texts: Vec<&str> = expanded.split_whitespace().collect();
        if texts.len() != FIELDS.len() {
            return Err(malformed(format!(
                "it has {} fields instead of 5",
                texts.len()
            )));
        }
        let mut fields = PlainFields::default();
        for ((plain, cron_field), text) in fields.iter_mut().zip(&FIELDS).zip(texts) {
            *plain = cron_field.normalize(text).map_err(malformed)?;
        }
        let plain = format!("{} {time_zone}", fields.join(" "));
        let crontab =
            cronexpr::parse_crontab(&plain).map_err(|error| malformed(error.to_string()))?;
        let schedule = Self {
            line: line.to_owned(),
            time_zone: time_zone.to_owned(),
            fields,
            crontab,
        };
        match schedule.tick_after(LONG_AGO) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::NeverFires(line.to_owned())),
        }
    }

    /// The line as it was written.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The zone that it is read in, by its IANA name.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// Its fields as plain lists of numbers.
    pub(super) const fn fields(&self) -> &PlainFields {
        &self.fields
    }

    /// The first tick after `after`; `None` past the end of the calendar.
    #[must_use]
    pub fn next_tick(&self, after: &Time) -> Option<Time> {
        self.tick_after(after.0).map(Time)
    }

    /// When a backup completed at `good` is overdue if none follows: two intervals of the schedule
    /// later, and not before two ticks have passed.
    ///
    /// The interval is that of the ticks that follow, so that a schedule of working days (`0 3 * *
    /// 1-5`) is not overdue on Sunday, and a first backup taken a minute before its tick is not
    /// overdue after one interval.
    #[must_use]
    pub fn overdue_at(&self, good: &Time) -> Option<Time> {
        let first = self.tick_after(good.0)?;
        let second = self.tick_after(first)?;
        let third = self.tick_after(second)?;
        let two_intervals_later = good
            .0
            .checked_add(third.duration_since(first))
            .unwrap_or(Timestamp::MAX);
        Some(Time(two_intervals_later.max(second)))
    }

    fn tick_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.crontab.find_next(MakeTimestamp(after)).ok()?;
        Some(next.timestamp())
    }
}

/// Kubernetes takes the names as they are written in the database, and not `Local`, which means
/// another zone on each machine.
fn is_time_zone(zone: &str) -> bool {
    TimeZone::get(zone).is_ok_and(|found| found.iana_name() == Some(zone))
}
