//! The marks that make an object a guarded one: how to read, set and remove them. Pure:
//! patches are built, not sent.
//!
//! Which object carries what:
//!
//! | object | [`Marks`] | label | annotation | finalizer |
//! |---|---|---|---|---|
//! | claim, volume | [`Marks::Held`] | yes | yes | yes |
//! | ProtectedDatabase | [`Marks::Itself`] | yes | yes | yes |
//! | DatabaseLedger | [`Marks::Named`] | yes | yes | no |
//! | StatefulSet, Deployment | `workload_marks` | yes | no: their owners compare them | no: a terminating StatefulSet no longer recreates its pods |
//! | Namespace | [`Marks::Shared`] | yes | no | no |
//!
//! A Namespace may hold thousands of ProtectedDatabases, so it carries no list of them: a list
//! would be written once for each of them, contended by all, and limited by the 256 KiB of an
//! object's annotations. The last of them removes the label.
//!
//! Marks are also copied, with a manifest or by a backup tool, and anybody who may write an object may
//! write them: an annotation counts only where it is the name of a database that the object can
//! belong to.
//!
//! Every patch but those for Retain and for notes is conditional on `metadata.uid` and
//! `metadata.resourceVersion`: it applies to exactly the object that was read, or the API
//! server answers 422 and nothing has changed. Retain depends on the UID only, so that no
//! concurrent write can delay it.

use json_patch::{Patch, PatchOperation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::loss_text::is_loss_summary;
use super::operations::{add, remove, replace, set_entry, test, test_uid, test_version};
use crate::api::ConfirmedVerb;
use crate::api::names::{
    KEEP_FINALIZER, KEPT_FOR_ANNOTATION, LOSS_SUMMARY_ANNOTATION, NAMESPACE_UID_ANNOTATION,
    PROTECTED_BY_ANNOTATION, PROTECTED_LABEL,
};
use crate::api::split_owner;

/// The value of [`PROTECTED_LABEL`] on a guarded object.
pub const PROTECTED_VALUE: &str = "true";
/// The reclaim policy under which a volume survives its claim.
pub const RETAIN: &str = "Retain";

/// Which marks an object carries; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Label, annotation and finalizer: claims and volumes.
    Held,
    /// The same, of a ProtectedDatabase: it belongs to nobody else, so whatever its annotation says
    /// of another one came with a copy.
    Itself,
    /// Label and annotation: ledgers.
    Named,
    /// Label only: namespaces.
    Shared,
}

impl Marks {
    /// Whether they include the finalizer.
    const fn include_finalizer(self) -> bool {
        matches!(self, Self::Held | Self::Itself)
    }
}

/// What the marks of an object say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// No mark at all.
    Unmarked,
    /// Another ProtectedDatabase, `NAMESPACE/NAME`, guards it.
    MarkedBy(String),
    /// Some of our marks are there, others are missing.
    Partial,
    /// All marks are there and name the owner that was asked for.
    Ours,
}

/// The ProtectedDatabase, `NAMESPACE/NAME`, that an object's annotation names. None where it is no
/// mark: a text that is no name, or the name of a database of another namespace than the object's.
#[must_use]
pub fn marked_owner(meta: &ObjectMeta) -> Option<&str> {
    let owner = annotation(meta, PROTECTED_BY_ANNOTATION)?;
    let (namespace, _) = split_owner(owner)?;
    let is_elsewhere = meta
        .namespace
        .as_deref()
        .is_some_and(|home| home != namespace);
    (!is_elsewhere).then_some(owner)
}

/// Forgets the marks on a volume that is for a claim of another namespace than they name: they came
/// with a copy. What the annotations say is overwritten when it is marked.
pub fn forget_copied_marks(meta: &mut ObjectMeta, claim_namespace: Option<&str>) {
    let owner = annotation(meta, PROTECTED_BY_ANNOTATION).and_then(split_owner);
    let is_copied = owner
        .zip(claim_namespace)
        .is_some_and(|((namespace, _), home)| namespace != home);
    if let Some(annotations) = meta.annotations.as_mut().filter(|_| is_copied) {
        annotations.remove(PROTECTED_BY_ANNOTATION);
        annotations.remove(NAMESPACE_UID_ANNOTATION);
    }
}

/// The UID of the namespace that is noted on a volume.
#[must_use]
pub fn noted_namespace(meta: &ObjectMeta) -> Option<&str> {
    annotation(meta, NAMESPACE_UID_ANNOTATION).filter(|uid| !uid.is_empty())
}

/// The UID of the namespace whose database keeps a volume, or has kept it before it was released.
#[must_use]
pub fn kept_for_namespace(meta: &ObjectMeta) -> Option<&str> {
    let kept_for = annotation(meta, KEPT_FOR_ANNOTATION);
    noted_namespace(meta).or(kept_for.filter(|uid| !uid.is_empty()))
}

