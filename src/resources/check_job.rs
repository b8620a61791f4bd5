//! The Job of one check. Pure.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;

use super::agent_pod::{AgentPodSettings, Task, build_template, labels};
use crate::api::{CheckRequest, DatabaseCheck, ProtectedDatabase};

/// How long a check's pod may take to start and to report, besides the check's own time limit, in seconds.
const MARGIN_SECONDS: u64 = 120;
/// How long an ended Job stays to be looked at, in seconds.
const KEPT_SECONDS: i32 = 900;

/// The Job of one check, under the check's name, so that one check never has two.
#[must_use]
pub fn build_check_job(database: &ProtectedDatabase, check: &DatabaseCheck, request: &CheckRequest, settings: &AgentPodSettings) -> Job {
    let task = Task {
        name: "check",
        request: serde_json::to_string(request).unwrap_or_default(),
        storage: request.remembered_in.is_some(),
        claim: None,
    };
    let owner = check.controller_owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: Some(false), ..owner });
    Job {
        metadata: ObjectMeta {
            name: check.metadata.name.clone(),
            namespace: database.metadata.namespace.clone(),
            labels: Some(labels(database, task.name)),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            // The operator decides whether and when to look again, so that a broken database makes no loop of pods.
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(request.timeout_seconds.saturating_add(MARGIN_SECONDS)).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template: build_template(database, &task, settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
