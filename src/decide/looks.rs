//! The looks at the sets in the bucket: the newest report, how long ago something was, and how a Job is created that
//! works on the bucket. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ready::list;
use crate::api::{CatalogReport, DatabaseBackup};
use crate::plan::{Plan, Step};
use crate::world::{AgentIdentity, Observed};

/// The backup with the newest report about the sets, and the report. Which is the newest the API server's
/// clock says: each is made for the newest confirmed backup of its time.
pub fn newest_report(observed: &Observed) -> Option<(&DatabaseBackup, &CatalogReport)> {
    list(&observed.backups)
        .iter()
        .filter_map(|backup| Some((backup, backup.status.as_ref()?.catalog.as_ref()?)))
        .max_by_key(|(backup, _)| backup.made())
}

/// How long ago that was, by the API server's clock; none if it is to come.
pub fn age_of(observed: &Observed, time: &Time) -> Option<Duration> {
    Duration::try_from(observed.server_time().duration_since(time.0)).ok()
}

/// Creates the Job of an agent that works on the bucket, and what it needs in the namespace.
pub fn plan_agent_job(observed: &Observed, job: Job, plan: &mut Plan) {
    if observed.agent_identity.known() == Some(&AgentIdentity::Missing)
        && !plan.steps.contains(&Step::EnsureAgentIdentity)
    {
        plan.steps.push(Step::EnsureAgentIdentity);
    }
    plan.steps.push(Step::CreateJob(Box::new(job)));
}
