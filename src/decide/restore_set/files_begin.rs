//! How a restore of files begins: the set is chosen, the claim is the one that the spec names and nobody else
//! writes to it, both are written down, and the Job is created a pass after the status has announced it. No
//! running server is needed. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::super::agent_settings::of_cron_job;
use super::super::judge::Judged;
use super::super::pods::stop_command;
use super::super::twin_words::list_writers;
use super::begin::{chosen_set, plan, refuse_unconfirmed};
use super::blockers::refuse_now;
use super::said;
use super::set_decision::{SetDecision, known};
use crate::api::{
    BackupDirectory, DatabaseRestore, DatabaseRestoreSpec, DatabaseRestoreStatus, FilesToRestore,
    RestoreSource, RestoreState, RestoreTarget, RestoredFiles, RestoredSet, place,
};
use crate::plan::Step;
use crate::resources::{
    ValidBackup, build_restore_files_job, describe_errors, files_restore_request,
};
use crate::wording::list;
use crate::world::{FileClaim, Observed, PodFact};

/// Decides about a restore of files without a Job.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
) -> Result<SetDecision, String> {
    let before = restore.status.clone().unwrap_or_default();
    if restore.is_dry_run() {
        let why = "spec.dryRun is for databases: nothing was done. Create another DatabaseRestore without it";
        let failed = RestoreState::Failed;
        return Ok(SetDecision::over(observed, &before, failed, why.to_owned()));
    }
    if let Some(why) = refuse_unconfirmed(restore, observed) {
        let failed = RestoreState::Failed;
        return Ok(SetDecision::over(observed, &before, failed, why));
    }
    let Some(asked) = &restore.spec.files else {
        return Err("spec.files names no directory".to_owned());
    };
    let settings = settings(judged);
    let named = settings.and_then(|found| Ok((found, directory_of_spec(observed, asked)?)));
    let ((backup, deadline), directory) = match named {
        Ok(named) => named,
        Err(why) => return Ok(SetDecision::blocked(&before, why)),
    };
    let set = match chosen_set(restore, observed, judged, backup)? {
        Ok(set) => set,
        Err(decision) => return Ok(*decision),
    };
    let chosen = DatabaseRestoreStatus {
        set: Some(set.clone()),
        ..before.clone()
    };
    if let Some(why) = refuse_now(restore, observed)? {
        return Ok(SetDecision::blocked(&chosen, why));
    }
    let claim = match usable_claim(observed, asked)? {
        Ok(claim) => claim,
        Err(why) => return Ok(SetDecision::blocked(&chosen, why)),
    };
    let mut message = said::next(restore, observed, &set, "");
    let writers = writers(claim, &asked.path);
    if !writers.is_empty() {
        let said = say_writers(observed, asked, &writers);
        if asked.accept_writers != Some(true) || asked.path.is_empty() {
            return Ok(SetDecision::blocked(&chosen, said));
        }
        message = format!("{message}. {}", accepted(&writers));
    }
    let mut decision = SetDecision::says(&chosen, RestoreState::Running, message);
    let status = &mut decision.status;
    status.announced = vec![announcement(claim)];
    status.start_time = status
        .start_time
        .take()
        .or_else(|| Some(observed.now.clone()));
    // Which set it is, and which claim, is in the status by a pass before it begins.
    let is_announced = before.state == Some(RestoreState::Running)
        && before.set == Some(set.clone())
        && before.announced == status.announced;
    if is_announced {
        let job = build_job(
            restore,
            observed,
            &set,
            (directory, claim),
            (backup, deadline),
        );
        decision.plan = plan(observed, Step::CreateJob(Box::new(job)))?;
        return Ok(decision.held());
    }
    Ok(decision)
}

/// The claim in the status: one of the same name that is another one is announced again.
fn announcement(claim: &FileClaim) -> String {
    format!("PersistentVolumeClaim {} ({})", claim.claim, claim.uid)
}

/// The parts of the spec that it needs, or what is missing.
fn settings<'a>(judged: &'a Judged<'_>) -> Result<(&'a ValidBackup, Option<Duration>), String> {
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
        Ok(restore) => Ok((backup, restore.as_ref().map(|restore| restore.deadline))),
        Err(errors) => Err(describe_errors(errors)),
    }
}

/// The directory as `spec.backup.directories` has it: nothing else is ever written to.
fn directory_of_spec<'a>(
    observed: &'a Observed,
    asked: &RestoredFiles,
) -> Result<&'a BackupDirectory, String> {
    let backup = observed.database.spec.backup.as_ref();
    let all = backup.map_or(&[][..], |backup| &backup.directories);
    let mut found = all.iter();
    let found = found.find(|one| one.claim == asked.claim && one.path == asked.path);
    found.ok_or_else(|| {
        let there: Vec<String> = all.iter().map(|one| place(&one.claim, &one.path)).collect();
        let there = if there.is_empty() {
            "none".to_owned()
        } else {
            list(&there)
        };
        format!(
            "{} is not in spec.backup.directories, which names {there}. Only what that names is restored: add it, \
             with runAsUser and runAsGroup of the owner of the files",
            place(&asked.claim, &asked.path)
        )
    })
}

