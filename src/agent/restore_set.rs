//! Restoring a whole set: everything is restored and compared beside what is there, and only then takes
//! its place. Nothing that was found is ever dropped. A start that follows a killed one goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Clock};

use tokio::time::Instant;

use crate::api::{
    AgentFailure, RESTORE_WARNING_LIMIT, RestorePhase, RestoreReport, RestoreTarget, reasons,
};
use crate::postgres::{Login, NoProgram, Writer, fetch_encrypted, find_program_for};
use crate::postgres::{ContentsEntry, PostgresError};
use crate::store::{Manifest, ManifestDatabase, ManifestObject, S3Store};
use crate::wording::{list, quoted};

use super::dump::DumpedServer;
use super::restore_database::{NewDatabase, create, create_roles, drop_own, drop_roles, failed, mark};
use super::restore_facts::{fetch_facts, fetch_properties};
use super::restore_fetch::{fetch_contents, fetch_manifest, hash_objects};
use super::restore_mark::{Mark, MarkState};
use super::restore_order::{RESTORE_APPLICATION_NAME, RestoreOrder, RestoreStep, RestoreWatcher};
use super::restore_preflight::{
    Preflight, ServerFacts, look_ahead, missing_tablespaces, problems_of,
};
use super::restore_said::{begin_report, describe_done, refuse};
use super::restore_server::{Names, Plan, connect, extensions_of, lock, put_right, taken};
use super::restore_stream::restore_object;
use super::restore_swap::{SwapTarget, not_swapped, set_door, swap};
use super::restore_swap_state::Left;
use super::restore_verify::{build_session_settings, verify};
use super::{DumpPrograms, Interrupt};

/// How often the report is written while bytes are restored.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);
/// How long tidying up may take after a failure.
const TIDY_LIMIT: Duration = Duration::from_mins(2);

/// One restore.
struct Restoring<'a, W> {
    order: &'a RestoreOrder<'a>,
    watcher: &'a W,
    store: S3Store,
    login: Login,
    deadline: Instant,
    report: Mutex<RestoreReport>,
}

/// What is known once nothing stands against it.
struct Prepared {
    writer: Writer,
    facts: ServerFacts,
    /// What is left to do for each database.
    left: Vec<Left>,
    /// The tables of contents of those that are to be restored; all of them if there is one.
    contents: Vec<Vec<ContentsEntry>>,
}

