//! Since when the data has been unavailable, as far as the cluster knows it.

use jiff::Timestamp;

use crate::api::{ConditionType, find_condition, reasons};
use crate::world::{ClaimBinding, ObservedRecovery};

/// Reasons of `Guarded=False` that mean that the data can't be reached.
const UNAVAILABLE: &[&str] = &[reasons::CLAIM_LOST, reasons::CLAIM_NOT_FOUND];

/// Since when the data has been unavailable: the first of what the volumes, and the conditions of
/// the ProtectedDatabase, say. `None` if nothing is wrong, or nothing says when it began.
#[must_use]
pub fn unavailable_since(observed: &ObservedRecovery) -> Option<Timestamp> {
    let bindings = observed.known_bindings().iter();
    let volumes = bindings
        .filter(|binding| !binding.is_bound())
        .filter_map(released_at);
    let database = observed.database.known().and_then(Option::as_ref);
    let status = database.and_then(|database| database.status.as_ref());
    let conditions = status.map_or(&[][..], |status| status.conditions.as_slice());
    let since = |type_: ConditionType, status: &str, is_meant: &dyn Fn(&str) -> bool| {
        find_condition(conditions, type_)
            .filter(|condition| condition.status == status && is_meant(&condition.reason))
            .map(|condition| condition.last_transition_time.0)
    };
    let reset = since(ConditionType::DataReset, "True", &|_| true);
    let lost = since(ConditionType::Guarded, "False", &|reason| {
        UNAVAILABLE.contains(&reason)
    });
    volumes.chain(reset).chain(lost).min()
}

/// When a volume without its claim was released.
fn released_at(binding: &ClaimBinding) -> Option<Timestamp> {
    let volume = binding.volume.as_ref()?;
    let is_released = matches!(volume.phase.as_str(), "Released" | "Failed" | "Available");
    let since = volume.phase_since.as_ref().filter(|_| is_released)?;
    Some(since.0)
}
