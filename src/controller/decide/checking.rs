//! The checks' part of a plan: one for every container start, more on schedule, and what they say together. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;

use super::super::observed::{ContainerFact, Observed, PodFact, RunningContainer, VolumeFact, WorkloadFound};
use super::super::plan::{Plan, Step};
use super::judging::{Judged, JudgedCheck, ended, is_of};
use super::readiness::list;
use super::{Area, Stall, names_of_checks};
use crate::api::{
    BaselineStatus, CheckOutcome, CheckSummary, CheckTarget, CheckTrigger, CheckVerdict, ConditionStatus, ConditionType, DatabaseCheck,
    DatabaseCheckSpec, DesiredCondition, MountedVolume, names, reasons,
};
use crate::resources;

/// How long to wait before a start that could not be verified is tried again: longer each time, then always the last.
const RETRY_SECONDS: &[u64] = &[10, 20, 40, 80, 160, 300];
/// How many checks of a database are kept, besides those that something refers to.
const KEPT_CHECKS: usize = 30;

/// A container that runs Postgres now.
struct Running<'a> {
    pod: &'a PodFact,
    container: &'a RunningContainer,
}

/// Plans checks and says what is known of the data.
pub fn check(observed: &Observed, judged: &Judged<'_>, stall: Option<&Stall>, plan: &mut Plan) -> Area {
    for (name, verdict) in &judged.unwritten {
        plan.steps.push(Step::JudgeCheck { name: (*name).to_owned(), verdict: verdict.clone() });
    }
    report(observed, judged, plan);
    let invalid = invalid_spec(observed);
    let running = running(observed);
    let blocked = stall.is_some() || invalid.is_some() || observed.database.spec.suspend || !readable(observed);
    if !blocked {
        if observed.agent_identity.known() == Some(&false) && !running.is_empty() {
            plan.steps.push(Step::EnsureAgentIdentity);
        }
        for start in &running {
            plan_restart_check(observed, judged, start, plan);
        }
        plan_scheduled_check(observed, &running, plan);
        plan_manual_checks(observed, &running, plan);
        plan_jobs(observed, &running, plan);
        plan_pruning(observed, judged, plan);
    }
    let verified = data_verified(observed, judged, stall, invalid.as_ref(), &running);
    let waiting_on = (verified.reason == reasons::CHECKING).then(|| verified.message.clone());
    plan.conditions.push(verified);
    plan.conditions.push(data_reset(judged));
    Area { stall: invalid.or_else(|| judged.stall.clone()), waiting_on }
}

fn readable(observed: &Observed) -> bool {
    [observed.workload.unknown(), observed.pods.unknown(), observed.claims.unknown(), observed.checks.unknown(), observed.jobs.unknown()]
        .into_iter()
        .all(|unknown| unknown.is_none())
}

/// The parts of the spec that the API server's schema can't judge.
fn invalid_spec(observed: &Observed) -> Option<Stall> {
    let verification = &observed.database.spec.verification;
    let timeout = resources::parse_timeout(&verification.timeout).err().map(|error| error.to_string());
    let schedule = verification
        .schedule
        .as_deref()
        .and_then(|line| resources::next_tick("spec.verification.schedule", line, None, &observed.now).err())
        .map(|error| error.to_string());
    timeout.or(schedule).map(|error| Stall { reason: reasons::INVALID_SPEC, message: error })
}

fn running(observed: &Observed) -> Vec<Running<'_>> {
    let Some(container) = database_container(observed) else { return Vec::new() };
    list(&observed.pods)
        .iter()
        .filter(|pod| !pod.terminating && pod.address.is_some())
        .filter_map(|pod| {
            let container = pod.running.iter().find(|running| running.name == container.name)?;
            Some(Running { pod, container })
        })
        .collect()
}

fn database_container(observed: &Observed) -> Option<&ContainerFact> {
    observed.workload_found()?.database_container(observed.database.spec.workload.container.as_deref())
}

fn target(observed: &Observed, start: &Running<'_>, attempt: i32) -> CheckTarget {
    let claims = observed.claims_by_name();
    let volumes = start
        .pod
        .mounts
        .iter()
        .filter(|mount| mount.container == start.container.name)
        .filter_map(|mount| {
            let claim = claims.get(mount.claim.as_str())?;
            let metadata = claim.metadata.as_ref()?;
            let (volume, volume_handle, created_at) = match &claim.volume {
                VolumeFact::Found(found) => {
                    (found.metadata.name.clone().unwrap_or_default(), found.handle.clone(), found.metadata.creation_timestamp.clone())
                }
                VolumeFact::Gone(name) => (name.clone(), String::new(), None),
                VolumeFact::NotBound | VolumeFact::Unknown(_) => return None,
            };
            Some(MountedVolume {
                claim: mount.claim.clone(),
                claim_uid: metadata.uid.clone().unwrap_or_default(),
                volume,
                volume_handle,
                created_at,
                mount_path: mount.path.clone(),
            })
        })
        .collect();
    CheckTarget {
        pod: start.pod.name.clone(),
        pod_uid: start.pod.uid.clone(),
        container: start.container.name.clone(),
        container_id: start.container.id.clone(),
        attempt,
        database_generation: observed.database.metadata.generation.unwrap_or_default(),
        volumes,
    }
}

