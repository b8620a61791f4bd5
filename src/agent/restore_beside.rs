//! One database by several sessions of `pg_restore`: what rows need, the rows, then indexes and constraints, and at
//! last what may be missing afterwards.

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ContentsEntry, quote_literal};

use super::memory_file::MemoryFile;
use super::restore_context::{Beside, Restoring};
use super::restore_fetch::{changed, fetch_front};
use super::restore_order::RestoreWatcher;
use super::restore_program::{OneDatabase, not_kept};
use super::restore_rows::{RestoredRows, restore_rows};
use super::restore_rows_plan::{RowsPlan, plan_rows};
use super::restore_sections::{Section, build_beside, restore_section, split};
use super::restore_stream::{Part, Program, Streamed, restore_object};

/// Each session reads the table of contents itself; so many bytes of them wait at once, at most.
const HEADS_LIMIT: usize = 64 << 20;
/// How often it is looked whether sessions wait for each other, while no rows come.
const LOOK_AT_WAITS: Duration = Duration::from_secs(5);
/// What another session, or a single one, would meet again. In English: what a server says in another language
/// is tried once more.
const FINAL_FOR_ROWS: [&str; 5] = [
    "invalid input syntax",
    "violates not-null constraint",
    "permission denied",
    "must be owner",
    "out of range",
];
const FULL_DISK: [&str; 3] = [
    "No space left on device",
    "could not extend file",
    "Disk quota exceeded",
];

/// What several sessions could not do, and why.
pub struct NotBeside {
    pub left: Beside,
    pub why: String,
}

impl NotBeside {
    /// Whether less is to be done by several sessions after a failure. A full disk would be filled again.
    fn after(failure: AgentFailure, left: Beside) -> Result<Self, AgentFailure> {
        let says = |texts: &[&str]| texts.iter().any(|text| failure.message.contains(text));
        let is_final = says(&FULL_DISK) || left == Beside::Indexes && says(&FINAL_FOR_ROWS);
        if failure.reason != reasons::RESTORE_FAILED || is_final {
            return Err(failure);
        }
        Ok(Self {
            left,
            why: failure.message,
        })
    }
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Restores one database by so many sessions. The inner error is what they could not do: then all of it is to
    /// be restored again, with less beside each other.
    pub async fn restore_beside(
        &self,
        one: &OneDatabase<'_>,
        (beside, jobs): (Beside, i32),
    ) -> Result<Result<Streamed, NotBeside>, AgentFailure> {
        let begun = Instant::now();
        // It is compared with the one that comes with the rows, which are hashed.
        let front = fetch_front(&one.dump).await?;
        if !is_of(&front.contents, one) {
            return Err(changed(&format!(
                "`{}` has another table of contents than when it was hashed",
                one.dump.key
            )));
        }
        let head = front.bytes;
        let kept = MemoryFile::write(&head).map_err(|error| not_kept(&error))?;
        let sessions = usize::try_from(jobs).unwrap_or(1);
        let sessions = sessions.min(HEADS_LIMIT / head.len().max(1));
        let plan = plan_rows(one.contents, |entry| size_of(one, entry), sessions);
        let plan = plan.filter(|_| beside == Beside::RowsAndIndexes);
        let rows = match plan {
            Some(plan) => match self.restore_by_several(one, plan, (head, &kept)).await {
                Ok(rows) => rows,
                Err(failure) => return NotBeside::after(failure, Beside::Indexes).map(Err),
            },
            None => self.restore_tables(one, head).await?,
        };
        let data_time = begun.elapsed();
        let begun = Instant::now();
        let built = match self.build_after(one, &kept, jobs).await {
            Ok(built) => built,
            Err(failure) => return NotBeside::after(failure, Beside::Nothing).map(Err),
        };
        Ok(Ok(Streamed {
            dumped: rows.dumped,
            part: rows.part.and(built),
            data_time,
            index_time: begun.elapsed(),
        }))
    }

    /// The tables and what they need by one session, then the rows by several.
    async fn restore_by_several(
        &self,
        one: &OneDatabase<'_>,
        plan: RowsPlan,
        (head, kept): (Vec<u8>, &MemoryFile),
    ) -> Result<RestoredRows, AgentFailure> {
        let said = one.said();
        let call = self.build_call(one, (one.chosen(), said.goes_on())).await?;
        let tables = restore_section(call.command, kept, said, Section::BeforeRows).await?;
        let (mut programs, mut lists) = (Vec::new(), Vec::new());
        for entries in &plan.entries {
            // What may be missing of that which belongs to rows is known of each entry, whoever restores it.
            let said = one.said();
            let goes_on = said.goes_on();
            let mut call = self
                .build_call(one, (Some(entries.clone()), goes_on))
                .await?;
            call.command.stdin(Stdio::piped()).arg("--section=data");
            programs.push(Program {
                command: call.command,
                said,
            });
            lists.extend(call.list);
        }
        let decoding = one.decoding(Some(head));
        let rows = tokio::select! {
            biased;
            rows = restore_rows(&one.dump, (programs, plan), decoding) => rows?,
            failure = self.wait_for_waits(one) => return Err(failure),
        };
        drop(lists);
        Ok(RestoredRows {
            dumped: rows.dumped,
            part: tables.and(rows.part),
        })
    }

