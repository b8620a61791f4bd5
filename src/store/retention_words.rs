//! Why backup sets stay or go, in words. Pure.

use std::fmt;

use jiff::Timestamp;

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
    /// `spec.suspend` is set.
    Suspended,
    /// `spec.backup.storage` is another one by now.
    StorageChanged,
    /// The newest confirmed set is missing, or can't be read.
    NewestConfirmedUnread,
    /// A set was found damaged, and its backup does not say so yet.
    SetDamaged,
    /// A Suspect set is newer than every one that counts: what it lacks may be in older ones only.
    SuspectStands,
}

/// Why a set stays or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Held(Held),
    Foreign,
    /// No DatabaseBackup says that it was taken: it may be a copy, or forged.
    NotInCluster,
    /// Another directory has the same manifest.
    Copy,
    /// It was a set, and somebody else has removed its manifest.
    ManifestMissing,
    NewestConfirmed,
    /// The newest one that a drill has proven.
    NewestProven,
    /// The newest set has less than half of its files.
    MoreFiles,
    Unreadable,
    VerdictUnread,
    Running,
    /// A restore that has not ended reads it.
    Restoring,
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
    /// It would go, and without rules nothing does.
    LeftWithoutRules,
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
            Self::Suspended => "spec.suspend is true",
            Self::StorageChanged => "spec.backup.storage was changed meanwhile",
            Self::NewestConfirmedUnread => "the newest confirmed set can't be read",
            Self::SetDamaged => "a set was found damaged",
            Self::SuspectStands => {
                "a Suspect set is newer than every one that counts, and its DatabaseBackup says why"
            }
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(held) => write!(to, "nothing is removed: {held}"),
            Self::Foreign => to.write_str("it belongs to another ProtectedDatabase or cluster"),
            Self::NotInCluster => to.write_str("no DatabaseBackup is of it, so it does not count"),
            Self::Copy => to.write_str("another directory has the same manifest"),
            Self::ManifestMissing => to.write_str("its manifest is missing, so it is damaged"),
            Self::NewestConfirmed => to.write_str("it is the newest confirmed one"),
            Self::NewestProven => to.write_str("it is the newest one that a drill has proven"),
            Self::MoreFiles => to.write_str("the newest set has less than half of its files"),
            Self::Unreadable => to.write_str("its manifest can't be read"),
            Self::VerdictUnread => to.write_str("whether it counts can't be read"),
            Self::Running => to.write_str("its backup runs"),
            Self::Restoring => to.write_str("a DatabaseRestore that has not ended reads it"),
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
            Self::LeftWithoutRules => to.write_str(
                "its backup ended without a manifest, so it is no backup, and only takes space; without \
                 spec.backup.retention nothing is removed",
            ),
        }
    }
}
