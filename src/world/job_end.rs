//! How a Job has ended, as its conditions say it. Pure.

use k8s_openapi::api::batch::v1::{Job, JobCondition};

/// The condition that says that a Job has ended, if it has.
#[must_use]
pub fn job_end(job: &Job) -> Option<&JobCondition> {
    let mut conditions = job.status.as_ref()?.conditions.as_ref()?.iter();
    conditions.find(|condition| {
        matches!(condition.type_.as_str(), "Failed" | "Complete") && condition.status == "True"
    })
}
