//! One database by several sessions of `pg_restore`: what rows need, the rows, then indexes and constraints, and at
//! last what may be missing afterwards.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchiveSummary, ContentsEntry, quote_literal};

use super::memory_file::MemoryFile;
use super::restore_context::{Beside, Restoring};
use super::restore_errors::Said;
use super::restore_fetch::{changed, fetch_front};
use super::restore_not_beside::NotBeside;
use super::restore_order::RestoreWatcher;
use super::restore_program::not_kept;
use super::restore_rows::restore_rows;
use super::restore_rows_plan::{RowsPlan, plan_rows};
use super::restore_sections::{Section, build_beside, restore_section, split};
use super::restore_stream::{Part, Streamed};
use super::restore_tools::OneDatabase;

/// The argument that selects the rows.
const ROWS: &str = "--section=data";
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
        let plan = match beside {
            Beside::RowsAndIndexes => plan_sessions(one, jobs, head.len()),
            Beside::Indexes | Beside::Nothing => None,
        };
        let (dumped, rows) = if let Some(plan) = plan {
            match self.restore_by_several(one, plan, (head, &kept)).await {
                Ok(restored) => restored,
                Err(failure) => return NotBeside::after(failure, Beside::Indexes).map(Err),
            }
        } else {
            let sections = [Section::BeforeRows.option(), ROWS];
            let streamed = self.restore_by_one(one, &sections, Some(head)).await?;
            (streamed.dumped, streamed.part)
        };
        let data_time = begun.elapsed();
        let begun = Instant::now();
        let built = match self.build_after(one, &kept, jobs).await {
            Ok(built) => built,
            Err(failure) => return NotBeside::after(failure, Beside::Nothing).map(Err),
        };
        Ok(Ok(Streamed {
            dumped,
            part: rows.and(built),
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
    ) -> Result<(ArchiveSummary, Part), AgentFailure> {
        let program = self.build_program(one, one.chosen(), one.said()).await?;
        let tables = restore_section(program, kept, Section::BeforeRows).await?;
        let mut programs = Vec::new();
        for entries in &plan.entries {
            // What may be missing of that which belongs to rows is known of each entry, whoever restores it.
            let entries = Some(entries.clone());
            let mut program = self.build_program(one, entries, one.said()).await?;
            program.command.arg(ROWS);
            programs.push(program);
        }
        let (dumped, rows) = tokio::select! {
            biased;
            rows = restore_rows(&one.dump, (programs, plan), one.decoding(Some(head))) => rows?,
            failure = self.wait_for_waits(one) => return Err(failure),
        };
        Ok((dumped, tables.and(rows)))
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

    /// Indexes and constraints by several sessions, then what may fail by one.
    async fn build_after(
        &self,
        one: &OneDatabase<'_>,
        kept: &MemoryFile,
        jobs: i32,
    ) -> Result<Part, AgentFailure> {
        let (must, may) = split(one.contents, one.forgives());
        let program = self.build_program(one, Some(must), Said::default()).await?;
        let built = build_beside(program, kept, jobs).await?;
        if may.is_empty() {
            return Ok(built);
        }
        let program = self.build_program(one, Some(may), one.said()).await?;
        Ok(built.and(restore_section(program, kept, Section::AfterRows).await?))
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

/// Which session restores which rows, by the sizes of the manifest. The longer the table of contents, the fewer there
/// are.
fn plan_sessions(one: &OneDatabase<'_>, jobs: i32, head: usize) -> Option<RowsPlan> {
    let tables = one.database.tables.iter();
    let sizes: BTreeMap<(&str, &str), u64> = tables
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table.bytes))
        .collect();
    let size_of = |entry: &ContentsEntry| {
        let size = sizes.get(&(entry.schema.as_str(), entry.name.as_str()));
        size.copied().unwrap_or_default()
    };
    let sessions = usize::try_from(jobs).unwrap_or(1);
    plan_rows(
        one.contents,
        size_of,
        sessions.min(HEADS_LIMIT / head.max(1)),
    )
}
