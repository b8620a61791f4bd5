//! What a restore from a backup waits for before its Job is created. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::super::bare_pods::leading;
use super::super::job_end::job_ended;
use super::super::judge::Judged;
use super::super::not_begun::{Task, uses_the_database};
use super::super::primaries::{Primaries, primaries};
use super::super::running::{Role, Running, primary, role};
use super::set_decision::known;
use crate::api::DatabaseRestore;
use crate::plan::restore_of_job;
use crate::resources::{ValidBackup, ValidRestore, describe_errors};
use crate::world::Observed;

/// The parts of the spec that a restore needs, or what is missing. Before anything is chosen.
pub fn settings<'a>(
    observed: &Observed,
    judged: &'a Judged<'_>,
) -> Result<(&'a ValidBackup, &'a ValidRestore), String> {
    let (name, namespace) = (observed.name(), observed.namespace_name());
    let backup = match &judged.spec.backup {
        Ok(Some(backup)) => backup,
        Ok(None) => {
            return Err(
                "spec.backup is not set, so it is not known which bucket the backups are in, nor how to \
                 read it. Set it to where they are"
                    .to_owned(),
            );
        }
        Err(errors) => return Err(describe_errors(errors)),
    };
    match &judged.spec.restore {
        Ok(Some(restore)) => Ok((backup, restore)),
        Ok(None) => Err(format!(
            "spec.restore.credentialsSecret is not set: a restore logs in as a role that may create \
             databases, which the role of checks and backups must not. Nothing was changed; it goes on \
             once that is set. The SQL for the role: kubectl holdfast grant-sql {name} -n {namespace} \
             --restore. Then put its name and password into a Secret, and name it: kubectl -n {namespace} \
             patch protdb {name} --type=merge -p \
             '{{\"spec\":{{\"restore\":{{\"credentialsSecret\":{{\"name\":\"SECRET\"}}}}}}}}'"
        )),
        Err(errors) => Err(describe_errors(errors)),
    }
}

/// What else must not be while a backup is restored; the outer error is what could not be read.
pub fn refuse_now(
    restore: &DatabaseRestore,
    observed: &Observed,
) -> Result<Option<String>, String> {
    if let Some(why) = refuse_by_database(observed)? {
        return Ok(Some(why));
    }
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let jobs = known(&observed.jobs)?;
    let mut running = jobs.iter().filter(|job| job_ended(job).is_none());
    let disturbs = running.find_map(|job| {
        let of_job = job.metadata.name.as_deref().unwrap_or_default();
        if Task::Backup.is_of(job) {
            Some(format!(
                "a backup is being taken (Job {of_job}), and a restore {}; this one waits for it",
                if restore.is_of_files() {
                    "replaces the files that it reads"
                } else {
                    "ends the sessions of the database"
                }
            ))
        } else if uses_the_database(job) && restore_of_job(job) != Some(uid) {
            Some(format!(
                "another restore of the same database is under way (Job {of_job}); this one waits for it"
            ))
        } else {
            None
        }
    });
    Ok(disturbs)
}

/// Whether a Job restores databases or files, or is the dry run of that.
fn is_restore(job: &Job) -> bool {
    Task::Restore.is_of(job) || Task::RestoreFiles.is_of(job)
}

/// What must not be while a drill or a dry run begins. It takes nothing from a backup, and nothing from a
/// restore but the time of the bucket.
pub fn refuse_beside_restores(
    restore: &DatabaseRestore,
    observed: &Observed,
) -> Result<Option<String>, String> {
    if let Some(why) = refuse_by_database(observed)? {
        return Ok(Some(why));
    }
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let jobs = known(&observed.jobs)?;
    let mut running = jobs.iter().filter(|job| job_ended(job).is_none());
    let other = running.find(|job| {
        (is_restore(job) || Task::Drill.is_of(job)) && restore_of_job(job) != Some(uid)
    });
    Ok(other.map(|job| {
        format!(
            "another restore of the same database is under way (Job {}); this one waits for it",
            job.metadata.name.as_deref().unwrap_or_default()
        )
    }))
}

/// What of the database itself is against any restore.
fn refuse_by_database(observed: &Observed) -> Result<Option<String>, String> {
    let (name, namespace) = (observed.name(), observed.namespace_name());
    if observed.database.metadata.deletion_timestamp.is_some() {
        return Ok(Some(format!("ProtectedDatabase {name} is being deleted")));
    }
    if observed.database.spec.suspend {
        return Ok(Some(
            "spec.suspend is true: nothing is restored, because nothing would check it. Set it to false"
                .to_owned(),
        ));
    }
    if let Some(other) = &observed.other_namespace {
        return Ok(Some(other.describe()));
    }
    known(&observed.neighbours)?;
    if let Some(rival) = observed.rival() {
        return Ok(Some(format!(
            "ProtectedDatabase {namespace}/{rival}, which is older, names the same workload, and a \
             workload can belong to only one. Delete one of the two"
        )));
    }
    Ok(None)
}

/// The container that the backup is restored into, or what there is instead; the outer error is what could
/// not be read.
pub fn target<'a, 'b>(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &'a [Running<'b>],
) -> Result<Result<&'a Running<'b>, String>, String> {
    known(&observed.workload)?;
    known(&observed.pods)?;
    let called = observed.database.spec.workload.called();
    if let Primaries::Two(one, other) = primaries(judged, running) {
        return Ok(Err(format!(
            "pods {} and {} are both primaries of {called}, and it is not known which one has the data; \
             stop one of them",
            one.pod.name, other.pod.name
        )));
    }
    let led = leading(observed, running);
    let chosen = primary(judged, &led);
    // It is found again in what the caller has.
    let chosen = chosen.and_then(|chosen| {
        let mut all = running.iter();
        all.find(|start| start.container.id == chosen.container.id)
    });
    let Some(start) = chosen else {
        return Ok(Err(format!(
            "no pod of {called} runs Postgres, and a backup is restored into the running server. Start it; \
             if its claim or volume is gone: kubectl holdfast recover {} -n {}",
            observed.name(),
            observed.namespace_name()
        )));
    };
    if role(judged, start) == Some(Role::Replica) {
        return Ok(Err(format!(
            "pod {} runs a replica, and no primary was found; a backup is restored into the primary",
            start.pod.name
        )));
    }
    Ok(Ok(start))
}
