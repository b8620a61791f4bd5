//! How far a backup is, as those who dump note it: in memory, so that nothing waits for whoever reads it.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::watch;

use crate::api::BackupProgress;
use crate::wording::{number, say_part};

/// The longest name that is reported.
const NAME_LIMIT: usize = 60;

/// The numbers of one backup. Its clones are the same meter.
#[derive(Clone, Debug, Default)]
pub struct BackupMeter(Arc<watch::Sender<Option<BackupProgress>>>);

impl BackupMeter {
    /// How far the backup is now; none before its first dump has begun.
    #[must_use]
    pub fn read(&self) -> Option<BackupProgress> {
        self.0.borrow().clone()
    }

    /// Shows each change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<BackupProgress>> {
        self.0.subscribe()
    }

    /// The dump of a database begins.
    pub fn begin_database(&self, database: &str, total_bytes: Option<i64>) {
        self.begin(BackupProgress {
            database: Some(cut(database)),
            total_bytes,
            ..nothing_yet()
        });
    }

    /// The files of a claim begin.
    pub fn begin_claim(&self, claim: &str) {
        self.begin(BackupProgress {
            claim: Some(cut(claim)),
            ..nothing_yet()
        });
    }

    fn begin(&self, progress: BackupProgress) {
        let message = describe(&progress);
        self.0.send_replace(Some(BackupProgress {
            message,
            ..progress
        }));
    }

    /// So many bytes of it were dumped, and so many tables are complete, of all.
    pub fn note_dumped(&self, bytes: u64, tables: Option<(usize, usize)>) {
        self.change(|progress| {
            progress.dumped_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            if let Some((done, all)) = tables {
                progress.tables_done = i64::try_from(done).ok();
                progress.tables = i64::try_from(all).ok();
            }
        });
    }

    /// So many bytes of it were passed on to the bucket.
    pub fn note_stored(&self, bytes: u64) {
        self.change(|progress| progress.stored_bytes = i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn change(&self, change: impl FnOnce(&mut BackupProgress)) {
        self.0.send_modify(|progress| {
            // Roles come before the first database, and take no time.
            if let Some(progress) = progress {
                change(progress);
                progress.time = Time(Timestamp::now());
                progress.message = describe(progress);
            }
        });
    }
}

fn nothing_yet() -> BackupProgress {
    let now = Time(Timestamp::now());
    BackupProgress {
        message: String::new(),
        database: None,
        claim: None,
        tables_done: None,
        tables: None,
        dumped_bytes: 0,
        stored_bytes: 0,
        total_bytes: None,
        start_time: now.clone(),
        time: now,
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_LIMIT).collect()
}

/// `12 of 34 tables, 1.2 of ~4.0 GiB`.
fn describe(progress: &BackupProgress) -> String {
    let bytes = say_part(progress.dumped_bytes, progress.total_bytes);
    match (progress.tables_done, progress.tables) {
        (Some(done), Some(all)) => {
            let tables = if all == 1 { "table" } else { "tables" };
            format!("{} of {} {tables}, {bytes}", number(done), number(all))
        }
        _ if progress.claim.is_some() => format!("files, {bytes}"),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn what_is_noted_is_said_and_each_dump_begins_with_nothing() {
        let meter = BackupMeter::default();
        meter.note_dumped(7, None);
        assert_eq!(meter.read(), None, "nothing has begun");
        let mut said = Vec::new();
        let mut say = || said.push(meter.read().unwrap().message);
        meter.begin_database("orders", Some(4 << 30));
        say();
        meter.note_dumped(1_288_490_189, Some((12, 34)));
        meter.note_stored(300 << 20);
        say();
        meter.begin_database("audit", None);
        meter.note_dumped(80 << 20, Some((0, 1)));
        say();
        meter.begin_claim("uploads");
        meter.note_dumped(12 << 20, None);
        say();
        insta::assert_snapshot!(said.join("\n"), @r"
        0 bytes of ~4.0 GiB
        12 of 34 tables, 1.2 of ~4.0 GiB
        0 of 1 table, 80.0 MiB
        files, 12.0 MiB
        ");
    }

    #[test]
    fn a_name_of_any_length_is_reported() {
        let meter = BackupMeter::default();
        meter.begin_database(&"é".repeat(500), None);
        let progress = meter.read().unwrap();
        assert_eq!(progress.database.unwrap().chars().count(), NAME_LIMIT);
    }
}
