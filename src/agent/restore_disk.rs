//! Whether a set fits on the disk of the server beside what is there: an estimate before anything is made,
//! and when a restore must stop. Pure.

use crate::store::ManifestDatabase;

/// How much of the disk must stay free, as one of so many parts: a full disk stops the server, and with it
/// the present database.
const LEAST_FREE: u64 = 10;
/// With less free than one of so many parts somebody should know.
const WARNED_FREE: u64 = 5;
/// What a row takes on disk beside its values: its header and its place in the page.
const ROW: u64 = 28;
/// An empty database.
const EMPTY: u64 = 8 << 20;
/// Values that are compressed on disk may be so many times longer in a dump.
const COMPRESSED: u64 = 4;

/// What is known of the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// What it can hold, as the claim says.
    pub capacity: u64,
    /// All databases of the default tablespace, with temporary files.
    pub data: u64,
    /// The write-ahead log; none where the role may not look.
    pub wal: Option<u64>,
    /// What the write-ahead log grows to: `max_wal_size`.
    pub wal_limit: u64,
}

/// How much the databases of a set need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// No less than that.
    pub least: u64,
    /// About that.
    pub expected: u64,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Space {
    /// There is enough.
    Enough,
    /// It may be too little.
    Tight(String),
    /// It can't fit.
    TooSmall(String),
    /// The capacity is not what the disk can hold.
    NotEnforced(String),
}

/// How much the databases need that are to be restored. A set that was taken before sizes were kept has
/// only those of its rows.
#[must_use]
pub fn estimate<'a>(databases: impl IntoIterator<Item = &'a ManifestDatabase>) -> Need {
    let mut need = Need::default();
    for database in databases {
        let one = estimate_one(database);
        need.least = need.least.saturating_add(one.least);
        need.expected = need.expected.saturating_add(one.expected);
    }
    need
}

fn estimate_one(database: &ManifestDatabase) -> Need {
    let text = database
        .tables
        .iter()
        .map(|table| table.bytes)
        .fold(database.large_objects.bytes, u64::saturating_add);
    let rows = database.rows.saturating_mul(ROW);
    let recorded = database.description.as_ref().and_then(|one| one.size);
    let recorded = recorded.and_then(|size| u64::try_from(size).ok());
    let plain = text.saturating_add(rows).saturating_add(EMPTY);
    match recorded {
        // What was there may have been bloated, and values may be compressed.
        Some(recorded) => Need {
            least: recorded.min(plain),
            expected: recorded.max(EMPTY),
        },
        None => Need {
            least: (text / COMPRESSED).saturating_add(rows),
            expected: plain.saturating_add((text.saturating_add(rows)) / 2),
        },
    }
}

impl Disk {
    /// Bytes that must stay free.
    const fn reserve(&self) -> u64 {
        self.capacity / LEAST_FREE
    }

    /// What is on it, as far as that can be seen.
    const fn used(&self) -> u64 {
        self.data.saturating_add(match self.wal {
            Some(wal) => wal,
            None => 0,
        })
    }

    /// Whether there is space for a set.
    #[must_use]
    pub fn judge(&self, need: Need) -> Space {
        let there = self.describe();
        if self.data > self.capacity {
            return Space::NotEnforced(format!(
                "{there}, which is more than that: the capacity is not what the disk can hold, so it is not \
                 known whether the restored databases fit (about {})",
                size(need.expected)
            ));
        }
        let least = self.used().saturating_add(need.least);
        if least > self.capacity - self.reserve() {
            return Space::TooSmall(format!(
                "{there}. The restored databases need at least {} beside them, about {}, and 10 % must stay \
                 free",
                size(need.least),
                size(need.expected)
            ));
        }
        let log = self.wal.unwrap_or_default().max(self.wal_limit);
        let taken = self.data.saturating_add(log).saturating_add(need.expected);
        let free = self.capacity.saturating_sub(taken);
        if free < self.capacity / WARNED_FREE {
            return Space::Tight(format!(
                "{there}. The restored databases need about {}, and the write-ahead log up to {}: about {} \
                 stay free. It is stopped when less than 10 % are",
                size(need.expected),
                size(log),
                size(free)
            ));
        }
        Space::Enough
    }

    /// Why a restore that is running must stop; none if it may go on.
    #[must_use]
    pub fn must_stop(&self) -> Option<String> {
        let free = self.capacity.saturating_sub(self.used());
        (free < self.reserve()).then(|| {
            format!(
                "{}: less than 10 % are free, and a full disk stops the server",
                self.describe()
            )
        })
    }

    fn describe(&self) -> String {
        let log = self.wal.map_or_else(
            || "the write-ahead log is not counted".to_owned(),
            |wal| format!("the write-ahead log {}", size(wal)),
        );
        format!(
            "the disk has {}, the databases of the server take {}, {log}",
            size(self.capacity),
            size(self.data)
        )
    }
}

/// Bytes, as somebody reads them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["MiB", "GiB", "TiB", "PiB"];
    // In tenths, so that nothing is lost to rounding.
    let mut tenths = bytes.saturating_mul(10) >> 20;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths >>= 10;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
#[path = "restore_disk_tests.rs"]
mod tests;
