//! Which backup sets stay and which may go, from what is known of each. Pure: no clock is asked, and
//! a set goes only when every order of the sets that there is says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::layout::is_set_of;
use crate::api::WalPosition;

/// Hours of a day of retention.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What is known of one directory below that of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFacts {
    /// The directory.
    pub path: String,
    /// When the storage took its newest object, by the storage's own clock. It only ever makes a set
    /// stay.
    pub stored_at: Option<Timestamp>,
    /// Until when the storage refuses to remove an object of it.
    pub locked_until: Option<Timestamp>,
    /// What is in it.
    pub contents: SetContents,
}

impl SetFacts {
    /// What the manifest says, if the set is confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Option<&SetRecord> {
        match &self.contents {
            SetContents::Set(record) => (record.standing == Standing::Confirmed).then_some(record),
            SetContents::Unfinished | SetContents::Unreadable(_) => None,
        }
    }
}

/// What is in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetContents {
    /// No manifest: a backup runs, or ended before it was complete.
    Unfinished,
    /// What is at the manifest's key can't be read, and why.
    Unreadable(String),
    /// A set.
    Set(SetRecord),
}

/// What the manifest and the verdicts beside it say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetRecord {
    /// Whose it is.
    pub owner: SetOwner,
    /// The identifier that initdb gave the database cluster.
    pub system_identifier: String,
    /// Where in the write-ahead log it was taken.
    pub position: WalPosition,
    /// When it was taken, by the database's clock.
    pub snapshot_time: Timestamp,
    /// Whether it counts.
    pub standing: Standing,
}

/// Whose a set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOwner {
    /// UID of the ProtectedDatabase.
    pub database_uid: String,
    /// UID of the namespace `kube-system` of its Kubernetes cluster. Sets of older versions do not
    /// say it; the UID of the ProtectedDatabase is unique by itself.
    pub kubernetes_cluster: Option<String>,
}

impl SetOwner {
    /// Whether a set of the other may be one of this.
    #[must_use]
    pub fn has(&self, other: &Self) -> bool {
        let is_of_another_cluster = matches!(
            (&self.kubernetes_cluster, &other.kubernetes_cluster),
            (Some(ours), Some(theirs)) if ours != theirs
        );
        self.database_uid == other.database_uid && !is_of_another_cluster
    }
}

/// Whether a set counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A good check after it found the same data.
    Confirmed,
    /// No check has said anything about it yet.
    Unconfirmed,
    /// A reset was found, and no good check lies between it and the set.
    Demoted,
    /// Taken while the data looked reset.
    Suspect,
    /// An object of it is missing or has another size.
    Incomplete,
    /// What a check has said of it can't be read, and may be that it never counts.
    Unknown,
}

/// `spec.backup.retention`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// The newest so many; fewer than 1 is 1.
    pub last: usize,
    /// Those of so many days before the newest.
    pub days: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
}

/// Why nothing at all may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// `spec.backup.retention` is not set.
    NoRetention,
    /// A reset of the data stands.
    DataReset,
    /// It is not known whether the data is what it should be.
    DataNotVerified,
    /// It is not known which backups run.
    RunsUnknown,
    /// What the cluster says of the data could not be read.
    ClusterUnread,
    /// The ProtectedDatabase is gone.
    DatabaseGone,
    /// The rules are others by now.
    RulesChanged,
    /// The newest confirmed set is missing, or can't be read.
    NewestConfirmedUnread,
}

/// What retention is decided from, except the sets.
#[derive(Clone, Debug)]
pub struct RetentionInput<'a> {
    pub rules: RetentionRules,
    /// Whose sets may go at all.
    pub owner: &'a SetOwner,
    /// What holds everything, as far as the cluster says so.
    pub held: Option<Held>,
    /// The set that the cluster knows as the newest confirmed one.
    pub newest_confirmed: Option<&'a str>,
    /// The directories of the backups that run.
    pub running: &'a BTreeSet<String>,
    /// The directories of sets that an earlier run began to remove: without a manifest they are what it
    /// has left.
    pub begun: &'a BTreeSet<String>,
    /// The longest time that a backup may take.
    pub longest_backup: SignedDuration,
    /// The time by the storage's clock.
    pub now: Option<Timestamp>,
}