/// Reads the marks of an object as seen by `owner`, `NAMESPACE/NAME`.
#[must_use]
pub fn mark_state(meta: &ObjectMeta, owner: &str, marks: Marks) -> MarkState {
    let labelled = is_labelled(meta);
    if marks == Marks::Shared {
        return if labelled {
            MarkState::Ours
        } else {
            MarkState::Unmarked
        };
    }
    let held = marks.include_finalizer() && is_held(meta);
    match marked_owner(meta) {
        Some(other) if other != owner && marks == Marks::Itself => MarkState::Partial,
        Some(other) if other != owner => MarkState::MarkedBy(other.to_owned()),
        Some(_) if labelled && (held || marks == Marks::Named) => MarkState::Ours,
        None if !labelled && !held => MarkState::Unmarked,
        _ => MarkState::Partial,
    }
}

/// Sets the marks that are missing. `None` if all are there, or if another ProtectedDatabase has
/// marked the object: its marks are never overwritten.
///
/// An object that is being deleted takes no new finalizer (the API server refuses it); it gets the
/// other marks.
#[must_use]
pub fn build_mark_patch(meta: &ObjectMeta, owner: &str, marks: Marks) -> Option<Patch> {
    let operations = mark_operations(meta, owner, marks);
    (!operations.is_empty()).then(|| conditional(meta, operations))
}

/// Sets a volume to Retain, whatever else has changed on it. `None` if its policy is Retain
/// already.
#[must_use]
pub fn build_retain_patch(meta: &ObjectMeta, reclaim_policy: Option<&str>) -> Option<Patch> {
    (reclaim_policy != Some(RETAIN))
        .then(|| Patch(vec![test_uid(meta), retain_operation(reclaim_policy)]))
}

/// Sets a volume of others to Retain, and nothing else, if it is still as it was read: it may be for
/// other storage by now. `None` if its policy is Retain already.
#[must_use]
pub fn build_twin_patch(meta: &ObjectMeta, reclaim_policy: Option<&str>) -> Option<Patch> {
    (reclaim_policy != Some(RETAIN))
        .then(|| conditional(meta, vec![retain_operation(reclaim_policy)]))
}

/// Sets a volume to Retain, marks it and notes the UID of its namespace, if that is known, in one
/// write. `None` if all is done, or if another ProtectedDatabase has marked it.
#[must_use]
pub fn build_volume_patch(
    meta: &ObjectMeta,
    reclaim_policy: Option<&str>,
    owner: &str,
    namespace_uid: Option<&str>,
) -> Option<Patch> {
    if matches!(mark_state(meta, owner, Marks::Held), MarkState::MarkedBy(_)) {
        return None;
    }
    let mut operations = mark_operations(meta, owner, Marks::Held);
    if reclaim_policy != Some(RETAIN) {
        operations.insert(0, retain_operation(reclaim_policy));
    }
    if let Some(uid) = namespace_uid.filter(|uid| noted_namespace(meta) != Some(uid)) {
        // The map of annotations exists by now: the name of the owner is in it.
        operations.push(set_entry(
            "annotations",
            true,
            NAMESPACE_UID_ANNOTATION,
            uid,
        ));
    }
    (!operations.is_empty()).then(|| conditional(meta, operations))
}

/// What would be lost with an object, as the operator has noted on it. A text that has not the form
/// of this note is somebody else's, and none.
#[must_use]
pub fn loss_summary(meta: &ObjectMeta) -> Option<&str> {
    annotation(meta, LOSS_SUMMARY_ANNOTATION).filter(|text| is_loss_summary(text))
}

/// Notes on an object what would be lost with it. `None` if exactly that is noted. Depends on the
/// UID only: a note loses nothing.
#[must_use]
pub fn build_loss_summary_patch(meta: &ObjectMeta, summary: &str) -> Option<Patch> {
    let note = || {
        set_entry(
            "annotations",
            meta.annotations.is_some(),
            LOSS_SUMMARY_ANNOTATION,
            summary,
        )
    };
    (loss_summary(meta) != Some(summary)).then(|| Patch(vec![test_uid(meta), note()]))
}

