//! The version that has installed a definition or a policy: an older operator leaves those of a newer
//! one alone, or it would undo the upgrade. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::names::DEFINITION_VERSION_ANNOTATION;

/// The version that this binary installs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Notes the version of this binary.
pub(super) fn set_version(metadata: &mut ObjectMeta) {
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(DEFINITION_VERSION_ANNOTATION.to_owned(), VERSION.to_owned());
}

/// Whether the object says that a newer version than this one has installed it. Anybody who may write
/// the object may write that, so it proves nothing: it only says whose the object is to restore.
#[must_use]
pub fn is_newer(metadata: &ObjectMeta) -> bool {
    newer_version(metadata).is_some()
}

/// That version, as three numbers: the text itself may be anybody's.
#[must_use]
pub fn newer_version(metadata: &ObjectMeta) -> Option<String> {
    let installed = metadata
        .annotations
        .as_ref()?
        .get(DEFINITION_VERSION_ANNOTATION)?;
    let found = numbers(installed);
    let [major, minor, patch] = found;
    (found > numbers(VERSION)).then(|| format!("{major}.{minor}.{patch}"))
}

/// The three numbers of a version; what is none counts as 0, so that nonsense is never newer.
fn numbers(text: &str) -> [u64; 3] {
    let mut numbers = text
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    std::array::from_fn(|_| numbers.next().unwrap_or_default())
}
