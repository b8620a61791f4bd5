//! The Job that copies the set of one backup into another bucket. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{Secrets, Task, build_template};
use super::agent_settings::AgentPodSettings;
use super::valid_copies::ValidCopy;
use super::valid_spec::ValidBackup;
use crate::api::{CopyRequest, DatabaseBackup, ProtectedDatabase};

/// How long an ended Job is kept: longer than the pause after one that failed.
const COPY_KEPT: Duration = Duration::from_hours(3);

/// What the agent of a copy is asked. None if it is not known where the set is.
#[must_use]
pub fn copy_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    copy: &ValidCopy,
    of: &DatabaseBackup,
) -> Option<CopyRequest> {
    let status = of.status.as_ref()?;
    // What the first bucket has damaged, the copy has as it was stored.
    let demoted = status.demoted.clone().filter(|by| !by.is_damage());
    Some(CopyRequest {
        namespace: database.metadata.namespace.clone()?,
        database: database.metadata.name.clone()?,
        backup: of.metadata.name.clone()?,
        copy: copy.name.clone(),
        source: backup.storage.clone(),
        path: status.path.clone()?,
        manifest_sha256: status.manifest_sha256.clone()?,
        target: copy.storage.clone(),
        confirmed: status.confirmed.clone().filter(|_| demoted.is_none()),
        demoted,
        is_complete: false,
        retry_seconds: copy.retry_timeout.as_secs(),
        deadline_seconds: backup.deadline.as_secs(),
    })
}

/// A Job in our own image, with the keys of both buckets and none of Postgres.
#[must_use]
pub fn build_copy_job(
    database: &ProtectedDatabase,
    name: &str,
    request: &CopyRequest,
    settings: &AgentPodSettings,
    margin: Duration,
) -> Job {
    let copies = database
        .spec
        .backup
        .iter()
        .flat_map(|backup| &backup.copies);
    let place = copies
        .into_iter()
        .position(|copy| copy.name == request.copy);
    let task = Task {
        name: "copy",
        request: serde_json::to_string(request).unwrap_or_default(),
        // Of a copy that is not in the spec nothing is mounted.
        secrets: Secrets::Copy(place.unwrap_or(usize::MAX)),
        claim: None,
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
            // The operator tries it again, later.
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(deadline.as_secs()).ok(),
            ttl_seconds_after_finished: i32::try_from(COPY_KEPT.as_secs()).ok(),
            template: build_template(database, &task, settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
