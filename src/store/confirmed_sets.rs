//! The confirmed sets of one database cluster, and which sets the rules keep beside them. Pure.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{SetFacts, SetRecord, Standing, Why};
use crate::api::WalPosition;

/// Hours of a day of retention.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// `spec.backup.retention`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// The newest so many; fewer than 1 is 1.
    pub last: usize,
    /// Those of so many days before the newest, and those of the last so many days that have one.
    pub days: u32,
    /// The newest of each of the last so many weeks that have one.
    pub weekly: u32,
    /// The newest of each of the last so many months that have one.
    pub monthly: u32,
}

/// The confirmed sets of one database cluster: those of another initdb are other data, so each keeps
/// its own last ones.
#[derive(Default)]
pub(super) struct Cluster<'a> {
    pub(super) confirmed: Vec<(&'a SetFacts, &'a SetRecord)>,
    /// The last ones by position, by the database's clock and by the storage's. A volume that was
    /// restored makes positions go back, a wrong clock makes times; no set goes by one of them alone.
    last: [Vec<&'a str>; 3],
    /// The oldest of each of these; none while there are fewer than are to stay.
    oldest: Option<Age>,
    /// The newest by each.
    newest: Option<Age>,
}

/// How old a set is: by its position, and of sets at one position by the database's clock; by that
/// clock alone; by the storage's clock.
type Age = ((WalPosition, Timestamp), Timestamp, Option<Timestamp>);

impl Cluster<'_> {
    /// Sorts the sets, of which the last so many stay.
    pub(super) fn sort(&mut self, last: usize) {
        let confirmed = &self.confirmed;
        let mut positions: Vec<_> = confirmed
            .iter()
            .map(|(set, record)| (record.position, record.snapshot_time, set.path.as_str()))
            .collect();
        let mut times: Vec<_> = confirmed
            .iter()
            .map(|(set, record)| (record.snapshot_time, record.position, set.path.as_str()))
            .collect();
        let mut stored: Vec<_> = confirmed
            .iter()
            .map(|(set, record)| (set.stored_at, record.position, set.path.as_str()))
            .collect();
        positions.sort_unstable_by(|one, other| other.cmp(one));
        times.sort_unstable_by(|one, other| other.cmp(one));
        stored.sort_unstable_by(|one, other| other.cmp(one));
        let at = |index: usize| {
            Some((
                (positions.get(index)?.0, positions.get(index)?.1),
                times.get(index)?.0,
                stored.get(index)?.0,
            ))
        };
        self.newest = at(0);
        self.oldest = at(last - 1);
        self.last = [
            positions.iter().take(last).map(|entry| entry.2).collect(),
            times.iter().take(last).map(|entry| entry.2).collect(),
            stored.iter().take(last).map(|entry| entry.2).collect(),
        ];
    }

    /// Why a set stays; none if no rule keeps it.
    pub(super) fn keeps(
        &self,
        rules: RetentionRules,
        set: &SetFacts,
        record: &SetRecord,
    ) -> Option<Why> {
        let Some(newest) = self.newest else {
            return Some(Why::NothingConfirmed);
        };
        let Some((stored, newest_stored)) = set.stored_at.zip(newest.2) else {
            return Some(Why::TimeUnknown);
        };
        let clocks = [
            (Clock::Database, record.snapshot_time, newest.1),
            (Clock::Storage, stored, newest_stored),
        ];
        let is_older = |than: Age| {
            (record.position, record.snapshot_time) < than.0
                && record.snapshot_time < than.1
                && than.2.is_some_and(|than| stored < than)
        };
        let days = DAY.checked_mul(i32::try_from(rules.days).unwrap_or(i32::MAX));
        let is_within = |(clock, time, newest): &(Clock, Timestamp, Timestamp)| {
            days.is_none_or(|days| newest.duration_since(*time) <= days)
                || self.is_of_last(*clock, *time, rules.days, day)
        };
        if rules.days > 0 && clocks.iter().any(is_within) {
            return Some(Why::WithinDays(rules.days));
        }
        if record.standing != Standing::Confirmed {
            let is_older_than_all = self.oldest.is_some_and(is_older);
            return (!is_older_than_all).then_some(Why::NotOlderThanConfirmed);
        }
        let path = set.path.as_str();
        if self.last.iter().any(|last| last.contains(&path)) {
            return Some(Why::AmongLast(rules.last.max(1)));
        }
        for (clock, ..) in clocks {
            let is_newest_of =
                |count, period: Period| self.is_newest_of((set, record), clock, count, period);
            if is_newest_of(rules.weekly, week) {
                return Some(Why::NewestOfWeek);
            }
            if is_newest_of(rules.monthly, month) {
                return Some(Why::NewestOfMonth);
            }
        }
        (!is_older(newest)).then_some(Why::NotOlderThanConfirmed)
    }

    /// Whether a time is in one of the last `count` periods that have a confirmed set, by a clock. Those
    /// without one do not count: a gap, or one wrong clock, must not end what the rules keep.
    fn is_of_last(&self, clock: Clock, time: Timestamp, count: u32, period: Period) -> bool {
        let times = self.confirmed.iter();
        let later: BTreeSet<i64> = times
            .filter_map(|(set, record)| clock.time_of(set, record).map(period))
            .filter(|other| *other > period(time))
            .collect();
        later.len() < usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Whether a set is the newest of its period by a clock, and that period one of the last `count`.
    fn is_newest_of(
        &self,
        (set, record): (&SetFacts, &SetRecord),
        clock: Clock,
        count: u32,
        period: Period,
    ) -> bool {
        let Some(time) = clock.time_of(set, record) else {
            return true;
        };
        if !self.is_of_last(clock, time, count, period) {
            return false;
        }
        let rivals = self.confirmed.iter().filter_map(|(set, record)| {
            let rival = clock.time_of(set, record)?;
            let is_rival = period(rival) == period(time);
            is_rival.then_some((rival, record.position, set.path.as_str()))
        });
        rivals.max() == Some((time, record.position, set.path.as_str()))
    }
}

/// Keeps the days, weeks or months apart.
type Period = fn(Timestamp) -> i64;

/// Whose clock says when a set was taken.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Database,
    Storage,
}

impl Clock {
    fn time_of(self, set: &SetFacts, record: &SetRecord) -> Option<Timestamp> {
        match self {
            Self::Database => Some(record.snapshot_time),
            Self::Storage => set.stored_at,
        }
    }
}

/// The day of a time in UTC.
fn day(time: Timestamp) -> i64 {
    time.as_second().div_euclid(86_400)
}

/// The week of a time in UTC; weeks begin on Monday.
fn week(time: Timestamp) -> i64 {
    // 1 January 1970 was a Thursday.
    (time.as_second().div_euclid(86_400) + 3).div_euclid(7)
}

/// The month of a time in UTC.
fn month(time: Timestamp) -> i64 {
    let date = TimeZone::UTC.to_datetime(time);
    i64::from(date.year()) * 12 + i64::from(date.month())
}
