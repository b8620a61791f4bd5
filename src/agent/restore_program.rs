//! Running `pg_restore` for one database: how it is called, what is shown of it, and what it leaves out.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchiveSummary, ContentsEntry, NoProgram, find_program_for};
use crate::wording::quoted;

use super::memory_file::MemoryFile;
use super::restore_context::{Beside, Restoring};
use super::restore_errors::{NOT_RESTORED_LIMIT, Said};
use super::restore_not_beside::NotBeside;
use super::restore_order::RestoreWatcher;
use super::restore_preflight::missing_tablespaces;
use super::restore_stream::{HEAD_LIMIT, PROGRAM, Program, Streamed, restore_object};
use super::restore_tools::OneDatabase;
use super::restore_verify::build_session_settings;

/// What an entry of a table of contents takes beside its texts, at most.
const OF_ENTRY: usize = 400;
/// From this version on a session that waits for its next statement may be ended for that.
const HAS_IDLE_SESSION_TIMEOUT: u32 = 14;
/// How often the report is written while bytes are restored.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Runs `pg_restore`: rows as they come, then indexes and constraints, by so many sessions. The inner error is
    /// what several could not do: then all of it is to be restored again.
    pub async fn stream(
        &self,
        one: &OneDatabase<'_>,
        jobs: i32,
    ) -> Result<Result<ArchiveSummary, NotBeside>, AgentFailure> {
        let (tools, new, contents) = (one.tools, one.new, one.contents);
        let jobs = jobs.min(tools.facts.connections_for_jobs());
        let beside = self.beside(new.name);
        let is_beside =
            jobs > 1 && beside != Beside::Nothing && !contents.is_empty() && !is_long(contents);
        tools.programs.ask().await?;
        let before = self.snapshot().restored_bytes.unwrap_or_default();
        let show = || {
            let bytes = one.restored.load(Ordering::Relaxed);
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.note(|report| report.restored_bytes = Some(before.saturating_add(bytes)));
        };
        let work = async {
            if is_beside {
                Box::pin(self.restore_beside(one, (beside, jobs))).await
            } else {
                self.restore_by_one(one, &[], None).await.map(Ok)
            }
        };
        tokio::pin!(work);
        let watching = self.watch_disk(tools.writer, tools.capacity);
        tokio::pin!(watching);
        let mut ticks = tokio::time::interval(NOTE_INTERVAL);
        let streamed = loop {
            tokio::select! {
                biased;
                outcome = &mut work => break outcome?,
                // What runs is ended, and what was made is dropped.
                full = &mut watching => return Err(full),
                _ = ticks.tick() => show(),
            }
        };
        show();
        let streamed = match streamed {
            Ok(streamed) => streamed,
            Err(not_beside) => return Ok(Err(not_beside)),
        };
        self.add_duration(|times| &mut times.data_seconds, streamed.data_time);
        self.add_duration(|times| &mut times.index_seconds, streamed.index_time);
        self.check_disk(tools.writer, tools.capacity).await?;
        let left_out = tools.plan.tables.map(|tables| tables.left_out_of(new.name));
        let missing = [left_out.unwrap_or_default(), &streamed.part.not_restored].concat();
        self.note_not_restored(new.name, &shorten(missing));
        let of_errors = |warning: &String| !warning.starts_with("errors ignored");
        self.warn(
            streamed
                .part
                .warnings
                .into_iter()
                .filter(of_errors)
                .map(|warning| format!("pg_restore: {warning}")),
        );
        Ok(Ok(streamed.dumped))
    }

    /// These sections of a dump, or all of it, by one session, out of the stream.
    pub async fn restore_by_one(
        &self,
        one: &OneDatabase<'_>,
        sections: &[&str],
        head: Option<Vec<u8>>,
    ) -> Result<Streamed, AgentFailure> {
        let mut program = self.build_program(one, one.chosen(), one.said()).await?;
        program.command.args(sections);
        restore_object(&one.dump, program, one.decoding(head)).await
    }

    /// How the program is called, whatever part it restores: only the entries with these numbers, or all. It goes
    /// on after errors if some of them are forgiven.
    pub async fn build_program(
        &self,
        one: &OneDatabase<'_>,
        entries: Option<Vec<i64>>,
        said: Said,
    ) -> Result<Program, AgentFailure> {
        let (facts, programs, new) = (one.tools.facts, one.tools.programs, one.new);
        let program = find_program_for(PROGRAM, facts.major)
            .await
            .map_err(|why| no_program(facts.major, &why))?;
        let mut settings = build_session_settings(one.database.description.as_ref());
        if facts.major >= HAS_IDLE_SESSION_TIMEOUT {
            // A session may wait for hours until its next table comes.
            settings.push_str(" -c idle_session_timeout=0");
        }
        let mut command =
            programs.restore_command(&program.path, new.restored_as, &settings, said.goes_on());
        let list = entries
            .map(|entries| {
                let lines = entries.iter().map(|number| format!("{number};\n"));
                MemoryFile::write(lines.collect::<String>().as_bytes())
            })
            .transpose()
            .map_err(|error| not_kept(&error))?;
        if let Some(list) = &list {
            command.arg("--use-list").arg(list.path());
        }
        if !missing_tablespaces(one.contents, facts).is_empty() {
            command.arg("--no-tablespaces");
        }
        if !facts.is_superuser {
            command.args(["--no-owner", "--no-acl"]);
            if let Some(owner) = new.owner {
                command.arg(format!("--role={owner}"));
            }
        }
        Ok(Program {
            command,
            said,
            list,
        })
    }

    /// Notes what is missing: it is in the last words of the restore, too.
    fn note_not_restored(&self, name: &str, not_restored: &[String]) {
        self.note(|report| {
            let of_it = report.databases.iter_mut().find(|one| one.name == name);
            if let Some(restored) = of_it {
                restored.not_restored = not_restored.to_vec();
            }
            let shown = quoted(name, 80);
            let warnings = not_restored.iter().map(|what| {
                format!("not restored in database {shown}, which concerns no rows: {what}")
            });
            report.warnings.extend(warnings);
        });
    }
}

