//! The Jobs of checks: each check that has no outcome gets a Job, or a verdict. Also how the pod of
//! any agent must be. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::judge::{Judged, has_outcome};
use super::ready::list;
use super::running::Running;
use crate::api::{
    AgentFailure, CheckOutcome, CheckTarget, CheckVerdict, DatabaseCheck, Evidence, Finding,
    KnownTable, TableEvidence, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{self, ValidVerification};
use crate::verdict;
use crate::world::{Observed, WorkloadFound};

/// The kernel lets no variable be longer than 128 KiB, rules included.
const KNOWN_TABLES_BYTES: usize = 48 * 1024;

/// Every check that has no outcome needs a Job, or a verdict.
pub fn plan_jobs(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    plan: &mut Plan,
) {
    for check in list(&observed.checks)
        .iter()
        .filter(|check| !has_outcome(check))
    {
        let (Some(name), Some(target)) =
            (check.metadata.name.as_deref(), check.spec.target.as_ref())
        else {
            continue;
        };
        let start = running.iter().find(|start| {
            start.pod.uid == target.pod_uid && start.container.id == target.container_id
        });
        let job = list(&observed.jobs)
            .iter()
            .find(|job| job.metadata.name.as_deref() == Some(name));
        match (job, start) {
            // The Job of a check of the same name that was deleted: it is deleted by itself, and
            // then its name is free for the new one.
            (Some(job), _) if !is_controlled_by(job, check) => {}
            (Some(job), _) => {
                if let Some(why) = job_ended(job) {
                    let message = job_failed(observed, name, why);
                    plan.steps
                        .push(judge_unreported(observed, judged, name, target, message));
                }
            }
            (None, Some(start)) => {
                plan.steps
                    .extend(build_job(observed, verification, judged, check, start));
            }
            (None, None) => {
                let message = format!(
                    "the container that this check was for (pod {}) no longer runs; nothing was \
                     checked",
                    target.pod
                );
                plan.steps
                    .push(unreported(name, reasons::SUPERSEDED, message));
            }
        }
    }
    // A new check's Job needs the UID that the API server gives the check: the next pass builds it.
    if plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateCheck(_)))
    {
        plan.read_again_after(Duration::ZERO);
    }
}

fn is_controlled_by(job: &Job, check: &DatabaseCheck) -> bool {
    job.metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| Some(&owner.uid) == check.metadata.uid.as_ref())
}

fn unreported(name: &str, reason: &'static str, message: String) -> Step {
    let failure = AgentFailure {
        reason: reason.to_owned(),
        message: message.clone(),
    };
    let verdict = CheckVerdict {
        outcome: CheckOutcome::Unverifiable,
        reason: reason.to_owned(),
        message,
        findings: vec![Finding::AgentFailed { failure }],
        baseline: None,
        declared_by: None,
        partial: false,
    };
    Step::WriteVerdict {
        name: name.to_owned(),
        verdict,
    }
}

/// A Job without a report says nothing of the data, but its volume may be another one.
fn judge_unreported(
    observed: &Observed,
    judged: &Judged<'_>,
    name: &str,
    target: &CheckTarget,
    message: String,
) -> Step {
    let known = judged.known_good.as_ref();
    let failure = AgentFailure {
        reason: reasons::JOB_FAILED.to_owned(),
        message,
    };
    let verdict = verdict::judge(&verdict::Input {
        namespace: observed.namespace_name(),
        database: observed.name(),
        check: name,
        spec: &observed.database.spec,
        // Without evidence no rows are compared.
        baseline: known.map(|known| known.as_baseline(&[])),
        evidence: None,
        failure: Some(&failure),
        elsewhere: None,
        without_login: None,
        image: None,
        replica_volumes: &judged.replica_volumes,
        target,
    });
    let is_suspected = verdict.outcome == CheckOutcome::Suspected;
    Step::WriteVerdict {
        name: name.to_owned(),
        verdict: CheckVerdict {
            outcome: verdict.outcome,
            reason: verdict.reason.to_owned(),
            message: verdict.message,
            findings: verdict.findings,
            baseline: known
                .filter(|_| is_suspected)
                .map(|known| known.name.to_owned()),
            declared_by: None,
            partial: false,
        },
    }
}

fn job_failed(observed: &Observed, name: &str, why: &str) -> String {
    let namespace = observed.namespace_name();
    format!(
        "the agent's Job {name} ended without a report ({why}), so it is not known whether the \
         data is good. The check is repeated; see kubectl -n {namespace} describe job {name} and \
         kubectl -n {namespace} logs job/{name}"
    )
}

/// Why a Job has ended, if it has.
pub fn job_ended(job: &Job) -> Option<&str> {
    job.status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find_map(
            |condition| match (condition.type_.as_str(), condition.status.as_str()) {
                ("Failed" | "Complete", "True") => {
                    Some(condition.reason.as_deref().unwrap_or("no reason given"))
                }
                _ => None,
            },
        )
}

fn build_job(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    check: &DatabaseCheck,
    start: &Running<'_>,
) -> Option<Step> {
    let address = start.pod.address.as_deref()?;
    let workload = observed.workload_found()?;
    let settings = agent_pod(observed, workload, &start.container.image);
    let mut request = resources::check_request(&observed.database, verification, check, address);
    if judged.acceptance.is_awaiting_change() {
        request.counting_milliseconds = request.timeout_seconds.saturating_mul(1_000);
    }
    match &judged.known_good {
        Some(known) if request.count_all_tables => {
            request.known_tables = known_tables(&known.evidence);
        }
        Some(_) => {}
        None => {
            request.remembered_in = observed
                .database
                .spec
                .backup
                .as_ref()
                .map(|backup| backup.storage.s3.clone());
        }
    }
    Some(Step::CreateJob(Box::new(resources::build_check_job(
        &observed.database,
        check,
        &request,
        &settings,
        observed.pace.margin,
    ))))
}

/// The tables that the agent looks for even where there are more than it reports, as far as a
/// variable of its pod can hold their names.
fn known_tables(evidence: &Evidence) -> Vec<KnownTable> {
    let mut left = KNOWN_TABLES_BYTES;
    let mut fits = |table: &&TableEvidence| {
        let bytes = serde_json::to_string(&table.name).map_or(usize::MAX, |name| name.len())
            + table.database.len()
            + 64;
        left = left.saturating_sub(bytes);
        left > 0
    };
    let names = evidence.tables.iter().take_while(|table| fits(table));
    names
        .map(|table| KnownTable {
            database: table.database.clone(),
            name: table.name.clone(),
            rows: Some(table.least_rows()).filter(|rows| *rows > 0),
        })
        .collect()
}

/// How an agent's pod must be: with the database's own image, pulled as the workload pulls it.
pub fn agent_pod(
    observed: &Observed,
    workload: &WorkloadFound,
    image: &str,
) -> resources::AgentPodSettings {
    let container =
        workload.database_container(observed.database.spec.workload.container.as_deref());
    resources::AgentPodSettings {
        agent_image: observed.agent_image.clone(),
        database_image: image.to_owned(),
        image_pull_policy: container.and_then(|container| container.image_pull_policy.clone()),
        image_pull_secrets: workload.image_pull_secrets.clone(),
    }
}
