//! Restoring a whole set: everything is restored and compared beside what is there, and only then takes
//! its place. Nothing that was found is ever dropped. A start that follows a killed one goes on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, RestorePhase, RestoreReport, RestoreTarget, reasons};
use crate::postgres::{ContentsEntry, Writer};
use crate::wording::{list, quoted};

use super::Interrupt;
use super::restore_chosen::{only_beside, without_extensions};
use super::restore_context::Restoring;
use super::restore_database::{
    create_roles, drop_own, drop_roles, failed, make_superusers, superusers_of,
};
use super::restore_doors::open_doors;
use super::restore_dry_run::try_set;
use super::restore_facts::fetch_facts;
use super::restore_judge::judge;
use super::restore_names::Names;
use super::restore_one::Tools;
use super::restore_order::{RestoreOrder, RestoreStep, RestoreWatcher};
use super::restore_preflight::problems_of;
use super::restore_preflight_asked::not_asked_for;
use super::restore_said::{begin_report, describe_done, no_drill_elsewhere, not_fresh, refuse};
use super::restore_server::{Plan, WORKPLACE, extensions_of, lock, lock_here, put_right};
use super::restore_server_facts::{Preflight, ServerFacts};
use super::restore_standing::fetch_counting_manifest;
use super::restore_swap_state::Left;

/// How long tidying up may take after a failure.
const TIDY_LIMIT: Duration = Duration::from_mins(2);

/// How often a database is restored when the connection breaks while it is.
const ATTEMPTS: u32 = 3;
/// How long a server has to end what has lost its client.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(5);

/// What is known once nothing stands against it.
struct Prepared {
    writer: Writer,
    facts: ServerFacts,
    /// What is left to do for each database.
    left: Vec<Left>,
    /// What the disk can hold, in bytes, if that is known.
    capacity: Option<u64>,
    /// The tables of contents of those that are to be restored; all of them if there is one.
    contents: Vec<Vec<ContentsEntry>>,
}

/// Restores a set, or only looks whether it could be done. After an error what was found is as it was, and what was made is gone, unless the
/// message says otherwise.
pub async fn restore_set<W: RestoreWatcher>(
    order: &RestoreOrder<'_>,
    watcher: &W,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let request = order.request;
    if request.dry_run {
        return Box::pin(try_set(order, watcher, interrupt)).await;
    }
    let restoring = Restoring::open(order, watcher)?;
    let is_drill = request.into == RestoreTarget::Scratch;
    refuse(&no_drill_elsewhere(
        is_drill,
        restoring.login.socket().is_some(),
    ))?;
    let writer = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        writer = restoring.begin() => writer?,
    };
    let known = order.known.clone()?;
    restoring.note(|report| {
        report.phase = Some(RestorePhase::Preflight);
        report.message = Some("reading the manifest of the set".to_owned());
        report.databases.clone_from(&known);
        report.system_identifier = restoring.identifier().filter(|_| !is_drill);
    });
    let fetching = fetch_counting_manifest(&restoring.store, request);
    let manifest = tokio::select! {
        biased;
        failure = interrupt.wait() => return Err(failure),
        manifest = fetching => manifest?,
    };
    let mut chosen = None;
    if !request.tables.is_empty() {
        refuse(&only_beside(request))?;
        refuse(&problems_of(&without_extensions(&manifest)))?;
        chosen = Some(tokio::select! {
            biased;
            failure = interrupt.wait() => return Err(failure),
            chosen = restoring.choose_tables(&manifest) => chosen?,
        });
    }
    let manifest = chosen.as_ref().map_or(&manifest, |chosen| &chosen.manifest);
    let mut problems = problems_of(manifest);
    if request.into == RestoreTarget::Replace {
        problems.extend(not_asked_for(manifest, request));
    }
    refuse(&problems)?;
    let plan = Plan {
        manifest,
        restore_uid: &request.restore_uid,
        into: request.into,
        known: &known,
        tables: chosen.as_ref(),
    };
    let prepared = tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        prepared = Box::pin(restoring.restore_all(plan, writer)) => prepared,
    };
    let writer = match prepared {
        Ok(writer) => writer,
        // Another pod goes on with what is there.
        Err(failure) if interrupt.is_stopped() => return Err(failure),
        // All of the throwaway server goes.
        Err(failure) if is_drill => return Err(failure),
        Err(failure) => return Err(restoring.tidy_up(plan, failure).await),
    };
    // Not interrupted: it takes seconds, and must not stay half done.
    let outage = match request.into {
        RestoreTarget::Replace => restoring.swap_all(plan, writer, interrupt).await?,
        _ => None,
    };
    restoring.note(|report| {
        report.phase = Some(RestorePhase::Done);
        report.outage_milliseconds = outage.and_then(|time| i64::try_from(time.as_millis()).ok());
        describe_done(report, plan);
    });
    Ok(restoring.snapshot())
}

