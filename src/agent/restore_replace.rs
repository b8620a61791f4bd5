//! All restored databases of a set take their names at once; where that fails, what was there is opened
//! again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::api::{AgentFailure, RestorePhase, reasons};
use crate::postgres::{PostgresErrorKind, Writer};

use super::Interrupt;
use super::restore_carry::SwapTarget;
use super::restore_context::Restoring;
use super::restore_facts::fetch_databases;
use super::restore_order::RestoreWatcher;
use super::restore_server::{Plan, connect_beside, lock_here};
use super::restore_swap::{left_closed, not_swapped, set_door, swap};
use super::restore_swap_state::Left;

/// How long one look may take at what became of a swap.
const LOOK_LIMIT: Duration = Duration::from_mins(5);
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How long it may still take once the agent is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

impl<W: RestoreWatcher> Restoring<'_, W> {
    /// Gives every restored database its name, at once.
    pub async fn swap_all(
        &self,
        plan: Plan<'_>,
        writer: Writer,
        interrupt: &Interrupt,
    ) -> Result<Option<Duration>, AgentFailure> {
        self.note(|report| {
            report.phase = Some(RestorePhase::Swapping);
            report.message =
                Some("the restored database takes the name of the present one".to_owned());
        });
        let names = plan.names();
        let writer = self
            .leave(plan, writer)
            .await
            .map_err(|failure| not_swapped(&failure.message, &names))?;
        let databases = fetch_databases(&writer)
            .await
            .map_err(|error| not_swapped(&error.message, &names))?;
        let left = plan.left(&databases);
        let targets: Vec<SwapTarget<'_>> = names
            .iter()
            .zip(&left)
            .zip(&plan.manifest.databases)
            .filter_map(|((names, left), database)| match left {
                Left::Swap {
                    restored,
                    present,
                    kept,
                } => Some(SwapTarget {
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
        let is_stuck = |left: &Left| !matches!(left, Left::Swap { .. } | Left::Nothing { .. });
        if left.iter().any(is_stuck) {
            let why = "another database has one of the names, or what was restored is gone";
            return Err(not_swapped(why, &names));
        }
        if targets.is_empty() {
            self.swapped(plan, &left);
            return Ok(None);
        }
        // The next start knows by it what has the name then, whatever comments say.
        self.note(|report| {
            for target in &targets {
                let mut databases = report.databases.iter_mut();
                if let Some(one) = databases.find(|one| one.name == target.name) {
                    one.oid = Some(target.restored);
                }
            }
        });
        let kept = self.watcher.keep().await;
        kept.map_err(|failure| not_swapped(&failure.message, &names))?;
        let mut warnings = Vec::new();
        let swapped = swap(
            &writer,
            (plan.restore_uid, self.order.lock_number()),
            &targets,
            self.watcher,
            &mut warnings,
        )
        .await;
        self.warn(warnings);
        drop(writer);
        // Whatever was answered: another session looks what became of it.
        let known = self.snapshot().databases;
        let plan = Plan {
            known: &known,
            ..plan
        };
        let looked = self
            .look_after(plan, &targets, swapped.is_err(), interrupt)
            .await;
        let left = match looked {
            Ok(left) => left,
            Err(why) => {
                let names: Vec<&str> = names.iter().map(|one| one.name.as_str()).collect();
                let error = swapped.err().map(|error| format!("{error}; "));
                let why = format!("{}{why}", error.unwrap_or_default());
                return Err(left_closed(&why, &names));
            }
        };
        if left
            .iter()
            .any(|left| !matches!(left, Left::Nothing { .. }))
        {
            let why = swapped.err().map(|error| error.message);
            return Err(not_swapped(&why.unwrap_or_default(), &names));
        }
        self.swapped(plan, &left);
        Ok(swapped.ok())
    }

    /// Nobody may be in a database that is renamed, not even the session with the lock: there is always one
    /// that has it.
    async fn leave(&self, plan: Plan<'_>, writer: Writer) -> Result<Writer, AgentFailure> {
        let is_in_it = |name: &str| name == writer.database();
        if !plan
            .manifest
            .databases
            .iter()
            .any(|one| is_in_it(&one.name))
        {
            return Ok(writer);
        }
        let other = connect_beside(&self.login, self.deadline).await?;
        self.recognise(&other).await?;
        if !lock_here(&other, self.order.lock_number()).await? {
            return Err(AgentFailure {
                reason: reasons::ANOTHER_IS_RUNNING.to_owned(),
                message: "another restore of this database runs".to_owned(),
            });
        }
        Ok(other)
    }

    /// Opens what was closed, if it failed, and says what is left to do. It is tried until the deadline: until
    /// then nobody can connect. A pod that is gone is not waited for: the next start finds what follows it.
    async fn look_after(
        &self,
        plan: Plan<'_>,
        targets: &[SwapTarget<'_>],
        has_failed: bool,
        interrupt: &Interrupt,
    ) -> Result<Vec<Left>, String> {
        let end = self.deadline.max(Instant::now() + LOOK_LIMIT);
        loop {
            let look = async {
                let writer = self.connect(Instant::now() + LOOK_LIMIT).await?;
                for target in targets.iter().filter(|_| has_failed) {
                    // It waits for a transaction that may still be at its end. One that is renamed by
                    // then is open.
                    match set_door(&writer, target.restored_as, true).await {
                        Err(error) if error.kind != PostgresErrorKind::DatabaseNotFound => {
                            return Err(error.into());
                        }
                        _ => {}
                    }
                    if matches!(target.present, Some((_, true))) {
                        set_door(&writer, target.name, true).await?;
                    }
                }
                let databases = fetch_databases(&writer).await?;
                Ok::<_, AgentFailure>(plan.left(&databases))
            };
            let stopped = async {
                let failure = interrupt.wait().await;
                // Time for one look, whenever it comes.
                sleep(STOP_LIMIT).await;
                failure
            };
            let failure = tokio::select! {
                biased;
                looked = look => match looked {
                    Ok(left) => return Ok(left),
                    Err(failure) => failure,
                },
                failure = stopped => failure,
            };
            let why = failure.message;
            let is_elsewhere =
                [reasons::SUPERSEDED, reasons::SERVER_REPLACED].contains(&failure.reason.as_str());
            if is_elsewhere || interrupt.is_over() || Instant::now() + LOOK_PAUSE >= end {
                return Err(why);
            }
            tracing::warn!("what became of the swap is not known yet: {why}");
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Notes which database is where now.
    fn swapped(&self, plan: Plan<'_>, left: &[Left]) {
        self.note(|report| {
            for (names, left) in plan.names().iter().zip(left) {
                let of_it = report
                    .databases
                    .iter_mut()
                    .find(|one| one.name == names.name);
                if let (
                    Some(restored),
                    Left::Nothing {
                        restored: oid,
                        kept,
                    },
                ) = (of_it, left)
                {
                    restored.oid = Some(*oid);
                    restored.kept_oid = *kept;
                    restored.kept_as = kept.map(|_| names.kept_as.clone());
                }
            }
        });
    }
}