/// Why a set stays or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Held(Held),
    Foreign,
    Unreadable,
    VerdictUnread,
    Running,
    MayRun,
    Locked(Timestamp),
    NothingConfirmed,
    NotOlderThanConfirmed,
    AmongLast(usize),
    WithinDays(u32),
    NewestOfWeek,
    NewestOfMonth,
    TimeUnknown,
    /// It goes: it counts, and no rule keeps it.
    Expired,
    /// It goes: it does not count, and is older than what counts.
    ExpiredUncounted,
    /// It goes: no backup that runs has begun it.
    LeftBehind,
}

impl fmt::Display for Held {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::NoRetention => "spec.backup.retention is not set",
            Self::DataReset => "a reset of the data stands",
            Self::DataNotVerified => "the data is not verified",
            Self::RunsUnknown => "it is not known which backups run",
            Self::ClusterUnread => "what the cluster says of the data could not be read",
            Self::DatabaseGone => "its ProtectedDatabase was deleted",
            Self::RulesChanged => "spec.backup.retention was changed meanwhile",
            Self::NewestConfirmedUnread => "the newest confirmed set can't be read",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(held) => write!(to, "nothing is removed: {held}"),
            Self::Foreign => to.write_str("it belongs to another ProtectedDatabase or cluster"),
            Self::Unreadable => to.write_str("its manifest can't be read"),
            Self::VerdictUnread => to.write_str("whether it counts can't be read"),
            Self::Running => to.write_str("its backup runs"),
            Self::MayRun => to.write_str("its backup may still run"),
            Self::Locked(until) if *until == Timestamp::MAX => {
                to.write_str("a legal hold locks it")
            }
            Self::Locked(until) => write!(to, "it is locked until {until}"),
            Self::NothingConfirmed => to.write_str("no set of its database cluster is confirmed"),
            Self::NotOlderThanConfirmed => to.write_str("no newer set is confirmed"),
            Self::AmongLast(last) => write!(to, "it is one of the last {last} confirmed"),
            Self::WithinDays(days) => write!(to, "it is within {days} days of the newest"),
            Self::NewestOfWeek => to.write_str("it is the newest of its week"),
            Self::NewestOfMonth => to.write_str("it is the newest of its month"),
            Self::TimeUnknown => to.write_str("the storage does not say when it was stored"),
            Self::Expired => to.write_str("no rule keeps it"),
            Self::ExpiredUncounted => to.write_str("it does not count, and newer sets do"),
            Self::LeftBehind => to.write_str("its backup ended without a manifest"),
        }
    }
}

/// What is decided about one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub set: &'a SetFacts,
    /// Whether it may be removed.
    pub removed: bool,
    pub why: Why,
}

/// Decides about every set, in the order in which they are given.
#[must_use]
pub fn decide_retention<'a>(input: &RetentionInput<'_>, sets: &'a [SetFacts]) -> Vec<Decision<'a>> {
    let held = input.held.or_else(|| newest_confirmed_unread(input, sets));
    let mut clusters: BTreeMap<&str, Cluster<'_>> = BTreeMap::new();
    for set in sets {
        if let Some(record) = set.confirmed()
            && input.owner.has(&record.owner)
        {
            let cluster = clusters.entry(&record.system_identifier).or_default();
            cluster.confirmed.push((set, record));
        }
    }
    let last = input.rules.last.max(1);
    for cluster in clusters.values_mut() {
        cluster.sort(last);
    }
    let decide = |set: &'a SetFacts| {
        let kept = stays(input, set).or(held.map(Why::Held));
        let (removed, why) = match (kept, &set.contents) {
            (Some(why), _) => (false, why),
            (None, SetContents::Set(record)) => {
                let cluster = clusters.get(record.system_identifier.as_str());
                match cluster.map(|cluster| cluster.keeps(input.rules, set, record)) {
                    None => (false, Why::NothingConfirmed),
                    Some(Some(why)) => (false, why),
                    Some(None) if record.standing == Standing::Confirmed => (true, Why::Expired),
                    Some(None) => (true, Why::ExpiredUncounted),
                }
            }
            (None, _) => (true, Why::LeftBehind),
        };
        Decision { set, removed, why }
    };
    sets.iter().map(decide).collect()
}

