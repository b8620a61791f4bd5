//! What retention knows of each directory of a database, and whose sets are whose. Pure.

use jiff::Timestamp;

use crate::api::WalPosition;

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
    /// What the manifest says, if it can be read.
    #[must_use]
    pub const fn record(&self) -> Option<&SetRecord> {
        match &self.contents {
            SetContents::Set(record) => Some(record),
            SetContents::Unfinished | SetContents::Unreadable(_) => None,
        }
    }

    /// What the manifest says, if the set is confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Option<&SetRecord> {
        let record = self.record()?;
        (record.standing == Standing::Confirmed).then_some(record)
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

impl SetContents {
    /// What the set is, in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Unreadable(_) => "unreadable",
            Self::Set(record) => match record.standing {
                Standing::Confirmed => "confirmed",
                Standing::Unconfirmed => "unconfirmed",
                Standing::Demoted => "demoted",
                Standing::Suspect => "suspect",
                Standing::Incomplete => "incomplete",
                Standing::Unknown => "unknown",
            },
        }
    }
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
    /// SHA-256 of the manifest, in hex: a set that was copied is one set.
    pub manifest_sha256: String,
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
