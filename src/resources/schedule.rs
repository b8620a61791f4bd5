//! Cron lines as Kubernetes reads them: when the next tick is, and when a backup is overdue. Pure.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cron_field::FIELDS;

/// The time zone of a schedule that names none.
pub(super) const DEFAULT_TIME_ZONE: &str = "Etc/UTC";

/// The macros of Kubernetes, which takes them in small letters only, and what they stand for.
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A cron line that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is no cron line.
    #[error(
        "{field}: {line:?} is not a cron line ({reason}); write minute, hour, day of month, month \
         and day of week, such as \"0 3 * * *\", or a macro such as @daily"
    )]
    Malformed {
        /// The field.
        field: &'static str,
        /// What it says.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time zone is not known.
    #[error(
        "{field}: time zone {zone:?} is not in the IANA database; write one such as Europe/Berlin, \
         with its capital letters"
    )]
    TimeZone {
        /// The field.
        field: &'static str,
        /// What it says.
        zone: String,
    },
    /// No such date comes.
    #[error(
        "{field}: {line:?} never fires; there is no such date. Write one that comes, such as \"0 3 \
         * * *\""
    )]
    NeverFires {
        /// The field.
        field: &'static str,
        /// What it says.
        line: String,
    },
}

/// The first tick of a line after `after`, in `zone` or UTC. `field` is where the line is.
pub fn next_tick(
    field: &'static str,
    line: &str,
    zone: Option<&str>,
    after: &Time,
) -> Result<Time, ScheduleError> {
    Schedule::parse(field, line, zone)?.next(after.0).map(Time)
}

/// When a backup completed at `good` is overdue if none follows: two intervals of the schedule
/// later, and not before two ticks have passed.
///
/// The interval is that of the ticks that follow, so that a schedule of working days (`0 3 * *
/// 1-5`) is not overdue on Sunday, and a first backup taken a minute before its tick is not overdue
/// after one interval.
pub fn overdue_at(
    field: &'static str,
    line: &str,
    zone: Option<&str>,
    good: &Time,
) -> Result<Time, ScheduleError> {
    let schedule = Schedule::parse(field, line, zone)?;
    let first = schedule.next(good.0)?;
    let second = schedule.next(first)?;
    let third = schedule.next(second)?;
    let two_intervals_later = good
        .0
        .checked_add(third.duration_since(first))
        .unwrap_or(Timestamp::MAX);
    Ok(Time(two_intervals_later.max(second)))
}

/// A cron line that has been read.
struct Schedule<'a> {
    field: &'static str,
    line: &'a str,
    crontab: Crontab,
}

impl<'a> Schedule<'a> {
    /// Reads the fields as Kubernetes does, and hands plain lists of numbers to the library that
    /// finds the dates.
    fn parse(
        field: &'static str,
        line: &'a str,
        zone: Option<&str>,
    ) -> Result<Self, ScheduleError> {
        let zone = zone.unwrap_or(DEFAULT_TIME_ZONE);
        if !is_time_zone(zone) {
            let field = if field == "spec.backup.schedule" {
                "spec.backup.timeZone"
            } else {
                field
            };
            return Err(ScheduleError::TimeZone {
                field,
                zone: zone.to_owned(),
            });
        }
        let malformed = |reason: String| ScheduleError::Malformed {
            field,
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
        let mut plain = String::new();
        for (cron_field, text) in FIELDS.iter().zip(texts) {
            plain.push_str(&cron_field.normalize(text).map_err(malformed)?);
            plain.push(' ');
        }
        plain.push_str(zone);
        let crontab =
            cronexpr::parse_crontab(&plain).map_err(|error| malformed(error.to_string()))?;
        Ok(Self {
            field,
            line,
            crontab,
        })
    }

    fn next(&self, after: Timestamp) -> Result<Timestamp, ScheduleError> {
        let next = self.crontab.find_next(MakeTimestamp(after));
        next.map(|tick| tick.timestamp())
            .map_err(|_| ScheduleError::NeverFires {
                field: self.field,
                line: self.line.to_owned(),
            })
    }
}

/// Kubernetes takes the names as they are written in the database, and not `Local`, which means
/// another zone on each machine.
fn is_time_zone(zone: &str) -> bool {
    TimeZone::get(zone).is_ok_and(|found| found.iana_name() == Some(zone))
}