/// Removes our marks, and with them what was confirmed: the finalizer by its index and with a test
/// of its value, so that nobody else's is removed. A volume stays on Retain. `None` if there are
/// none, or if they are another ProtectedDatabase's.
#[must_use]
pub fn build_release_patch(meta: &ObjectMeta, owner: &str, marks: Marks) -> Option<Patch> {
    if matches!(
        mark_state(meta, owner, marks),
        MarkState::MarkedBy(_) | MarkState::Unmarked
    ) {
        return None;
    }
    let mut operations = Vec::new();
    if marks != Marks::Shared && annotation(meta, PROTECTED_BY_ANNOTATION).is_some() {
        operations.push(remove(&[
            "metadata",
            "annotations",
            PROTECTED_BY_ANNOTATION,
        ]));
    }
    if annotation(meta, LOSS_SUMMARY_ANNOTATION).is_some() {
        operations.push(remove(&[
            "metadata",
            "annotations",
            LOSS_SUMMARY_ANNOTATION,
        ]));
    }
    let confirmed = ConfirmedVerb::ALL.map(ConfirmedVerb::annotation);
    let confirmed = confirmed
        .into_iter()
        .filter(|key| annotation(meta, key).is_some());
    operations.extend(confirmed.map(|key| remove(&["metadata", "annotations", key])));
    if meta
        .labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(PROTECTED_LABEL))
    {
        operations.push(remove(&["metadata", "labels", PROTECTED_LABEL]));
    }
    if let Some(uid) = annotation(meta, NAMESPACE_UID_ANNOTATION) {
        let path = ["metadata", "annotations", NAMESPACE_UID_ANNOTATION];
        operations.push(remove(&path));
        // It stays on Retain, and counts for the namespace that wanted it so.
        let note = set_entry("annotations", true, KEPT_FOR_ANNOTATION, uid);
        operations.push(note);
    }
    if marks.include_finalizer() {
        operations.extend(let_go(meta));
    }
    Some(conditional(meta, operations))
}

/// Changes nothing: it applies to exactly the object that was read, or the API server answers 422.
/// What is decided about one object because of another has no other precondition on that one.
#[must_use]
pub fn build_unchanged_patch(meta: &ObjectMeta) -> Patch {
    conditional(meta, Vec::new())
}

/// Removes our finalizer, whatever else has changed on the object, and leaves the other marks.
/// `None` if it is not there.
#[must_use]
pub fn build_finalizer_removal(meta: &ObjectMeta) -> Option<Patch> {
    is_held(meta).then(|| Patch([test_uid(meta)].into_iter().chain(let_go(meta)).collect()))
}

/// Removes our finalizer by its place and its name, so that nobody else's is removed.
fn let_go(meta: &ObjectMeta) -> Vec<PatchOperation> {
    let Some(index) = finalizer_index(meta).map(|index| index.to_string()) else {
        return Vec::new();
    };
    let path = ["metadata", "finalizers", index.as_str()];
    vec![test(&path, KEEP_FINALIZER.into()), remove(&path)]
}

fn mark_operations(meta: &ObjectMeta, owner: &str, marks: Marks) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    if matches!(
        mark_state(meta, owner, marks),
        MarkState::Ours | MarkState::MarkedBy(_)
    ) {
        return operations;
    }
    if !is_labelled(meta) {
        operations.push(set_entry(
            "labels",
            meta.labels.is_some(),
            PROTECTED_LABEL,
            PROTECTED_VALUE,
        ));
    }
    if marks != Marks::Shared && marked_owner(meta) != Some(owner) {
        operations.push(set_entry(
            "annotations",
            meta.annotations.is_some(),
            PROTECTED_BY_ANNOTATION,
            owner,
        ));
    }
    if marks.include_finalizer() && !is_held(meta) && meta.deletion_timestamp.is_none() {
        operations.push(
            if meta
                .finalizers
                .as_ref()
                .is_some_and(|finalizers| !finalizers.is_empty())
            {
                add(&["metadata", "finalizers", "-"], KEEP_FINALIZER.into())
            } else {
                add(&["metadata", "finalizers"], json!([KEEP_FINALIZER]))
            },
        );
    }
    operations
}

fn retain_operation(reclaim_policy: Option<&str>) -> PatchOperation {
    let path = ["spec", "persistentVolumeReclaimPolicy"];
    if reclaim_policy.is_some() {
        replace(&path, RETAIN.into())
    } else {
        add(&path, RETAIN.into())
    }
}

pub(super) fn conditional(meta: &ObjectMeta, operations: Vec<PatchOperation>) -> Patch {
    let mut all = vec![test_uid(meta), test_version(meta)];
    all.extend(operations);
    Patch(all)
}

/// Whether the API server refuses to delete or disarm it: the label is there.
#[must_use]
pub fn is_labelled(meta: &ObjectMeta) -> bool {
    meta.labels
        .as_ref()
        .and_then(|labels| labels.get(PROTECTED_LABEL))
        .is_some_and(|value| value == PROTECTED_VALUE)
}

fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether our finalizer holds it.
#[must_use]
pub fn is_held(meta: &ObjectMeta) -> bool {
    finalizer_index(meta).is_some()
}

fn finalizer_index(meta: &ObjectMeta) -> Option<usize> {
    meta.finalizers
        .as_ref()?
        .iter()
        .position(|finalizer| finalizer == KEEP_FINALIZER)
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
