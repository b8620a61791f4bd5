//! Running `pg_restore` for one database: how it is called, what is shown of it, and what it leaves out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::api::{AgentFailure, reasons};
use crate::postgres::{ArchiveSummary, ContentsEntry, DigestKey, NoProgram, find_program_for};
use crate::store::ManifestDatabase;
use crate::wording::quoted;

use super::memory_file::MemoryFile;
use super::restore_context::Restoring;
use super::restore_database::NewDatabase;
use super::restore_errors::{NOT_RESTORED_LIMIT, Said};
use super::restore_one::Tools;
use super::restore_order::RestoreWatcher;
use super::restore_preflight::missing_tablespaces;
use super::restore_sections::{Rest, build_beside, restore_the_rest, split};
use super::restore_stream::{HEAD_LIMIT, PROGRAM, restore_object};
use super::restore_verify::build_session_settings;

/// What an entry of a table of contents takes beside its texts, at most.
const OF_ENTRY: usize = 400;
/// How often the report is written while bytes are restored.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

/// A dump that was restored.
pub struct Restored {
    /// What it holds.
    pub dumped: ArchiveSummary,
    /// The entries of its table of contents that could not be restored and concern no rows.
    pub missing: BTreeSet<i64>,
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Runs `pg_restore`: rows as they come, then so many indexes and constraints at a time. None if these
    /// could not be built beside each other: then all of it is to be restored again by one session, whose
    /// errors can be told apart.
    pub async fn stream(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        new: &NewDatabase<'_>,
        contents: &[ContentsEntry],
        key_of_digests: DigestKey,
        jobs: i32,
    ) -> Result<Option<Restored>, AgentFailure> {
        let plan = &tools.plan;
        let dump = self.dump_of(plan.manifest, database)?;
        // In a drill, too: it shows what a restore would bring back.
        let said = || Said::new(contents);
        let jobs = jobs.min(tools.facts.connections_for_jobs());
        let is_beside = jobs > 1 && !contents.is_empty() && !is_long(contents);
        let all = || contents.iter().map(|entry| entry.dump_id).collect();
        let chosen = plan.tables.is_some().then(all);
        let goes_on = said().goes_on();
        let mut run = self
            .build_call(tools, database, new, contents, (chosen, goes_on))
            .await?;
        run.command.stdin(Stdio::piped());
        if is_beside {
            run.command.args(["--section=pre-data", "--section=data"]);
        }
        tools.programs.ask().await?;
        let restored = Arc::new(AtomicU64::new(0));
        let before = self.snapshot().restored_bytes.unwrap_or_default();
        let show = || {
            let bytes = i64::try_from(restored.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            self.note(|report| report.restored_bytes = Some(before.saturating_add(bytes)));
        };
        let counter = restored.clone();
        let work = restore_object(&dump, run.command, said(), key_of_digests, counter);
        tokio::pin!(work);
        let watching = self.watch_disk(tools.writer, tools.capacity);
        tokio::pin!(watching);
        let mut ticks = tokio::time::interval(NOTE_INTERVAL);
        let mut streamed = loop {
            tokio::select! {
                biased;
                outcome = &mut work => break outcome?,
                // What runs is ended, and what was made is dropped.
                full = &mut watching => return Err(full),
                _ = ticks.tick() => show(),
            }
        };
        show();
        self.add_duration(|times| &mut times.data_seconds, streamed.data_time);
        if is_beside {
            // What it did then was the end of the rows.
            self.add_duration(|times| &mut times.data_seconds, streamed.index_time);
            let Some(head) = streamed.head.take() else {
                return Ok(None);
            };
            let head = MemoryFile::write(&head).map_err(|error| not_written(&error))?;
            let begun = Instant::now();
            let building = async {
                let (must, may) = split(contents);
                let run = self
                    .build_call(tools, database, new, contents, (Some(must), false))
                    .await?;
                let Some(warnings) = build_beside(run.command, &head, jobs).await? else {
                    return Ok(None);
                };
                if may.is_empty() {
                    return Ok(Some(Rest {
                        warnings,
                        ..Rest::default()
                    }));
                }
                let run = self
                    .build_call(tools, database, new, contents, (Some(may), goes_on))
                    .await?;
                let mut rest = restore_the_rest(run.command, &head, said()).await?;
                rest.warnings.splice(0..0, warnings);
                Ok::<_, AgentFailure>(Some(rest))
            };
            let built = tokio::select! {
                biased;
                built = building => built?,
                full = &mut watching => return Err(full),
            };
            let Some(rest) = built else {
                return Ok(None);
            };
            streamed.warnings.extend(rest.warnings);
            streamed.not_restored.extend(rest.not_restored);
            streamed.missing.extend(rest.missing);
            self.add_duration(|times| &mut times.index_seconds, begun.elapsed());
        } else {
            self.add_duration(|times| &mut times.index_seconds, streamed.index_time);
        }
        self.check_disk(tools.writer, tools.capacity).await?;
        let left_out = plan.tables.map(|tables| tables.left_out_of(new.name));
        let missing = [left_out.unwrap_or_default(), &streamed.not_restored].concat();
        self.note_not_restored(new.name, &shorten(missing));
        let of_errors = |warning: &String| !warning.starts_with("errors ignored");
        self.warn(
            streamed
                .warnings
                .into_iter()
                .filter(of_errors)
                .map(|warning| format!("pg_restore: {warning}")),
        );
        Ok(Some(Restored {
            dumped: streamed.dumped,
            missing: streamed.missing,
        }))
    }

    /// How the program is called, whatever part it restores: only the entries with these numbers, or all.
    async fn build_call(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        new: &NewDatabase<'_>,
        contents: &[ContentsEntry],
        (entries, goes_on): (Option<Vec<i64>>, bool),
    ) -> Result<Call, AgentFailure> {
        let (facts, programs) = (tools.facts, tools.programs);
        let program = find_program_for(PROGRAM, facts.major)
            .await
            .map_err(|why| no_program(facts.major, &why))?;
        let settings = build_session_settings(database.description.as_ref());
        let mut command =
            programs.restore_command(&program.path, new.restored_as, &settings, goes_on);
        let list = entries
            .map(|entries| {
                let lines = entries.iter().map(|number| format!("{number};\n"));
                MemoryFile::write(lines.collect::<String>().as_bytes())
            })
            .transpose()
            .map_err(|error| not_written(&error))?;
        if let Some(list) = &list {
            command.arg("--use-list").arg(list.path());
        }
        if !missing_tablespaces(contents, facts).is_empty() {
            command.arg("--no-tablespaces");
        }
        if !facts.is_superuser {
            command.args(["--no-owner", "--no-acl"]);
            if let Some(owner) = new.owner {
                command.arg(format!("--role={owner}"));
            }
        }
        Ok(Call {
            command,
            _list: list,
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

/// A call of the program, and the list that it reads.
struct Call {
    command: Command,
    _list: Option<MemoryFile>,
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

fn not_written(error: &io::Error) -> AgentFailure {
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
