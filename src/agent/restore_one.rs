//! Restoring one database of a set beside what is there, and comparing it with the manifest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Clock};

use crate::api::{AgentFailure, RestorePhase, RestoreTarget, reasons};
use crate::postgres::{
    ArchiveSummary, ContentsEntry, DigestKey, NoProgram, PostgresError, Writer, fetch_encrypted,
    find_program_for, new_digest_key, quote_identifier,
};
use crate::store::ManifestDatabase;
use crate::wording::{list, quoted};

use super::DumpPrograms;
use super::dump::DumpedServer;
use super::restore_compare::Comparison;
use super::restore_context::{Restoring, add_seconds};
use super::restore_database::{NewDatabase, create, drop_own, failed, mark};
use super::restore_errors::Said;
use super::restore_facts::{fetch_databases, fetch_properties};
use super::restore_mark::{Mark, MarkState};
use super::restore_names::Names;
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreStep, RestoreWatcher};
use super::restore_preflight::missing_tablespaces;
use super::restore_server::Plan;
use super::restore_server_facts::ServerFacts;
use super::restore_stream::restore_object;
use super::restore_verify::{Expected, Verified, build_session_settings, verify};

/// How often the report is written while bytes are restored.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

/// From this version on only the owner of a database may create something in its schema `public`.
const PUBLIC_IS_THE_OWNERS: u32 = 15;

