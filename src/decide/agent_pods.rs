//! The very Jobs, CronJob and pods that the agents of a database get, for a user who tries whether they
//! would be admitted. Pure.

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::Resource as _;
use kube::api::ObjectMeta;
use serde_json::json;

use super::build_check::{build_check, target};
use super::judge::judge_checks;
use super::restore_set::{sample_drill_job, sample_files_job, sample_restore_job};
use super::running::{primary, running};
use super::{back_up, check_jobs, files};
use crate::api::{Agents, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, ProtectedDatabase};
use crate::plan::Step;
use crate::resources::{
    AgentPodSettings, JobPace, Placement, SpecParts, build_check_job, check_request,
};
use crate::world::Observed;

/// Name of the check that the pods would be of, which does not exist.
const TRIED: &str = "holdfast-check";

/// UID of what does not exist, in the form that the API server wants.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// A pod, what makes it, and what its agent does.
#[derive(Clone, Debug)]
pub struct AgentPod {
    /// `check`, `backup`, `restore`, or `files of CLAIM`.
    pub task: String,
    pub pod: Pod,
    pub maker: PodMaker,
}

/// What makes an agent's pod.
#[derive(Clone, Debug)]
pub enum PodMaker {
    Job(Box<Job>),
    CronJob(Box<CronJob>),
    /// Nothing yet: a sample.
    Nothing,
}

/// The pods of the agents of a database, as the Job controller would create them now. Those of checks
/// need a server that runs.
#[must_use]
pub fn agent_pods(observed: &Observed) -> Vec<AgentPod> {
    let mut pods = Vec::new();
    let mut add = |task: String, template: Option<PodTemplateSpec>, maker: PodMaker| {
        let Some(template) = template else { return };
        let pod = build_pod(observed.namespace_name(), template);
        pods.push(AgentPod { task, pod, maker });
    };
    let of_job = |job: &Job| job.spec.clone().map(|spec| spec.template);
    let judged = judge_checks(observed);
    let running = running(observed);
    if let (Ok(verification), Some(start)) = (&judged.spec.verification, primary(&judged, &running))
    {
        let target = target(observed, &judged, start, 0);
        let mut check = build_check(observed, TRIED.to_owned(), CheckTrigger::Manual, target);
        check.metadata.uid = Some(NO_UID.to_owned());
        let of_check = check_jobs::build_job(observed, verification, &judged, &check, start);
        if let Some(Step::CreateJob(job)) = of_check {
            add("check".to_owned(), of_job(&job), PodMaker::Job(job));
        }
        let rules = &observed.database.spec.verification.files;
        for (place, rule) in rules.iter().enumerate() {
            let of_rule = files::build_job(observed, verification, &check, place, start, None);
            if let Some(Step::CreateJob(job)) = of_rule {
                let task = format!("files of {}", rule.claim);
                add(task, of_job(&job), PodMaker::Job(job));
            }
        }
    }
    if let Ok(Some(backup)) = &judged.spec.backup
        && let Some(cron_job) = back_up::desired_cron_job(observed, &judged, backup)
    {
        let spec = cron_job.spec.job_template.spec.clone();
        let template = spec.map(|spec| spec.template);
        add(
            "backup".to_owned(),
            template,
            PodMaker::CronJob(Box::new(cron_job)),
        );
    }
    if let (Ok(Some(backup)), Ok(Some(limits)), Some(start)) = (
        &judged.spec.backup,
        &judged.spec.restore,
        primary(&judged, &running),
    ) && let Some(job) = sample_restore_job(observed, start, (backup, limits))
    {
        add("restore".to_owned(), of_job(&job), PodMaker::Job(job));
    }
    if let Some(job) = sample_files_job(observed, &judged) {
        add("restore-files".to_owned(), of_job(&job), PodMaker::Job(job));
    }
    if let Some(job) = sample_drill_job(observed, &judged) {
        add("drill".to_owned(), of_job(&job), PodMaker::Job(job));
    }
    pods
}

/// A pod like that of a check, for a namespace in which nothing is protected yet: with the service
/// account that every namespace has. Its images are not pulled.
#[must_use]
pub fn sample_agent_pod(namespace: &str, agent_image: &str) -> Option<AgentPod> {
    let database = sample_database(namespace)?;
    let parts = SpecParts::parse(&database.spec);
    let verification = parts.verification.as_ref().ok()?;
    let spec = DatabaseCheckSpec {
        database: TRIED.to_owned(),
        trigger: CheckTrigger::Manual,
        target: None,
    };
    let check = DatabaseCheck::new(TRIED, spec);
    let settings = AgentPodSettings {
        agent_image: agent_image.to_owned(),
        database_image: "postgres".to_owned(),
        image_pull_policy: None,
        placement: Placement::default(),
        agents: Agents::default(),
    };
    let request = check_request(&database, verification, &check, "127.0.0.1");
    let margin = JobPace::default().margin;
    let job = build_check_job(&database, &check, &request, &settings, margin);
    let mut pod = build_pod(namespace, job.spec?.template);
    if let Some(spec) = &mut pod.spec {
        spec.service_account_name = None;
    }
    Some(AgentPod {
        task: "check, with a sample image".to_owned(),
        pod,
        maker: PodMaker::Nothing,
    })
}

/// The smallest ProtectedDatabase.
fn sample_database(namespace: &str) -> Option<ProtectedDatabase> {
    let database = json!({
        "apiVersion": ProtectedDatabase::api_version(&()),
        "kind": ProtectedDatabase::kind(&()),
        "metadata": {"name": TRIED, "namespace": namespace},
        "spec": {
            "workload": {"name": TRIED},
            "connection": {"database": "postgres", "credentialsSecret": {"name": TRIED}},
        },
    });
    serde_json::from_value(database).ok()
}

fn build_pod(namespace: &str, template: PodTemplateSpec) -> Pod {
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{TRIED}-")),
            namespace: Some(namespace.to_owned()),
            ..template.metadata.unwrap_or_default()
        },
        spec: template.spec,
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_sample_for_a_namespace_without_a_database() {
        let sample = sample_agent_pod("atra", "holdfast:test");
        let spec = sample.and_then(|sample| sample.pod.spec);
        let spec = spec.as_ref();
        assert_eq!(spec.map(|spec| spec.containers.len()), Some(1));
        assert_eq!(
            spec.and_then(|spec| spec.service_account_name.as_ref()),
            None
        );
    }
}
