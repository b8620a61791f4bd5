//! What became of the pod of an agent's Job: whether the agent has begun, and if not, why, in the words
//! of Kubernetes. Pure.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::{EndedContainer, Fact, PodFact};
use crate::wording::quoted;

/// Name of the container that the agent runs in.
const AGENT: &str = "agent";
/// The most characters that are quoted: others write these texts.
const QUOTED: usize = 500;
/// Reasons for which a container waits that say nothing: it is on its way.
const ON_ITS_WAY: &[&str] = &["ContainerCreating", "PodInitializing"];
/// The reason of a container that the kernel has killed for its memory.
const OUT_OF_MEMORY: &str = "OOMKilled";
/// Reasons of containers that never ran.
const NEVER_RAN: &[&str] = &["StartError", "ContainerCannotRun"];
/// Exit codes that say that a program could not be run.
const CANNOT_RUN: &[i32] = &[126, 127, 128, 255];
/// The reason of the event about a pod that could not be created.
const NOT_CREATED: &str = "FailedCreate";
/// By how many seconds the clocks of Kubernetes' parts may differ.
const CLOCKS_DIFFER: i64 = 60;
/// What the kernel says of a program that was built for another processor.
const OTHER_ARCHITECTURE: &str = "exec format error";

/// What became of the pod of one Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFact {
    /// UID of the Job.
    pub job_uid: String,
    /// Whether the agent's container runs or has run.
    pub has_begun: bool,
    /// Whether the agent's container was killed because it used more memory than its limit.
    pub out_of_memory: bool,
    /// Why it does not run, or ended without a report, if anything says so: one line, bounded.
    pub why: Fact<Option<String>>,
}

impl AgentFact {
    /// What the pods of a Job say. `None` where a Job counts a pod that was not among those read: then
    /// nothing is known.
    #[must_use]
    pub fn of(job: &Job, pods: &[Pod]) -> Option<Self> {
        let job_uid = job.metadata.uid.clone()?;
        let pods: Vec<&Pod> = pods.iter().filter(|pod| is_of(pod, &job_uid)).collect();
        let counted = job.status.as_ref().map_or(0, |status| {
            status.active.unwrap_or(0) + status.terminating.unwrap_or(0)
        });
        if pods.is_empty() && counted > 0 {
            return None;
        }
        let name = job.metadata.name.as_deref().unwrap_or_default();
        let is_suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
        let suspended = is_suspended.then(|| format!("Job {name} is suspended"));
        let said = pods.iter().find_map(|pod| pod_says(pod));
        Some(Self {
            job_uid,
            has_begun: pods.iter().any(|pod| has_begun(pod)),
            out_of_memory: pods.iter().any(|pod| ran_out_of_memory(pod)),
            why: Fact::Known(said.or(suspended)),
        })
    }

    /// The agent of a Job that runs, for tests.
    #[cfg(test)]
    #[must_use]
    pub fn begun(job: &Job) -> Option<Self> {
        Some(Self {
            job_uid: job.metadata.uid.clone()?,
            has_begun: true,
            out_of_memory: false,
            why: Fact::Known(None),
        })
    }

    /// Whether it waits without a word why.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.has_begun && self.why == Fact::Known(None)
    }

    /// Why it does not run, if that is known.
    #[must_use]
    pub fn known_why(&self) -> Option<&str> {
        self.why.known()?.as_deref()
    }
}

/// The pods that a Job controls.
pub fn pod_of<'a>(job: &Job, pods: &'a [Pod]) -> Option<&'a Pod> {
    let uid = job.metadata.uid.as_deref()?;
    pods.iter().find(|pod| is_of(pod, uid))
}

fn is_of(pod: &Pod, job_uid: &str) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers.any(|owner| owner.uid == job_uid)
}

fn has_begun(pod: &Pod) -> bool {
    agent_states(pod).any(|state| {
        let ended = state.terminated.as_ref();
        state.running.is_some()
            || ended.is_some_and(|ended| {
                let reason = ended.reason.as_deref().unwrap_or_default();
                !NEVER_RAN.contains(&reason)
            })
    })
}

fn ran_out_of_memory(pod: &Pod) -> bool {
    agent_states(pod).any(|state| {
        let ended = state.terminated.as_ref();
        ended.is_some_and(|ended| ended.reason.as_deref() == Some(OUT_OF_MEMORY))
    })
}

/// What the agent's container is, and was before it was started again.
fn agent_states(pod: &Pod) -> impl Iterator<Item = &ContainerState> {
    let statuses = pod.status.iter();
    let mut containers = statuses.flat_map(|status| status.container_statuses.iter().flatten());
    let agent = containers.find(|container| container.name == AGENT);
    let states = agent
        .into_iter()
        .flat_map(|agent| [&agent.state, &agent.last_state]);
    states.flatten()
}

/// Why something of a pod does not run, as its status says it.
#[must_use]
pub fn pod_says(pod: &Pod) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    let has_failed = status.phase.as_deref() == Some("Failed");
    let reason = status.reason.as_deref().filter(|_| has_failed);
    let of_pod =
        reason.map(|reason| say(&format!("pod {name}"), reason, status.message.as_deref()));
    let inits = status.init_container_statuses.iter().flatten();
    let containers = inits.chain(status.container_statuses.iter().flatten());
    let mut of_containers = containers.filter_map(|container| container_says(name, container));
    let conditions = status.conditions.iter().flatten();
    let mut unscheduled = conditions
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .map(|condition| {
            let reason = condition.reason.as_deref().unwrap_or("not scheduled");
            say(&format!("pod {name}"), reason, condition.message.as_deref())
        });
    of_pod
        .or_else(|| of_containers.next())
        .or_else(|| unscheduled.next())
}