fn build_check(observed: &Observed, name: String, trigger: CheckTrigger, target: CheckTarget) -> DatabaseCheck {
    let labels = [(names::DATABASE_LABEL, observed.name()), (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut check = DatabaseCheck::new(&name, DatabaseCheckSpec { database: observed.name().to_owned(), trigger, target: Some(target) });
    check.metadata = ObjectMeta {
        name: Some(name),
        namespace: Some(observed.namespace_name().to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    check
}

/// One check for every container start, and another try when nothing could be said.
fn plan_restart_check(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>, plan: &mut Plan) {
    let all = list(&observed.checks);
    let of_start = |check: &&DatabaseCheck| is_of(check, &start.pod.uid, &start.container.id);
    let pending = all.iter().filter(of_start).any(|check| !has_outcome(check));
    if pending {
        return;
    }
    let attempts = all.iter().filter(of_start).filter(|check| check.spec.trigger == CheckTrigger::Restart);
    let next = attempts.filter_map(|check| check.spec.target.as_ref()).map(|target| target.attempt + 1).max().unwrap_or(0);
    if next > 0 {
        match next_try(observed, judged, start, next) {
            None => return,
            Some(wait) if !wait.is_zero() => {
                again(plan, wait);
                return;
            }
            Some(_) => {}
        }
    }
    let name = names_of_checks::restart_check(observed.name(), &start.pod.uid, &start.container.id, next);
    let check = build_check(observed, name, CheckTrigger::Restart, target(observed, start, next));
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// How long until the next try, if there is to be one: never after a definite outcome, at once when the spec was changed since.
fn next_try(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>, attempt: i32) -> Option<Duration> {
    let newest = newest_with_outcome(observed, judged, start)?;
    if newest.outcome != CheckOutcome::Unverifiable {
        return None;
    }
    let generation = observed.database.metadata.generation.unwrap_or_default();
    if newest.generation < generation {
        return Some(Duration::ZERO);
    }
    let tries = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX).min(RETRY_SECONDS.len() - 1);
    let due = newest.ended.0.as_second().saturating_add(i64::try_from(RETRY_SECONDS[tries]).unwrap_or(i64::MAX));
    let wait = due.saturating_sub(observed.now.0.as_second());
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

struct NewestOutcome {
    outcome: CheckOutcome,
    generation: i64,
    ended: Time,
}

fn newest_with_outcome(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>) -> Option<NewestOutcome> {
    let reported = judged.newest_of(&start.pod.uid, &start.container.id).map(|newest| NewestOutcome {
        outcome: newest.verdict.outcome,
        generation: newest.check.spec.target.as_ref().map_or(0, |target| target.database_generation),
        ended: newest.ended.clone(),
    });
    let unreported = list(&observed.checks)
        .iter()
        .filter(|check| is_of(check, &start.pod.uid, &start.container.id) && ended(check).is_none() && has_outcome(check))
        .map(|check| NewestOutcome {
            outcome: CheckOutcome::Unverifiable,
            generation: check.spec.target.as_ref().map_or(0, |target| target.database_generation),
            ended: check.metadata.creation_timestamp.clone().unwrap_or_else(|| observed.now.clone()),
        });
    reported.into_iter().chain(unreported).max_by_key(|outcome| outcome.ended.0)
}

/// Whether a check has ended, by a report or by a verdict without one.
fn has_outcome(check: &DatabaseCheck) -> bool {
    ended(check).is_some() || check.status.as_ref().is_some_and(|status| status.verdict.is_some())
}

fn again(plan: &mut Plan, wait: Duration) {
    let wait = wait.max(Duration::from_secs(1));
    plan.again_after = Some(plan.again_after.map_or(wait, |present| present.min(wait)));
}

/// The newest tick of the schedule gets a check, unless a check was made since; ticks missed while nobody looked get one together.
fn plan_scheduled_check(observed: &Observed, running: &[Running<'_>], plan: &mut Plan) {
    let (Some(line), Some(start)) = (observed.database.spec.verification.schedule.as_deref(), running.first()) else { return };
    let checks = list(&observed.checks);
    let newest = checks.iter().filter_map(|check| check.metadata.creation_timestamp.as_ref()).max_by_key(|time| time.0);
    let since = newest.or(observed.database.metadata.creation_timestamp.as_ref()).unwrap_or(&observed.now);
    let Ok(due) = resources::next_tick("spec.verification.schedule", line, None, since) else { return };
    if due.0 > observed.now.0 {
        let wait = due.0.as_second() - observed.now.0.as_second();
        again(plan, Duration::from_secs(u64::try_from(wait).unwrap_or(0)));
        return;
    }
    if checks.iter().any(|check| !has_outcome(check)) {
        return;
    }
    let name = names_of_checks::scheduled_check(observed.name(), due.0.as_second());
    let check = build_check(observed, name, CheckTrigger::Schedule, target(observed, start, 0));
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// A check that a person created is told what to look at.
fn plan_manual_checks(observed: &Observed, running: &[Running<'_>], plan: &mut Plan) {
    let Some(start) = running.first() else { return };
    for check in list(&observed.checks).iter().filter(|check| check.spec.target.is_none() && !has_outcome(check)) {
        let name = check.metadata.name.clone().unwrap_or_default();
        plan.steps.push(Step::AimCheck { name, target: Box::new(target(observed, start, 0)) });
    }
}

/// Every check that has no outcome needs a Job, or an end.
fn plan_jobs(observed: &Observed, running: &[Running<'_>], plan: &mut Plan) {
    for check in list(&observed.checks).iter().filter(|check| !has_outcome(check)) {
        let (Some(name), Some(target)) = (check.metadata.name.as_deref(), check.spec.target.as_ref()) else { continue };
        let start = running.iter().find(|start| start.pod.uid == target.pod_uid && start.container.id == target.container_id);
        let job = list(&observed.jobs).iter().find(|job| job.metadata.name.as_deref() == Some(name));
        match (job, start) {
            (Some(job), _) => {
                if let Some(why) = job_ended(job) {
                    plan.steps.push(unreported(name, reasons::JOB_FAILED, job_failed(observed, name, why)));
                }
            }
            (None, Some(start)) => plan.steps.extend(build_job(observed, check, start)),
            (None, None) => {
                let message = format!("the container that this check was for (pod {}) is gone; nothing was looked at", target.pod);
                plan.steps.push(unreported(name, reasons::SUPERSEDED, message));
            }
        }
    }
    // A new check's Job needs the UID that the API server gives the check: the next pass builds it.
    if plan.steps.iter().any(|step| matches!(step, Step::CreateCheck(_))) {
        again(plan, Duration::ZERO);
    }
}

fn unreported(name: &str, reason: &'static str, message: String) -> Step {
    let verdict = CheckVerdict { outcome: CheckOutcome::Unverifiable, reason: reason.to_owned(), message, baseline: None };
    Step::JudgeCheck { name: name.to_owned(), verdict }
}

fn job_failed(observed: &Observed, name: &str, why: &str) -> String {
    let namespace = observed.namespace_name();
    format!(
        "the agent's Job {name} ended without a report ({why}); nothing can be said about the data. It is tried again; look at kubectl -n \
         {namespace} describe job {name} and kubectl -n {namespace} logs job/{name}"
    )
}

/// Why a Job has ended, if it has.
pub fn job_ended(job: &Job) -> Option<&str> {
    job.status.as_ref()?.conditions.as_ref()?.iter().find_map(|condition| match (condition.type_.as_str(), condition.status.as_str()) {
        ("Failed" | "Complete", "True") => Some(condition.reason.as_deref().unwrap_or("no reason given")),
        _ => None,
    })
}

fn build_job(observed: &Observed, check: &DatabaseCheck, start: &Running<'_>) -> Option<Step> {
    let address = start.pod.address.as_deref()?;
    let workload = observed.workload_found()?;
    let settings = agent_pod(observed, workload, &start.container.image);
    let request = resources::check_request(&observed.database, check, address);
    Some(Step::CreateJob(Box::new(resources::build_check_job(&observed.database, check, &request, &settings))))
}

/// How an agent's pod is to be: in the database's own image, fetched as the workload fetches it.
pub fn agent_pod(observed: &Observed, workload: &WorkloadFound, image: &str) -> resources::AgentPodSettings {
    let container = workload.database_container(observed.database.spec.workload.container.as_deref());
    resources::AgentPodSettings {
        agent_image: observed.agent_image.clone(),
        database_image: image.to_owned(),
        image_pull_policy: container.and_then(|container| container.image_pull_policy.clone()),
        image_pull_secrets: workload.image_pull_secrets.clone(),
    }
}

/// Old checks go, never one that something refers to.
fn plan_pruning(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let accepted = observed.database.metadata.annotations.as_ref().and_then(|all| all.get(names::ACCEPT_CHECK_ANNOTATION));
    let remembered = observed.database.status.as_ref().and_then(|status| status.baseline.as_ref()).map(|baseline| &baseline.check);
    let mut ended: Vec<&JudgedCheck<'_>> = judged.verdicts.values().collect();
    ended.sort_by_key(|check| std::cmp::Reverse(check.ended.0));
    for old in ended.into_iter().skip(KEPT_CHECKS) {
        let name = old.check.metadata.name.as_ref();
        let is_baseline = judged.baseline.is_some_and(|baseline| baseline.metadata.name.as_ref() == name);
        let is_definitive = judged.newest_definitive().is_some_and(|newest| newest.check.metadata.name.as_ref() == name);
        if is_baseline || is_definitive || name == accepted || name == remembered {
            continue;
        }
        plan.steps.push(Step::PruneCheck(Box::new(old.check.metadata.clone())));
    }
}

fn report(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    plan.status.last_drill = before.and_then(|status| status.last_drill.clone());
    plan.status.baseline = judged
        .baseline
        .and_then(|check| {
            Some(BaselineStatus {
                check: check.metadata.name.clone()?,
                time: ended(check)?.clone(),
                system_identifier: check.status.as_ref()?.evidence.as_ref()?.identity.system_identifier.clone(),
            })
        })
        .or_else(|| before.and_then(|status| status.baseline.clone()));
    plan.status.last_check = judged
        .newest()
        .map(|newest| CheckSummary {
            name: newest.check.metadata.name.clone().unwrap_or_default(),
            time: newest.ended.clone(),
            outcome: newest.verdict.outcome,
            reason: newest.verdict.reason.to_owned(),
        })
        .or_else(|| before.and_then(|status| status.last_check.clone()));
}

fn data_verified(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    invalid: Option<&Stall>,
    running: &[Running<'_>],
) -> DesiredCondition {
    let condition = |status, reason, message: String| DesiredCondition { condition: ConditionType::DataVerified, status, reason, message };
    let unknown = |reason, message: String| condition(ConditionStatus::Unknown, reason, message);
    if let Some(stall) = stall.or(invalid) {
        return unknown(stall.reason, stall.message.clone());
    }
    if observed.database.spec.suspend {
        return unknown(reasons::SUSPENDED, "spec.suspend is true: the data is not checked; set it to false".to_owned());
    }
    if running.is_empty() {
        let workload = &observed.database.spec.workload.name;
        return unknown(
            reasons::NO_RUNNING_POD,
            format!("no pod of {workload} has a running Postgres container, so nothing can be checked"),
        );
    }
    let mut verdicts = Vec::new();
    for start in running {
        let reported = judged.newest_of(&start.pod.uid, &start.container.id).map(|newest| newest.verdict.clone());
        let Some(verdict) = reported.or_else(|| newest_unreported(observed, start)) else {
            return unknown(reasons::CHECKING, format!("the container that started in pod {} is being checked", start.pod.name));
        };
        verdicts.push(verdict);
    }
    let verdict = crate::verdict::aggregate(&verdicts);
    match verdict.outcome {
        CheckOutcome::Verified => condition(ConditionStatus::True, verdict.reason, verdict.message),
        CheckOutcome::Unverifiable => condition(ConditionStatus::Unknown, verdict.reason, verdict.message),
        CheckOutcome::Suspected => {
            let message = "the data looks reset; the condition DataReset says what was expected, what is there and what to do".to_owned();
            condition(ConditionStatus::False, verdict.reason, message)
        }
    }
}

/// The verdict of a start's newest check that ended without a report.
fn newest_unreported(observed: &Observed, start: &Running<'_>) -> Option<crate::verdict::Verdict> {
    list(&observed.checks)
        .iter()
        .filter(|check| is_of(check, &start.pod.uid, &start.container.id))
        .filter_map(|check| Some((check.metadata.creation_timestamp.as_ref()?, check.status.as_ref()?.verdict.as_ref()?)))
        .max_by_key(|(created, _)| created.0)
        .map(|(_, stored)| crate::verdict::Verdict {
            outcome: stored.outcome,
            reason: reasons::known(&stored.reason),
            message: stored.message.clone(),
        })
}

fn data_reset(judged: &Judged<'_>) -> DesiredCondition {
    let (status, reason, message) = match judged.newest_definitive() {
        None => (ConditionStatus::Unknown, reasons::NEVER_CHECKED, "no check has said anything about the data yet".to_owned()),
        Some(newest) if newest.verdict.outcome == CheckOutcome::Suspected => {
            (ConditionStatus::True, newest.verdict.reason, newest.verdict.message.clone())
        }
        Some(newest) => (
            ConditionStatus::False,
            reasons::VERIFIED,
            format!("DatabaseCheck {} found the data as expected", newest.check.metadata.name.as_deref().unwrap_or_default()),
        ),
    };
    DesiredCondition { condition: ConditionType::DataReset, status, reason, message }
}