    /// Ends when sessions wait for each other: one that waits for rows is no deadlock to Postgres, and no rows come
    /// while another one takes none.
    async fn wait_for_waits(&self, one: &OneDatabase<'_>) -> AgentFailure {
        let query = format!(
            "select 1 from pg_catalog.pg_stat_activity where datname = {} and wait_event_type = 'Lock' and \
             pg_catalog.cardinality(pg_catalog.pg_blocking_pids(pid)) > 0 limit 1",
            quote_literal(one.new.restored_as)
        );
        let (mut before, mut has_waited) = (u64::MAX, false);
        loop {
            sleep(LOOK_AT_WAITS).await;
            let restored = one.restored.load(Ordering::Relaxed);
            let is_still = restored == before;
            before = restored;
            let found = if is_still {
                one.tools.writer.run(&query).await
            } else {
                Ok(Vec::new())
            };
            let waits = found.is_ok_and(|rows| !rows.is_empty());
            if waits && has_waited {
                return AgentFailure {
                    reason: reasons::RESTORE_FAILED.to_owned(),
                    message: "a constraint of a table takes locks, for which sessions that restore its rows \
                              wait"
                        .to_owned(),
                };
            }
            has_waited = waits;
        }
    }

    /// The tables and their rows by one session.
    async fn restore_tables(
        &self,
        one: &OneDatabase<'_>,
        head: Vec<u8>,
    ) -> Result<RestoredRows, AgentFailure> {
        let said = one.said();
        let mut call = self.build_call(one, (one.chosen(), said.goes_on())).await?;
        call.command
            .stdin(Stdio::piped())
            .args([Section::BeforeRows.option(), "--section=data"]);
        let program = Program {
            command: call.command,
            said,
        };
        let streamed = restore_object(&one.dump, program, one.decoding(Some(head))).await?;
        Ok(RestoredRows {
            dumped: streamed.dumped,
            part: streamed.part,
        })
    }

    /// Indexes and constraints by several sessions, then what may fail by one.
    async fn build_after(
        &self,
        one: &OneDatabase<'_>,
        kept: &MemoryFile,
        jobs: i32,
    ) -> Result<Part, AgentFailure> {
        let (must, may) = split(one.contents);
        let call = self.build_call(one, (Some(must), false)).await?;
        let built = build_beside(call.command, kept, jobs).await?;
        if may.is_empty() {
            return Ok(built);
        }
        let said = one.said();
        let call = self.build_call(one, (Some(may), said.goes_on())).await?;
        let rest = restore_section(call.command, kept, said, Section::AfterRows).await?;
        Ok(built.and(rest))
    }
}

/// Whether a table of contents is the one that was chosen from.
fn is_of(contents: &[ContentsEntry], one: &OneDatabase<'_>) -> bool {
    if one.chosen().is_none() {
        return contents == one.contents;
    }
    let mut chosen = one.contents.iter();
    chosen.all(|entry| contents.contains(entry))
}

/// The bytes of the rows of a table, as the manifest has them.
fn size_of(one: &OneDatabase<'_>, entry: &ContentsEntry) -> u64 {
    let mut tables = one.database.tables.iter();
    let of_it = tables.find(|table| table.schema == entry.schema && table.name == entry.name);
    of_it.map_or(0, |table| table.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: &str, message: &str) -> AgentFailure {
        AgentFailure {
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_one_session_would_meet_too_is_not_tried_again() {
        for (message, left, is_tried) in [
            (
                "ERROR: new row violates check constraint \"c\"",
                Beside::Indexes,
                true,
            ),
            (
                "ERROR: sorry, too many clients already",
                Beside::Indexes,
                true,
            ),
            (
                "ERROR: could not extend file: No space left on device",
                Beside::Indexes,
                false,
            ),
            (
                "ERROR: could not extend file: No space left on device",
                Beside::Nothing,
                false,
            ),
            (
                "ERROR: invalid input syntax for type integer",
                Beside::Indexes,
                false,
            ),
            (
                "ERROR: permission denied for function f",
                Beside::Nothing,
                true,
            ),
        ] {
            let after = NotBeside::after(failure(reasons::RESTORE_FAILED, message), left);
            assert_eq!(after.is_ok(), is_tried, "{message}");
        }
        let broken = failure(reasons::CONNECTION_FAILED, "the connection broke");
        assert!(NotBeside::after(broken, Beside::Indexes).is_err());
    }
}
