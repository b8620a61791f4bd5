//! One database by several sessions of `pg_restore`: what rows need, the rows, then indexes and constraints, and at
//! last what may be missing afterwards.

use std::process::Stdio;
use std::time::Instant;

use crate::api::AgentFailure;
use crate::postgres::{ArchiveSummary, ContentsEntry};

use super::memory_file::MemoryFile;
use super::restore_context::Restoring;
use super::restore_fetch::fetch_front;
use super::restore_order::RestoreWatcher;
use super::restore_program::{OneDatabase, not_kept};
use super::restore_rows::restore_rows;
use super::restore_rows_plan::{RowsPlan, plan_rows};
use super::restore_sections::{Section, build_beside, restore_section, split};
use super::restore_stream::{Streamed, restore_object};

/// Rows that are there, and what was said meanwhile.
struct Rows {
    dumped: ArchiveSummary,
    warnings: Vec<String>,
    not_restored: Vec<String>,
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Restores one database by so many sessions. None if they could not: then all of it is to be restored again
    /// by one, whose errors can be told apart.
    pub async fn restore_beside(
        &self,
        one: &OneDatabase<'_>,
        jobs: i32,
    ) -> Result<Option<Streamed>, AgentFailure> {
        let begun = Instant::now();
        // It is compared with the one that comes with the rows, which are hashed.
        let head = fetch_front(&one.dump).await?.bytes;
        let kept = MemoryFile::write(&head).map_err(|error| not_kept(&error))?;
        let sessions = usize::try_from(jobs).unwrap_or(1);
        let plan = plan_rows(one.contents, |entry| size_of(one, entry), sessions);
        let rows = match plan {
            Some(plan) => self.restore_by_several(one, plan, (head, &kept)).await?,
            None => Some(self.restore_tables(one, head).await?),
        };
        let Some(rows) = rows else { return Ok(None) };
        let data_time = begun.elapsed();
        let begun = Instant::now();
        let Some((warnings, not_restored)) = self.build_after(one, &kept, jobs).await? else {
            return Ok(None);
        };
        Ok(Some(Streamed {
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
    ) -> Result<Option<Rows>, AgentFailure> {
        let said = one.said();
        let call = self.build_call(one, (one.chosen(), said.goes_on())).await?;
        let (warnings, not_restored) =
            restore_section(call.command, kept, said, Section::BeforeRows).await?;
        let (mut commands, mut lists) = (Vec::new(), Vec::new());
        for entries in &plan.entries {
            let mut call = self.build_call(one, (Some(entries.clone()), false)).await?;
            call.command.stdin(Stdio::piped()).arg("--section=data");
            commands.push(call.command);
            lists.extend(call.list);
        }
        let decoding = one.decoding(Some(head));
        let restored = restore_rows(&one.dump, (commands, plan), decoding).await?;
        drop(lists);
        Ok(restored.map(|(dumped, more)| Rows {
            dumped,
            warnings: [warnings, more].concat(),
            not_restored,
        }))
    }

    /// The tables and their rows by one session.
    async fn restore_tables(
        &self,
        one: &OneDatabase<'_>,
        head: Vec<u8>,
    ) -> Result<Rows, AgentFailure> {
        let said = one.said();
        let mut call = self.build_call(one, (one.chosen(), said.goes_on())).await?;
        call.command
            .stdin(Stdio::piped())
            .args([Section::BeforeRows.option(), "--section=data"]);
        let decoding = one.decoding(Some(head));
        let streamed = restore_object(&one.dump, call.command, said, decoding).await?;
        Ok(Rows {
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
    ) -> Result<Option<(Vec<String>, Vec<String>)>, AgentFailure> {
        let (must, may) = split(one.contents, one.forgives());
        let call = self.build_call(one, (Some(must), false)).await?;
        let Some(warnings) = build_beside(call.command, kept, jobs).await? else {
            return Ok(None);
        };
        if may.is_empty() {
            return Ok(Some((warnings, Vec::new())));
        }
        let said = one.said();
        let call = self.build_call(one, (Some(may), said.goes_on())).await?;
        let (more, missing) = restore_section(call.command, kept, said, Section::AfterRows).await?;
        Ok(Some(([warnings, more].concat(), missing)))
    }
}

/// The bytes of the rows of a table, as the manifest has them.
fn size_of(one: &OneDatabase<'_>, entry: &ContentsEntry) -> u64 {
    let mut tables = one.database.tables.iter();
    let of_it = tables.find(|table| table.schema == entry.schema && table.name == entry.name);
    of_it.map_or(0, |table| table.bytes)
}
