//! Whether a Job of an agent has ended. What counts is the agent's own container: where another one of
//! its pod runs on, such as the sidecar of a service mesh, the Job never ends by itself. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::has_outcome;
use super::not_begun::Task;
use super::ready::list;
use crate::api::{BackupState, names};
use crate::plan::{Plan, Step};
use crate::resources::is_short_look;
use crate::world::{EndedContainer, Observed, job_end};

/// How long after the end of the agent its report may still be on its way into what is read, in
/// seconds: checks and pods are read side by side. Also how long Kubernetes has to end the pod itself.
const REPORT_SECONDS: i64 = 30;

fn reason_of(end: &JobCondition) -> &str {
    end.reason.as_deref().unwrap_or("no reason given")
}

/// Why a Job has ended, if it has.
pub fn job_ended(job: &Job) -> Option<&str> {
    job_end(job).map(reason_of)
}

/// Why a Job has failed, if it has.
pub(super) fn job_failed(job: &Job) -> Option<&str> {
    job_end(job)
        .filter(|end| end.type_ == "Failed")
        .map(reason_of)
}

/// When a Job has ended, if it has.
pub(super) fn job_ended_at(job: &Job) -> Option<&Time> {
    job_end(job)?.last_transition_time.as_ref()
}

/// Why a Job has ended, if it has: as a whole, or just its agent, a while ago.
pub(super) fn agent_ended(observed: &Observed, job: &Job) -> Option<String> {
    if let Some(why) = job_ended(job) {
        return Some(why.to_owned());
    }
    let ended = outlived(observed, job).filter(|ended| seconds_left(observed, ended) <= 0)?;
    Some(format!(
        "the agent's container ended with exit code {}, another container of its pod runs on",
        ended.exit_code
    ))
}

/// Whether an agent has ended well: its Job says so, or its own exit code a while ago, where another
/// container of its pod runs on. None while that is not known.
pub(super) fn agent_succeeded(observed: &Observed, job: &Job) -> Option<bool> {
    if let Some(end) = job_end(job) {
        return Some(end.type_ == "Complete");
    }
    let ended = outlived(observed, job).filter(|ended| seconds_left(observed, ended) <= 0)?;
    Some(ended.exit_code == 0)
}

/// The agent's container, where it has ended and its pod has not.
fn outlived<'a>(observed: &'a Observed, job: &Job) -> Option<&'a EndedContainer> {
    let pod = list(&observed.other_pods).iter().find(|pod| {
        !pod.ended
            && pod.is_of_job(job)
            && pod.labels.get(names::DATABASE_LABEL).map(String::as_str) == Some(observed.name())
    })?;
    pod.ended_agent()
}

fn seconds_left(observed: &Observed, ended: &EndedContainer) -> i64 {
    let at = ended.at.as_ref().map_or(0, |at| at.0.as_second());
    at.saturating_add(REPORT_SECONDS) - observed.now.0.as_second()
}

/// Ends the Jobs whose agent has ended and whose report was taken. One without a report is judged
/// first. A backup that ended before it had a `DatabaseBackup` is left to the Job's deadline: its name
/// is all that says that it was tried.
pub(super) fn plan_ends(observed: &Observed, plan: &mut Plan) {
    plan_removal_of_drills(observed, plan);
    let jobs = list(&observed.jobs).iter();
    for job in jobs.filter(|job| observed.is_ours(&job.metadata) && job_ended(job).is_none()) {
        let is_reported = is_reported(observed, job);
        let left = match outlived(observed, job) {
            Some(ended) => seconds_left(observed, ended),
            // Its container ends in a moment, and no event may say so.
            None if is_reported => REPORT_SECONDS,
            None => continue,
        };
        if left > 0 {
            plan.read_again_after(Duration::from_secs(left.unsigned_abs()));
        } else if is_reported && job.metadata.deletion_timestamp.is_none() {
            plan.steps
                .push(Step::EndJob(Box::new(job.metadata.clone())));
        }
    }
}

/// Deletes the Job of a drill that is over, and its pod: the volume of a drill lives as long as that.
fn plan_removal_of_drills(observed: &Observed, plan: &mut Plan) {
    let jobs = list(&observed.jobs).iter();
    let over = jobs.filter(|job| {
        Task::Drill.is_of(job)
            && observed.is_ours(&job.metadata)
            && job_ended(job).is_some()
            && job.metadata.deletion_timestamp.is_none()
            && is_reported(observed, job)
    });
    let steps = over.map(|job| Step::EndJob(Box::new(job.metadata.clone())));
    plan.steps.extend(steps);
}

/// Whether all that the Job was for is written.
fn is_reported(observed: &Observed, job: &Job) -> bool {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    if Task::Check.is_of(job) {
        list(&observed.checks)
            .iter()
            .any(|check| check.metadata.name.as_deref() == Some(name) && has_outcome(check))
    } else if Task::Files.is_of(job) {
        list(&observed.checks).iter().any(|check| {
            let uid = check.metadata.uid.as_deref().unwrap_or_default();
            let reported = check.status.iter().flat_map(|status| &status.files);
            reported
                .filter_map(|files| usize::try_from(files.rule).ok())
                .any(|rule| names::files_job(uid, rule) == name)
        })
    } else if Task::Restore.is_of(job) || Task::RestoreFiles.is_of(job) {
        list(&observed.restores).iter().any(|restore| {
            let uid = restore.metadata.uid.as_deref().unwrap_or_default();
            let report = restore
                .status
                .as_ref()
                .and_then(|status| status.report.as_ref());
            names::restore_job(uid) == name
                && report.is_some_and(|report| report.completion_time.is_some())
        })
    } else if Task::Drill.is_of(job) {
        // What its Job says counts as well, so that one is waited for.
        list(&observed.restores).iter().any(|restore| {
            let uid = restore.metadata.uid.as_deref().unwrap_or_default();
            names::restore_job(uid) == name && !restore.is_open()
        })
    } else if Task::Catalog.is_of(job) {
        list(&observed.backups).iter().any(|backup| {
            let report = backup
                .status
                .as_ref()
                .and_then(|status| status.catalog.as_ref());
            report.is_some_and(|report| {
                let stored = report.verdicts.as_ref();
                (report.job == name && report.completion_time.is_some())
                    || (is_short_look(job) && stored.is_some_and(|stored| stored.job == name))
            })
        })
    } else if Task::Copy.is_of(job) {
        let all = list(&observed.backups).iter();
        let mut copies = all.flat_map(|backup| backup.status.iter().flat_map(|one| &one.copies));
        copies.any(|copy| copy.job == name && copy.has_ended())
    } else {
        Task::Backup.is_of(job)
            && list(&observed.backups).iter().any(|backup| {
                let state = backup.status.as_ref().and_then(|status| status.state);
                backup.metadata.name.as_deref() == Some(name)
                    && state.is_some_and(|state| state != BackupState::Running)
            })
    }
}
