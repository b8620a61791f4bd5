//! What one pass does about one database: each area in its order.

use std::time::Duration;

use super::area::{Area, Stall, guard_wanted};
use super::bare_pods::stalled_pods;
use super::{
    back_up, check, drills, first_part, gate, job_end, judge, loss_summary, other_namespace,
    protect, ready, release, remember, restore_set,
};
use crate::api::reasons;
use crate::plan::{Plan, Step};
use crate::world::{Observed, WorkloadFact};

/// How long until an undisturbed database is read again; watches come first, this only finds what
/// they missed.
const RESYNC: Duration = Duration::from_mins(10);

/// How long until what could not be read, or waits for a user to write the ledger, is read again: no
/// watch says that it can be.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Decides what to do about one database.
#[must_use]
pub fn decide(observed: &Observed) -> Plan {
    let is_settled = observed.unknown_parts().is_empty() && observed.other_namespace.is_none();
    let pause = if is_settled { RESYNC } else { READ_AGAIN };
    let mut plan = Plan {
        again_after: Some(pause),
        ..Plan::default()
    };
    plan.status.observed_generation = observed.database.metadata.generation;
    if observed.database.metadata.deletion_timestamp.is_some() {
        release::release_all(observed, &mut plan);
        return plan;
    }
    let mut judged = judge::judge_checks(observed);
    first_part::judge_first_parts(observed, &mut judged);
    let stall = stalled(observed);
    // Before anything that may fail: a gate that must close does not wait.
    let gating = gate::gate(observed, &judged, &mut plan);
    let guarding = protect::guard(observed, &judged, stall.as_ref(), &mut plan);
    let checking = check::check(observed, &judged, stall.as_ref(), &mut plan);
    let backing_up = back_up::back_up(observed, &judged, stall.as_ref(), &mut plan);
    job_end::plan_ends(observed, &mut plan);
    if guard_wanted(observed) {
        loss_summary::note_losses(observed, &judged, &mut plan);
        remember::remember(observed, &judged, &mut plan);
    }
    drills::run_drills(observed, &judged, stall.as_ref(), &mut plan);
    let areas = [
        Area {
            stall,
            waiting_on: None,
        },
        guarding,
        gating,
        checking,
        backing_up,
        Area {
            stall: None,
            waiting_on: restore_set::under_way(observed),
        },
        Area {
            stall: judged
                .spec
                .drill
                .as_ref()
                .err()
                .or(judged.spec.restore.as_ref().err())
                .map(|errors| Stall::invalid_spec(errors)),
            waiting_on: None,
        },
    ];
    ready::summarize(observed, &areas, &mut plan);
    // What a quota or a policy of others may refuse comes last: the ledger is written without it, also
    // where agents can't have their service account.
    plan.steps.sort_by_key(Step::may_be_refused_by_others);
    plan
}

/// What keeps the operator from working with the workload at all.
fn stalled(observed: &Observed) -> Option<Stall> {
    if let Some(stall) = other_namespace::stall(observed) {
        return Some(stall);
    }
    let spec = &observed.database.spec;
    let namespace = observed.namespace_name();
    let name = &spec.workload.called();
    let kind = spec.workload.kind.map_or_else(
        || "StatefulSet or Deployment".to_owned(),
        |kind| kind.to_string(),
    );
    if let Some(rival) = observed.rival() {
        return Some(Stall {
            reason: reasons::WORKLOAD_AMBIGUOUS,
            message: format!(
                "spec.workload: ProtectedDatabase {namespace}/{rival}, which is older, names \
                 {name} too, and a workload can belong to only one. Delete one of the two, or name \
                 another workload"
            ),
        });
    }
    match observed.workload.known()? {
        WorkloadFact::Pods(found) => stalled_pods(observed, found),
        WorkloadFact::NotFound => Some(Stall {
            reason: reasons::WORKLOAD_NOT_FOUND,
            message: format!(
                "spec.workload.name: there is no {kind} {name} in namespace {namespace}, so \
                 nothing can be verified or backed up; claims that carry marks stay guarded. \
                 Create it, or correct the name: kubectl -n {namespace} get \
                 statefulsets,deployments"
            ),
        }),
        WorkloadFact::Ambiguous => Some(Stall {
            reason: reasons::WORKLOAD_AMBIGUOUS,
            message: format!(
                "spec.workload.kind: namespace {namespace} has both a StatefulSet and a Deployment \
                 {name}; set spec.workload.kind to the one that runs Postgres"
            ),
        }),
        WorkloadFact::Found(found) => {
            if found
                .database_container(spec.workload.container.as_deref())
                .is_some()
            {
                return None;
            }
            let containers = found
                .containers
                .iter()
                .map(|container| container.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            Some(Stall {
                reason: reasons::CONTAINER_NOT_FOUND,
                message: match &spec.workload.container {
                    Some(container) => {
                        format!(
                            "spec.workload.container: {} {name} has no container {container}; it \
                             has {containers}. Name the one that runs Postgres",
                            found.kind
                        )
                    }
                    None => format!(
                        "spec.workload.container: {} {name} has several containers ({containers}) \
                         and none is called postgres; name the one that runs Postgres",
                        found.kind
                    ),
                },
            })
        }
    }
}
