//! The rules about agents' Jobs: what runs, or may run, is never stopped by a plan, and a backup is
//! restored only where a user has confirmed it, once. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::Step;
use super::scope::Scope;
use crate::api::{REQUEST_VARIABLE, RestoreRequest, RestoreState, RestoreTarget, names};
use crate::world::{Observed, job_end};

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
    if job_end(job).is_some() || has_ended(observed, job) {
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

/// Make sure that a backup is restored only for a `DatabaseRestore` as it was read: a user has confirmed
/// it for this very database, its status has said which set it is, and it has not had its Job. One Job at
/// a time uses the database so. A drill gets no way to the database, and a dry run is asked for nothing else.
pub fn restores_are_confirmed_and_run_once(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::CreateJob(job) = &steps[position] else {
        return Ok(());
    };
    let task = |job: &Job| {
        let labels = job.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(names::TASK_LABEL))
            .cloned()
    };
    let observed = scope.database()?;
    let mut restores = observed.restores.known().into_iter().flatten();
    let uid = restore_of_job(job);
    let restore = restores.find(|restore| uid.is_some() && restore.metadata.uid.as_deref() == uid);
    if !matches!(task(job).as_deref(), Some("restore" | "drill")) && restore.is_none() {
        return Ok(());
    }
    let Some(restore) = restore else {
        return Err("it is the Job of no DatabaseRestore of this database that was read");
    };
    let database = observed.database.metadata.uid.as_ref();
    let is_dry_run = restore.is_dry_run();
    if restore.spec.into == RestoreTarget::Replace
        && !is_dry_run
        && (database.is_none() || restore.spec.confirm.as_ref() != database)
    {
        return Err("nobody has confirmed it by the UID of this database");
    }
    let status = restore.status.clone().unwrap_or_default();
    if status.state != Some(RestoreState::Running) || status.set.is_none() {
        return Err("its status has not announced it");
    }
    let is_drill = restore.spec.into == RestoreTarget::Scratch;
    let kind = if is_drill { "drill" } else { "restore" };
    let request = request_of_job(job);
    let has_way = request.as_ref().is_none_or(|request| {
        let server = &request.server;
        server.host.is_some()
            || server.pod.is_some()
            || server.pods.is_some()
            || !server.credentials_secret.is_empty()
    });
    if task(job).as_deref() != Some(kind) || (is_drill && has_way) {
        return Err("it is not the Job of its kind, or a drill that reaches the database");
    }
    let is_for_set = request.is_some_and(|request| {
        status.set.as_ref().is_some_and(|set| {
            set.path == request.path
                && set.manifest_sha256 == request.manifest_sha256
                && set.bucket == request.storage.bucket
        }) && request.into == restore.spec.into
            && request.dry_run == is_dry_run
            && (request.confirmed_only
                || restore.spec.from.set.is_none()
                || restore.spec.accept_suspect == Some(true))
    });
    if !is_for_set {
        return Err("it is for another set, or another place, than its status has announced");
    }
    let Some(jobs) = observed.jobs.known() else {
        return Err("it is not known which Jobs there are");
    };
    let is_again = status.job.is_some()
        || jobs
            .iter()
            .any(|other| other.metadata.name == job.metadata.name);
    if is_again {
        return Err("it has had its Job");
    }
    // What is begun beside a drill or a dry run takes nothing from it, and these take nothing from others.
    let disturbing: &[&str] = if is_drill || is_dry_run {
        &["restore", "drill"]
    } else {
        &["backup", "restore"]
    };
    let uses_it = |other: &Job| {
        let is_one = task(other).is_some_and(|task| disturbing.contains(&task.as_str()));
        let waits_for_it = is_dry_run || is_drill || !is_dry_run_job(other);
        is_one && waits_for_it && job_end(other).is_none()
    };
    let planned = steps.iter().enumerate().any(|(place, step)| {
        matches!(step, Step::CreateJob(other) if place != position && uses_it(other))
    });
    if planned || jobs.iter().any(uses_it) {
        return Err("another backup or restore of this database is under way");
    }
    Ok(())
}

/// The UID of the `DatabaseRestore` in the name of a Job, if it is named so.
#[must_use]
pub fn restore_of_job(job: &Job) -> Option<&str> {
    let name = job.metadata.name.as_deref()?;
    name.strip_prefix(names::RESTORE_JOB_PREFIX)
}

/// What the agent of a restore's Job is asked.
#[must_use]
pub fn request_of_job(job: &Job) -> Option<RestoreRequest> {
    let pod = job.spec.as_ref()?.template.spec.as_ref()?;
    let mut variables = pod
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    let request = variables.find(|variable| variable.name == REQUEST_VARIABLE)?;
    serde_json::from_str(&request.value.as_ref()?.replace("$$", "$")).ok()
}

/// Whether a Job only looks whether a backup could be restored: nobody waits for it.
#[must_use]
pub fn is_dry_run_job(job: &Job) -> bool {
    request_of_job(job).is_some_and(|request| request.dry_run)
}

/// Whether the agent's container has ended in every pod of the Job, and there is one.
fn has_ended(observed: &Observed, job: &Job) -> bool {
    let pods = observed.other_pods.known().into_iter().flatten();
    let mut of_job = pods.filter(|pod| pod.is_of_job(job)).peekable();
    of_job.peek().is_some() && of_job.all(|pod| pod.ended_agent().is_some())
}
