//! The summary: Stalled, Reconciling and Ready, computed from the rest and never set by hand. Pure.

use super::area::Area;
use crate::api::{ConditionStatus, ConditionType, DesiredCondition, reasons};
use crate::plan::Plan;
use crate::world::Fact;
use crate::world::Observed;

/// The conditions that must hold for Ready, and the value that each must have.
const REQUIRED: &[(ConditionType, ConditionStatus)] = &[
    (ConditionType::DataReset, ConditionStatus::False),
    (ConditionType::Guarded, ConditionStatus::True),
    (ConditionType::DataVerified, ConditionStatus::True),
    (ConditionType::FilesMatch, ConditionStatus::True),
    (ConditionType::BackupFresh, ConditionStatus::True),
];

/// Adds Stalled, Reconciling and Ready to a plan that has all other conditions.
pub fn summarize(observed: &Observed, areas: &[Area], plan: &mut Plan) {
    let stall = areas.iter().find_map(|area| area.stall.as_ref());
    let unread = observed.unknown_parts();
    let waiting = unread
        .first()
        .copied()
        .or_else(|| areas.iter().find_map(|area| area.waiting_on.as_deref()))
        .map(ToOwned::to_owned);
    let settled = |condition| DesiredCondition {
        condition,
        status: ConditionStatus::False,
        reason: reasons::SETTLED,
        message: "nothing is left to do for now".to_owned(),
    };
    plan.conditions.push(match stall {
        Some(stall) => DesiredCondition {
            condition: ConditionType::Stalled,
            status: ConditionStatus::True,
            reason: stall.reason,
            message: stall.message.clone(),
        },
        None => settled(ConditionType::Stalled),
    });
    plan.conditions.push(match waiting {
        Some(message) => DesiredCondition {
            condition: ConditionType::Reconciling,
            status: ConditionStatus::True,
            reason: reasons::PROGRESSING,
            message,
        },
        None => settled(ConditionType::Reconciling),
    });
    let ready = ready(observed, plan);
    plan.conditions.push(ready);
}

fn ready(observed: &Observed, plan: &Plan) -> DesiredCondition {
    let spec = &observed.database.spec;
    let missing = REQUIRED.iter().find_map(|(condition, wanted)| {
        // A database is judged by what it asks for.
        let is_asked_for = match condition {
            ConditionType::BackupFresh => spec.backup.is_some(),
            ConditionType::FilesMatch => !spec.verification.files.is_empty(),
            _ => true,
        };
        if !is_asked_for {
            return None;
        }
        match plan
            .conditions
            .iter()
            .find(|candidate| candidate.condition == *condition)
        {
            Some(found) if found.status == *wanted => None,
            Some(found) => Some(format!(
                "{} is {} ({}); that condition says more",
                condition.as_str(),
                found.status.as_str(),
                found.reason
            )),
            None => Some(format!("{} is not known", condition.as_str())),
        }
    });
    let (status, reason, message) = match missing {
        Some(message) => (ConditionStatus::False, reasons::NOT_READY, message),
        None => (
            ConditionStatus::True,
            reasons::ALL_GOOD,
            "guarded, verified and backed up".to_owned(),
        ),
    };
    DesiredCondition {
        condition: ConditionType::Ready,
        status,
        reason,
        message,
    }
}

/// Keeps a fact's reading apart from its absence when a sentence needs it.
pub fn list<T>(fact: &Fact<Vec<T>>) -> &[T] {
    fact.known().map(Vec::as_slice).unwrap_or_default()
}
