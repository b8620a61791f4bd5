//! The Job that restores a backup for one `DatabaseRestore`. Pure.

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{RESTORE, Secrets, Task, build_template};
use super::agent_settings::AgentPodSettings;
use super::backup_job::{BACKOFF_LIMIT, MARGIN_SECONDS, build_failure_policy};
use crate::api::{DatabaseRestore, ProtectedDatabase, RestoreRequest, names};

/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 86_400;

/// The Job of one restore, under a name made of the restore's UID, so that one never has two. A pod that
/// was evicted is replaced, and the agent goes on where the one before was; what the agent reports as
/// failed ends the Job.
#[must_use]
pub fn build_restore_job(
    database: &ProtectedDatabase,
    restore: &DatabaseRestore,
    request: &RestoreRequest,
    settings: &AgentPodSettings,
) -> Job {
    let task = Task {
        name: RESTORE,
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Restore,
        claim: None,
        directories: &[],
        node: None,
    };
    let mut settings = settings.clone();
    let backup = database.spec.backup.as_ref();
    if let Some(resources) = backup.and_then(|backup| backup.resources.clone()) {
        settings.agents.resources = Some(resources);
    }
    let name = names::restore_job(&request.restore_uid);
    let deadline = request.deadline_seconds.saturating_add(MARGIN_SECONDS);
    Job {
        metadata: build_metadata(database, restore, Some(name), task.name, &settings),
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            pod_failure_policy: Some(build_failure_policy()),
            pod_replacement_policy: Some("Failed".to_owned()),
            active_deadline_seconds: i64::try_from(deadline).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template: build_template(database, &task, &settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
