//! Which backups a drill may be of, and which one it is. Pure.

use super::super::judge::Judged;
use super::super::last_backups::{accepted, identifier, is_in_present_bucket};
use super::super::ready::list;
use crate::api::{DatabaseBackup, DrillSelection, RestoreSource};
use crate::world::Observed;

/// Whether a backup counts here and now: it is of the database cluster that is known good, and where
/// `spec.backup.storage` leads to. Without that no backup does.
pub fn counts_now(observed: &Observed, judged: &Judged<'_>, backup: &DatabaseBackup) -> bool {
    let Ok(Some(asked)) = &judged.spec.backup else {
        return false;
    };
    let says_where = backup.status.as_ref().is_some_and(|status| {
        status.bucket.is_some() && status.path.is_some() && status.manifest_sha256.is_some()
    });
    backup.counts()
        && says_where
        && identifier(backup).is_some()
        && identifier(backup) == accepted(observed, judged)
        && is_in_present_bucket(backup, &asked.storage)
}

/// The backups that count here and now, the oldest first.
pub fn counting<'a>(observed: &'a Observed, judged: &Judged<'_>) -> Vec<&'a DatabaseBackup> {
    let all = list(&observed.backups).iter();
    let mut counting: Vec<&DatabaseBackup> = all
        .filter(|backup| {
            backup.metadata.deletion_timestamp.is_none() && counts_now(observed, judged, backup)
        })
        .collect();
    counting.sort_by_key(|backup| (backup.made(), backup.metadata.name.clone()));
    counting
}

/// The newest of them that is proven.
pub fn newest_proven<'a>(counting: &[&'a DatabaseBackup]) -> Option<&'a DatabaseBackup> {
    counting.iter().copied().rfind(|backup| backup.is_proven())
}

/// What a drill is of. `at` is the time for which it is made: each draws another one by it.
#[must_use]
pub fn select(counting: &[&DatabaseBackup], of: DrillSelection, at: i64) -> Option<RestoreSource> {
    let newest_proven = newest_proven(counting).and_then(|backup| backup.metadata.name.as_ref());
    let chosen = match of {
        DrillSelection::Latest => {
            counting.last()?;
            return Some(RestoreSource {
                latest_good: Some(true),
                ..RestoreSource::default()
            });
        }
        DrillSelection::Random => {
            let length = u64::try_from(counting.len())
                .ok()
                .filter(|length| *length > 0)?;
            counting[usize::try_from(mixed(at.unsigned_abs()) % length).ok()?]
        }
        // The newest proven one is kept while newer ones are not: it would be the oldest for ever.
        DrillSelection::Oldest => {
            let mut others = counting.iter();
            let other = others.find(|backup| backup.metadata.name.as_ref() != newest_proven);
            *other.or_else(|| counting.first())?
        }
    };
    Some(RestoreSource {
        backup: chosen.metadata.name.clone(),
        ..RestoreSource::default()
    })
}

/// A number that says nothing of the one that it is made of: times of a schedule have common divisors.
const fn mixed(number: u64) -> u64 {
    // The finalizer of SplitMix64: every bit of the result depends on every bit of the number.
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn backup(name: &str, passed: Option<bool>) -> DatabaseBackup {
        let drill = passed.map(
            |passed| json!({"restore": "d", "time": "2026-02-01T00:00:00Z", "passed": passed}),
        );
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
            "metadata": {"name": name}, "spec": {"database": "knowledge"},
            "status": {
                "state": "Complete", "drill": drill,
                "confirmed": {"check": "c", "time": "2026-02-01T00:00:00Z"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_oldest_is_not_the_one_that_is_kept_because_it_is_proven() {
        let chosen = |all: &[DatabaseBackup]| {
            let all: Vec<&DatabaseBackup> = all.iter().collect();
            select(&all, DrillSelection::Oldest, 0).and_then(|from| from.backup)
        };
        let all = [
            backup("a", Some(true)),
            backup("b", Some(false)),
            backup("c", None),
        ];
        assert_eq!(chosen(&all).as_deref(), Some("b"));
        assert_eq!(chosen(&all[..1]).as_deref(), Some("a"), "there is no other");
        assert_eq!(chosen(&all[1..]).as_deref(), Some("b"));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn at_random_every_backup_has_its_turn() {
        let all: Vec<DatabaseBackup> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| backup(name, None))
            .into();
        let all: Vec<&DatabaseBackup> = all.iter().collect();
        let week = 7 * 24 * 3_600;
        let drawn: BTreeSet<String> = (0..60)
            .filter_map(|turn| select(&all, DrillSelection::Random, turn * week)?.backup)
            .collect();
        assert_eq!(drawn.len(), all.len());
        assert!(select(&[], DrillSelection::Random, 1).is_none());
        assert!(select(&[], DrillSelection::Latest, 1).is_none());
    }
}
