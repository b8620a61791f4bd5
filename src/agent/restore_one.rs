//! Restoring one database of a set beside what is there, and comparing it with the manifest.

use std::sync::Arc;
use std::time::Instant as Clock;

use crate::api::{AgentFailure, RestorePhase, RestoreTarget, reasons};
use crate::postgres::{
    ContentsEntry, PostgresError, Writer, fetch_encrypted, new_digest_key, quote_identifier,
};
use crate::store::ManifestDatabase;
use crate::wording::{list, quoted};

use super::DumpPrograms;
use super::dump::DumpedServer;
use super::restore_beside::NotBeside;
use super::restore_compare::Comparison;
use super::restore_context::{Beside, Restoring, add_seconds};
use super::restore_database::{NewDatabase, create, drop_own, failed, mark};
use super::restore_facts::{fetch_databases, fetch_properties};
use super::restore_mark::{Mark, MarkState};
use super::restore_names::Names;
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreStep, RestoreWatcher};
use super::restore_program::OneDatabase;
use super::restore_server::Plan;
use super::restore_server_facts::ServerFacts;
use super::restore_verify::{Expected, Verified, verify};

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
            self.login_inside(),
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
        let owner = self.choose_owner(tools, database, names).await?;
        let new = NewDatabase {
            name: &names.name,
            restored_as,
            restore_uid: plan.restore_uid,
            description: database.description.as_ref(),
            owner: owner.as_deref(),
        };
        let helped = new.owner.filter(|_| !facts.is_superuser);
        let key = new_digest_key();
        let jobs = self.order.request.jobs;
        let noted = self.snapshot();
        let restored = loop {
            drop_own(writer, restored_as, plan.restore_uid)
                .await
                .map_err(|error| {
                    failed(
                        "what an earlier start has made could not be dropped",
                        &error,
                    )
                })?;
            create(writer, &new, facts.major, self.watcher).await?;
            self.let_create(tools, &new, helped, true).await?;
            let one = OneDatabase {
                tools,
                database,
                new: &new,
                contents,
                dump: self.dump_of(plan.manifest, database)?,
                key_of_digests: key,
                restored: Arc::default(),
            };
            match Box::pin(self.stream(&one, jobs)).await? {
                Ok(restored) => break restored,
                Err(not_beside) => self.say_by_one(&names.name, &not_beside, noted.restored_bytes),
            }
        };
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
            dumped: &restored.dumped,
            key,
        };
        let Verified {
            comparison: compared,
            again,
        } = verify(
            self.login_inside(),
            programs,
            restored_as,
            expected,
            self.deadline,
        )
        .await?;
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
            self.compare_definitions(&names.name, &restored, &again)?;
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

    /// Says that a database is restored once more, by fewer sessions, and why.
    fn say_by_one(&self, name: &str, not_beside: &NotBeside, before: Option<i64>) {
        self.limit_beside(name, not_beside.left);
        let what = match not_beside.left {
            Beside::Indexes | Beside::RowsAndIndexes => "its rows",
            Beside::Nothing => "its indexes and constraints",
        };
        let message = format!(
            "database {} was restored twice: several sessions could not restore {what}, so one did. With \
             `spec.restore.jobs: 1` it is restored once. What they said: {}",
            quoted(name, 80),
            not_beside.why
        );
        tracing::warn!("{message}");
        self.note(|report| {
            report.restored_bytes = before;
            report.message = Some(message.clone());
        });
        self.warn([message]);
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
            let writer =
                Writer::connect(self.login_inside(), new.restored_as, name, self.deadline).await?;
            writer.run(&statements.join("; ")).await
        };
        granted.await.map(drop).map_err(|error| {
            failed(
                "the new database could not be prepared for its owner",
                &error,
            )
        })
    }

    /// Without statistics the first queries would read whole tables.
    async fn analyze(&self, new: &NewDatabase<'_>, facts: &ServerFacts) {
        let analyzed = async {
            let name = RESTORE_APPLICATION_NAME;
            let writer =
                Writer::connect(self.login_inside(), new.restored_as, name, self.deadline).await?;
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
