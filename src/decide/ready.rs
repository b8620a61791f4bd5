//! The summary: Stalled, Reconciling and Ready, computed from the rest and never set by hand. Pure.

use super::area::{Area, Stall};
use crate::api::{
    ConditionStatus, ConditionType, DesiredCondition, ProtectedDatabaseSpec, reasons,
};
use crate::plan::Plan;
use crate::world::Fact;
use crate::world::Observed;

/// Adds Stalled, Reconciling and Ready to a plan that has all other conditions.
pub fn summarize(observed: &Observed, areas: &[Area], plan: &mut Plan) {
    let stall = areas.iter().find_map(|area| area.stall.clone());
    let stall = stall.or_else(|| reset(plan));
    let unread = observed.unknown_parts();
    let waiting = unread
        .first()
        .copied()
        .or_else(|| areas.iter().find_map(|area| area.waiting_on.as_deref()))
        .map(ToOwned::to_owned);
    push_progress(stall, waiting, plan);
    let ready = ready(&observed.database.spec, plan);
    plan.conditions.push(ready);
}

/// A reset waits for a user like every other stall: who deploys by `kstatus`, as Flux does, sees that
/// it failed.
fn reset(plan: &Plan) -> Option<Stall> {
    let mut conditions = plan.conditions.iter();
    let reset = conditions.find(|found| {
        found.condition == ConditionType::DataReset && found.status == ConditionStatus::True
    })?;
    Some(Stall {
        reason: reasons::DATA_RESET,
        message: reset.message.clone(),
    })
}

/// Adds Stalled and Reconciling, of which at most one is True: that is what Kubernetes agreed on
/// (`kstatus`). What waits for a user is Stalled, whatever else the operator still does.
pub fn push_progress(stall: Option<Stall>, waiting: Option<String>, plan: &mut Plan) {
    let is_stalled = stall.is_some();
    let settled = |condition, message: &str| DesiredCondition {
        condition,
        status: ConditionStatus::False,
        reason: reasons::SETTLED,
        message: message.to_owned(),
    };
    let nothing = "nothing is left to do for now";
    plan.conditions.push(match stall {
        Some(stall) => DesiredCondition {
            condition: ConditionType::Stalled,
            status: ConditionStatus::True,
            reason: stall.reason,
            message: stall.message,
        },
        None => settled(ConditionType::Stalled, nothing),
    });
    plan.conditions.push(match waiting.filter(|_| !is_stalled) {
        Some(message) => DesiredCondition {
            condition: ConditionType::Reconciling,
            status: ConditionStatus::True,
            reason: reasons::PROGRESSING,
            message,
        },
        None if is_stalled => settled(
            ConditionType::Reconciling,
            "the rest waits until you change what Stalled says",
        ),
        None => settled(ConditionType::Reconciling, nothing),
    });
}

fn ready(spec: &ProtectedDatabaseSpec, plan: &Plan) -> DesiredCondition {
    let required = ConditionType::ALL
        .iter()
        .filter(|type_| type_.row().is_required_for_ready && type_.is_asked_for(spec));
    let mut required = required.copied();
    let missing = required.find_map(|condition| {
        match plan
            .conditions
            .iter()
            .find(|candidate| candidate.condition == condition)
        {
            Some(found) if condition.is_normal(found.status.as_str()) => None,
            // That nothing is guarded is no detail of another condition.
            Some(found) if found.reason == reasons::GUARD_OFF => {
                Some((found.reason, found.message.clone()))
            }
            Some(found) => Some((
                reasons::NOT_READY,
                format!(
                    "{} is {} ({}); that condition says more",
                    condition.as_str(),
                    found.status.as_str(),
                    found.reason
                ),
            )),
            None => Some((
                reasons::NOT_READY,
                format!("{} is not known", condition.as_str()),
            )),
        }
    });
    let (status, reason, message) = match missing {
        Some((reason, message)) => (ConditionStatus::False, reason, message),
        None => (
            ConditionStatus::True,
            reasons::ALL_GOOD,
            all_good(spec).to_owned(),
        ),
    };
    DesiredCondition {
        condition: ConditionType::Ready,
        status,
        reason,
        message,
    }
}

/// What Ready says. It never says that there is a backup where nobody asks for one.
const fn all_good(spec: &ProtectedDatabaseSpec) -> &'static str {
    if spec.backup.is_some() {
        "guarded, verified and backed up"
    } else {
        "guarded and verified, but there is no backup: if the volume is lost, the data is lost. Set \
         spec.backup"
    }
}

/// Keeps a fact's reading apart from its absence when a sentence needs it.
pub fn list<T>(fact: &Fact<Vec<T>>) -> &[T] {
    fact.known().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;

    /// Each condition that the table requires makes Ready False when it is not good, and no other
    /// does.
    #[test]
    fn ready_follows_the_table_of_conditions() {
        let mut spec = json!({"workload": {"name": "pg"}, "connection": {"database": "app", "credentialsSecret": {"name": "pg"}}});
        compare(&serde_json::from_value(spec.clone()).unwrap());
        spec["verification"] = json!({"files": [{"claim": "uploads", "query": "select 1"}]});
        spec["backup"] = json!({"schedule": "@daily", "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3"}}}});
        compare(&serde_json::from_value(spec).unwrap());
    }

    fn compare(spec: &ProtectedDatabaseSpec) {
        let with = |abnormal: Option<ConditionType>| {
            let mut plan = Plan::default();
            for type_ in ConditionType::ALL {
                let normal = type_.row().normal;
                let status = match (abnormal == Some(*type_), normal) {
                    (false, normal) => normal,
                    (true, _) => ConditionStatus::Unknown,
                };
                plan.conditions.push(DesiredCondition {
                    condition: *type_,
                    status,
                    reason: reasons::SETTLED,
                    message: String::new(),
                });
            }
            ready(spec, &plan).status
        };
        assert_eq!(with(None), ConditionStatus::True);
        for type_ in ConditionType::ALL {
            let is_required = type_.row().is_required_for_ready && type_.is_asked_for(spec);
            let expected = if is_required {
                ConditionStatus::False
            } else {
                ConditionStatus::True
            };
            assert_eq!(with(Some(*type_)), expected, "{type_:?}");
        }
    }
}
