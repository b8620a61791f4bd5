//! Deterministic names, so that a repeated decision names the same object and no start is checked
//! twice. Pure.

use sha2::{Digest, Sha256};

use crate::api::names;

/// Hex digits of a digest that go into a name.
const DIGITS: usize = 10;

/// The name of the check of one container start; `attempt` 0 is the first.
pub fn restart_check(database: &str, pod_uid: &str, container_id: &str, attempt: i32) -> String {
    let digest = short_digest(&format!("{pod_uid}\n{container_id}"));
    if attempt == 0 {
        format!("{database}-{digest}")
    } else {
        format!("{database}-{digest}-{attempt}")
    }
}

/// The name of the check for one tick of the schedule.
pub fn scheduled_check(database: &str, tick_second: i64) -> String {
    format!("{database}-s{tick_second}")
}

/// The name of the check for the backups that began in that second.
pub fn backup_check(database: &str, begun_second: i64) -> String {
    format!("{database}-b{begun_second}")
}

/// The name of the first backup's Job; `attempt` 0 is the first.
pub fn first_backup(database: &str, attempt: usize) -> String {
    let first = names::first_backup(database);
    if attempt == 0 {
        first
    } else {
        format!("{first}-{attempt}")
    }
}

/// The attempt that no name is taken for yet: one more than the highest, so that a gap left by a
/// deletion is never filled with a name in use.
pub fn next_first_backup<'a>(database: &str, taken: impl Iterator<Item = &'a str>) -> usize {
    let first = first_backup(database, 0);
    let attempt = |name: &str| match name.strip_prefix(&first)? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse::<usize>().ok(),
    };
    taken
        .filter_map(attempt)
        .max()
        .map_or(0, |highest| highest.saturating_add(1))
}

/// A short digest of a text, for names and to see whether a template changed.
pub fn short_digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(DIGITS);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_first_backup_has_a_name_that_nothing_has() {
        let next = |taken: &[&str]| next_first_backup("db", taken.iter().copied());
        assert_eq!(next(&[]), 0);
        assert_eq!(
            next(&[
                "db-backup-29384",
                "db-backup-firstly",
                "other-backup-first-7"
            ]),
            0
        );
        assert_eq!(next(&["db-backup-first"]), 1);
        assert_eq!(
            next(&[
                "db-backup-first-2",
                "db-backup-first-1",
                "db-backup-first-2"
            ]),
            3
        );
        assert_eq!(
            first_backup("db", next(&["db-backup-first-9"])),
            "db-backup-first-10"
        );
    }
}
