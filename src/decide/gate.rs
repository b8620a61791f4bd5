//! The readiness gate: no traffic reaches a pod that asks for it before its data is verified, and
//! none while it looks reset. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::area::{Area, Stall};
use super::judge::{Judged, JudgedCheck, is_of, order};
use super::new_database::{has_found_nothing, is_new};
use super::newest::asks_pod;
use super::ready::list;
use crate::api::{CheckOutcome, WhenUnverifiable, reasons};
use crate::plan::{GateStep, Plan, Step};
use crate::resources::describe_errors;
use crate::verdict::closes_open_gate;
use crate::world::{GateFact, Observed, PodFact, RunningContainer};

/// Plans the conditions of the pods' gates. What could not be read leaves them unchanged.
pub fn gate(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) -> Area {
    let (true, Some(_), Some(_)) = (
        observed.has_workload(),
        observed.pods.known(),
        observed.checks.known(),
    ) else {
        return Area::default();
    };
    let container = observed
        .database_container(observed.database.spec.workload.container.as_deref())
        .map(|container| container.name.as_str());
    let mut area = Area::default();
    if observed.rival().is_some() {
        return area;
    }
    for pod in list(&observed.pods).iter().filter(|pod| !pod.terminating) {
        let Some(present) = &pod.gate else { continue };
        let running = pod
            .running
            .iter()
            .find(|running| Some(running.name.as_str()) == container);
        let wanted = wanted(observed, judged, pod, running, plan);
        if wanted.reason == reasons::GATE_HELD {
            area.stall
                .get_or_insert_with(|| held(observed, pod, &wanted));
        }
        if *present != wanted {
            let step = GateStep {
                pod: pod.name.clone(),
                pod_uid: pod.uid.clone(),
                gate: wanted,
                at: observed.now.clone(),
            };
            plan.steps.push(Step::SetGate(Box::new(step)));
        }
    }
    area
}

fn wanted(
    observed: &Observed,
    judged: &Judged<'_>,
    pod: &PodFact,
    running: Option<&RunningContainer>,
    plan: &mut Plan,
) -> GateFact {
    let open = |reason: &str, message: String| GateFact {
        is_open: true,
        reason: reason.to_owned(),
        message,
    };
    let closed = |reason: &str, message: String| GateFact {
        is_open: false,
        reason: reason.to_owned(),
        message,
    };
    if observed.database.spec.suspend {
        return open(
            reasons::SUSPENDED,
            "spec.suspend is true: the data is not checked".to_owned(),
        );
    }
    let Some(running) = running else {
        return closed(
            reasons::NO_RUNNING_POD,
            "its Postgres container does not run".to_owned(),
        );
    };
    let definitive = newest_of_pod(judged, pod, running, |check| judged.is_definitive(check));
    if let Some(definitive) = definitive {
        let check = definitive
            .check
            .metadata
            .name
            .as_deref()
            .unwrap_or_default();
        let has_traffic = pod.gate.as_ref().filter(|present| present.is_open);
        return match (definitive.verdict.outcome, has_traffic) {
            (CheckOutcome::Verified, _) => open(
                reasons::VERIFIED,
                format!("DatabaseCheck {check} found the data as expected"),
            ),
            // The application that has its traffic keeps it, unless this is other data or a loss of
            // tables that the spec lists.
            (_, Some(present))
                if had_right_to_traffic(observed, judged, pod, running, definitive)
                    && !closes_open_gate(&definitive.verdict.findings, &observed.database.spec) =>
            {
                present.clone()
            }
            _ => closed(
                definitive.verdict.reason,
                format!(
                    "DatabaseCheck {check} found that the data looks reset; see the condition \
                     DataReset of the ProtectedDatabase"
                ),
            ),
        };
    }
    let newest = newest_of_pod(judged, pod, running, |_| true);
    if newest.is_some_and(|newest| is_known_replica(judged, newest)) {
        return open(
            reasons::IN_RECOVERY,
            "it is a replica of the known database cluster".to_owned(),
        );
    }
    if newest.is_some_and(|newest| is_new(observed, judged, newest)) {
        return open(
            reasons::NEW,
            "the database is new: it has no rows yet, and nothing knows of any".to_owned(),
        );
    }
    // What was let through keeps its traffic while nothing more can be said.
    if let Some(present) = pod.gate.as_ref().filter(|present| present.is_open)
        && newest_let_through(observed, judged, pod, running).is_some()
    {
        return present.clone();
    }
    let why = newest.map_or("its data is being checked", |newest| {
        newest.verdict.message.as_str()
    });
    let left = match &judged.spec.gate_timeout {
        Ok(timeout) => time_left(observed, *timeout, running),
        // Not even `whenUnverifiable: Open` opens it at a time that is not known.
        Err(errors) => return closed(reasons::INVALID_SPEC, describe_errors(errors)),
    };
    if left.is_zero() {
        let timeout = &observed.database.spec.verification.gate.timeout;
        return match observed.database.spec.verification.gate.when_unverifiable {
            WhenUnverifiable::Open => open(
                reasons::GATE_OPENED,
                format!("not verified for {timeout} (spec.verification.gate): {why}"),
            ),
            WhenUnverifiable::Hold => closed(
                reasons::GATE_HELD,
                format!("not verified for {timeout} (spec.verification.gate): {why}"),
            ),
        };
    }
    plan.again_after = Some(plan.again_after.map_or(left, |again| again.min(left)));
    closed(
        newest.map_or(reasons::CHECKING, |newest| newest.verdict.reason),
        why.to_owned(),
    )
}

