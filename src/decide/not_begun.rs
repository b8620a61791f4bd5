//! Agents that have not begun: why, in the words of Kubernetes, in the condition that waits for them;
//! and which of their Jobs have had their time. Pure.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::Job;

use super::ready::list;
use crate::api::{ConditionStatus, DesiredCondition, names, reasons};
use crate::plan::{Plan, is_dry_run_job};
use crate::wording::say_length;
use crate::world::{AgentFact, Fact, Observed};

/// How soon a Job is read again of which nothing says why its agent has not begun, and how soon one of
/// which something does: neither a pod of a Job nor an event calls the operator.
const READ_AGAIN: Duration = Duration::from_secs(4);
const READ_AGAIN_KNOWN: Duration = Duration::from_secs(8);

/// Reasons for which a condition waits for an agent.
pub const WAITING: &[&str] = &[
    reasons::CHECKING,
    reasons::FILES_NOT_CHECKED,
    reasons::NEVER_SUCCEEDED,
];

/// What agents do, as in the label of their Jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Check,
    Files,
    Backup,
    Restore,
    RestoreFiles,
    Drill,
    Catalog,
    Copy,
}

impl Task {
    fn label(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Files => "files",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::RestoreFiles => names::RESTORE_FILES_TASK,
            Self::Drill => "drill",
            Self::Catalog => "catalog",
            Self::Copy => "copy",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Check => "the check",
            Self::Files => "the check of files",
            Self::Backup => "the backup",
            Self::Restore => "the restore",
            Self::RestoreFiles => "the restore of files",
            Self::Drill => "the drill",
            Self::Catalog => "the look at the sets in the bucket",
            Self::Copy => "the copy of a backup",
        }
    }

    /// Whether a Job does this.
    pub fn is_of(self, job: &Job) -> bool {
        let labels = job.metadata.labels.as_ref();
        let task = labels.and_then(|labels| labels.get(names::TASK_LABEL));
        task.is_some_and(|task| task == self.label())
    }
}

/// Whether the agent of a Job needs the database and its files to stay as they are: no other such Job is
/// started beside it. A dry run needs nothing.
pub fn uses_the_database(job: &Job) -> bool {
    let uses = [Task::Backup, Task::Restore, Task::RestoreFiles];
    uses.iter().any(|task| task.is_of(job)) && !is_dry_run_job(job)
}

/// The fact about an agent that is known not to have begun.
fn waiting<'a>(observed: &'a Observed, job: &Job) -> Option<&'a AgentFact> {
    observed.agent_of(job).filter(|agent| !agent.has_begun)
}

/// How long an agent still has to begin; none if it has begun, or that is not known.
fn time_left(observed: &Observed, job: &Job) -> Option<Duration> {
    waiting(observed, job)?;
    Some(observed.pace.start.saturating_sub(observed.job_age(job)?))
}

/// What to report of a Job whose agent has had its time and has not begun: what happened and why.
pub fn overdue(observed: &Observed, job: &Job) -> Option<String> {
    let is_going = job.metadata.deletion_timestamp.is_some();
    if is_going || !observed.is_ours(&job.metadata) || !time_left(observed, job)?.is_zero() {
        return None;
    }
    let agent = waiting(observed, job)?;
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let limit = SignedDuration::try_from(observed.pace.start).unwrap_or(SignedDuration::MAX);
    Some(format!(
        "the agent of Job {name} has not begun within {}: {}. The Job was deleted",
        say_length(limit),
        why(agent)
    ))
}

/// Why the agent of a Job has not begun, if it has not and Kubernetes says why.
pub fn why_waiting(observed: &Observed, job: &Job) -> Option<String> {
    waiting(observed, job)
        .filter(|agent| agent.why != Fact::Known(None))
        .map(why)
}

/// Why an agent does not run, or that nothing says so.
fn why(agent: &AgentFact) -> String {
    match &agent.why {
        Fact::Known(Some(why)) => why.trim_end_matches('.').to_owned(),
        Fact::Known(None) => "Kubernetes does not say why".to_owned(),
        Fact::Unknown(why) => format!("why is not known: {why}"),
    }
}

/// What an agent's pod says of the end of its Job, after a colon; empty if it says nothing.
pub fn last_words(observed: &Observed, job: &Job) -> String {
    let said = observed.agent_of(job).and_then(AgentFact::known_why);
    said.map(|why| format!(": {}", why.trim_end_matches('.')))
        .unwrap_or_default()
}

/// The reason for a Job that has ended without a report: whether its agent has ever begun.
pub fn reason(observed: &Observed, job: &Job) -> &'static str {
    let never_began = waiting(observed, job).is_some_and(|agent| agent.known_why().is_some());
    if never_began {
        reasons::AGENT_NOT_STARTED
    } else {
        reasons::JOB_FAILED
    }
}

/// Reads Jobs again whose agents have not begun, or of whose pods nothing was read yet.
pub fn plan_waits(observed: &Observed, has_ended: impl Fn(&Job) -> bool, plan: &mut Plan) {
    // What could not be read is read again in any case.
    if observed.agents.known().is_none() {
        return;
    }
    for job in list(&observed.jobs).iter().filter(|job| !has_ended(job)) {
        let pause = match observed.agent_of(job) {
            Some(agent) if agent.has_begun => continue,
            Some(agent) if agent.known_why().is_some() => READ_AGAIN_KNOWN,
            _ => READ_AGAIN,
        };
        let left = time_left(observed, job).filter(|left| !left.is_zero());
        plan.read_again_after(left.map_or(pause, |left| pause.min(left)));
    }
}

/// Adds to a condition why the agent that it waits for does not run, while that lasts.
pub fn say(
    observed: &Observed,
    task: Task,
    has_ended: impl Fn(&Job) -> bool,
    mut condition: DesiredCondition,
) -> DesiredCondition {
    let mut held_up = list(&observed.jobs)
        .iter()
        .filter(|job| task.is_of(job) && !has_ended(job))
        .filter_map(|job| waiting(observed, job))
        .filter(|agent| agent.why != Fact::Known(None));
    let Some(agent) = held_up.next() else {
        return condition;
    };
    let verb = match agent.why {
        Fact::Known(_) => "can't start",
        Fact::Unknown(_) => "has not started",
    };
    add(
        &mut condition,
        &format!("{} {verb}: {}", task.words(), why(agent)),
    );
    condition
}

/// Adds what an agent waits for. What waits for nothing else waits for that.
pub fn add(condition: &mut DesiredCondition, said: &str) {
    if condition.status != ConditionStatus::True && WAITING.contains(&condition.reason) {
        condition.reason = reasons::AGENT_NOT_STARTED;
    }
    condition.add(said);
}
