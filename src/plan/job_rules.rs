//! The rule about ending an agent's Job: what runs, or may run, is never stopped by a plan. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::Step;
use super::scope::Scope;
use crate::world::Observed;

/// Make sure that a Job is deleted only if it is an agent's of this database, as it was read, and its
/// agent does nothing: it has ended, or it had its time and is known not to have begun.
pub fn only_jobs_of_idle_agents_are_ended(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::EndJob(metadata) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let mut jobs = observed.jobs.known().into_iter().flatten();
    let is_read = |job: &&Job| metadata.uid.is_some() && job.metadata.uid == metadata.uid;
    let Some(job) = jobs.find(is_read) else {
        return Err("it is not a Job that was read");
    };
    if !observed.is_ours(&job.metadata) {
        return Err("it is not a Job of this database's agents");
    }
    if has_ended(observed, job) {
        return Ok(());
    }
    let agent = observed.agent_of(job);
    if agent.is_none_or(|agent| agent.has_begun) {
        return Err("its agent has begun and not ended, or that is not known");
    }
    if job.metadata.deletion_timestamp.is_some() {
        return Err("it is being deleted already");
    }
    match observed.job_age(job) {
        Some(age) if age >= observed.pace.start => Ok(()),
        _ => Err("its agent still has time to begin"),
    }
}

/// Whether the agent's container has ended in every pod of the Job, and there is one.
fn has_ended(observed: &Observed, job: &Job) -> bool {
    let pods = observed.other_pods.known().into_iter().flatten();
    let mut of_job = pods.filter(|pod| pod.is_of_job(job)).peekable();
    of_job.peek().is_some() && of_job.all(|pod| pod.ended_agent().is_some())
}
