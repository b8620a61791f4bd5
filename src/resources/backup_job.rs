//! The CronJob that takes backups, and the Job of the first one. Pure.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::ObjectMeta;

use super::agent_pod::{AgentPodSettings, Task, build_template, labels};
use super::schedule::Schedule;
use crate::api::{BackupRequest, ProtectedDatabase, names};

/// How long a backup's pod may take to start and to report, in addition to the backup's deadline,
/// in seconds.
const MARGIN_SECONDS: u64 = 300;
/// How late a backup may still start, in seconds.
const START_WITHIN_SECONDS: i64 = 600;
/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 86_400;

/// The CronJob that takes the backups. It works without the operator.
#[must_use]
pub fn build_backup_cron_job(
    database: &ProtectedDatabase,
    schedule: &Schedule,
    request: &BackupRequest,
    settings: &AgentPodSettings,
) -> CronJob {
    let task = Task {
        name: "backup",
        request: serde_json::to_string(request).unwrap_or_default(),
        storage: true,
        claim: None,
    };
    let owner = database
        .controller_owner_ref(&())
        .map(|owner| OwnerReference {
            block_owner_deletion: Some(false),
            ..owner
        });
    CronJob {
        metadata: ObjectMeta {
            name: Some(names::backup_cron_job(
                database.metadata.name.as_deref().unwrap_or_default(),
            )),
            namespace: database.metadata.namespace.clone(),
            labels: Some(labels(database, task.name)),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: CronJobSpec {
            schedule: schedule.line().to_owned(),
            time_zone: Some(schedule.time_zone().to_owned()),
            suspend: Some(database.spec.suspend),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(START_WITHIN_SECONDS),
            successful_jobs_history_limit: Some(3),
            failed_jobs_history_limit: Some(3),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(database, task.name)),
                    ..ObjectMeta::default()
                }),
                spec: Some(JobSpec {
                    backoff_limit: Some(0),
                    active_deadline_seconds: i64::try_from(
                        request.deadline_seconds.saturating_add(MARGIN_SECONDS),
                    )
                    .ok(),
                    ttl_seconds_after_finished: Some(KEPT_SECONDS),
                    template: build_template(database, &task, settings),
                    ..JobSpec::default()
                }),
            },
        },
        status: None,
    }
}

/// A Job from the CronJob's template, as `kubectl create job --from=cronjob/NAME` makes it.
#[must_use]
pub fn build_first_backup_job(cron_job: &CronJob, name: &str) -> Job {
    let template = cron_job.spec.job_template.clone();
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: cron_job.metadata.namespace.clone(),
            labels: template.metadata.and_then(|metadata| metadata.labels),
            annotations: Some(
                [(
                    "cronjob.kubernetes.io/instantiate".to_owned(),
                    "manual".to_owned(),
                )]
                .into(),
            ),
            owner_references: cron_job.controller_owner_ref(&()).map(|owner| {
                vec![OwnerReference {
                    block_owner_deletion: Some(false),
                    ..owner
                }]
            }),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        ..Job::default()
    }
}
