//! A drill whose agent has reported its end. It has proven its backup only if the report says so of each
//! thing that was asked, and the Job that the operator has created for it has ended well. Pure.

use k8s_openapi::api::batch::v1::Job;

use super::super::job_end::{agent_succeeded, job_ended};
use super::super::last_backups::backup_of_name;
use super::drill_proof::why_not_proven;
use super::said;
use super::set_decision::SetDecision;
use crate::api::{DatabaseRestore, RestoreReport, RestoreState};
use crate::plan::request_of_job;
use crate::world::Observed;

/// Decides by the report, and by the Job if it is there and is that of this very drill.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    job: Option<&Job>,
    report: &RestoreReport,
) -> SetDecision {
    let before = restore.status.clone().unwrap_or_default();
    let backup = before.set.as_ref().map_or("", |set| set.backup.as_str());
    let failed = |why: String| {
        let message = format!("backup {backup} is not proven: {why}");
        SetDecision::over(observed, &before, RestoreState::Failed, message)
    };
    if let Some(failure) = &report.failure {
        let class = report.drill.as_ref().and_then(|drill| drill.class);
        let class = class.map_or_else(String::new, |class| format!(", {}", class.as_str()));
        return failed(format!(
            "{} ({}{class})",
            said::quoted(&failure.message),
            said::quoted(&failure.reason)
        ));
    }
    let (Some(set), Some(_)) = (&before.set, &before.job) else {
        return failed("there is a report, and no Job was created for it".to_owned());
    };
    let is_seen = |job: &&Job| job.metadata.uid.is_some() && job.metadata.uid == before.job_uid;
    let Some(job) = job.filter(is_seen) else {
        return failed("its Job was deleted, or replaced, before its end was seen".to_owned());
    };
    match agent_succeeded(observed, job) {
        // A moment later. What was reported stays.
        None => {
            let said = format!("{}; its Job is ending", said::progress(&before));
            return SetDecision::says(&before, RestoreState::Running, said);
        }
        Some(false) => {
            let why = job_ended(job).unwrap_or("its exit code is not 0");
            return failed(format!(
                "its agent says that it is, and its Job failed ({why})"
            ));
        }
        Some(true) => {}
    }
    let Some(asked) = request_of_job(job).and_then(|request| request.drill) else {
        return failed("what its Job was asked can't be read".to_owned());
    };
    let of_set = backup_of_name(observed, &set.backup);
    if let Some(why) = why_not_proven(report, &asked, set, of_set) {
        return failed(why);
    }
    let message = said::outcome(restore, report);
    SetDecision::over(observed, &before, RestoreState::Complete, message)
}
