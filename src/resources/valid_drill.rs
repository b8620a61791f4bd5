//! What a spec says about drills, read once. Pure.

use std::time::Duration;

use super::duration::{DurationRange, parse_duration};
use super::quantity::{compare, is_amount};
use super::schedule::{Schedule, ScheduleError};
use super::spec_error::SpecError;
use super::valid_agents::agent_errors;
use crate::api::{Agents, Drill, DrillStorage};

const DEADLINE_RANGE: DurationRange = ["1m", "7d"];
const WITHIN_RANGE: DurationRange = ["1s", "3650d"];

/// What drills go by.
#[derive(Clone, Debug)]
pub struct ValidDrill {
    /// When they are due.
    pub schedule: Schedule,
    /// Longest time that one may take.
    pub deadline: Duration,
    /// For each column whose freshness is checked, in the order of the spec, how much older than the
    /// backup its newest value may be.
    pub within: Vec<Duration>,
}

/// Reads what a spec says.
///
/// # Errors
/// Every field that can't be used.
pub(super) fn read_drill(drill: &Drill) -> Result<ValidDrill, Vec<SpecError>> {
    let resources = Agents {
        resources: drill.resources.clone(),
        ..Agents::default()
    };
    let mut errors = agent_errors("spec.drill", &resources);
    let mut refuse = |field: &str, message: String| {
        errors.push(SpecError {
            field: format!("spec.drill.{field}"),
            message,
        });
    };
    let schedule = Schedule::parse(&drill.schedule, drill.time_zone.as_deref())
        .map_err(|error| {
            let field = match error {
                ScheduleError::TimeZone(_) => "timeZone",
                ScheduleError::Malformed { .. } | ScheduleError::NeverFires(_) => "schedule",
            };
            refuse(field, error.to_string());
        })
        .ok();
    let deadline = parse_duration(&drill.deadline, DEADLINE_RANGE)
        .map_err(|error| refuse("deadline", error.to_string()))
        .ok();
    let mut within = Vec::new();
    for (position, column) in drill.freshness.iter().enumerate() {
        match parse_duration(&column.within, WITHIN_RANGE) {
            Ok(duration) => within.push(duration),
            Err(error) => refuse(&format!("freshness[{position}].within"), error.to_string()),
        }
    }
    for (position, query) in drill.queries.iter().enumerate() {
        let bounds = (query.minimum, query.maximum);
        let is_wrong = match bounds {
            (None, None) => true,
            (Some(minimum), Some(maximum)) => minimum > maximum,
            _ => false,
        };
        if is_wrong {
            refuse(
                &format!("queries[{position}]"),
                "it needs a minimum, a maximum, or both, and the minimum is not above the maximum"
                    .to_owned(),
            );
        }
    }
    if let Some(storage) = &drill.storage
        && !has_size(storage)
    {
        refuse(
            "storage.size",
            "how much the restored data and its indexes may take is missing, or is no amount; write such \
             as 20Gi"
                .to_owned(),
        );
    }
    match (schedule, deadline) {
        (Some(schedule), Some(deadline)) if errors.is_empty() => Ok(ValidDrill {
            schedule,
            deadline,
            within,
        }),
        _ => Err(errors),
    }
}

fn has_size(storage: &DrillStorage) -> bool {
    let size = storage.size.as_deref().unwrap_or_default();
    is_amount(size) && compare(size, "0") == Some(std::cmp::Ordering::Greater)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::*;

    fn fields(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut drill = json!({
            "schedule": "0 5 * * 0", "timeZone": "Europe/Berlin", "of": "Random", "deadline": "90m",
            "storage": {"size": "20Gi", "storageClassName": "fast"},
            "queries": [{"name": "orders", "query": "select count(*) from orders", "minimum": 1}],
            "freshness": [{"table": "public.orders", "column": "made", "within": "26h"}],
        });
        change(&mut drill);
        let drill: Drill = serde_json::from_value(drill).unwrap();
        match read_drill(&drill) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.field).collect(),
        }
    }

    #[test]
    fn each_field_is_refused_by_its_name() {
        assert!(fields(|_| {}).is_empty());
        for (path, value, field) in [
            ("/schedule", json!("never"), "schedule"),
            ("/timeZone", json!("Berlin"), "timeZone"),
            ("/deadline", json!("1s"), "deadline"),
            ("/storage", json!({}), "storage.size"),
            ("/storage/size", json!("0Gi"), "storage.size"),
            ("/queries/0/minimum", Value::Null, "queries[0]"),
            ("/queries/0/maximum", json!(0), "queries[0]"),
            ("/freshness/0/within", json!("soon"), "freshness[0].within"),
            (
                "/resources",
                json!({"limits": {"memory": "much"}}),
                "resources",
            ),
        ] {
            let found = fields(|drill| {
                let (parent, name) = path.rsplit_once('/').unwrap();
                drill.pointer_mut(parent).unwrap()[name] = value.clone();
            });
            assert_eq!(found, [format!("spec.drill.{field}")], "{path} = {value}");
        }
    }
}
