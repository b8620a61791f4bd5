//! Deterministic names, so that a repeated decision names the same object and no start is checked twice. Pure.

use sha2::{Digest, Sha256};

/// Hex digits of a digest that go into a name.
const DIGITS: usize = 10;

/// The name of the check of one container start; `attempt` 0 is the first.
pub fn restart_check(database: &str, pod_uid: &str, container_id: &str, attempt: i32) -> String {
    let digest = short_digest(&format!("{pod_uid}\n{container_id}"));
    if attempt == 0 { format!("{database}-{digest}") } else { format!("{database}-{digest}-{attempt}") }
}

/// The name of the check for one tick of the schedule.
pub fn scheduled_check(database: &str, tick_second: i64) -> String {
    format!("{database}-s{tick_second}")
}

/// The name of the first backup's Job; `attempt` 0 is the first.
pub fn first_backup(database: &str, attempt: usize) -> String {
    if attempt == 0 { format!("{database}-backup-first") } else { format!("{database}-backup-first-{attempt}") }
}

/// A short digest of a text, for names and for telling whether a template changed.
pub fn short_digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(DIGITS);
    digest
}
