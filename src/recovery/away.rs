//! Since when the data has been away, as far as the cluster knows it. Pure.

use jiff::Timestamp;

use super::{Place, Situation};
use crate::api::{ConditionType, find_condition, reasons};

/// Reasons of `Guarded=False` that mean that the way to the data is lost.
const AWAY: &[&str] = &[reasons::CLAIM_LOST, reasons::CLAIM_NOT_FOUND];

/// Since when the data has been away: the first of what the volumes, and the conditions of the ProtectedDatabase, say. `None` if nothing is
/// amiss, or nothing says when it began.
#[must_use]
pub fn away_since(situation: &Situation) -> Option<Timestamp> {
    let volumes = situation.places.iter().filter(|place| !place.is_well()).filter_map(released_at);
    let conditions = situation.database.as_ref().and_then(|database| database.status.as_ref()).map(|status| status.conditions.as_slice());
    let conditions = conditions.unwrap_or_default();
    let since = |type_: ConditionType, status: &str, is_meant: &dyn Fn(&str) -> bool| {
        find_condition(conditions, type_)
            .filter(|condition| condition.status == status && is_meant(&condition.reason))
            .map(|condition| condition.last_transition_time.0)
    };
    let reset = since(ConditionType::DataReset, "True", &|_| true);
    let lost = since(ConditionType::Guarded, "False", &|reason| AWAY.contains(&reason));
    volumes.chain(reset).chain(lost).min()
}

/// When a volume without its claim was released.
fn released_at(place: &Place) -> Option<Timestamp> {
    let status = place.volume.as_ref()?.status.as_ref()?;
    let is_released = matches!(status.phase.as_deref(), Some("Released" | "Available"));
    status.last_phase_transition_time.as_ref().filter(|_| is_released).map(|time| time.0)
}

/// A length of time as people say it: `0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn say_length(length: jiff::SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..10 => format!("{:.1} s", length.as_secs_f64().max(0.0)),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn lengths_are_said_in_two_units_at_most() {
        let said =
            [820, 9_900, 42_000, 192_000, 7_500_000, 273_600_000].map(|milliseconds| say_length(SignedDuration::from_millis(milliseconds)));
        assert_eq!(said, ["0.8 s", "9.9 s", "42 s", "3 min 12 s", "2 h 5 min", "3 d 4 h"]);
    }
}
