//! The CronJob that takes backups, and the Job of the first one. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource;
use kube::api::ObjectMeta;
use serde::de::DeserializeOwned;

use super::agent_home::{annotations, with_labels};
use super::agent_job::build_metadata;
use super::agent_pod::{BACKUP, Task, build_template, labels};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::schedule::Schedule;
use crate::api::{BackupRequest, FAILED_EXIT_CODE, ProtectedDatabase, REQUEST_VARIABLE, names};

/// How late a backup may still start: half of the time to the next one, in seconds, between these.
const START_WITHIN_SECONDS: [i64; 2] = [600, 43_200];
/// How often a pod that failed is replaced. A failure that the agent reports ends the Job at once, and a
/// pod that was evicted does not count; this is for one that was killed without a word.
pub(super) const BACKOFF_LIMIT: i32 = 0;
/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 86_400;

/// The CronJob that takes the backups. It works without the operator. `node` is where the claim of the first
/// directory of the set is mounted already.
#[must_use]
pub fn build_backup_cron_job(
    database: &ProtectedDatabase,
    schedule: &Schedule,
    request: &BackupRequest,
    node: Option<&str>,
    settings: &AgentPodSettings,
) -> CronJob {
    let task = Task {
        name: BACKUP,
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::PostgresAndStorage,
        claim: None,
        directories: &request.directories,
        node,
    };
    let mut settings = settings.clone();
    if let Some(resources) = database
        .spec
        .backup
        .as_ref()
        .and_then(|backup| backup.resources.clone())
    {
        settings.agents.resources = Some(resources);
    }
    let settings = &settings;
    let name = names::backup_cron_job(database.metadata.name.as_deref().unwrap_or_default());
    CronJob {
        metadata: build_metadata(database, database, Some(name), task.name, settings),
        spec: CronJobSpec {
            schedule: schedule.line().to_owned(),
            time_zone: Some(schedule.time_zone().to_owned()),
            suspend: Some(database.spec.suspend),
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(start_within(schedule)),
            successful_jobs_history_limit: Some(3),
            failed_jobs_history_limit: Some(3),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    annotations: annotations(&settings.agents),
                    labels: Some(with_labels(labels(database, task.name), &settings.agents)),
                    ..ObjectMeta::default()
                }),
                spec: Some(JobSpec {
                    backoff_limit: Some(BACKOFF_LIMIT),
                    pod_failure_policy: Some(build_failure_policy()),
                    pod_replacement_policy: Some("Failed".to_owned()),
                    active_deadline_seconds: i64::try_from(request.job_seconds()).ok(),
                    ttl_seconds_after_finished: Some(KEPT_SECONDS),
                    template: build_template(database, &task, settings),
                    ..JobSpec::default()
                }),
            },
        },
        status: None,
    }
}

/// What the agents of a CronJob are asked; none if that can't be read.
#[must_use]
pub fn noted_request(cron_job: &CronJob) -> Option<BackupRequest> {
    request_of(cron_job.spec.job_template.spec.as_ref()?)
}

/// What the agent of a Job is asked; none if that can't be read.
pub(super) fn request_of<Request: DeserializeOwned>(job: &JobSpec) -> Option<Request> {
    let pod = job.template.spec.as_ref()?;
    let mut variables = pod
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    let request = variables.find(|variable| variable.name == REQUEST_VARIABLE)?;
    let text = request.value.as_ref()?.replace("$$", "$");
    serde_json::from_str(&text).ok()
}

/// The node that the pods of a CronJob prefer for the claims that they mount.
#[must_use]
pub fn noted_node(cron_job: &CronJob) -> Option<&str> {
    let template = &cron_job.spec.job_template.spec.as_ref()?.template;
    let affinity = template.spec.as_ref()?.affinity.as_ref()?;
    let terms = affinity.node_affinity.as_ref()?;
    let terms = terms
        .preferred_during_scheduling_ignored_during_execution
        .iter()
        .flatten();
    let mut fields = terms.flat_map(|term| term.preference.match_fields.iter().flatten());
    let named = fields.find(|field| field.key == "metadata.name")?;
    named.values.as_ref()?.first().map(String::as_str)
}

/// What ends a Job, and what does not: a backup that failed is reported, and tried again by the schedule;
/// one whose pod was evicted or whose node was drained goes on in another pod under the same name.
pub(super) fn build_failure_policy() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some("agent".to_owned()),
                    operator: "In".to_owned(),
                    values: vec![FAILED_EXIT_CODE],
                }),
                on_pod_conditions: None,
            },
        ],
    }
}

/// How late a backup may still start. A control plane that was down for some minutes must not cost a
/// day's backup.
fn start_within(schedule: &Schedule) -> i64 {
    let [least, most] = START_WITHIN_SECONDS;
    let now = Time(Timestamp::UNIX_EPOCH);
    let first = schedule.next_tick(&now);
    let second = first.as_ref().and_then(|first| schedule.next_tick(first));
    let between = first
        .zip(second)
        .map(|(first, second)| second.0.as_second() - first.0.as_second());
    between
        .map_or(least, |between| between / 2)
        .clamp(least, most)
}

/// How long a backup may wait for its turn at most: as late as it may start. After that it begins
/// nevertheless, because a backup that was not taken is worse than one too many.
#[must_use]
pub fn turn_limit(schedule: &Schedule) -> u64 {
    u64::try_from(start_within(schedule)).unwrap_or_default()
}

/// A Job from the CronJob's template, as `kubectl create job --from=cronjob/NAME` makes it.
#[must_use]
pub fn build_first_backup_job(cron_job: &CronJob, name: &str) -> Job {
    let template = cron_job.spec.job_template.clone();
    let metadata = template.metadata.unwrap_or_default();
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.insert(
        "cronjob.kubernetes.io/instantiate".to_owned(),
        "manual".to_owned(),
    );
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: cron_job.metadata.namespace.clone(),
            labels: metadata.labels,
            annotations: Some(annotations),
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
