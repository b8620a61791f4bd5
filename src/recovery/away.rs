//! Since when the data has been away, as far as the cluster knows it. Pure.

use jiff::Timestamp;

use super::{Place, Situation};
use crate::api::{ConditionType, find_condition, reasons};

/// Reasons of `Guarded=False` that mean that the way to the data is lost.
const AWAY: &[&str] = &[reasons::CLAIM_LOST, reasons::CLAIM_NOT_FOUND];

/// Since when the data has been away: the first of what the volumes, and the conditions of the
/// ProtectedDatabase, say. `None` if nothing is amiss, or nothing says when it began.
#[must_use]
pub fn away_since(situation: &Situation) -> Option<Timestamp> {
    let volumes = situation
        .places
        .iter()
        .filter(|place| !place.is_well())
        .filter_map(released_at);
    let conditions = situation
        .database
        .as_ref()
        .and_then(|database| database.status.as_ref())
        .map(|status| status.conditions.as_slice());
    let conditions = conditions.unwrap_or_default();
    let since = |type_: ConditionType, status: &str, is_meant: &dyn Fn(&str) -> bool| {
        find_condition(conditions, type_)
            .filter(|condition| condition.status == status && is_meant(&condition.reason))
            .map(|condition| condition.last_transition_time.0)
    };
    let reset = since(ConditionType::DataReset, "True", &|_| true);
    let lost = since(ConditionType::Guarded, "False", &|reason| {
        AWAY.contains(&reason)
    });
    volumes.chain(reset).chain(lost).min()
}

/// When a volume without its claim was released.
fn released_at(place: &Place) -> Option<Timestamp> {
    let status = place.volume.as_ref()?.status.as_ref()?;
    let is_released = matches!(status.phase.as_deref(), Some("Released" | "Available"));
    status
        .last_phase_transition_time
        .as_ref()
        .filter(|_| is_released)
        .map(|time| time.0)
}
