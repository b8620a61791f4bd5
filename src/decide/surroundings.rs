//! What would delete the claims with it, the workload and the namespace: their marks, and the gap
//! when the namespace is being deleted. Pure.

use super::claims_guarded::are_claims_guarded;
use super::gap::{Gap, unknown};
use super::ways_back::recover_command;
use super::{going, held_by};
use crate::api::reasons;
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Plan, Step, WorkloadMarkStep};
use crate::world::{Fact, Observed, WorkloadFound};

/// Sets the labels of the workload. Only the one that refuses its deletion is a gap while it is missing.
fn mark_workload(
    observed: &Observed,
    workload: &WorkloadFound,
    plan: &mut Plan,
    gaps: &mut Vec<Gap>,
) {
    let metadata = &workload.metadata;
    let claims_guarded = are_claims_guarded(observed, &plan.status.claims, gaps)
        .unwrap_or_else(|| guard::has_guarded_claims(metadata));
    // A note that is written in this pass changes the version that the marks are pinned to.
    let is_noted = |step: &Step| matches!(step, Step::NoteMountRepair(_));
    if guard::build_workload_patch(metadata, claims_guarded).is_some()
        && !plan.steps.iter().any(is_noted)
    {
        plan.steps.push(Step::MarkWorkload(WorkloadMarkStep {
            kind: workload.kind,
            metadata: Box::new(metadata.clone()),
            claims_guarded,
        }));
    }
    if !guard::is_labelled(metadata) {
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: format!("the {} is being marked", workload.kind),
        });
    }
}

/// Marks what would delete the claims with it: the workload and the namespace. Never with a
/// finalizer.
pub fn mark_surroundings(observed: &Observed, owner: &str, plan: &mut Plan, gaps: &mut Vec<Gap>) {
    if let Some(why) = observed.neighbours.unknown() {
        gaps.extend(unknown(Some(why)));
        return;
    }
    if observed.rival().is_some() {
        return;
    }
    if let Some(workload) = observed.workload_found() {
        match going::workload_gap(observed, workload) {
            Some(gap) => gaps.push(gap),
            None => mark_workload(observed, workload, plan, gaps),
        }
    }
    gaps.extend(going::ledger_gap(observed));
    match &observed.namespace {
        Fact::Unknown(why) => gaps.extend(unknown(Some(why))),
        Fact::Known(None) => {
            let why = format!("Namespace {} does not exist", observed.namespace_name());
            gaps.extend(unknown(Some(&why)));
        }
        Fact::Known(Some(metadata)) => {
            if metadata.deletion_timestamp.is_some() {
                let waits = held_by::say_waits_for(metadata);
                let waits = waits.map_or_else(String::new, |waits| format!("; {waits}"));
                gaps.push(Gap {
                    reason: reasons::NAMESPACE_TERMINATING,
                    message: format!(
                        "Namespace {} is being deleted, and its pods with it{waits}. What is guarded in \
                         it is held, and the volumes are on Retain. The deletion can't be undone. \
                         Recreate the namespace and what was guarded in it: {}. Then apply the \
                         rest again, such as the workload",
                        observed.namespace_name(),
                        recover_command(observed)
                    ),
                });
            } else if guard::mark_state(metadata, owner, Marks::Shared) != MarkState::Ours {
                plan.steps
                    .push(Step::MarkNamespace(Box::new(metadata.clone())));
                gaps.push(Gap {
                    reason: reasons::GUARDING,
                    message: "the namespace is being marked".to_owned(),
                });
            }
        }
    }
}
