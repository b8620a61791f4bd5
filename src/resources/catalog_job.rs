//! The Job that looks at all sets of a database in its bucket and removes those that no rule of retention keeps.
//! Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{Task, build_template};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::backup_job::request_of;
use crate::api::{CatalogRequest, ProtectedDatabase};

/// How long an ended Job is kept: while it is there, the next one is not due.
pub const CATALOG_KEPT: Duration = Duration::from_hours(26);
/// The same of a short one, of which there may be one for each backup.
const SHORT_KEPT: Duration = Duration::from_hours(2);

/// Whether a Job is a short look, that only stores what checks have said.
#[must_use]
pub fn is_short_look(job: &Job) -> bool {
    let request: Option<CatalogRequest> = job.spec.as_ref().and_then(request_of);
    request.is_some_and(|request| request.verdicts_only)
}

/// A Job in our own image, with the key of the bucket and none of Postgres.
#[must_use]
pub fn build_catalog_job(
    database: &ProtectedDatabase,
    name: &str,
    request: &CatalogRequest,
    settings: &AgentPodSettings,
    margin: Duration,
) -> Job {
    let task = Task {
        name: "catalog",
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Storage,
        claim: None,
        directories: &[],
        node: None,
    };
    let kept = if request.verdicts_only {
        SHORT_KEPT
    } else {
        CATALOG_KEPT
    };
    let deadline = Duration::from_secs(request.deadline_seconds).saturating_add(margin);
    Job {
        metadata: build_metadata(
            database,
            database,
            Some(name.to_owned()),
            task.name,
            settings,
        ),
        spec: Some(JobSpec {
            // The operator says when the next one is due.
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(deadline.as_secs()).ok(),
            ttl_seconds_after_finished: i32::try_from(kept.as_secs()).ok(),
            template: build_template(database, &task, settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
