//! The Jobs of one check: that of the check itself, and one for each rule about files. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{ExaminedClaim, Task, build_template};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use crate::api::{CheckRequest, DatabaseCheck, FilesRequest, ProtectedDatabase, names};

/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 900;

/// The Job of one check, under the check's name, so that one check never has two.
#[must_use]
pub fn build_check_job(
    database: &ProtectedDatabase,
    check: &DatabaseCheck,
    request: &CheckRequest,
    settings: &AgentPodSettings,
    margin: Duration,
) -> Job {
    let task = Task {
        name: "check",
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: if request.remembered_in.is_some() {
            Secrets::PostgresAndStorage
        } else {
            Secrets::Postgres
        },
        claim: None,
        directories: &[],
        node: None,
    };
    build_job(
        database,
        check,
        check.metadata.name.clone(),
        &task,
        Duration::from_secs(request.timeout_seconds).saturating_add(margin),
        settings,
    )
}

/// The Job that looks for the files of one rule. `node` is where the claim is mounted already.
///
/// Each rule has a Job of its own: claims may be on different nodes, their files may belong to
/// different users, and one that can't be mounted must not hide the others.
#[must_use]
pub fn build_files_job(
    database: &ProtectedDatabase,
    check: &DatabaseCheck,
    request: &FilesRequest,
    node: Option<&str>,
    settings: &AgentPodSettings,
    margin: Duration,
) -> Job {
    let rule = &request.rule;
    let claim = ExaminedClaim {
        claim: &rule.claim,
        user: rule.run_as_user,
        group: rule.run_as_group,
        node,
        is_written: false,
    };
    let task = Task {
        name: "files",
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Postgres,
        claim: Some(claim),
        directories: &[],
        node: None,
    };
    let name = names::files_job(
        check.metadata.uid.as_deref().unwrap_or_default(),
        request.place,
    );
    build_job(
        database,
        check,
        Some(name),
        &task,
        Duration::from_secs(request.timeout_seconds).saturating_add(margin),
        settings,
    )
}

fn build_job(
    database: &ProtectedDatabase,
    check: &DatabaseCheck,
    name: Option<String>,
    task: &Task<'_>,
    deadline: Duration,
    settings: &AgentPodSettings,
) -> Job {
    Job {
        metadata: build_metadata(database, check, name, task.name, settings),
        spec: Some(JobSpec {
            // The operator decides whether and when to look again, so that a broken database or
            // claim makes no loop of pods.
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(deadline.as_secs()).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template: build_template(database, task, settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
