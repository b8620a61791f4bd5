//! The checks' part of a plan: one for every container start, more on schedule and by hand, and the
//! end of old ones. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ObjectMeta;

use super::area::{Area, Stall};
use super::check_jobs::plan_jobs;
use super::check_names;
use super::data_conditions::{data_reset, data_verified, report};
use super::files::{files_match, plan_files};
use super::judge::{Judged, JudgedCheck, has_outcome, is_of, order};
use super::ready::list;
use super::running::{Running, has_known_volumes, is_outdated, primary, running};
use crate::api::{
    CheckOutcome, CheckTarget, CheckTrigger, ConditionStatus, ConditionType, DatabaseCheck,
    DatabaseCheckSpec, MountedVolume, names, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::ValidVerification;
use crate::wording;
use crate::world::{Observed, PodFact, VolumeFact};

/// How long to wait before a start that could not be verified is tried again: longer each time,
/// then always the last.
const RETRY_SECONDS: &[u64] = &[10, 20, 40, 80, 160, 300];
/// How much longer than `spec.verification.timeout` a check may take from its creation to its end,
/// in seconds.
const JOB_MARGIN_SECONDS: i64 = 120;
/// How many checks of a database are kept, besides those that something refers to.
const KEPT_CHECKS: usize = 30;

/// Plans checks and says what is known of the data.
pub fn check(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) -> Area {
    for (name, verdict) in &judged.unwritten {
        plan.steps.push(Step::WriteVerdict {
            name: (*name).to_owned(),
            verdict: verdict.clone(),
        });
    }
    report(observed, judged, plan);
    let (verification, invalid) = match &judged.spec.verification {
        Ok(verification) => (Some(verification), None),
        Err(errors) => (None, Some(Stall::invalid_spec(errors))),
    };
    let running = running(observed);
    let blocked = stall.is_some() || observed.database.spec.suspend || !readable(observed);
    if let Some(verification) = verification.filter(|_| !blocked) {
        if observed.agent_identity.known() == Some(&false) && !running.is_empty() {
            plan.steps.push(Step::EnsureAgentIdentity);
        }
        for start in running
            .iter()
            .filter(|start| has_known_volumes(observed, start))
        {
            plan_restart_check(observed, verification, judged, start, plan);
        }
        if let Some(primary) =
            primary(judged, &running).filter(|primary| has_known_volumes(observed, primary))
        {
            plan_scheduled_check(observed, verification, primary, plan);
            plan_manual_checks(observed, primary, plan);
            plan_files(observed, verification, judged, primary, plan);
        }
        plan_jobs(observed, verification, judged, &running, plan);
        plan_pruning(observed, judged, &running, plan);
    }
    let verified = data_verified(observed, judged, stall, invalid.as_ref(), &running);
    let files = files_match(observed, judged, stall.or(invalid.as_ref()));
    // Once something is known of the data, files that were not looked for are being looked for.
    let is_looking = verified.status != ConditionStatus::Unknown;
    let waits = [
        Some(&verified).filter(|verified| verified.reason == reasons::CHECKING),
        files
            .as_ref()
            .filter(|files| is_looking && files.reason == reasons::FILES_NOT_CHECKED),
    ];
    let waiting_on = waits
        .into_iter()
        .flatten()
        .next()
        .map(|condition| condition.message.clone());
    plan.conditions.push(verified);
    plan.conditions.push(data_reset(observed, judged, &running));
    if files.is_none() {
        plan.withdrawn.push(ConditionType::FilesMatch);
    }
    plan.conditions.extend(files);
    Area {
        stall: invalid.or_else(|| judged.acceptance.stall()),
        waiting_on,
    }
}

/// Whether all that a check depends on was read. Without the neighbours it is not known whose
/// workload it is.
fn readable(observed: &Observed) -> bool {
    [
        observed.workload.unknown(),
        observed.neighbours.unknown(),
        observed.pods.unknown(),
        observed.claims.unknown(),
        observed.checks.unknown(),
        observed.jobs.unknown(),
    ]
    .into_iter()
    .all(|unknown| unknown.is_none())
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
                VolumeFact::Found(found) => (
                    found.metadata.name.clone().unwrap_or_default(),
                    found.handle.clone(),
                    found.metadata.creation_timestamp.clone(),
                ),
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
        .collect::<Vec<_>>();
    CheckTarget {
        pod: start.pod.name.clone(),
        pod_uid: start.pod.uid.clone(),
        container: start.container.name.clone(),
        container_id: start.container.id.clone(),
        attempt,
        database_generation: observed.database.metadata.generation.unwrap_or_default(),
        other_mounts: other_mounts(start, &volumes),
        volumes,
        host: asked_host(observed, start.pod),
    }
}

/// What else is mounted over a claim.
fn other_mounts(start: &Running<'_>, volumes: &[MountedVolume]) -> Vec<String> {
    let others = start.pod.other_mounts.iter();
    others
        .filter(|other| other.container == start.container.name)
        .filter(|other| {
            volumes
                .iter()
                .any(|volume| wording::lies_under(&other.path, &volume.mount_path))
        })
        .map(|other| other.path.clone())
        .collect()
}

/// The host that is asked instead of the pod's own address: never for a pod with the readiness
/// gate, which no Service leads to before it is open, and which no other pod's data may open.
fn asked_host(observed: &Observed, pod: &PodFact) -> Option<String> {
    let host = observed.database.spec.connection.host.clone();
    host.filter(|_| pod.gate.is_none())
}

fn build_check(
    observed: &Observed,
    name: String,
    trigger: CheckTrigger,
    target: CheckTarget,
) -> DatabaseCheck {
    let labels = [
        (names::DATABASE_LABEL, observed.name()),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let mut check = DatabaseCheck::new(
        &name,
        DatabaseCheckSpec {
            database: observed.name().to_owned(),
            trigger,
            target: Some(target),
        },
    );
    check.metadata = ObjectMeta {
        name: Some(name),
        namespace: Some(observed.namespace_name().to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    check
}

/// One check for every container start, and another try when nothing could be said.
fn plan_restart_check(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let all = list(&observed.checks);
    let of_start = |check: &&DatabaseCheck| is_of(check, &start.pod.uid, &start.container.id);
    let pending = all.iter().filter(of_start).any(|check| !has_outcome(check));
    if pending {
        return;
    }
    let is_attempt = |check: &&DatabaseCheck| {
        matches!(
            check.spec.trigger,
            CheckTrigger::Restart | CheckTrigger::Retry | CheckTrigger::SpecChange
        )
    };
    let attempts = all.iter().filter(of_start).filter(is_attempt);
    let tried = attempts
        .filter_map(|check| check.spec.target.as_ref())
        .map(|target| target.attempt.saturating_add(1))
        .max();
    // The check of the start itself may have been pruned since: what was looked at is not new.
    let is_known = judged
        .newest_of(&start.pod.uid, &start.container.id)
        .is_some();
    let next = tried.unwrap_or(i32::from(is_known));
    if next > 0 {
        match next_try(observed, verification, judged, start, next) {
            None => return,
            Some(wait) if !wait.is_zero() => {
                plan.read_again_after(wait);
                return;
            }
            Some(_) => {}
        }
    }
    let name =
        check_names::restart_check(observed.name(), &start.pod.uid, &start.container.id, next);
    // Creating it again would change nothing, and would be tried without a pause.
    if all
        .iter()
        .any(|check| check.metadata.name.as_ref() == Some(&name))
    {
        return;
    }
    let trigger = match next {
        0 => CheckTrigger::Restart,
        _ if is_outdated(observed, judged, start) => CheckTrigger::SpecChange,
        _ => CheckTrigger::Retry,
    };
    let check = build_check(observed, name, trigger, target(observed, start, next));
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// How long until the next try, if there is to be one: at once when the spec was changed since,
/// otherwise never after a definite outcome.
fn next_try(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    start: &Running<'_>,
    attempt: i32,
) -> Option<Duration> {
    let newest = judged.newest_of(&start.pod.uid, &start.container.id)?;
    if is_outdated(observed, judged, start) {
        return Some(Duration::ZERO);
    }
    if newest.verdict.outcome != CheckOutcome::Unverifiable {
        return None;
    }
    let tries = usize::try_from(attempt.max(1) - 1)
        .unwrap_or(usize::MAX)
        .min(RETRY_SECONDS.len() - 1);
    let due = ended_second(verification, newest)
        .saturating_add(i64::try_from(RETRY_SECONDS[tries]).unwrap_or(i64::MAX));
    let wait = due.saturating_sub(observed.now.0.as_second());
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// When a check ended, within the time that its Job can have taken: an agent's wrong clock makes
/// neither a loop of Jobs nor a long wait.
fn ended_second(verification: &ValidVerification, check: &JudgedCheck<'_>) -> i64 {
    let ended = check.ended.0.as_second();
    let Some(created) = &check.check.metadata.creation_timestamp else {
        return ended;
    };
    let longest = i64::try_from(verification.timeout.as_secs())
        .unwrap_or(i64::MAX)
        .saturating_add(JOB_MARGIN_SECONDS);
    let created = created.0.as_second();
    ended.clamp(created, created.saturating_add(longest))
}

/// The newest tick of the schedule gets a check, unless one was made since; ticks missed while
/// nobody looked get one together.
fn plan_scheduled_check(
    observed: &Observed,
    verification: &ValidVerification,
    start: &Running<'_>,
    plan: &mut Plan,
) {
    let Some(schedule) = &verification.schedule else {
        return;
    };
    let checks = list(&observed.checks);
    // Only checks of this start count: those of a replica say nothing about the data.
    let of_start = checks
        .iter()
        .filter(|check| is_of(check, &start.pod.uid, &start.container.id));
    let newest = of_start
        .filter_map(|check| check.metadata.creation_timestamp.as_ref())
        .max_by_key(|time| time.0);
    let since = newest
        .or(observed.database.metadata.creation_timestamp.as_ref())
        .unwrap_or(&observed.now);
    let Some(mut due) = schedule.next_tick(since) else {
        return;
    };
    let name = |tick: &Time| check_names::scheduled_check(observed.name(), tick.0.as_second());
    // By the API server's clock a tick's check may have been made before the tick.
    if checks
        .iter()
        .any(|check| check.metadata.name.as_ref() == Some(&name(&due)))
    {
        let Some(after) = schedule.next_tick(&due) else {
            return;
        };
        due = after;
    }
    if due.0 > observed.now.0 {
        let wait = due.0.as_second() - observed.now.0.as_second();
        plan.read_again_after(Duration::from_secs(u64::try_from(wait).unwrap_or(0)));
        return;
    }
    let is_planned = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateCheck(_)));
    if is_planned || checks.iter().any(|check| !has_outcome(check)) {
        return;
    }
    let check = build_check(
        observed,
        name(&due),
        CheckTrigger::Schedule,
        target(observed, start, 0),
    );
    plan.steps.push(Step::CreateCheck(Box::new(check)));
}

/// A check that a person created is told what to look at.
fn plan_manual_checks(observed: &Observed, start: &Running<'_>, plan: &mut Plan) {
    for check in list(&observed.checks)
        .iter()
        .filter(|check| check.spec.target.is_none() && !has_outcome(check))
    {
        let name = check.metadata.name.clone().unwrap_or_default();
        plan.steps.push(Step::SetCheckTarget {
            name,
            target: Box::new(target(observed, start, 0)),
        });
    }
}

/// Old checks go, never one that something refers to, also those without a report: a pod that can't
/// start makes one at each try.
fn plan_pruning(
    observed: &Observed,
    judged: &Judged<'_>,
    running: &[Running<'_>],
    plan: &mut Plan,
) {
    // What only a backup remembers is known from the check that read it, as long as no check is
    // good.
    let is_needed = |check: &DatabaseCheck| {
        let remembers = check
            .status
            .as_ref()
            .is_some_and(|status| status.backup_evidence.is_some());
        judged.acceptance.needs(check) || (judged.baseline.is_none() && remembers)
    };
    let remembered = observed
        .database
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref())
        .map(|baseline| &baseline.check);
    let baseline = judged
        .baseline
        .and_then(|baseline| baseline.metadata.name.as_ref());
    let newest = running.iter().flat_map(|start| {
        let (pod, container) = (&start.pod.uid, &start.container.id);
        [
            judged.newest_of(pod, container),
            judged.newest_definitive_of(pod, container),
        ]
    });
    let newest = newest
        .chain([judged.newest_definitive()])
        .flatten()
        .filter_map(|newest| newest.check.metadata.name.as_ref());
    let kept: Vec<&String> = newest
        .chain([remembered, baseline].into_iter().flatten())
        .collect();
    let mut all: Vec<&JudgedCheck<'_>> = judged.verdicts.values().collect();
    all.sort_by_key(|judged| std::cmp::Reverse(order(judged.check)));
    let old = all
        .into_iter()
        .skip(KEPT_CHECKS)
        .filter(|old| !is_needed(old.check))
        .map(|judged| &judged.check.metadata);
    let unneeded = old.filter(|old| !old.name.as_ref().is_some_and(|name| kept.contains(&name)));
    plan.steps
        .extend(unneeded.map(|old| Step::DeleteCheck(Box::new(old.clone()))));
}