fn container_says(pod: &str, container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    let what = format!("container {} of pod {pod}", container.name);
    waiting_says(&what, state).or_else(|| {
        let ended = state
            .terminated
            .as_ref()
            .filter(|ended| ended.exit_code != 0)?;
        let reason = ended.reason.as_deref().unwrap_or_default();
        let message = ended.message.as_deref().unwrap_or_default();
        let is_other = message.contains(OTHER_ARCHITECTURE);
        let says_why = reason == OUT_OF_MEMORY
            || NEVER_RAN.contains(&reason)
            || CANNOT_RUN.contains(&ended.exit_code)
            || is_other;
        let word = if says_why && reason != "Error" && !reason.is_empty() {
            reason.to_owned()
        } else {
            format!("exit code {}", ended.exit_code)
        };
        // What else an agent or a program of the image has written is in its log.
        let said = say(&what, &word, Some(message).filter(|_| says_why));
        Some(if is_other {
            format!("{said} (the image is not for the processor of the node)")
        } else {
            said
        })
    })
}

fn waiting_says(what: &str, state: &ContainerState) -> Option<String> {
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if ON_ITS_WAY.contains(&reason) {
        return None;
    }
    Some(say(what, reason, waiting.message.as_deref()))
}

/// One line about something, with what Kubernetes says of it.
fn say(what: &str, reason: &str, message: Option<&str>) -> String {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    let said = match message {
        Some(message) if message.starts_with(reason) => message.to_owned(),
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    };
    format!("{what}: {}", quoted(&said, QUOTED))
}

/// What the Job controller says of a Job for which it could not create a pod. That a Job has ended is
/// a warning too, and says nothing about pods.
#[must_use]
pub fn job_warning(job: &ObjectMeta, events: &[Event], now: i64) -> Option<String> {
    let is_meant = |event: &Event| event.reason.as_deref() == Some(NOT_CREATED);
    let newest = newest_warning(events, i64::MIN, now, is_meant)?;
    let message = newest.message.as_deref().unwrap_or_default();
    let what = format!("Job {} has no pod", job.name.as_deref().unwrap_or_default());
    let said = quoted(without_pod_name(message), QUOTED);
    Some(format!("{what}: {said}"))
}

/// What the newest warning about a pod says: a volume that can't be mounted is in no status.
#[must_use]
pub fn pod_warning(pod: &ObjectMeta, events: &[Event], now: i64) -> Option<String> {
    let newest = newest_warning(events, i64::MIN, now, |_| true)?;
    Some(event_says("pod", pod, newest))
}

/// What the newest warning about a CronJob says that is not older than `since`: why it has created no Job.
#[must_use]
pub fn cron_job_warning(
    cron_job: &ObjectMeta,
    events: &[Event],
    since: i64,
    now: i64,
) -> Option<String> {
    let newest = newest_warning(events, since, now, |_| true)?;
    Some(event_says("CronJob", cron_job, newest))
}

fn event_says(kind: &str, about: &ObjectMeta, event: &Event) -> String {
    let what = format!("{kind} {}", about.name.as_deref().unwrap_or_default());
    let reason = event.reason.as_deref().unwrap_or("a warning");
    say(&what, reason, event.message.as_deref())
}

/// Whoever may create events may date them as they like: one that is to come is none.
fn newest_warning(
    events: &[Event],
    since: i64,
    now: i64,
    is_meant: impl Fn(&Event) -> bool,
) -> Option<&Event> {
    let warnings = events
        .iter()
        .filter(|event| event.type_.as_deref() == Some("Warning") && is_meant(event));
    let dated = warnings.filter_map(|event| {
        let seen = seen_at(event).map_or(i64::MIN, |time| time.0.as_second());
        (seen >= since && seen <= now.saturating_add(CLOCKS_DIFFER)).then_some((seen, event))
    });
    dated.max_by_key(|(seen, _)| *seen).map(|(_, event)| event)
}

/// When an event was seen last.
fn seen_at(event: &Event) -> Option<Time> {
    let of_series = event.series.as_ref();
    let of_series = of_series.and_then(|series| series.last_observed_time.clone());
    let micro = of_series.or_else(|| event.event_time.clone());
    event
        .last_timestamp
        .clone()
        .or_else(|| micro.map(|time| Time(time.0)))
        .or_else(|| event.metadata.creation_timestamp.clone())
}

/// Each try has a pod name of its own: without it the text stays the same from one try to the next.
fn without_pod_name(message: &str) -> &str {
    let message = message.trim_start_matches("Error creating: ");
    let rest = message.strip_prefix("pods \"").and_then(|rest| {
        let (_, rest) = rest.split_once("\" ")?;
        Some(rest.trim_start_matches("is "))
    });
    rest.unwrap_or(message)
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;

/// Since when a Job may have a pod: one that was suspended, as by a queue, begins when it is resumed.
pub(super) fn job_began_at(job: &Job) -> Option<&Time> {
    let status = job.status.as_ref();
    let started = status.and_then(|status| status.start_time.as_ref());
    started.or(job.metadata.creation_timestamp.as_ref())
}

impl PodFact {
    /// Whether a Job has made it.
    #[must_use]
    pub fn is_of_job(&self, job: &Job) -> bool {
        let owner = self.controller.as_ref();
        owner.is_some_and(|owner| {
            owner.kind == "job" && Some(&owner.name) == job.metadata.name.as_ref()
        })
    }

    /// The agent's container, if it has ended.
    #[must_use]
    pub fn ended_agent(&self) -> Option<&EndedContainer> {
        let mut ended = self.ended_containers.iter();
        ended.find(|container| container.name == AGENT)
    }
}