/// Whether the table of contents is too long to be kept in memory.
fn is_long(contents: &[ContentsEntry]) -> bool {
    let length = |entry: &ContentsEntry| {
        entry.definition.len() + entry.copy_statement.len() + entry.name.len() + OF_ENTRY
    };
    contents.iter().map(length).sum::<usize>() > HEAD_LIMIT / 2
}

/// No more than a report holds; it says how many there are.
fn shorten(mut missing: Vec<String>) -> Vec<String> {
    let more = missing.len().saturating_sub(NOT_RESTORED_LIMIT);
    missing.truncate(NOT_RESTORED_LIMIT);
    if more > 0
        && let Some(last) = missing.last_mut()
    {
        let _ = write!(last, " (and {more} more)");
    }
    missing
}

/// What the program is to read could not be kept.
pub fn not_kept(error: &io::Error) -> AgentFailure {
    AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!("what pg_restore reads could not be kept in memory: {error}"),
    }
}

fn no_program(server: u32, why: &NoProgram) -> AgentFailure {
    let (reason, message) = match why {
        NoProgram::Missing => (
            reasons::RESTORE_FAILED,
            "the program pg_restore is not in the database's image, so nothing can be restored. Use the \
             official image, or add the Postgres client programs"
                .to_owned(),
        ),
        NoProgram::TooOld(newest) => (
            reasons::CLIENT_TOO_OLD,
            format!(
                "the server is Postgres {server}, and the newest pg_restore in the database's image is \
                 {newest}. Use an image with the programs of Postgres {server}"
            ),
        ),
    };
    AgentFailure {
        reason: reason.to_owned(),
        message,
    }
}
