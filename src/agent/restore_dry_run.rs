//! A dry run: all that a restore looks at before it makes anything, with everything that stands against it in one
//! list. It takes no lock, opens and closes nothing, and its session can't write.

use crate::api::reasons;
use crate::api::{AgentFailure, RESTORE_PROBLEM_LIMIT, RestorePhase, RestoreReport, RestoreTarget};
use crate::postgres::{ContentsEntry, find_program_for};
use crate::store::Manifest;

use super::Interrupt;
use super::dump::find_programs;
use super::restore_chosen::{ChosenTables, only_beside, without_extensions};
use super::restore_context::Restoring;
use super::restore_facts::{fetch_databases, fetch_facts};
use super::restore_judge::judge;
use super::restore_order::{RestoreOrder, RestoreStep, RestoreWatcher};
use super::restore_preflight::problems_of;
use super::restore_preflight_asked::not_asked_for;
use super::restore_program::no_program;
use super::restore_said::{begin_report, describe_dry_run, without_refusal};
use super::restore_server::{Plan, extensions_of};
use super::restore_standing::fetch_counting_manifest;
use super::restore_stream::PROGRAM;

/// So nothing can be made by mistake.
const READ_ONLY: &str = "set session characteristics as transaction read only";
/// What of a failure is about the set or the server, and not about the look at them.
const AGAINST_IT: [&str; 4] = [
    reasons::RESTORE_REFUSED,
    reasons::SET_CHANGED,
    reasons::DISK_TOO_SMALL,
    reasons::CLIENT_TOO_OLD,
];

/// Says what stands against a restore of a set. An error is what kept it from being known.
pub async fn try_set<W: RestoreWatcher>(
    order: &RestoreOrder<'_>,
    watcher: &W,
    interrupt: &Interrupt,
) -> Result<RestoreReport, AgentFailure> {
    let restoring = Restoring::open(order, watcher)?;
    tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        report = Box::pin(restoring.look_only()) => report,
    }
}

/// The message of a failure that is a problem of the restore; any other one ends the look.
fn as_problem(failure: AgentFailure) -> Result<String, AgentFailure> {
    if AGAINST_IT.contains(&failure.reason.as_str()) {
        Ok(without_refusal(&failure.message).to_owned())
    } else {
        Err(failure)
    }
}

impl<W: RestoreWatcher> Restoring<'_, W> {
    async fn look_only(&self) -> Result<RestoreReport, AgentFailure> {
        let writer = self.connect(self.deadline).await?;
        writer.run(READ_ONLY).await?;
        self.note(|report| {
            report.phase = Some(RestorePhase::Preflight);
            report.message = Some("reading the manifest of the set".to_owned());
        });
        let request = self.order.request;
        let manifest = match fetch_counting_manifest(&self.store, request).await {
            Ok(manifest) => manifest,
            Err(failure) => return Ok(self.say(vec![as_problem(failure)?])),
        };
        // What is wrong with its form is not read any further.
        let mut problems = only_beside(request);
        problems.extend(problems_of(&without_extensions(&manifest)));
        if !problems.is_empty() {
            return Ok(self.say(problems));
        }
        let chosen = match self.choose_if_asked(&manifest).await {
            Ok(chosen) => chosen,
            Err(failure) => return Ok(self.say(vec![as_problem(failure)?])),
        };
        let chosen = chosen.as_ref();
        let manifest = chosen.map_or(&manifest, |chosen| &chosen.manifest);
        problems.extend(problems_of(manifest));
        if request.into == RestoreTarget::Replace {
            problems.extend(not_asked_for(manifest, request));
        }
        let plan = Plan {
            manifest,
            restore_uid: &request.restore_uid,
            into: request.into,
            known: &[],
            tables: chosen,
        };
        self.note(|report| begin_report(report, plan));
        let left = plan.left(&fetch_databases(&writer).await?);
        let facts = fetch_facts(&writer, &extensions_of(manifest)).await?;
        // The session is not asked any more once the set is read, which may take hours.
        if let Err(failure) = self.look_at_disk(&writer, plan, &left).await {
            problems.push(as_problem(failure)?);
        }
        let contents = self.read_contents(plan, &mut problems).await?;
        let found = judge(plan, &left, &facts, &contents);
        problems.extend(found.problems);
        problems.extend(self.find_what_is_closed(plan, &facts).await);
        problems.extend(missing_programs(facts.major).await);
        self.warn(found.warnings);
        self.warn(chosen.iter().flat_map(|chosen| chosen.warnings.clone()));
        self.watcher.after(RestoreStep::LookedAhead).await;
        Ok(self.say(problems))
    }

    async fn choose_if_asked(
        &self,
        manifest: &Manifest,
    ) -> Result<Option<ChosenTables>, AgentFailure> {
        if self.order.request.tables.is_empty() {
            return Ok(None);
        }
        self.choose_tables(manifest).await.map(Some)
    }

    /// The tables of contents of all dumps; empty ones where something stands against reading them.
    async fn read_contents(
        &self,
        plan: Plan<'_>,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Vec<ContentsEntry>>, AgentFailure> {
        if let Some(chosen) = plan.tables {
            return Ok(chosen.contents.clone());
        }
        let nothing = || vec![Vec::new(); plan.manifest.databases.len()];
        if let Err(why) = self.read_identities(plan.manifest) {
            problems.push(why);
            return Ok(nothing());
        }
        match self.fetch_all_contents(plan.manifest, false).await {
            Ok(contents) => Ok(contents),
            Err(failure) => {
                problems.push(as_problem(failure)?);
                Ok(nothing())
            }
        }
    }

    /// The report at its end.
    fn say(&self, mut problems: Vec<String>) -> RestoreReport {
        problems.dedup();
        problems.truncate(RESTORE_PROBLEM_LIMIT);
        self.note(|report| {
            report.phase = Some(RestorePhase::Done);
            report.message = Some(describe_dry_run(report, &problems));
            report.problems = problems;
        });
        self.snapshot()
    }
}

/// Which programs of a restore the image does not have.
async fn missing_programs(major: u32) -> Vec<String> {
    let restores = find_program_for(PROGRAM, major).await;
    let dumps = find_programs(major).await;
    let missing = [
        restores.err().map(|why| no_program(major, &why).message),
        dumps.err().map(|failure| failure.message),
    ];
    missing.into_iter().flatten().collect()
}
