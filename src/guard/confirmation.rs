//! Confirmations on guarded objects: whether one is in force, the command that sets it, and the
//! patches that set and remove it, each for the very object that was shown. Pure.

use jiff::Timestamp;
use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::operations::{add, annotate, remove, test, test_uid};
use crate::api::names::{CONFIRMED_FOR_ANNOTATION, CONFIRMED_FOR_DATABASE_ANNOTATION};
use crate::api::{Confirmation, ConfirmedVerb, split_owner};

/// What a confirmation on an object amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    None,
    /// In force until then.
    Until(Timestamp),
    /// It was good for this object, and has ended.
    Ended,
    /// It is none of this object, has no time, or a time that is not reached.
    Void,
}

/// What the confirmation of `verb` on an object amounts to.
///
/// A confirmed deletion that is under way stays confirmed: it can't be undone, and the finalizer
/// may be removed only after the pods have stopped. What counts is when the API server began it.
#[must_use]
pub fn standing(metadata: &ObjectMeta, verb: ConfirmedVerb, now: Timestamp) -> Standing {
    let Some(text) = annotation(metadata, verb) else {
        return Standing::None;
    };
    let parsed = text.parse::<Confirmation>().ok();
    let of_this = |confirmation: &Confirmation| Some(&confirmation.uid) == metadata.uid.as_ref();
    let Some(confirmation) = parsed.filter(of_this) else {
        return Standing::Void;
    };
    let deleted = metadata.deletion_timestamp.as_ref();
    let deleted = deleted.filter(|_| verb == ConfirmedVerb::Delete);
    match deleted {
        _ if !confirmation.has_begun(now) => Standing::Void,
        Some(deleted) if deleted.0 <= confirmation.end() => Standing::Until(Timestamp::MAX),
        None if confirmation.is_in_force(now) => Standing::Until(confirmation.end()),
        Some(_) | None => Standing::Ended,
    }
}

/// Whether a user has confirmed the deletion of exactly this object.
#[must_use]
pub fn deletion_confirmed(metadata: &ObjectMeta, now: Timestamp) -> bool {
    matches!(
        standing(metadata, ConfirmedVerb::Delete, now),
        Standing::Until(_)
    )
}

/// Whether a user has confirmed a change of exactly this object.
#[must_use]
pub fn change_confirmed(metadata: &ObjectMeta, now: Timestamp) -> bool {
    matches!(
        standing(metadata, ConfirmedVerb::Change, now),
        Standing::Until(_)
    )
}

/// Whether a DatabaseRestore of the object's namespace has confirmed the deletion of exactly this
/// object.
#[must_use]
pub fn confirmed_by_restore(metadata: &ObjectMeta, now: Timestamp) -> bool {
    let annotations = metadata.annotations.as_ref();
    let restore = annotations.and_then(|annotations| annotations.get(CONFIRMED_FOR_ANNOTATION));
    let namespace = restore
        .and_then(|restore| split_owner(restore))
        .map(|(namespace, _)| namespace);
    deletion_confirmed(metadata, now)
        && namespace.is_some()
        && namespace == metadata.namespace.as_deref()
}

/// Whether an object carries a confirmation of `verb`, whatever it amounts to.
#[must_use]
pub fn carries_confirmation(metadata: &ObjectMeta, verb: ConfirmedVerb) -> bool {
    annotation(metadata, verb).is_some()
}

/// Whether an object carries a confirmation of anything, whatever it amounts to.
#[must_use]
pub fn is_confirmed_at_all(metadata: &ObjectMeta) -> bool {
    let mut verbs = ConfirmedVerb::ALL.into_iter();
    verbs.any(|verb| carries_confirmation(metadata, verb))
}

/// The command that confirms without the plugin. `word` is what kubectl calls the kind. The shell
/// fills in the time; this `date` works with GNU, BSD and busybox.
#[must_use]
pub fn confirm_command(word: &str, metadata: &ObjectMeta, verb: ConfirmedVerb) -> String {
    let scope = metadata
        .namespace
        .as_deref()
        .map_or_else(String::new, |namespace| format!(" -n {namespace}"));
    format!(
        "kubectl annotate {word} {}{scope} --overwrite {}={}/{NOW}",
        metadata.name.as_deref().unwrap_or_default(),
        verb.annotation(),
        metadata.uid.as_deref().unwrap_or_default(),
    )
}

/// What the shell replaces by the time of a confirmation.
pub(super) const NOW: &str = "$(date -u +%FT%TZ)";

/// Confirms a deletion or change of exactly this object, from now on.
#[must_use]
pub fn build_confirmation(metadata: &ObjectMeta, verb: ConfirmedVerb, now: Timestamp) -> Patch {
    let confirmation = Confirmation {
        uid: metadata.uid.clone().unwrap_or_default(),
        since: now,
    };
    Patch(
        [test_uid(metadata)]
            .into_iter()
            .chain(annotate(
                metadata,
                verb.annotation(),
                &confirmation.to_string(),
            ))
            .collect(),
    )
}

/// Passes the confirmation of a DatabaseRestore on to exactly this claim: all that the operator may
/// confirm. Restore and restored database are `NAMESPACE/NAME`.
#[must_use]
pub fn build_confirmation_for(
    metadata: &ObjectMeta,
    restore: &str,
    database: &str,
    now: Timestamp,
) -> Patch {
    let Patch(mut operations) = build_confirmation(metadata, ConfirmedVerb::Delete, now);
    // The confirmation comes last and creates the map if there is none.
    for (annotation, value) in [
        (CONFIRMED_FOR_ANNOTATION, restore),
        (CONFIRMED_FOR_DATABASE_ANNOTATION, database),
    ] {
        let path = ["metadata", "annotations", annotation];
        operations.push(add(&path, value.into()));
    }
    Patch(operations)
}

/// Removes a confirmation, as it was read. `None` if there is none.
#[must_use]
pub fn build_revocation(metadata: &ObjectMeta, verbs: &[ConfirmedVerb]) -> Option<Patch> {
    let mut operations = vec![test_uid(metadata)];
    for verb in verbs {
        if let Some(confirmed) = annotation(metadata, *verb) {
            let path = ["metadata", "annotations", verb.annotation()];
            operations.extend([test(&path, confirmed.into()), remove(&path)]);
            if *verb == ConfirmedVerb::Delete {
                for note in [CONFIRMED_FOR_ANNOTATION, CONFIRMED_FOR_DATABASE_ANNOTATION] {
                    if is_annotated(metadata, note) {
                        operations.push(remove(&["metadata", "annotations", note]));
                    }
                }
            }
        }
    }
    (operations.len() > 1).then_some(Patch(operations))
}

/// Whether the operator has confirmed the deletion, for a DatabaseRestore.
#[must_use]
pub fn is_of_restore(metadata: &ObjectMeta) -> bool {
    is_annotated(metadata, CONFIRMED_FOR_ANNOTATION)
}

fn is_annotated(metadata: &ObjectMeta, annotation: &str) -> bool {
    let annotations = metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(annotation))
}

fn annotation(metadata: &ObjectMeta, verb: ConfirmedVerb) -> Option<&str> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(verb.annotation()).map(String::as_str)
}

#[cfg(test)]
#[path = "confirmation_tests.rs"]
mod tests;
