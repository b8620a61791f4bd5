//! The guard is switched off in the spec: the marks are removed when that is confirmed, and the
//! message has the command that switches it on. Pure.

use super::{release, standing};
use crate::api::ConfirmedVerb;
use crate::guard;
use crate::plan::{Permit, Plan, Step};
use crate::world::Observed;

/// Plans to remove the marks, if a user has confirmed the change, and says what the guard is now.
///
/// The API server refuses the change of the spec without a confirmation. It is asked for here too:
/// the policy may have been off, or the ProtectedDatabase created where marks of an older one of
/// its name still are.
pub fn release_marks(observed: &Observed, plan: &mut Plan) -> String {
    let metadata = &observed.database.metadata;
    let mut release = Plan::default();
    if release::release_guard(observed, &Permit::GuardOff, &mut release) {
        release::release_database(observed, Permit::GuardOff, &mut release);
    }
    let is_confirmed = guard::change_confirmed(metadata, observed.server_time());
    let is_released = release.steps.is_empty();
    let steps = release.steps.into_iter();
    // Retain loses nothing.
    plan.steps
        .extend(steps.filter(|step| is_confirmed || matches!(step, Step::RetainVolume(_))));
    if plan.steps.is_empty() {
        standing::clear_database(observed, plan);
    }
    let (namespace, name) = (observed.namespace_name(), observed.name());
    let on = guard::guard_on_command(namespace, name);
    match release::unconfirmed(observed) {
        Some(waits) => format!(
            "spec.guard.deletion is Off, but the marks can't be removed yet: {waits}. To guard the \
             database again: {on}"
        ),
        None if is_released || is_confirmed => format!(
            "spec.guard.deletion is Off: nothing refuses to delete the claims and volumes of this \
             database. To guard it: {on}"
        ),
        None => format!(
            "spec.guard.deletion is Off, but nobody has confirmed that: what carries marks stays \
             guarded, and nothing else is. To guard the database again: {on}. To remove the marks: \
             {}",
            guard::confirm_command("protdb", metadata, ConfirmedVerb::Change)
        ),
    }
}
