//! The annotations of a ledger that say whose namespace it is: the one that a user, or `recover`, has
//! accepted, and the one that `recover` is about to create. Builders only.

use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::operations::{annotate, remove, test, test_uid};
use crate::api::names::{ACCEPT_NAMESPACE_ANNOTATION, RECREATION_ANNOTATION};

/// The UID of the namespace that was accepted for what a ledger remembers.
#[must_use]
pub fn accepted_namespace(ledger: &ObjectMeta) -> Option<&str> {
    annotation(ledger, ACCEPT_NAMESPACE_ANNOTATION)
}

/// What is on a ledger, and on the namespace that a recovery creates for it.
#[must_use]
pub fn recreation_token(metadata: &ObjectMeta) -> Option<&str> {
    annotation(metadata, RECREATION_ANNOTATION)
}

/// Notes on a ledger that its namespace is about to be created.
#[must_use]
pub fn build_recreation_note(ledger: &ObjectMeta, token: &str) -> Patch {
    let mut operations = vec![test_uid(ledger)];
    operations.extend(annotate(ledger, RECREATION_ANNOTATION, token));
    Patch(operations)
}

/// Accepts the namespace with that UID, which a recovery has created, and forgets that it was about
/// to: a copy of the namespace carries the same text.
#[must_use]
pub fn build_acceptance(ledger: &ObjectMeta, namespace_uid: &str) -> Patch {
    let mut operations = vec![test_uid(ledger)];
    operations.extend(annotate(ledger, ACCEPT_NAMESPACE_ANNOTATION, namespace_uid));
    if let Some(token) = recreation_token(ledger) {
        let path = ["metadata", "annotations", RECREATION_ANNOTATION];
        operations.extend([test(&path, token.into()), remove(&path)]);
    }
    Patch(operations)
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let value = metadata.annotations.as_ref()?.get(key)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}
