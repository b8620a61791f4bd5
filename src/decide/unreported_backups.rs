//! The backups of which no agent reports: killed while they ran, or never begun. Each is a
//! DatabaseBackup that has Failed, so that users see it. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::job_end::{agent_ended, job_failed};
use super::not_begun::{self, Task};
use super::ready::list;
use crate::api::{BackupState, DatabaseBackup, DatabaseBackupSpec, names, reasons};
use crate::plan::{Plan, Step};
use crate::world::Observed;

/// Marks as failed what nobody else reports.
pub fn plan_unreported(observed: &Observed, plan: &mut Plan) {
    plan_orphans(observed, plan);
    plan_not_begun(observed, plan);
}

/// A backup that says Running although its Job has ended was killed before it could say anything
/// else.
fn plan_orphans(observed: &Observed, plan: &mut Plan) {
    let Some(jobs) = observed.jobs.known() else {
        return;
    };
    for backup in list(&observed.backups)
        .iter()
        .filter(|backup| state(backup) == Some(BackupState::Running))
    {
        let name = backup.metadata.name.clone().unwrap_or_default();
        let (unreported, left) = left_by(backup);
        let (reason, message) = match jobs
            .iter()
            .find(|job| job.metadata.name.as_ref() == Some(&name))
        {
            None => (
                unreported,
                format!("the agent's Job {name} was deleted before it reported; {left}"),
            ),
            Some(job) => match agent_ended(observed, job) {
                None => continue,
                Some(why) => {
                    let (reason, remedy) = of_memory(observed, job).unwrap_or((unreported, ""));
                    let said = not_begun::last_words(observed, job);
                    let message = format!(
                        "the agent's Job {name} ended without a report ({why}{said}); {left}{remedy}"
                    );
                    (reason, message)
                }
            },
        };
        plan.steps.push(Step::FailBackup {
            name,
            reason,
            message,
        });
    }
}

/// What a backup has left of which nobody says how it went, and the reason for that. Its agent says where the set
/// is before it stores anything; from then on the set may be complete, as where the API server was unavailable at the end.
fn left_by(backup: &DatabaseBackup) -> (&'static str, String) {
    let path = backup
        .status
        .as_ref()
        .and_then(|status| status.path.as_ref());
    match path {
        None => (reasons::JOB_FAILED, "no backup was taken".to_owned()),
        Some(path) => (
            reasons::NOT_REPORTED,
            format!(
                "whether its set is complete is not known, so it does not count. To see what is in the bucket: \
                 holdfast backup show {path}"
            ),
        ),
    }
}

/// The reason for an agent that was killed for its memory, and what to do: the kernel kills all of its pod, so
/// that nobody is left who could report it.
fn of_memory(observed: &Observed, job: &Job) -> Option<(&'static str, &'static str)> {
    let agent = observed.agent_of(job)?;
    let remedy = ". It used more memory than its limit: raise \
        spec.backup.resources.limits.memory; pg_dump needs four times the largest value of a row";
    agent
        .out_of_memory
        .then_some((reasons::OUT_OF_MEMORY, remedy))
}

/// A backup whose agent could not begin, or could not say that it did, is a DatabaseBackup too, so that
/// users see that none was taken. It is created in one pass and marked as failed in the next; then a
/// Job that still waits is ended.
fn plan_not_begun(observed: &Observed, plan: &mut Plan) {
    let (Some(jobs), Some(backups)) = (observed.jobs.known(), observed.backups.known()) else {
        return;
    };
    let ours = jobs
        .iter()
        .filter(|job| Task::Backup.is_of(job) && observed.is_ours(&job.metadata));
    for job in ours {
        let name = job.metadata.name.clone().unwrap_or_default();
        let overdue = not_begun::overdue(observed, job);
        let (reason, message) = match (job_failed(job), overdue.clone()) {
            (_, Some(why)) => {
                let message = format!(
                    "{why}, and no backup was taken. Whether its pod would be admitted: kubectl \
                     holdfast check -n {}",
                    observed.namespace_name()
                );
                (reasons::AGENT_NOT_STARTED, message)
            }
            (Some(why), None) => (
                not_begun::reason(observed, job),
                format!(
                    "the agent's Job {name} ended without a report ({why}{}); no backup was taken",
                    not_begun::last_words(observed, job)
                ),
            ),
            (None, None) => continue,
        };
        let mut of_name = backups.iter();
        match of_name.find(|backup| backup.metadata.name.as_ref() == Some(&name)) {
            None => {
                let backup = build_failed_backup(observed, &name);
                plan.steps.push(Step::CreateBackup(Box::new(backup)));
                continue;
            }
            // Whether that one has begun is not clear: it is looked after above.
            Some(backup) if state(backup) == Some(BackupState::Running) => continue,
            Some(backup) if state(backup).is_none() => plan.steps.push(Step::FailBackup {
                name,
                reason,
                message,
            }),
            Some(_) => {}
        }
        if overdue.is_some() {
            plan.steps
                .push(Step::EndJob(Box::new(job.metadata.clone())));
        }
    }
}

/// The DatabaseBackup that the agent of a Job would have created. Like that it has no owner.
pub fn build_failed_backup(observed: &Observed, name: &str) -> DatabaseBackup {
    let labels = [
        (names::DATABASE_LABEL, observed.name()),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ];
    let spec = DatabaseBackupSpec {
        database: observed.name().to_owned(),
    };
    let mut backup = DatabaseBackup::new(name, spec);
    backup.metadata.namespace = Some(observed.namespace_name().to_owned());
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    backup.metadata.labels = Some(labels.into());
    backup
}

/// What a backup says of itself.
pub fn state(backup: &DatabaseBackup) -> Option<BackupState> {
    backup.status.as_ref()?.state
}
