//! The only function that sets a condition; it says whether anything changed. What each type of
//! condition means to the rest of the program is in `condition_types`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{ConditionStatus, ConditionType};

/// What a condition should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredCondition {
    /// Which condition.
    pub condition: ConditionType,
    /// Its value.
    pub status: ConditionStatus,
    /// A constant of [`super::reasons`].
    pub reason: &'static str,
    /// What happened, what it means, what to do next.
    pub message: String,
}

impl DesiredCondition {
    /// Adds a sentence to the message.
    pub fn add(&mut self, said: &str) {
        self.message = format!("{}; {said}", self.message.trim_end_matches('.'));
    }
}

/// What setting a condition changed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionChange {
    /// Nothing changed.
    Unchanged,
    /// The message or the generation changed, but not the value and the reason.
    Updated,
    /// The value or the reason changed: worth an event.
    Transitioned,
}

/// The longest message that Kubernetes accepts in a condition, in bytes.
const MESSAGE_LIMIT: usize = 32_768;

/// Sets `desired` among `conditions`. `lastTransitionTime` moves only when the value does.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    desired: DesiredCondition,
    generation: Option<i64>,
    now: &Time,
) -> ConditionChange {
    let type_ = desired.condition.as_str();
    let status = desired.status.as_str();
    let mut message = desired.message;
    if message.len() > MESSAGE_LIMIT {
        let end = message.floor_char_boundary(MESSAGE_LIMIT);
        message.truncate(end);
    }
    let Some(existing) = conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    else {
        conditions.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: desired.reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: whole_seconds(now),
        });
        return ConditionChange::Transitioned;
    };
    let moved = existing.status != status;
    let change = if moved || existing.reason != desired.reason {
        ConditionChange::Transitioned
    } else if existing.message != message || existing.observed_generation != generation {
        ConditionChange::Updated
    } else {
        return ConditionChange::Unchanged;
    };
    if moved {
        existing.last_transition_time = whole_seconds(now);
    }
    status.clone_into(&mut existing.status);
    desired.reason.clone_into(&mut existing.reason);
    existing.message = message;
    existing.observed_generation = generation;
    change
}

/// A time as precise as Kubernetes writes it: what is kept in memory then equals what is read again.
#[must_use]
pub fn whole_seconds(time: &Time) -> Time {
    Timestamp::from_second(time.0.as_second()).map_or_else(|_| time.clone(), Time)
}

/// Finds a condition by its type.
#[must_use]
pub fn find_condition(conditions: &[Condition], condition: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|candidate| candidate.type_ == condition.as_str())
}

#[cfg(test)]
mod tests {
    use super::ConditionChange::{Transitioned, Unchanged, Updated};
    use super::*;

    fn desired(status: ConditionStatus, reason: &'static str, message: &str) -> DesiredCondition {
        DesiredCondition {
            condition: ConditionType::Guarded,
            status,
            reason,
            message: message.to_owned(),
        }
    }

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap_or_default())
    }

    #[test]
    fn a_change_of_value_moves_the_transition_time_and_a_change_of_message_does_not() {
        let mut conditions = Vec::new();
        let changes = [
            set_condition(
                &mut conditions,
                desired(ConditionStatus::False, "A", "one"),
                Some(1),
                &at(1),
            ),
            set_condition(
                &mut conditions,
                desired(ConditionStatus::False, "A", "one"),
                Some(1),
                &at(2),
            ),
            set_condition(
                &mut conditions,
                desired(ConditionStatus::False, "A", "two"),
                Some(1),
                &at(3),
            ),
            set_condition(
                &mut conditions,
                desired(ConditionStatus::False, "B", "two"),
                Some(1),
                &at(4),
            ),
        ];
        assert_eq!(changes, [Transitioned, Unchanged, Updated, Transitioned]);
        assert_eq!(conditions[0].last_transition_time, at(1));
        assert_eq!(
            set_condition(
                &mut conditions,
                desired(ConditionStatus::True, "B", "two"),
                Some(2),
                &at(5)
            ),
            Transitioned
        );
        assert_eq!(
            (conditions.len(), &conditions[0].last_transition_time),
            (1, &at(5))
        );
    }

    #[test]
    fn the_transition_time_is_as_it_is_written() {
        let mut conditions = Vec::new();
        let told = desired(ConditionStatus::False, "A", "one");
        let now = Time(at(7).0 + jiff::SignedDuration::from_millis(175));
        let _ = set_condition(&mut conditions, told, None, &now);
        let written = serde_json::to_value(&conditions).unwrap_or_default();
        let read: Vec<Condition> = serde_json::from_value(written).unwrap_or_default();
        assert_eq!(conditions, read);
    }

    #[test]
    fn a_message_over_the_limit_is_cut_at_a_character() {
        let mut conditions = Vec::new();
        let long = "ж".repeat(20_000);
        assert_eq!(
            set_condition(
                &mut conditions,
                desired(ConditionStatus::True, "A", &long),
                None,
                &at(1)
            ),
            Transitioned
        );
        assert_eq!(conditions[0].message.len(), 32_768);
    }
}