/// What makes a set stay by itself, whatever the rules say.
fn stays(input: &RetentionInput<'_>, set: &SetFacts) -> Option<Why> {
    match &set.contents {
        SetContents::Unreadable(_) => return Some(Why::Unreadable),
        SetContents::Set(record) if !input.owner.has(&record.owner) => return Some(Why::Foreign),
        SetContents::Set(record) if record.standing == Standing::Unknown => {
            return Some(Why::VerdictUnread);
        }
        SetContents::Set(_) => {}
        SetContents::Unfinished => {
            // No manifest says whose it is; its name does.
            let name = set.path.rsplit('/').next().unwrap_or_default();
            if !is_set_of(name, &input.owner.database_uid) {
                return Some(Why::Foreign);
            }
            if input.running.contains(&set.path) {
                return Some(Why::Running);
            }
            let age = input.now.zip(set.stored_at);
            let age = age.map(|(now, stored)| now.duration_since(stored));
            let is_old = age.is_some_and(|age| age > input.longest_backup);
            if !is_old && !input.begun.contains(&set.path) {
                return Some(Why::MayRun);
            }
        }
    }
    let until = set.locked_until?;
    let is_locked = input.now.is_none_or(|now| until > now);
    is_locked.then_some(Why::Locked(until))
}

fn newest_confirmed_unread(input: &RetentionInput<'_>, sets: &[SetFacts]) -> Option<Held> {
    let is_there = input.newest_confirmed.is_some_and(|path| {
        sets.iter().any(|set| {
            let record = set.confirmed();
            set.path == path && record.is_some_and(|record| input.owner.has(&record.owner))
        })
    });
    (!is_there).then_some(Held::NewestConfirmedUnread)
}

/// The confirmed sets of one database cluster: those of another initdb are other data, so each keeps
/// its own last ones.
#[derive(Default)]
struct Cluster<'a> {
    confirmed: Vec<(&'a SetFacts, &'a SetRecord)>,
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
    fn sort(&mut self, last: usize) {
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
    fn keeps(&self, rules: RetentionRules, set: &SetFacts, record: &SetRecord) -> Option<Why> {
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
        let is_within = |(_, time, newest): &(Clock, Timestamp, Timestamp)| {
            days.is_none_or(|days| newest.duration_since(*time) <= days)
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
        for (clock, _, newest) in clocks {
            let is_newest_of = |count, period: fn(Timestamp) -> i64| {
                self.is_newest_of((set, record), clock, newest, count, period)
            };
            if is_newest_of(rules.weekly, week) {
                return Some(Why::NewestOfWeek);
            }
            if is_newest_of(rules.monthly, month) {
                return Some(Why::NewestOfMonth);
            }
        }
        (!is_older(newest)).then_some(Why::NotOlderThanConfirmed)
    }

    /// Whether a set is the newest of its period by a clock, and that period one of the last `count`.
    fn is_newest_of(
        &self,
        (set, record): (&SetFacts, &SetRecord),
        clock: Clock,
        newest: Timestamp,
        count: u32,
        period: fn(Timestamp) -> i64,
    ) -> bool {
        let Some(time) = clock.time_of(set, record) else {
            return true;
        };
        if period(newest).saturating_sub(period(time)) >= i64::from(count) {
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
