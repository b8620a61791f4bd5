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
use super::restore_not_beside::NotBeside;
use super::restore_order::RestoreWatcher;
use super::restore_program::not_kept;
use super::restore_rows::{RestoredRows, restore_rows};
use super::restore_rows_plan::{RowsPlan, plan_rows};
use super::restore_sections::{Section, build_beside, restore_section, split};
use super::restore_stream::{Program, Streamed, restore_object};
use super::restore_tools::OneDatabase;

/// Each session reads the table of contents itself; so many bytes of them wait at once, at most.
const HEADS_LIMIT: usize = 64 << 20;
/// How often it is looked whether sessions wait for each other, while no rows come.
const LOOK_AT_WAITS: Duration = Duration::from_secs(5);

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
        let (warnings, not_restored) = match self.build_after(one, &kept, jobs).await {
            Ok(built) => built,
            Err(failure) => return NotBeside::after(failure, Beside::Nothing).map(Err),
        };
        Ok(Ok(Streamed {
            dumped: rows.dumped,
            warnings: [rows.warnings, warnings].concat(),
            data_time,
            index_time: begun.elapsed(),
            not_restored: [rows.not_restored, not_restored].concat(),
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
        let (warnings, not_restored) =
            restore_section(call.command, kept, said, Section::BeforeRows).await?;
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
            warnings: [warnings, rows.warnings].concat(),
            not_restored: [not_restored, rows.not_restored].concat(),
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
            warnings: streamed.warnings,
            not_restored: streamed.not_restored,
        })
    }

    /// Indexes and constraints by several sessions, then what may fail by one. Returns the warnings and what is
    /// missing.
    async fn build_after(
        &self,
        one: &OneDatabase<'_>,
        kept: &MemoryFile,
        jobs: i32,
    ) -> Result<(Vec<String>, Vec<String>), AgentFailure> {
        let (must, may) = split(one.contents, one.forgives());
        let call = self.build_call(one, (Some(must), false)).await?;
        let warnings = build_beside(call.command, kept, jobs).await?;
        if may.is_empty() {
            return Ok((warnings, Vec::new()));
        }
        let said = one.said();
        let call = self.build_call(one, (Some(may), said.goes_on())).await?;
        let (more, missing) = restore_section(call.command, kept, said, Section::AfterRows).await?;
        Ok(([warnings, more].concat(), missing))
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
