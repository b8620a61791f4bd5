//! Running `pg_restore` for one database: how it is called, what is shown of it, and what it leaves out.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::api::{AgentFailure, RestoreTarget, reasons};
use crate::postgres::{ArchiveSummary, ContentsEntry, DigestKey, NoProgram, find_program_for};
use crate::store::ManifestDatabase;
use crate::wording::quoted;

use super::dump_run::{Lines, Running, keep_messages, without_pipes};
use super::restore_context::Restoring;
use super::restore_database::NewDatabase;
use super::restore_errors::{NOT_RESTORED_LIMIT, Said};
use super::restore_one::Tools;
use super::restore_order::RestoreWatcher;
use super::restore_preflight::missing_tablespaces;
use super::restore_stream::{PROGRAM, restore_object};
use super::restore_verify::build_session_settings;

/// The entries of the dump that are restored, where that is not all of it.
const LIST_NAME: &str = "restore.list";
/// The table of contents of the dump, once its rows are there.
const HEAD_NAME: &str = "restore.head";
/// How often the report is written while bytes are restored.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

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
    ) -> Result<Option<ArchiveSummary>, AgentFailure> {
        let plan = &tools.plan;
        let dump = self.dump_of(plan.manifest, database)?;
        // A drill that passes has proven all of a set.
        let said = match plan.into {
            RestoreTarget::Replace | RestoreTarget::Beside => Said::new(contents),
            RestoreTarget::Scratch => Said::default(),
        };
        let is_beside = jobs > 1 && !contents.is_empty();
        let mut command = self
            .command(tools, database, new, contents, said.goes_on())
            .await?;
        command.stdin(Stdio::piped());
        if is_beside {
            command.args(["--section=pre-data", "--section=data"]);
        }
        tools.programs.ask().await?;
        let restored = Arc::new(AtomicU64::new(0));
        let before = self.snapshot().restored_bytes.unwrap_or_default();
        let show = || {
            let bytes = i64::try_from(restored.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            self.note(|report| report.restored_bytes = Some(before.saturating_add(bytes)));
        };
        let counter = restored.clone();
        let work = restore_object(&dump, command, said, key_of_digests, counter);
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
            let mut command = self.command(tools, database, new, contents, false).await?;
            command.arg("--section=post-data");
            let begun = Instant::now();
            let building = async {
                let file = self.order.files.work.join(HEAD_NAME);
                build_beside(command, &file, &head, jobs).await
            };
            let built = tokio::select! {
                biased;
                built = building => built?,
                full = &mut watching => return Err(full),
            };
            let Some(warnings) = built else {
                return Ok(None);
            };
            streamed.warnings.extend(warnings);
            self.add_duration(|times| &mut times.index_seconds, begun.elapsed());
        } else {
            self.add_duration(|times| &mut times.index_seconds, streamed.index_time);
        }
        self.check_disk(tools.writer, tools.capacity).await?;
        let left_out = plan.tables.map(|tables| tables.left_out_of(new.name));
        let mut not_restored = streamed.not_restored;
        not_restored.extend_from_slice(left_out.unwrap_or_default());
        not_restored.truncate(NOT_RESTORED_LIMIT);
        self.note_not_restored(new.name, &not_restored);
        let of_errors = |warning: &String| !warning.starts_with("errors ignored");
        self.warn(
            streamed
                .warnings
                .into_iter()
                .filter(of_errors)
                .map(|warning| format!("pg_restore: {warning}")),
        );
        Ok(Some(streamed.dumped))
    }

    /// How the program is called, whatever part it restores.
    async fn command(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        new: &NewDatabase<'_>,
        contents: &[ContentsEntry],
        goes_on: bool,
    ) -> Result<Command, AgentFailure> {
        let (facts, programs) = (tools.facts, tools.programs);
        let program = find_program_for("pg_restore", facts.major)
            .await
            .map_err(|why| no_program(facts.major, &why))?;
        let settings = build_session_settings(database.description.as_ref());
        let mut command =
            programs.restore_command(&program.path, new.restored_as, &settings, goes_on);
        if tools.plan.tables.is_some() {
            let list = self.order.files.work.join(LIST_NAME);
            write_list(&list, contents).map_err(|error| not_written(&error))?;
            command.arg("--use-list").arg(list);
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
        Ok(command)
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

/// Writes the numbers of the entries that are restored, as `pg_restore --use-list` reads them.
fn write_list(path: &Path, contents: &[ContentsEntry]) -> io::Result<()> {
    let lines = contents.iter().map(|entry| format!("{};\n", entry.dump_id));
    fs::write(path, lines.collect::<String>())
}

fn no_list(error: &io::Error) -> AgentFailure {
    AgentFailure {
        reason: reasons::RESTORE_FAILED.to_owned(),
        message: format!(
            "the list of what is restored could not be written for pg_restore: {error}"
        ),
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