/// What it takes to restore the databases of a set.
pub struct Tools<'a> {
    pub plan: Plan<'a>,
    pub writer: &'a Writer,
    pub facts: &'a ServerFacts,
    /// What the disk can hold, in bytes, if that is known.
    pub capacity: Option<u64>,
    pub programs: &'a DumpPrograms,
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Finds the programs of the server's version.
    pub async fn prepare_programs(
        &self,
        writer: &Writer,
        facts: &ServerFacts,
    ) -> Result<DumpPrograms, AgentFailure> {
        let version = facts.major.to_string();
        let server = DumpedServer {
            version: &version,
            encrypted: fetch_encrypted(writer).await?,
        };
        DumpPrograms::prepare(
            &self.login,
            &self.order.files.work,
            server,
            RESTORE_APPLICATION_NAME,
        )
        .await
    }

    /// Restores one database and compares it; its mark says then that it may take the name.
    pub async fn restore_one(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        names: &Names,
        contents: &[ContentsEntry],
    ) -> Result<(), AgentFailure> {
        let Tools {
            plan,
            writer,
            facts,
            programs,
            ..
        } = tools;
        let shown = quoted(&names.name, 80);
        let restored_as = names.restored_as.as_str();
        self.note(|report| {
            report.phase = Some(RestorePhase::Restoring);
            report.message = Some(format!(
                "database {shown} is restored as {}",
                quoted(restored_as, 80)
            ));
        });
        let begun = Clock::now();
        drop_own(writer, restored_as, plan.restore_uid)
            .await
            .map_err(|error| {
                failed(
                    "what an earlier start has made could not be dropped",
                    &error,
                )
            })?;
        let owner = self.choose_owner(tools, database, names).await?;
        let new = NewDatabase {
            name: &names.name,
            restored_as,
            restore_uid: plan.restore_uid,
            description: database.description.as_ref(),
            owner: owner.as_deref(),
        };
        create(writer, &new, facts.major, self.watcher).await?;
        let helped = new.owner.filter(|_| !facts.is_superuser);
        self.let_create(tools, &new, helped, true).await?;
        let key = new_digest_key();
        let dumped = self.stream(tools, database, &new, contents, key).await?;
        self.let_create(tools, &new, helped, false).await?;
        self.watcher.after(RestoreStep::Restored).await;
        let analyzing = Clock::now();
        self.analyze(&new, facts).await;
        self.add_time(|times| &mut times.analyze_seconds, analyzing);
        self.note(|report| add_seconds(&mut report.restore_seconds, begun));

        let begun = Clock::now();
        self.note(|report| {
            report.phase = Some(RestorePhase::Verifying);
            report.message = Some(format!(
                "every row of database {shown} is compared with the manifest"
            ));
        });
        let expected = Expected {
            manifest: database,
            dumped: &dumped,
            key,
        };
        let Verified {
            comparison: compared,
            again,
        } = verify(&self.login, programs, restored_as, expected, self.deadline).await?;
        if !compared.differences.is_empty() {
            return Err(AgentFailure {
                reason: reasons::RESTORE_DIFFERS.to_owned(),
                message: format!(
                    "what was restored of database {shown} is not what the manifest says: {}",
                    list(&compared.differences)
                ),
            });
        }
        if plan.into == RestoreTarget::Scratch {
            ensure_proven(&compared, &shown)?;
            self.compare_definitions(&names.name, &dumped, &again)?;
        }
        // Once it is marked nobody restores it again, and nobody else knows what is missing.
        let noted = self.snapshot().databases;
        if noted.iter().any(|one| !one.not_restored.is_empty()) {
            self.watcher.keep().await?;
        }
        let verified = Mark::new(plan.restore_uid, MarkState::Verified);
        mark(writer, restored_as, &names.name, &verified)
            .await
            .map_err(|error| failed("the restored database could not be marked", &error))?;
        self.note(|report| {
            add_seconds(&mut report.verify_seconds, begun);
            let of_it = report
                .databases
                .iter_mut()
                .find(|one| one.name == names.name);
            if let Some(restored) = of_it {
                restored.rows = i64::try_from(compared.rows).ok();
                restored.is_identical = compared.is_exact;
            }
            report.warnings.extend(say_inexact(&compared, &shown));
        });
        self.add_time(|times| &mut times.verify_seconds, begun);
        self.watcher.after(RestoreStep::Verified).await;
        Ok(())
    }

    /// Who owns what is restored: as the one in its place, or else as the manifest says. None where the
    /// role may not act as that one.
    async fn choose_owner(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        names: &Names,
    ) -> Result<Option<String>, AgentFailure> {
        let (writer, facts) = (tools.writer, tools.facts);
        let databases = fetch_databases(writer).await?;
        let present = databases.iter().find(|row| row.name == names.name);
        let owner = match present {
            Some(present) if tools.plan.into == RestoreTarget::Replace => Some(
                fetch_properties(writer, present.found.oid, &names.name)
                    .await?
                    .owner,
            ),
            _ => database.description.as_ref().map(|one| one.owner.clone()),
        };
        let owner = owner.filter(|owner| !owner.is_empty() && *owner != facts.role);
        let may = |owner: &String| facts.is_superuser || facts.roles.get(owner) == Some(&true);
        if let Some(owner) = owner.as_ref().filter(|owner| !may(owner)) {
            self.warn([format!(
                "role {} may not act as {}, so it owns what is restored itself",
                quoted(&facts.role, 80),
                quoted(owner, 80)
            )]);
        }
        Ok(owner.filter(may))
    }

    /// Lets the role that is to own everything create it, or not any more: the database is not its own yet.
    /// Without CONNECT it can't get in.
    async fn let_create(
        &self,
        tools: &Tools<'_>,
        new: &NewDatabase<'_>,
        owner: Option<&str>,
        may: bool,
    ) -> Result<(), AgentFailure> {
        let Some(owner) = owner.map(quote_identifier) else {
            return Ok(());
        };
        let (verb, word) = if may {
            ("grant", "to")
        } else {
            ("revoke", "from")
        };
        let database = quote_identifier(new.restored_as);
        let mut statements = vec![format!(
            "{verb} create on database {database} {word} {owner}"
        )];
        if tools.facts.major >= PUBLIC_IS_THE_OWNERS {
            statements.push(format!(
                "{verb} usage, create on schema public {word} {owner}"
            ));
        }
        let granted = async {
            let name = RESTORE_APPLICATION_NAME;
            let writer = Writer::connect(&self.login, new.restored_as, name, self.deadline).await?;
            writer.run(&statements.join("; ")).await
        };
        granted.await.map(drop).map_err(|error| {
            failed(
                "the new database could not be prepared for its owner",
                &error,
            )
        })
    }

    /// Runs `pg_restore`.
    async fn stream(
        &self,
        tools: &Tools<'_>,
        database: &ManifestDatabase,
        new: &NewDatabase<'_>,
        contents: &[ContentsEntry],
        key_of_digests: DigestKey,
    ) -> Result<ArchiveSummary, AgentFailure> {
        let Tools {
            facts, programs, ..
        } = tools;
        let dump = self.dump_of(tools.plan.manifest, database)?;
        let program = find_program_for("pg_restore", facts.major)
            .await
            .map_err(|why| no_program(facts.major, &why))?;
        let settings = build_session_settings(database.description.as_ref());
        // A drill that passes has proven all of a set.
        let said = match tools.plan.into {
            RestoreTarget::Replace | RestoreTarget::Beside => Said::new(contents),
            RestoreTarget::Scratch => Said::default(),
        };
        let goes_on = said.goes_on();
        let mut command =
            programs.restore_command(&program.path, new.restored_as, &settings, goes_on);
        if !missing_tablespaces(contents, facts).is_empty() {
            command.arg("--no-tablespaces");
        }
        if !facts.is_superuser {
            command.args(["--no-owner", "--no-acl"]);
            if let Some(owner) = new.owner {
                command.arg(format!("--role={owner}"));
            }
        }
        programs.ask().await?;
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
        self.add_duration(|times| &mut times.data_seconds, streamed.data_time);
        self.add_duration(|times| &mut times.index_seconds, streamed.index_time);
        self.check_disk(tools.writer, tools.capacity).await?;
        self.note_not_restored(new.name, &streamed.not_restored);
        let of_errors = |warning: &String| !warning.starts_with("errors ignored");
        self.warn(
            streamed
                .warnings
                .into_iter()
                .filter(of_errors)
                .map(|warning| format!("pg_restore: {warning}")),
        );
        Ok(streamed.dumped)
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

    /// Without statistics the first queries would read whole tables.
    async fn analyze(&self, new: &NewDatabase<'_>, facts: &ServerFacts) {
        let analyzed = async {
            let name = RESTORE_APPLICATION_NAME;
            let writer = Writer::connect(&self.login, new.restored_as, name, self.deadline).await?;
            if let Some(owner) = new.owner.filter(|_| !facts.is_superuser) {
                let owner = quote_identifier(owner);
                writer.run(&format!("set role {owner}")).await?;
            }
            writer.run("analyze").await
        };
        let analyzed: Result<_, PostgresError> = analyzed.await;
        if let Err(error) = analyzed {
            self.warn([format!(
                "database {} could not be analyzed, so its first queries are slow: {error}",
                quoted(new.name, 80)
            )]);
        }
    }
}

/// What was not compared byte for byte.
fn say_inexact(compared: &Comparison, shown: &str) -> Option<String> {
    if compared.is_exact {
        return None;
    }
    Some(if compared.proves_bytes {
        format!(
            "tables of extensions of database {shown} have other rows than in the manifest, and at least as \
             many: extensions make some of them"
        )
    } else {
        format!(
            "the set has no digest of every table of database {shown}: what has none was compared by its rows \
             only"
        )
    })
}

/// A drill proves every byte, or nothing.
fn ensure_proven(compared: &Comparison, shown: &str) -> Result<(), AgentFailure> {
    if compared.proves_bytes {
        return Ok(());
    }
    Err(AgentFailure {
        reason: reasons::RESTORE_DIFFERS.to_owned(),
        message: format!(
            "as many rows as the manifest says were restored of database {shown}, but the set has no digest of \
             every table, so it can't be proven that they are the same. Take another backup: this version \
             stores the digests"
        ),
    })
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
