//! The guard's part of a plan: Retain first, then the marks, then what can be read back. Pure.

use super::area::{Area, Stall, guard_wanted};
use super::gap::{Gap, OTHERS_PAUSE, unknown};
use super::judge::Judged;
use super::{
    agent_permissions, bare_pods, claims_report, data_place, former_workload, guard_claims,
    guard_off, instances, policies, second_server, shared_data, standing, surroundings, twins,
};
use crate::api::{ConditionStatus, ConditionType, DesiredCondition, reasons};
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Plan, Step};
use crate::world::Observed;

/// Plans the marks and says what of the guard is there.
pub fn guard(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) -> Area {
    claims_report::report_claims(observed, plan);
    if !guard_wanted(observed) {
        former_workload::keep(observed, plan);
        let message = guard_off::release_marks(observed, plan);
        condition(plan, ConditionStatus::False, reasons::GUARD_OFF, message);
        return Area::default();
    }
    let owner = observed.owner();
    let mut gaps = Vec::new();
    if guard::mark_state(&observed.database.metadata, &owner, Marks::Itself) != MarkState::Ours {
        plan.steps.push(Step::MarkDatabase(Box::new(
            observed.database.metadata.clone(),
        )));
        gaps.push(Gap {
            reason: reasons::GUARDING,
            message: "the ProtectedDatabase itself is being marked".to_owned(),
        });
    }
    match &observed.claims.known() {
        None => gaps.extend(unknown(observed.claims.unknown())),
        Some(claims) => {
            for claim in *claims {
                guard_claims::guard_claim(observed, claim, plan, &mut gaps);
            }
            gaps.extend(guard_claims::too_many(observed, claims));
            if claims.is_empty() && stall.is_none() {
                gaps.push(Gap {
                    reason: reasons::NO_CLAIMS,
                    message: format!(
                        "the workload mounts no PersistentVolumeClaim: its data is lost when the \
                         pod is deleted. Mount a claim at the data directory of {}",
                        observed.database.spec.workload.called()
                    ),
                });
            }
        }
    }
    gaps.extend(data_place::off_claim(observed, judged, plan));
    let of_others = [
        shared_data::mounted_twice(observed),
        second_server::selected_too(observed),
    ];
    gaps.extend(of_others.into_iter().flatten());
    guard_claims::guard_kept_volumes(observed, plan, &mut gaps);
    let kept_twins = twins::keep_twins(observed, plan, &mut gaps);
    surroundings::mark_surroundings(observed, &owner, plan, &mut gaps);
    former_workload::release_former(observed, plan);
    gaps.extend(policies::policy_gap(observed, plan));
    gaps.extend(agent_permissions::repair(observed, plan));
    let confirmed = standing::report_confirmations(observed, plan);
    let confirmed = confirmed.map(|gap| {
        let message = gap.message.clone();
        gaps.push(gap);
        message
    });
    gaps.extend(shared_data::may_overlap(observed));
    gaps.extend(second_server::second_workload(observed));
    gaps.extend(instances::unnamed_primary(observed));
    if gaps
        .iter()
        .any(|gap| instances::is_about_others(gap.reason))
    {
        plan.read_again_after(OTHERS_PAUSE);
    }
    let area_stall = gaps
        .iter()
        .find(|gap| [reasons::CLAIM_SHARED, reasons::NAMESPACE_REPLACED].contains(&gap.reason))
        .map(|gap| Stall {
            reason: gap.reason,
            message: gap.message.clone(),
        });
    if let Some(stall) = stall {
        gaps.insert(
            0,
            Gap {
                reason: stall.reason,
                message: stall.message.clone(),
            },
        );
    }
    // What a user must see comes before what passes by waiting.
    gaps.sort_by_key(|gap| match gap.reason {
        reasons::GUARDING => 3,
        reasons::CLAIM_NOT_BOUND => 2,
        reasons::NAMESPACE_TERMINATING => 0,
        _ => 1,
    });
    let waiting_on = gaps
        .iter()
        .find(|gap| gap.reason == reasons::GUARDING)
        .map(|gap| gap.message.clone());
    let gone_owner = bare_pods::gone_owner(observed);
    if gone_owner.is_some() {
        // Owners are not watched: that one is back is seen only by looking.
        plan.read_again_after(OTHERS_PAUSE);
    }
    if let Some(gap) = gaps.into_iter().next() {
        // Whatever else is amiss, what may be deleted is named. Long commands come last.
        let also = confirmed.filter(|_| gap.reason != reasons::CONFIRMED);
        let also = also.map_or_else(String::new, |also| format!("{also}. Also, "));
        let message = format!("{also}{}", gap.message);
        condition(plan, ConditionStatus::False, gap.reason, message);
    } else {
        let guarded = plan
            .status
            .claims
            .iter()
            .map(|claim| format!("{} ({})", claim.name, claim.volume))
            .collect::<Vec<_>>()
            .join(", ");
        let twins = kept_twins.map_or_else(String::new, |kept| format!(". {kept}"));
        let replaced = shared_data::replaced_at_once(observed);
        let replaced = replaced.map_or_else(String::new, |replaced| format!(". {replaced}"));
        let message = format!(
            "deletion is refused, finalizers are set and volumes are on Retain for \
             {guarded}{twins}{replaced}"
        );
        let (reason, message) = match gone_owner {
            Some((reason, gone)) => (reason, format!("{message}. {gone}")),
            None => (reasons::GUARDED, message),
        };
        condition(plan, ConditionStatus::True, reason, message);
    }
    Area {
        stall: area_stall,
        waiting_on,
    }
}

fn condition(plan: &mut Plan, status: ConditionStatus, reason: &'static str, message: String) {
    plan.conditions.push(DesiredCondition {
        condition: ConditionType::Guarded,
        status,
        reason,
        message,
    });
}