/// The claim as it is now, or what is wrong with it; the outer error is what could not be read.
fn usable_claim<'a>(
    observed: &'a Observed,
    asked: &RestoredFiles,
) -> Result<Result<&'a FileClaim, String>, String> {
    let mut claims = known(&observed.file_claims)?.iter();
    let name = &asked.claim;
    Ok(match claims.find(|claim| claim.claim == *name) {
        None => Err(format!(
            "PersistentVolumeClaim {name} does not exist. If it was deleted and its volume is still there: \
             kubectl holdfast recover {} -n {}. Else create an empty one: the files go into it",
            observed.name(),
            observed.namespace_name()
        )),
        Some(claim) if claim.terminating => Err(format!(
            "PersistentVolumeClaim {name} is being deleted, and the files would go with it"
        )),
        Some(claim) if claim.uid.is_empty() => {
            Err(format!("PersistentVolumeClaim {name} has no UID"))
        }
        Some(claim) => Ok(claim),
    })
}

/// The pods that may write to the directory, or to what it is in.
fn writers<'a>(claim: &'a FileClaim, path: &str) -> Vec<&'a PodFact> {
    let pods = claim.pods.iter();
    pods.filter(|pod| !pod.ended && pod.may_write_to(&claim.claim, path))
        .collect()
}

fn say_writers(observed: &Observed, asked: &RestoredFiles, writers: &[&PodFact]) -> String {
    let namespace = observed.namespace_name();
    let mut stops: Vec<String> = writers
        .iter()
        .map(|pod| stop_command(namespace, pod))
        .collect();
    stops.dedup();
    let nevertheless = if asked.path.is_empty() {
        ""
    } else {
        ". If it is all right that what they write meanwhile is only in the directory that is kept: create \
         another DatabaseRestore with spec.files.acceptWriters: true, or use --accept-writers"
    };
    format!(
        "{} may write to {}, and what is written while files are restored would not be in them. Stop what \
         writes, the restore goes on by itself, and start it again afterwards: {}{nevertheless}",
        list_writers(writers),
        place(&asked.claim, &asked.path),
        list(&stops)
    )
}

fn accepted(writers: &[&PodFact]) -> String {
    format!(
        "What is written until then by {} will be in what is kept",
        list_writers(writers)
    )
}

fn build_job(
    restore: &DatabaseRestore,
    observed: &Observed,
    set: &RestoredSet,
    (directory, claim): (&BackupDirectory, &FileClaim),
    (backup, deadline): (&ValidBackup, Option<Duration>),
) -> Job {
    let files = FilesToRestore {
        claim: directory.claim.clone(),
        claim_uid: claim.uid.clone(),
        path: directory.path.clone(),
    };
    let database = &observed.database;
    let request = files_restore_request(database, backup, deadline, (restore, set), files);
    // It runs in our own image, and goes where the database's pods may go.
    let settings = of_cron_job(observed, "");
    let at = (directory, claim.node.as_deref());
    build_restore_files_job(database, restore, &request, at, &settings)
}

/// A Job as that of a restore of files, for whoever wants to know whether its pod would be admitted. None where
/// no directory is backed up.
pub fn sample_files_job(observed: &Observed, judged: &Judged<'_>) -> Option<Box<Job>> {
    let limits = settings(judged).ok()?;
    let backup = observed.database.spec.backup.as_ref()?;
    let directory = backup.directories.first()?;
    let spec = DatabaseRestoreSpec {
        database: observed.name().to_owned(),
        from: RestoreSource {
            latest_good: Some(true),
            ..RestoreSource::default()
        },
        into: RestoreTarget::Beside,
        dry_run: None,
        confirm: None,
        accept_suspect: None,
        tables: Vec::new(),
        files: Some(RestoredFiles {
            claim: directory.claim.clone(),
            path: directory.path.clone(),
            accept_writers: None,
        }),
    };
    let mut restore = DatabaseRestore::new("holdfast-try", spec);
    restore.metadata.uid = Some("00000000-0000-0000-0000-000000000000".to_owned());
    let claim = FileClaim {
        claim: directory.claim.clone(),
        ..FileClaim::default()
    };
    let set = RestoredSet::default();
    let job = build_job(&restore, observed, &set, (directory, &claim), limits);
    Some(Box::new(job))
}
