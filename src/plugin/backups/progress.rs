//! How far a backup is, on one line. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::api::BackupProgress;
use crate::wording::{escaped, say_about, say_pace};

/// The longest name that is shown: the line must fit a terminal.
const NAME: usize = 24;
/// Numbers that are older, in seconds, are marked as old. The agent writes them every 10 s.
const OLD: i64 = 60;

/// `orders  12 of 34 tables, 1.2 of ~4.0 GiB, 85 MiB/s, about 40 s left`.
pub fn describe_progress(progress: &BackupProgress, now: Timestamp) -> String {
    let name = progress.database.as_ref().or(progress.claim.as_ref());
    let name: String = escaped(name.map_or("", String::as_str))
        .chars()
        .take(NAME)
        .collect();
    let mut said = format!("{name}  {}", escaped(&progress.message));
    let age = (now.as_second() - progress.time.0.as_second()).max(0);
    if let Some(pace) = pace(progress) {
        let _ = write!(said, ", {}", say_pace(pace));
        if let Some(left) = left(progress, pace).filter(|_| age < OLD) {
            let _ = write!(said, ", about {} left", say_about(left - age));
        }
    }
    if age >= OLD {
        let _ = write!(said, ", as of {} ago", say_about(age));
    }
    said
}

/// Bytes per second since the dump of this database was begun.
fn pace(progress: &BackupProgress) -> Option<i64> {
    let passed = progress.time.0.as_second() - progress.start_time.0.as_second();
    (passed > 0).then(|| progress.dumped_bytes / passed)
}

/// Seconds, if all of it takes what was estimated.
fn left(progress: &BackupProgress, pace: i64) -> Option<i64> {
    let rest = progress.total_bytes?.saturating_sub(progress.dumped_bytes);
    (rest > 0 && pace > 0).then(|| rest / pace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::*;

    fn said(more: &Value, now: &str) -> String {
        let mut progress = json!({
            "message": "12 of 34 tables, 1.2 of ~4.0 GiB", "database": "orders", "tablesDone": 12, "tables": 34,
            "dumpedBytes": 1_288_490_189, "storedBytes": 300_000_000, "totalBytes": 4_294_967_296_i64,
            "startTime": "2026-02-01T03:00:00Z", "time": "2026-02-01T03:00:15Z",
        });
        for (key, value) in more.as_object().unwrap() {
            progress[key] = value.clone();
        }
        let progress: BackupProgress = serde_json::from_value(progress).unwrap();
        describe_progress(&progress, format!("2026-02-01T{now}Z").parse().unwrap())
    }

    #[test]
    fn the_line_reads() {
        let first = json!({
            "message": "0 bytes of ~4.0 GiB", "dumpedBytes": 0, "time": "2026-02-01T03:00:00Z",
        });
        let stuck = json!({"dumpedBytes": 0, "message": "0 of 34 tables, 0 bytes of ~4.0 GiB"});
        let more = json!({"dumpedBytes": 5_368_709_120_i64, "message": "33 of 34 tables, 5.0 GiB"});
        let files = json!({
            "database": null, "claim": "uploads", "totalBytes": null, "message": "files, 1.2 GiB",
        });
        let long = json!({"database": "a_database_with_a_name_of_63_bytes_\u{1b}[31m", "message": "\u{1b}[2J"});
        let lines = [
            said(&first, "03:00:01"),
            said(&json!({}), "03:00:15"),
            said(&json!({}), "03:00:25"),
            // The clock of whoever reads is behind.
            said(&json!({}), "02:59:00"),
            said(&json!({}), "03:05:15"),
            said(&stuck, "03:00:15"),
            said(&more, "03:00:15"),
            said(&files, "03:00:15"),
            said(&long, "03:00:15"),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn numbers_of_any_size_are_no_trouble() {
        for dumped in [0, 1, -1, i64::MAX] {
            for total in [0, -1, i64::MAX] {
                said(
                    &json!({"dumpedBytes": dumped, "totalBytes": total}),
                    "03:00:16",
                );
            }
        }
    }
}
