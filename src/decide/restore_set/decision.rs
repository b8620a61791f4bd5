//! What one pass does about a `DatabaseRestore` from a backup. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::super::judge::judge_checks;
use super::set_decision::{SetDecision, known};
use super::{begin, drill_begin, drill_end, dry_run_end, ended, files_begin, files_end, under_way};
use crate::api::{DatabaseRestore, RestoreReport, RestoreTarget, names};
use crate::world::Observed;

/// Decides about a restore from a backup that is not final.
///
/// # Errors
/// What could not be read; nothing is decided then.
pub fn decide_set(restore: &DatabaseRestore, observed: &Observed) -> Result<SetDecision, String> {
    let before = restore.status.clone().unwrap_or_default();
    let judged = judge_checks(observed);
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let name = names::restore_job(uid);
    let jobs = known(&observed.jobs)?;
    let mut of_name = jobs.iter();
    let job = of_name.find(|job| job.metadata.name.as_deref() == Some(name.as_str()));
    let is_drill = restore.spec.into == RestoreTarget::Scratch;
    if let Some(report) = before.report.as_ref().filter(|report| is_over(report)) {
        return Ok(if restore.is_of_files() {
            files_end::decide(restore, observed, &judged, report)
        } else if restore.is_dry_run() {
            dry_run_end::decide(restore, observed, report)
        } else if is_drill {
            let own = job.filter(|job| is_of(observed, job, restore));
            drill_end::decide(restore, observed, own, report)
        } else {
            ended::decide(restore, observed, &judged, report)
        });
    }
    let mut decision = match job {
        Some(job) if !is_of(observed, job, restore) => SetDecision::blocked(
            &before,
            format!(
                "Job {name} was not created for this restore, which needs that name. Delete it: kubectl -n \
                 {} delete job {name}",
                observed.namespace_name()
            ),
        ),
        Some(job) => under_way::decide(&before, observed, job),
        None if before.job.is_some() => under_way::job_gone(&before, observed, (&name, restore)),
        None if restore.is_of_files() => files_begin::decide(restore, observed, &judged)?,
        None if is_drill => drill_begin::decide(restore, observed, &judged)?,
        None => begin::decide(restore, observed, &judged)?,
    };
    // It has changed nothing that would have to be finished: deleted, it goes with its Job.
    decision.is_held &= restore.changes_something();
    Ok(decision)
}

/// Whether the agent has reported its end.
fn is_over(report: &RestoreReport) -> bool {
    report.completion_time.is_some()
}

/// Whether a Job is that of this very restore.
fn is_of(observed: &Observed, job: &Job, restore: &DatabaseRestore) -> bool {
    let mut owners = job.metadata.owner_references.iter().flatten();
    observed.is_ours(&job.metadata)
        && owners.any(|owner| Some(&owner.uid) == restore.metadata.uid.as_ref())
}
