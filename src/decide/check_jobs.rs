//! The Jobs of checks: each check that has no outcome gets a Job, or a verdict. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::agent_settings::beside_pod;
use super::job_end::agent_ended;
use super::judge::{Judged, has_outcome};
use super::known_cluster::known_cluster;
use super::not_begun;
use super::ready::list;
use super::restored;
use super::running::Running;
use crate::api::{
    AgentFailure, CheckOutcome, CheckTarget, CheckTrigger, CheckVerdict, DatabaseCheck, Evidence,
    Finding, KnownTable, Origin, TableEvidence, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{self, ValidVerification};
use crate::verdict;
use crate::world::Observed;

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
                if let Some(why) = agent_ended(observed, job) {
                    let failure = job_failed(observed, job, &why);
                    plan.steps
                        .push(judge_unreported(observed, judged, name, target, &failure));
                } else if let Some(why) = not_begun::overdue(observed, job) {
                    let failure = not_started(observed, &why);
                    plan.steps
                        .push(judge_unreported(observed, judged, name, target, &failure));
                    plan.steps
                        .push(Step::EndJob(Box::new(job.metadata.clone())));
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
    failure: &AgentFailure,
) -> Step {
    let known = judged.known_good.as_ref();
    let verdict = verdict::judge(&verdict::Input {
        namespace: observed.namespace_name(),
        database: observed.name(),
        check: name,
        spec: &observed.database.spec,
        // Without evidence no rows are compared.
        baseline: known.map(|known| known.as_baseline(&[])),
        evidence: None,
        failure: Some(failure),
        other_backups: None,
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

/// The report of a check whose Job was refused.
pub fn report_refused(
    observed: &Observed,
    judged: &Judged<'_>,
    name: &str,
    message: String,
) -> Option<Step> {
    let mut checks = list(&observed.checks).iter();
    let check = checks.find(|check| check.metadata.name.as_deref() == Some(name))?;
    let failure = AgentFailure {
        reason: reasons::AGENT_NOT_STARTED.to_owned(),
        message,
    };
    let target = check.spec.target.as_ref()?;
    Some(judge_unreported(observed, judged, name, target, &failure))
}

fn job_failed(observed: &Observed, job: &Job, why: &str) -> AgentFailure {
    let namespace = observed.namespace_name();
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let words = not_begun::last_words(observed, job);
    let message = format!(
        "the agent's Job {name} ended without a report ({why}{words}), so it is not known whether \
         the data is good. The check is repeated; see kubectl -n {namespace} describe job {name} \
         and kubectl -n {namespace} logs job/{name}"
    );
    AgentFailure {
        reason: not_begun::reason(observed, job).to_owned(),
        message,
    }
}

/// The report of a check whose agent had its time to begin.
fn not_started(observed: &Observed, why: &str) -> AgentFailure {
    AgentFailure {
        reason: reasons::AGENT_NOT_STARTED.to_owned(),
        message: format!(
            "{why}, and nothing was checked. The check is repeated; whether its pod would be \
             admitted: kubectl holdfast check -n {}",
            observed.namespace_name()
        ),
    }
}

/// The Job of a check.
pub fn build_job(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    check: &DatabaseCheck,
    start: &Running<'_>,
) -> Option<Step> {
    let address = start.pod.address.as_deref()?;
    let settings = beside_pod(observed, start.pod, &start.container.image);
    let mut request = resources::check_request(&observed.database, verification, check, address);
    let is_of_restore = check.spec.trigger == CheckTrigger::Restore;
    if judged.acceptance.is_awaiting_change() || is_of_restore {
        request.counting_milliseconds = request.timeout_seconds.saturating_mul(1_000);
    }
    if is_of_restore {
        // Counting stops where it is enough, and here it is only with all rows of the backup.
        restored::raise_minimums(observed, &mut request.tables);
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
            request.origin = origin(observed);
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

/// Which sets in the bucket are this database's.
fn origin(observed: &Observed) -> Origin {
    // Each once: the ledger has the present one, too.
    let uids: BTreeSet<&str> = observed.namespace_uids().into_iter().collect();
    Origin {
        database_uid: observed.database.metadata.uid.clone().unwrap_or_default(),
        namespace_uids: uids.into_iter().map(ToOwned::to_owned).collect(),
        kubernetes_cluster: known_cluster(observed),
    }
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
