//! Deterministic names, so that a repeated decision names the same object and no start is checked
//! twice. Pure.

use sha2::{Digest, Sha256};

use crate::api::names;

/// Hex digits of a digest that go into a name.
const DIGITS: usize = 10;
/// Hex digits of a start in a name that has a time, too: beside the longest name of a database there
/// is no space for more, because the name of a Job's pod is cut.
const START_DIGITS: usize = 4;

/// The name of the check of one container start; `attempt` 0 is the first.
pub fn restart_check(database: &str, pod_uid: &str, container_id: &str, attempt: i32) -> String {
    let digest = start_digest(pod_uid, container_id);
    if attempt == 0 {
        format!("{database}-{digest}")
    } else {
        format!("{database}-{digest}-{attempt}")
    }
}

/// The name of the check of one container start for one tick of the schedule: after a failover the
/// same tick is another server's.
pub fn scheduled_check(
    database: &str,
    pod_uid: &str,
    container_id: &str,
    tick_second: i64,
) -> String {
    let start = &start_digest(pod_uid, container_id)[..START_DIGITS];
    format!("{database}-s{tick_second}-{start}")
}

/// The name of the check of one container start for the backups that began in that second.
pub fn backup_check(
    database: &str,
    pod_uid: &str,
    container_id: &str,
    begun_second: i64,
) -> String {
    let start = &start_digest(pod_uid, container_id)[..START_DIGITS];
    format!("{database}-b{begun_second}-{start}")
}

/// The name of the check of one container start that confirms the backups that were over in that
/// second.
pub fn confirming_check(
    database: &str,
    pod_uid: &str,
    container_id: &str,
    over_second: i64,
) -> String {
    let start = &start_digest(pod_uid, container_id)[..START_DIGITS];
    format!("{database}-c{over_second}-{start}")
}

/// The name of the check of what a restore has put in the place of the database; `attempt` 0 is the first.
pub fn restore_check(database: &str, restore_uid: &str, attempt: i32) -> String {
    let digest = short_digest(restore_uid);
    if attempt == 0 {
        format!("{database}-r{digest}")
    } else {
        format!("{database}-r{digest}-{attempt}")
    }
}

/// The name of the check that compares the rows with the files that a restore has brought back.
pub fn files_check(database: &str, restore_uid: &str) -> String {
    format!("{database}-f{}", short_digest(restore_uid))
}

fn start_digest(pod_uid: &str, container_id: &str) -> String {
    short_digest(&format!("{pod_uid}\n{container_id}"))
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
    fn a_tick_has_a_name_per_start_that_no_pod_name_is_cut_from() {
        let database = "d".repeat(names::DATABASE_NAME_LIMIT);
        let of = |container: &str| scheduled_check(&database, "pod-1", container, 1_769_938_200);
        assert_ne!(of("containerd://1"), of("containerd://2"));
        // A hyphen and five random characters follow, within 63.
        assert!(of("containerd://1").len() <= 57);
        assert!(backup_check(&database, "pod-1", "containerd://1", 1_769_938_200).len() <= 57);
    }

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
