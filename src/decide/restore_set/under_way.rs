//! A restore whose Job exists and whose agent has not reported its end: how far it is, or why nothing
//! more is to be expected of it, in the words of Kubernetes. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::super::job_end::{agent_ended, job_ended_at};
use super::super::not_begun::{self, Task};
use super::said;
use super::set_decision::SetDecision;
use crate::api::{
    DatabaseRestore, DatabaseRestoreStatus, RestorePhase, RestoreState, RestoreTarget,
};
use crate::plan::{Step, is_dry_run_job};
use crate::world::Observed;

/// How long after the end of its Job a report may still be on its way into what was read, in seconds.
const REPORT_SECONDS: i64 = 10;

/// Decides by the Job.
pub fn decide(before: &DatabaseRestoreStatus, observed: &Observed, job: &Job) -> SetDecision {
    let name = job.metadata.name.clone();
    let mut seen = before.clone();
    seen.job = seen.job.take().or(name);
    seen.job_uid = seen.job_uid.take().or_else(|| job.metadata.uid.clone());
    if let Some(why) = agent_ended(observed, job) {
        if !has_had_its_time(observed, job) {
            return running(&seen, said::progress(&seen));
        }
        let words = not_begun::last_words(observed, job);
        let message = format!(
            "the agent's Job {} ended without a report ({why}{words}{}); {}",
            seen.job.as_deref().unwrap_or_default(),
            of_memory(observed, job),
            what_is_there(&seen, Kind::of_job(job))
        );
        return SetDecision::over(observed, &seen, RestoreState::Failed, message);
    }
    // One that has reported was evicted, and another pod goes on: that has the time of the whole Job. And
    // the Job is in the status before it is ended, or another one would be created.
    let is_to_end = seen.report.is_none() && before.job.is_some();
    let overdue = not_begun::overdue(observed, job).filter(|_| is_to_end);
    if let Some(why) = overdue {
        let message = format!(
            "{why}, and nothing was restored or changed. Whether its pod would be admitted: kubectl \
             holdfast check -n {}",
            observed.namespace_name()
        );
        let mut decision = SetDecision::over(observed, &seen, RestoreState::Failed, message);
        let job = Box::new(job.metadata.clone());
        decision.plan.steps.push(Step::EndJob(job));
        return decision;
    }
    let said = match not_begun::why_waiting(observed, job) {
        Some(why) => format!("the restore can't start: {why}"),
        None => said::progress(&seen),
    };
    running(&seen, said)
}

fn running(seen: &DatabaseRestoreStatus, said: String) -> SetDecision {
    SetDecision::says(seen, RestoreState::Running, said).held()
}

/// The Job was seen, and is gone.
pub fn job_gone(
    before: &DatabaseRestoreStatus,
    observed: &Observed,
    (name, restore): (&str, &DatabaseRestore),
) -> SetDecision {
    let last = before.message.as_deref().unwrap_or("nothing");
    let message = format!(
        "the agent's Job {name} was deleted before it reported; {}. It said last: {last}",
        what_is_there(before, Kind::of(restore))
    );
    SetDecision::over(observed, before, RestoreState::Failed, message)
}

fn has_had_its_time(observed: &Observed, job: &Job) -> bool {
    job_ended_at(job).is_none_or(|ended| {
        observed.server_time().as_second() - ended.0.as_second() >= REPORT_SECONDS
    })
}

fn of_memory(observed: &Observed, job: &Job) -> &'static str {
    let is_out_of_memory = observed
        .agent_of(job)
        .is_some_and(|agent| agent.out_of_memory);
    if is_out_of_memory && Task::Drill.is_of(job) {
        ", it used more memory than its limit: raise spec.drill.resources.limits.memory"
    } else if is_out_of_memory {
        ", it used more memory than its limit: raise spec.backup.resources.limits.memory"
    } else {
        ""
    }
}

/// What the Job was for.
#[derive(Clone, Copy)]
enum Kind {
    Restore,
    Files,
    Drill,
    DryRun,
}

impl Kind {
    fn of(restore: &DatabaseRestore) -> Self {
        if restore.spec.into == RestoreTarget::Scratch {
            Self::Drill
        } else if restore.is_of_files() {
            Self::Files
        } else if restore.is_dry_run() {
            Self::DryRun
        } else {
            Self::Restore
        }
    }

    fn of_job(job: &Job) -> Self {
        if Task::Drill.is_of(job) {
            Self::Drill
        } else if Task::RestoreFiles.is_of(job) {
            Self::Files
        } else if is_dry_run_job(job) {
            Self::DryRun
        } else {
            Self::Restore
        }
    }
}

/// What to expect in the server, or on the claim, after an agent that said nothing.
fn what_is_there(status: &DatabaseRestoreStatus, kind: Kind) -> &'static str {
    let phase = status.report.as_ref().and_then(|report| report.phase);
    let was_swapping = matches!(phase, Some(RestorePhase::Swapping | RestorePhase::Done));
    match kind {
        Kind::Drill => {
            return "nothing is known of the backup by it, and nothing of the database was touched";
        }
        Kind::DryRun => {
            return "it is not known whether the backup can be restored, and nothing was made or changed";
        }
        Kind::Files if was_swapping => {
            return "it was giving the new directory its name, so that leads to the old or to the new files; of a \
                    whole claim, some entries may be moved. Another restore of the same directory first finishes \
                    or undoes that. Nothing is deleted: see .holdfast-* and *.before-restore-* on the claim";
        }
        Kind::Files => {
            return "the present files are as they were. What the agent has unpacked is .holdfast-restore-* on the \
                    claim, and the next restore of the same directory removes it";
        }
        Kind::Restore => {}
    }
    match phase {
        Some(RestorePhase::Swapping | RestorePhase::Done) => {
            "it was renaming the databases, so the name leads to the old or to the new one, which may accept no \
             connections. Another restore first finishes or undoes that; the next check has the command that \
             opens it. See which it is: psql -l, and the comments of the databases"
        }
        _ => {
            "the present database is as it was. What the agent has left in the server says so in its comment, \
             and the next restore removes it"
        }
    }
}