/// Restores a set. After an error what was found is as it was, and what was made is gone, unless the
/// message says otherwise.
pub async fn restore_set<W: RestoreWatcher>(
    order: &RestoreOrder<'_>,
    watcher: &W,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let (request, files) = (order.request, order.files);
    let store = S3Store::open_within(
        &request.storage,
        &request.namespace,
        &files.s3_credentials,
        &files.s3_ca,
        order.limits,
    )?;
    let login = Login::read(
        &request.server,
        &request.namespace,
        &order.host,
        &files.postgres_credentials,
        &files.postgres_ca,
        &files.postgres_certificate,
    )?;
    let restoring = Restoring {
        order,
        watcher,
        store,
        login: Login {
            presence: order.presence.clone(),
            ..login
        },
        deadline: Instant::now() + Duration::from_secs(request.deadline_seconds.max(1)),
        report: Mutex::default(),
    };
    restoring.note(|report| {
        report.phase = Some(RestorePhase::Preflight);
        report.message = Some("reading the manifest of the set".to_owned());
    });
    let fetching = fetch_manifest(&restoring.store, &request.path, &request.manifest_sha256);
    let manifest = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        manifest = fetching => manifest?,
    };
    refuse(problems_of(&manifest, request.into))?;
    let plan = Plan {
        manifest: &manifest,
        restore_uid: &request.restore_uid,
        into: request.into,
    };
    let prepared = tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        prepared = Box::pin(restoring.restore_all(plan)) => prepared,
    };
    let writer = match prepared {
        Ok(writer) => writer,
        // Another pod goes on with what is there.
        Err(failure) if interrupt.is_stopped() => return Err(failure),
        Err(failure) => return Err(restoring.tidy_up(plan, failure).await),
    };
    // Not interrupted: it takes seconds, and must not stay half done.
    let outage = match request.into {
        RestoreTarget::Replace => restoring.swap_all(plan, writer).await?,
        _ => None,
    };
    restoring.note(|report| {
        report.phase = Some(RestorePhase::Done);
        report.outage_milliseconds = outage.and_then(|time| i64::try_from(time.as_millis()).ok());
        describe_done(report, plan);
    });
    Ok(restoring.snapshot())
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    fn snapshot(&self) -> RestoreReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the report and shows it.
    fn note(&self, change: impl FnOnce(&mut RestoreReport)) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut report);
        report.warnings.dedup();
        report.warnings.truncate(RESTORE_WARNING_LIMIT);
        let shown = report.clone();
        drop(report);
        self.watcher.note(&shown);
    }

    fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.note(|report| report.warnings.extend(warnings));
    }

    /// Everything until each database is restored and compared. Returns the session with the lock.
    async fn restore_all(&self, plan: Plan<'_>) -> Result<Writer, AgentFailure> {
        let prepared = self.prepare(plan).await?;
        if prepared.contents.is_empty() {
            return Ok(prepared.writer);
        }
        let Prepared { writer, facts, left, contents } = prepared;
        let programs = self.prepare_programs(&writer, &facts).await?;
        for (index, database) in plan.manifest.databases.iter().enumerate() {
            if !matches!(left[index], Left::Restore { .. }) {
                continue;
            }
            let names = &plan.names()[index];
            self.restore_one(plan, &writer, &facts, &programs, database, names, &contents[index])
                .await?;
        }
        Ok(writer)
    }

    /// Looks whether it can be done. Nothing is made.
    async fn prepare(&self, plan: Plan<'_>) -> Result<Prepared, AgentFailure> {
        let request = self.order.request;
        let (manifest, path) = (plan.manifest, &request.path);
        self.note(|report| begin_report(report, plan));
        let writer = connect(&self.login, plan, self.deadline).await?;
        lock(&writer, self.order.lock_number()).await?;
        let databases = put_right(&writer, plan).await?;
        let left = plan.left(&databases);
        let facts = fetch_facts(&writer, &extensions_of(manifest)).await?;
        let judge = |contents: &[Vec<ContentsEntry>]| {
            let mut found = look_ahead(manifest, contents, &facts, plan.into);
            found.problems.extend(taken(plan, &left));
            found
        };
        let nothing = vec![Vec::new(); manifest.databases.len()];
        refuse(judge(&nothing).problems)?;
        let mut contents = Vec::new();
        if left.iter().any(|left| matches!(left, Left::Restore { .. })) {
            let begun = Clock::now();
            self.note(|report| {
                report.phase = Some(RestorePhase::Hashing);
                report.message = Some("every object of the set is read and compared".to_owned());
            });
            hash_objects(&self.store, path, manifest).await?;
            for database in &manifest.databases {
                let object = object_of(manifest, database)?;
                contents.push(fetch_contents(&self.store, path, object).await?);
            }
            self.note(|report| report.hash_seconds = seconds(begun));
        }
        let Preflight { problems, warnings, missing_roles } =
            judge(if contents.is_empty() { &nothing } else { &contents });
        refuse(problems)?;
        self.warn(warnings);
        self.watcher.after(RestoreStep::LookedAhead).await;
        if !contents.is_empty() && !missing_roles.is_empty() {
            create_roles(&writer, &missing_roles, plan.restore_uid)
                .await
                .map_err(|error| failed("missing roles could not be created", &error))?;
        }
        self.watcher.after(RestoreStep::RolesCreated).await;
        Ok(Prepared { writer, facts, left, contents })
    }

    async fn prepare_programs(
        &self,
        writer: &Writer,
        facts: &ServerFacts,
    ) -> Result<DumpPrograms, AgentFailure> {
        let version = facts.major.to_string();
        let server = DumpedServer {
            version: &version,
            encrypted: fetch_encrypted(writer).await?,
        };
        DumpPrograms::prepare(&self.login, &self.order.files.work, server, RESTORE_APPLICATION_NAME).await
    }

    #[expect(clippy::too_many_arguments, reason = "all of one database")]
    async fn restore_one(
        &self,
        plan: Plan<'_>,
        writer: &Writer,
        facts: &ServerFacts,
        programs: &DumpPrograms,
        database: &ManifestDatabase,
        names: &Names,
        contents: &[ContentsEntry],
    ) -> Result<(), AgentFailure> {
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
            .map_err(|error| failed("what an earlier start has made could not be dropped", &error))?;
        let owner = self.choose_owner(writer, plan, database, names, facts).await?;
        let new = NewDatabase {
            name: &names.name,
            restored_as,
            restore_uid: plan.restore_uid,
            description: database.description.as_ref(),
            owner: owner.as_deref(),
        };
        create(writer, &new, facts.major, self.watcher).await?;
        self.stream(plan.manifest, facts, programs, database, &new, contents).await?;
        self.watcher.after(RestoreStep::Restored).await;
        self.analyze(&new, facts).await;
        self.note(|report| add_seconds(&mut report.restore_seconds, begun));

        let begun = Clock::now();
        self.note(|report| {
            report.phase = Some(RestorePhase::Verifying);
            report.message = Some(format!("every row of database {shown} is compared with the manifest"));
        });
        let compared = verify(&self.login, programs, restored_as, database, self.deadline).await?;
        if !compared.differences.is_empty() {
            return Err(AgentFailure {
                reason: reasons::RESTORE_DIFFERS.to_owned(),
                message: format!(
                    "what was restored of database {shown} is not what the manifest says: {}",
                    list(&compared.differences)
                ),
            });
        }
        let verified = Mark::new(plan.restore_uid, MarkState::Verified);
        mark(writer, restored_as, &names.name, &verified)
            .await
            .map_err(|error| failed("the restored database could not be marked", &error))?;
        self.note(|report| {
            add_seconds(&mut report.verify_seconds, begun);
            let of_it = report.databases.iter_mut().find(|one| one.name == names.name);
            if let Some(restored) = of_it {
                restored.rows = i64::try_from(compared.rows).ok();
                restored.is_identical = compared.is_exact;
            }
            if !compared.is_exact {
                report.warnings.push(format!(
                    "the set has no digest of every table of database {shown}: what has none was compared \
                     by its rows only"
                ));
            }
        });
        self.watcher.after(RestoreStep::Verified).await;
        Ok(())
    }

    /// Who owns the new database: as the one in its place, or else as the manifest says. None where the
    /// role may not act as that one.
    async fn choose_owner(
        &self,
        writer: &Writer,
        plan: Plan<'_>,
        database: &ManifestDatabase,
        names: &Names,
        facts: &ServerFacts,
    ) -> Result<Option<String>, AgentFailure> {
        let databases = super::restore_facts::fetch_databases(writer).await?;
        let present = databases.iter().find(|row| row.name == names.name);
        let owner = match present {
            Some(present) if plan.into == RestoreTarget::Replace => {
                Some(fetch_properties(writer, present.found.oid).await?.owner)
            }
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

    /// Runs `pg_restore`.
    async fn stream(
        &self,
        manifest: &Manifest,
        facts: &ServerFacts,
        programs: &DumpPrograms,
        database: &ManifestDatabase,
        new: &NewDatabase<'_>,
        contents: &[ContentsEntry],
    ) -> Result<(), AgentFailure> {
        let object = object_of(manifest, database)?;
        let key = format!("{}/{}", self.order.request.path, object.name);
        let program = find_program_for("pg_restore", facts.major)
            .await
            .map_err(|why| no_program(facts.major, &why))?;
        let settings = build_session_settings(database.description.as_ref());
        let mut command = programs.restore_command(&program.path, new.restored_as, &settings);
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
        let work = restore_object(&self.store, &key, object, command, restored.clone());
        tokio::pin!(work);
        let mut ticks = tokio::time::interval(NOTE_INTERVAL);
        let warnings = loop {
            tokio::select! {
                biased;
                outcome = &mut work => break outcome?,
                _ = ticks.tick() => show(),
            }
        };
        show();
        self.warn(warnings.into_iter().map(|warning| format!("pg_restore: {warning}")));
        Ok(())
    }

    /// Without statistics the first queries would read whole tables.
    async fn analyze(&self, new: &NewDatabase<'_>, facts: &ServerFacts) {
        let analyzed = async {
            let name = RESTORE_APPLICATION_NAME;
            let writer = Writer::connect(&self.login, new.restored_as, name, self.deadline).await?;
            if let Some(owner) = new.owner.filter(|_| !facts.is_superuser) {
                let owner = crate::postgres::quote_identifier(owner);
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

    /// Gives every restored database its name, at once.
    async fn swap_all(
        &self,
        plan: Plan<'_>,
        writer: Writer,
    ) -> Result<Option<Duration>, AgentFailure> {
        self.note(|report| {
            report.phase = Some(RestorePhase::Swapping);
            report.message = Some("the restored database takes the name of the present one".to_owned());
        });
        let names = plan.names();
        let databases = super::restore_facts::fetch_databases(&writer)
            .await
            .map_err(|error| not_swapped(&error.message, &[]))?;
        let left = plan.left(&databases);
        let targets: Vec<SwapTarget<'_>> = names
            .iter()
            .zip(&left)
            .zip(&plan.manifest.databases)
            .filter_map(|((names, left), database)| match left {
                Left::Swap { restored, present, kept } => Some(SwapTarget {
                    name: &names.name,
                    restored_as: &names.restored_as,
                    kept_as: &names.kept_as,
                    restored: *restored,
                    present: *present,
                    kept: *kept,
                    description: database.description.as_ref(),
                }),
                _ => None,
            })
            .collect();
        if targets.is_empty() {
            return self.swapped(plan, None, &left).await;
        }
        let mut warnings = Vec::new();
        let swapped = swap(&writer, plan.restore_uid, &targets, self.watcher, &mut warnings).await;
        self.warn(warnings);
        // What became of it is looked at by another session where this one is lost.
        drop(writer);
        let writer = connect(&self.login, plan, Instant::now() + TIDY_LIMIT)
            .await
            .map_err(|failure| not_swapped(&failure.message, &targets))?;
        let outage = match swapped {
            Ok(outage) => Some(outage),
            Err(error) => {
                for target in targets.iter().filter(|one| matches!(one.present, Some((_, true)))) {
                    if let Err(closed) = set_door(&writer, target.name, true).await {
                        tracing::error!(database = target.name, "it could not be opened again: {closed}");
                    }
                }
                self.warn([format!("the swap was interrupted: {error}")]);
                None
            }
        };
        let databases = super::restore_facts::fetch_databases(&writer)
            .await
            .map_err(|error| not_swapped(&error.message, &targets))?;
        let left = plan.left(&databases);
        if left.iter().any(|left| !matches!(left, Left::Nothing { .. })) {
            let warnings = self.snapshot().warnings;
            let why = warnings.last().map_or("", String::as_str);
            return Err(not_swapped(why, &targets));
        }
        self.swapped(plan, outage, &left).await
    }

    async fn swapped(
        &self,
        plan: Plan<'_>,
        outage: Option<Duration>,
        left: &[Left],
    ) -> Result<Option<Duration>, AgentFailure> {
        self.note(|report| {
            for (names, left) in plan.names().iter().zip(left) {
                let of_it = report.databases.iter_mut().find(|one| one.name == names.name);
                if let (Some(restored), Left::Nothing { restored: oid, kept }) = (of_it, left) {
                    restored.oid = Some(*oid);
                    restored.kept_oid = *kept;
                    restored.kept_as = kept.map(|_| names.kept_as.clone());
                }
            }
        });
        Ok(outage)
    }

    /// Drops what this restore has made, and nothing else.
    async fn tidy_up(&self, plan: Plan<'_>, failure: AgentFailure) -> AgentFailure {
        let tidied = async {
            let deadline = Instant::now() + TIDY_LIMIT;
            let writer = connect(&self.login, plan, deadline).await?;
            for names in plan.names() {
                drop_own(&writer, &names.restored_as, plan.restore_uid).await?;
            }
            drop_roles(&writer, plan.restore_uid).await?;
            Ok::<_, AgentFailure>(())
        };
        let message = match tidied.await {
            Ok(()) => format!("{}. What was there is unchanged", failure.message),
            Err(left) => format!(
                "{}. What was there is unchanged. What was made could not be dropped ({}): drop it, `DROP \
                 DATABASE … WITH (FORCE)`: {}",
                failure.message,
                left.message,
                list(
                    &plan
                        .names()
                        .iter()
                        .map(|names| quoted(&names.restored_as, 80))
                        .collect::<Vec<_>>()
                )
            ),
        };
        AgentFailure { message, ..failure }
    }
}

fn object_of<'a>(
    manifest: &'a Manifest,
    database: &ManifestDatabase,
) -> Result<&'a ManifestObject, AgentFailure> {
    let found = manifest.objects.iter().find(|object| object.name == database.object);
    found.ok_or_else(|| AgentFailure {
        reason: reasons::RESTORE_REFUSED.to_owned(),
        message: format!("the set has no dump of database {}", quoted(&database.name, 80)),
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

fn seconds(begun: Clock) -> Option<i64> {
    i64::try_from(begun.elapsed().as_secs()).ok()
}

fn add_seconds(sum: &mut Option<i64>, begun: Clock) {
    let more = seconds(begun).unwrap_or_default();
    *sum = Some(sum.unwrap_or_default().saturating_add(more));
}