/// Whether this very start was let through before it was suspected: verified, or without that, and
/// since then nothing could be read of it.
fn had_right_to_traffic(
    observed: &Observed,
    judged: &Judged<'_>,
    pod: &PodFact,
    running: &RunningContainer,
    suspected: &JudgedCheck<'_>,
) -> bool {
    let is_verified = |check: &JudgedCheck<'_>| check.verdict.outcome == CheckOutcome::Verified;
    newest_of_pod(judged, pod, running, is_verified).is_some()
        || suspected.check.evidence().is_none()
            && newest_let_through(observed, judged, pod, running).is_some()
}

/// The newest check of this very start that let the pod through although it verified nothing: it
/// found a replica of the known database cluster, or a new database.
pub fn newest_let_through<'a, 'b>(
    observed: &Observed,
    judged: &'b Judged<'a>,
    pod: &PodFact,
    running: &RunningContainer,
) -> Option<&'b JudgedCheck<'a>> {
    // What was new then may be remembered by now: by a backup, or because the memory can't be read.
    let was_new = pod
        .gate
        .as_ref()
        .is_some_and(|present| present.is_open && present.reason == reasons::NEW);
    newest_of_pod(judged, pod, running, |check| {
        is_known_replica(judged, check)
            || is_new(observed, judged, check)
            || was_new && has_found_nothing(check)
    })
}

/// The newest check of a start that asked the pod itself.
fn newest_of_pod<'a, 'b>(
    judged: &'b Judged<'a>,
    pod: &PodFact,
    running: &RunningContainer,
    wanted: impl Fn(&JudgedCheck<'a>) -> bool,
) -> Option<&'b JudgedCheck<'a>> {
    judged
        .verdicts
        .values()
        .filter(|judged| is_of(judged.check, &pod.uid, &running.id))
        .filter(|judged| asks_pod(judged.check))
        .filter(|judged| wanted(judged))
        .max_by_key(|judged| order(judged.check))
}

/// Whether a check could not verify a pod only because it is a replica, and of the cluster that was
/// last known good.
fn is_known_replica(judged: &Judged<'_>, newest: &JudgedCheck<'_>) -> bool {
    let identifier = |check: &crate::api::DatabaseCheck| {
        check
            .evidence()
            .map(|evidence| evidence.identity.system_identifier.clone())
    };
    newest.verdict.reason == reasons::IN_RECOVERY
        && judged
            .baseline
            .and_then(identifier)
            .is_some_and(|known| identifier(newest.check) == Some(known))
}

/// How much longer to wait for a verdict. If it is not known since when, the wait is over.
fn time_left(observed: &Observed, timeout: Duration, running: &RunningContainer) -> Duration {
    let Some(Time(started)) = running.started_at.as_ref() else {
        return Duration::ZERO;
    };
    let waited = Duration::try_from(observed.now.0.duration_since(*started)).unwrap_or_default();
    timeout.saturating_sub(waited)
}

fn held(observed: &Observed, pod: &PodFact, gate: &GateFact) -> Stall {
    Stall {
        reason: reasons::GATE_HELD,
        message: format!(
            "Pod {} gets no traffic, because its data is {}. It gets traffic as soon as a check \
             verifies the data; to give it traffic anyway: kubectl -n {} patch protdb {} \
             --type=merge -p \
             '{{\"spec\":{{\"verification\":{{\"gate\":{{\"whenUnverifiable\":\"Open\"}}}}}}}}'",
            pod.name,
            gate.message,
            observed.namespace_name(),
            observed.name()
        ),
    }
}