/// Whether the same may work with another connection.
fn is_broken(failure: &AgentFailure) -> bool {
    [reasons::CONNECTION_FAILED, reasons::SERVER_STARTING].contains(&failure.reason.as_str())
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Takes the lock, and opens what restores have left closed that were killed: whatever is wrong with the
    /// set or the bucket, clients get in again.
    async fn begin(&self) -> Result<Writer, AgentFailure> {
        let number = self.order.lock_number();
        let writer = self.connect(self.deadline).await?;
        lock(&writer, number).await?;
        open_doors(&writer, number).await?;
        if writer.database() == WORKPLACE {
            return Ok(writer);
        }
        // What was closed may have been the very database to work from.
        let again = self.connect(self.deadline).await?;
        if again.database() != WORKPLACE || !lock_here(&again, number).await? {
            return Ok(writer);
        }
        Ok(again)
    }

    /// Everything until each database is restored and compared. Returns the session with the lock.
    async fn restore_all(&self, plan: Plan<'_>, writer: Writer) -> Result<Writer, AgentFailure> {
        let prepared = self.prepare(plan, writer).await?;
        if prepared.contents.is_empty() {
            refuse(&not_fresh(plan.into))?;
            return Ok(prepared.writer);
        }
        let Prepared {
            writer,
            facts,
            left,
            capacity,
            contents,
        } = prepared;
        let programs = self.prepare_programs(&writer, &facts).await?;
        let mut writer = writer;
        for (index, database) in plan.manifest.databases.iter().enumerate() {
            if !matches!(left[index], Left::Restore { .. }) {
                continue;
            }
            let names = &plan.names()[index];
            let before = self.snapshot().restored_bytes;
            let mut attempt = 1;
            loop {
                let tools = Tools {
                    plan,
                    writer: &writer,
                    facts: &facts,
                    capacity,
                    programs: &programs,
                };
                let restoring = self.restore_one(&tools, database, names, &contents[index]);
                match restoring.await {
                    Ok(()) => break,
                    Err(failure) if is_broken(&failure) && attempt < ATTEMPTS => {
                        attempt += 1;
                        self.say_again(names, &failure, before);
                    }
                    Err(failure) => return Err(failure),
                }
                // The server may have started again; the lock went with its session.
                drop(writer);
                sleep(ATTEMPT_PAUSE).await;
                writer = self.begin().await?;
            }
        }
        if plan.into == RestoreTarget::Scratch {
            self.prove_all(plan, &contents).await?;
        }
        Ok(writer)
    }

    /// Says that a database is restored once more, and why.
    fn say_again(&self, names: &Names, failure: &AgentFailure, before: Option<i64>) {
        let message = format!(
            "the connection broke while database {} was restored, so what was made of it is dropped and it is \
             restored once more: {}",
            quoted(&names.name, 80),
            failure.message
        );
        tracing::warn!("{message}");
        self.note(|report| {
            report.restored_bytes = before;
            report.message = Some(message.clone());
            report.warnings.push(message);
        });
    }

    /// Looks whether it can be done; until that is known nothing is made. Then roles that are missing are.
    async fn prepare(&self, plan: Plan<'_>, writer: Writer) -> Result<Prepared, AgentFailure> {
        let manifest = plan.manifest;
        self.note(|report| begin_report(report, plan));
        let databases = put_right(&writer, plan).await?;
        let left = plan.left(&databases);
        if left.iter().all(|left| matches!(left, Left::Nothing { .. })) {
            // An earlier start has done it all: nothing can stand against it any more.
            return Ok(Prepared {
                writer,
                facts: ServerFacts::default(),
                left,
                capacity: None,
                contents: Vec::new(),
            });
        }
        let facts = fetch_facts(&writer, &extensions_of(manifest)).await?;
        self.leave_event_triggers(&facts);
        let nothing = vec![Vec::new(); manifest.databases.len()];
        let mut problems = judge(plan, &left, &facts, &nothing).problems;
        let is_read = left.iter().any(|left| matches!(left, Left::Restore { .. }));
        if is_read {
            problems.extend(self.read_identities(manifest).err());
            problems.extend(self.find_what_is_closed(plan, &facts).await);
        }
        refuse(&problems)?;
        let capacity = self.look_at_disk(&writer, plan, &left).await?;
        let mut contents = Vec::new();
        if let Some(chosen) = plan.tables.filter(|_| is_read) {
            contents.clone_from(&chosen.contents);
            self.warn(chosen.warnings.iter().cloned());
        } else if is_read {
            // A drill is about all of the set; a restore needs no file.
            let with_files = plan.into == RestoreTarget::Scratch;
            contents = self.fetch_all_contents(manifest, with_files).await?;
        }
        let Preflight {
            problems,
            warnings,
            missing_roles,
        } = judge(
            plan,
            &left,
            &facts,
            if contents.is_empty() {
                &nothing
            } else {
                &contents
            },
        );
        refuse(&problems)?;
        self.warn(warnings);
        self.watcher.after(RestoreStep::LookedAhead).await;
        self.has_made.store(true, Ordering::Relaxed);
        if !contents.is_empty() && !missing_roles.is_empty() {
            create_roles(&writer, &missing_roles, plan.restore_uid)
                .await
                .map_err(|error| failed("missing roles could not be created", &error))?;
            if plan.into == RestoreTarget::Scratch {
                let owners = superusers_of(&missing_roles, manifest, &contents);
                make_superusers(&writer, &owners)
                    .await
                    .map_err(|error| failed("roles could not be prepared", &error))?;
            }
        }
        self.watcher.after(RestoreStep::RolesCreated).await;
        Ok(Prepared {
            writer,
            facts,
            left,
            capacity,
            contents,
        })
    }

    /// Drops what this restore has made, and nothing else; and nothing while another agent has the lock,
    /// which may be one of the same restore.
    async fn tidy_up(&self, plan: Plan<'_>, failure: AgentFailure) -> AgentFailure {
        if failure.reason == reasons::ANOTHER_IS_RUNNING {
            return failure;
        }
        let tidied = async {
            let deadline = Instant::now() + TIDY_LIMIT;
            let writer = self.connect(deadline).await?;
            lock(&writer, self.order.lock_number()).await?;
            for names in plan.names() {
                drop_own(&writer, &names.restored_as, plan.restore_uid).await?;
            }
            drop_roles(&writer, plan.restore_uid).await?;
            Ok::<_, AgentFailure>(())
        };
        let message = match tidied.await {
            Ok(()) => format!("{}. What was there is unchanged", failure.message),
            Err(_) if !self.has_made.load(Ordering::Relaxed) => return failure,
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
