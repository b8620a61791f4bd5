//! The backups that a user has asked for by creating a DatabaseBackup: each gets a Job, made of the
//! CronJob's template. Pure.

use k8s_openapi::api::batch::v1::CronJob;

use super::job_end::job_ended;
use super::not_begun::{Task, uses_the_database};
use super::ready::list;
use crate::api::DatabaseBackup;
use crate::plan::{Plan, Step};
use crate::resources;
use crate::world::Observed;

/// Creates the Job of the oldest backup that nobody takes yet, once no other backup runs. A Job of that
/// name, whatever became of it, is left as it is.
pub fn plan_asked_backups(observed: &Observed, desired: &CronJob, plan: &mut Plan) {
    let (Some(jobs), Some(Some(present))) = (observed.jobs.known(), observed.cron_job.known())
    else {
        return;
    };
    let runs = jobs
        .iter()
        .any(|job| uses_the_database(job) && job_ended(job).is_none());
    let is_planned = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateJob(job) if Task::Backup.is_of(job)));
    if runs || is_planned {
        return;
    }
    let has_job = |name: &str| {
        let mut names = jobs.iter().filter_map(|job| job.metadata.name.as_deref());
        names.any(|of_job| of_job == name)
    };
    let asked = list(&observed.backups)
        .iter()
        .filter(|backup| is_asked(backup))
        .filter_map(|backup| {
            let name = backup.metadata.name.as_deref()?;
            let made = backup.made()?;
            (!has_job(name)).then_some((made, name))
        });
    // Its agent waits for its turn, in the order of all.
    if let Some((_, name)) = asked.min() {
        let mut owner = desired.clone();
        owner.metadata.uid.clone_from(&present.metadata.uid);
        let job = resources::build_first_backup_job(&owner, name);
        plan.steps.push(Step::CreateJob(Box::new(job)));
    }
}

/// Whether nothing is known of a backup but that it is wanted, and it stays.
fn is_asked(backup: &DatabaseBackup) -> bool {
    let state = backup.status.as_ref().and_then(|status| status.state);
    state.is_none() && backup.metadata.deletion_timestamp.is_none()
}
