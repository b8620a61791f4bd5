//! The rules about agents' Jobs: what runs, or may run, is never stopped by a plan, and a backup is
//! restored only where a user has confirmed it, once. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::Step;
use super::scope::Scope;
use crate::api::names::{self, RESTORE_FILES_TASK};
use crate::api::{DatabaseRestore, REQUEST_VARIABLE, RestoreRequest, RestoreState, RestoreTarget};
use crate::world::{FileClaim, Observed, job_end};

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
    let is_one = |job: &Job| {
        let task = task(job);
        matches!(
            task.as_deref(),
            Some("restore" | RESTORE_FILES_TASK | "drill")
        )
    };
    if !is_one(job) && restore.is_none() {
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
    let kind = match restore.spec.into {
        RestoreTarget::Scratch => "drill",
        _ if restore.is_of_files() => RESTORE_FILES_TASK,
        _ => "restore",
    };
    let request = request_of_job(job);
    let has_way = request.as_ref().is_none_or(|request| {
        let server = &request.server;
        server.host.is_some()
            || server.pod.is_some()
            || server.pods.is_some()
            || !server.credentials_secret.is_empty()
    });
    let needs_no_way = is_drill || restore.is_of_files();
    if task(job).as_deref() != Some(kind) || (needs_no_way && has_way) {
        return Err(
            "it is not the Job of its kind, or one that reaches the database and does not need it",
        );
    }
    if !is_for_directory(restore, request.as_ref()) {
        return Err("it is for another directory than the user has named");
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
        &["restore", RESTORE_FILES_TASK, "drill"]
    } else {
        &["backup", "restore", RESTORE_FILES_TASK]
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

/// Whether a Job restores the very directory that its `DatabaseRestore` names, or none.
fn is_for_directory(restore: &DatabaseRestore, request: Option<&RestoreRequest>) -> bool {
    let asked = restore.spec.files.as_ref();
    let wanted = asked.map(|asked| (&asked.claim, &asked.path));
    let files = request.and_then(|request| request.files.as_ref());
    wanted == files.map(|files| (&files.claim, &files.path))
}

/// Make sure that an agent writes to a claim only to restore files: to one claim, which the spec names, which is
/// the one that was announced, and to which nobody else may write unless the user has said so.
pub fn claims_are_written_only_by_restores_of_files(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::CreateJob(job) = &steps[position] else {
        return Ok(());
    };
    let pod = job
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let volumes = pod.iter().flat_map(|pod| pod.volumes.iter().flatten());
    let written: Vec<&str> = volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .filter(|claim| claim.read_only != Some(true))
        .map(|claim| claim.claim_name.as_str())
        .collect();
    let labels = job.metadata.labels.as_ref();
    let task = labels.and_then(|labels| labels.get(names::TASK_LABEL));
    let restores_files = task.is_some_and(|task| task == RESTORE_FILES_TASK);
    if !restores_files && written.is_empty() {
        return Ok(());
    }
    let observed = scope.database()?;
    let request = request_of_job(job);
    let Some(files) = request.as_ref().and_then(|request| request.files.as_ref()) else {
        return Err("it writes to a claim and restores no files");
    };
    if !restores_files || written != [files.claim.as_str()] {
        return Err("it writes to another claim than that of its directory");
    }
    let backup = observed.database.spec.backup.as_ref();
    let mut named = backup.iter().flat_map(|backup| &backup.directories);
    if !named.any(|one| one.claim == files.claim && one.path == files.path) {
        return Err("spec.backup.directories does not name it");
    }
    let Some(claims) = observed.file_claims.known() else {
        return Err("it is not known which claims there are");
    };
    let is_it = |claim: &&FileClaim| claim.claim == files.claim && claim.uid == files.claim_uid;
    let Some(claim) = claims
        .iter()
        .find(is_it)
        .filter(|claim| !claim.uid.is_empty())
    else {
        return Err("it is another claim than was read");
    };
    let mut restores = observed.restores.known().into_iter().flatten();
    let uid = restore_of_job(job);
    let restore = restores.find(|restore| uid.is_some() && restore.metadata.uid.as_deref() == uid);
    let status = restore.and_then(|restore| restore.status.as_ref());
    let is_announced = status.is_some_and(|status| {
        let mut announced = status.announced.iter();
        announced.any(|said| said.contains(&format!("({})", claim.uid)))
    });
    if !is_announced {
        return Err("its status has not announced that very claim");
    }
    let asked = restore.and_then(|restore| restore.spec.files.as_ref());
    let is_accepted =
        asked.is_some_and(|asked| asked.accept_writers == Some(true)) && !files.path.is_empty();
    let mut pods = claim.pods.iter();
    if !is_accepted && pods.any(|pod| !pod.ended && pod.may_write_to(&claim.claim, &files.path)) {
        return Err("others may write to it meanwhile");
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
