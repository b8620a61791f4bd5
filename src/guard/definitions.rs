//! Our `CustomResourceDefinition`s: how they are installed, and whether the one that the API server
//! has still is that. Pure.
//!
//! Each names the version that installed it. An older operator does not change a definition of a
//! newer version: during an upgrade the manifest comes before the operator, and an older schema
//! would remove fields that are in use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt as _;

use super::confirmation::{Standing, standing};
use super::drift::{is_built, value};
use crate::api::names::{DEFINITION_VERSION_ANNOTATION, NAME_LABEL, NAME_VALUE};
use crate::api::{
    ConfirmedVerb, DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore,
    ProtectedDatabase,
};

/// The version that this binary installs.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Names of all definitions.
#[must_use]
pub fn definition_names() -> [&'static str; 5] {
    [
        ProtectedDatabase::crd_name(),
        DatabaseCheck::crd_name(),
        DatabaseBackup::crd_name(),
        DatabaseRestore::crd_name(),
        DatabaseLedger::crd_name(),
    ]
}

/// All definitions as they are installed, the one that users write first. They contain what the API
/// server would fill in.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    [
        ProtectedDatabase::crd(),
        DatabaseCheck::crd(),
        DatabaseBackup::crd(),
        DatabaseRestore::crd(),
        DatabaseLedger::crd(),
    ]
    .into_iter()
    .map(|mut definition| {
        definition.spec.names.list_kind = Some(format!("{}List", definition.spec.names.kind));
        definition.spec.conversion = Some(CustomResourceConversion {
            strategy: "None".to_owned(),
            webhook: None,
        });
        for version in &mut definition.spec.versions {
            let schema = version.schema.as_mut();
            unwrap_lines(schema.and_then(|schema| schema.open_api_v3_schema.as_mut()));
        }
        set_marks(&mut definition);
        definition
    })
    .collect()
}

/// Removes the line breaks of the source from every description: `kubectl explain` wraps by itself.
fn unwrap_lines(schema: Option<&mut JSONSchemaProps>) {
    let Some(schema) = schema else { return };
    if let Some(description) = &mut schema.description {
        let paragraphs = description.split("\n\n");
        *description = paragraphs
            .map(|paragraph| paragraph.replace('\n', " "))
            .collect::<Vec<_>>()
            .join("\n\n");
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        unwrap_lines(Some(property));
    }
    if let Some(JSONSchemaPropsOrBool::Schema(inner)) = &mut schema.additional_properties {
        unwrap_lines(Some(inner));
    }
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &mut schema.items {
        unwrap_lines(Some(inner));
    }
}

/// Whether a definition is to be restored: it carries a confirmation that has ended, or is not the
/// one that was built, and not a newer version's.
#[must_use]
pub fn definition_differs(
    present: &CustomResourceDefinition,
    built: &CustomResourceDefinition,
    now: Timestamp,
) -> bool {
    if carries_ended(present, now) {
        return true;
    }
    if installed_version(present).is_some_and(|installed| installed > version(VERSION)) {
        return false;
    }
    let mut marked = present.clone();
    set_marks(&mut marked);
    marked.metadata != present.metadata || !is_built(&value(&present.spec), &value(&built.spec))
}

/// The definition that is there with the spec and the marks that were built; what others have added
/// to its metadata stays, except a confirmation that has ended. One of a newer version keeps its
/// spec.
#[must_use]
pub fn restore_definition(
    present: &CustomResourceDefinition,
    built: &CustomResourceDefinition,
    now: Timestamp,
) -> CustomResourceDefinition {
    let is_newer = installed_version(present).is_some_and(|installed| installed > version(VERSION));
    let spec = if is_newer { &present.spec } else { &built.spec };
    let mut restored = CustomResourceDefinition {
        metadata: present.metadata.clone(),
        spec: spec.clone(),
        status: None,
    };
    restored.metadata.managed_fields = None;
    for ended in has_ended(present, now) {
        let annotations = restored.metadata.annotations.as_mut();
        annotations.and_then(|all| all.remove(ended.annotation()));
    }
    if !is_newer {
        set_marks(&mut restored);
    }
    restored
}

/// Whether a definition carries a confirmation that confirms nothing any more.
#[must_use]
pub fn carries_ended(present: &CustomResourceDefinition, now: Timestamp) -> bool {
    has_ended(present, now).next().is_some()
}

/// What was confirmed of a definition, and is not any more.
fn has_ended(
    present: &CustomResourceDefinition,
    now: Timestamp,
) -> impl Iterator<Item = ConfirmedVerb> {
    let standings = ConfirmedVerb::ALL.map(|verb| (verb, standing(&present.metadata, verb, now)));
    let ended = standings
        .into_iter()
        .filter(|(_, standing)| matches!(standing, Standing::Ended | Standing::Void));
    ended.map(|(verb, _)| verb)
}

fn set_marks(definition: &mut CustomResourceDefinition) {
    let metadata = &mut definition.metadata;
    metadata
        .labels
        .get_or_insert_default()
        .insert(NAME_LABEL.to_owned(), NAME_VALUE.to_owned());
    metadata
        .annotations
        .get_or_insert_default()
        .insert(DEFINITION_VERSION_ANNOTATION.to_owned(), VERSION.to_owned());
}

fn installed_version(definition: &CustomResourceDefinition) -> Option<[u64; 3]> {
    definition
        .metadata
        .annotations
        .as_ref()?
        .get(DEFINITION_VERSION_ANNOTATION)
        .map(|text| version(text))
}

/// The three numbers of a version; what is none counts as 0, so that nonsense is never newer.
fn version(text: &str) -> [u64; 3] {
    let mut numbers = text
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .map(|part| part.parse().unwrap_or_default());
    std::array::from_fn(|_| numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use super::*;

    fn changed(change: impl Fn(&mut CustomResourceDefinition)) -> [bool; 5] {
        let mut all = definitions().into_iter();
        std::array::from_fn(|_| {
            let built = all.next().unwrap();
            let mut present = built.clone();
            change(&mut present);
            let now = now();
            let differs = definition_differs(&present, &built, now);
            let restored = restore_definition(&present, &built, now);
            assert!(
                !definition_differs(&restored, &built, now),
                "what is put back is as built"
            );
            differs
        })
    }

    fn now() -> Timestamp {
        "2026-02-01T09:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_confirmation_that_has_ended_is_removed_and_another_is_left() {
        let confirmed = |value: &'static str| {
            changed(move |present| {
                present.metadata.uid = Some("u-1".to_owned());
                let annotations = present.metadata.annotations.get_or_insert_default();
                let key = ConfirmedVerb::Delete.annotation();
                annotations.insert(key.to_owned(), value.to_owned());
            })
        };
        assert_eq!(confirmed("u-1/2026-02-01T09:20:00Z"), [false; 5]);
        assert_eq!(confirmed("u-1/2026-02-01T09:10:00Z"), [true; 5]);
        assert_eq!(confirmed("u-1"), [true; 5]);
        let built = definitions().remove(0);
        let mut newer = built.clone();
        newer.spec.versions[0].schema = None;
        let annotations = newer.metadata.annotations.get_or_insert_default();
        let ended = ConfirmedVerb::Delete.annotation().to_owned();
        annotations.insert(ended.clone(), "u-1".to_owned());
        annotations.insert(
            DEFINITION_VERSION_ANNOTATION.to_owned(),
            "99.0.0".to_owned(),
        );
        let restored = restore_definition(&newer, &built, now());
        newer.metadata.annotations.as_mut().unwrap().remove(&ended);
        assert_eq!(restored, newer, "the rest of a newer version stays");
    }

    #[test]
    fn what_was_built_is_left_alone_also_with_the_notes_of_others() {
        assert_eq!(changed(|_| {}), [false; 5]);
        let noted = changed(|present| {
            present.metadata.uid = Some("u-1".to_owned());
            present
                .metadata
                .labels
                .get_or_insert_default()
                .insert("team".to_owned(), "data".to_owned());
            present
                .metadata
                .annotations
                .get_or_insert_default()
                .insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
        });
        assert_eq!(noted, [false; 5]);
    }

    #[test]
    fn each_edit_is_seen() {
        assert_eq!(
            changed(|present| present.spec.versions[0].served = false),
            [true; 5]
        );
        assert_eq!(
            changed(|present| present.spec.versions[0].schema = None),
            [true; 5]
        );
        assert_eq!(
            changed(|present| present.spec.versions[0].subresources = None),
            [true; 5]
        );
        assert_eq!(
            changed(|present| present.spec.names.short_names = Some(vec!["other".to_owned()])),
            [true; 5]
        );
        assert_eq!(
            changed(|present| present.spec.preserve_unknown_fields = Some(true)),
            [true; 5]
        );
        assert_eq!(
            changed(
                |present| present.spec.conversion.as_mut().unwrap().strategy = "Webhook".to_owned()
            ),
            [true; 5]
        );
        assert_eq!(changed(|present| present.metadata.labels = None), [true; 5]);
        assert_eq!(
            changed(|present| present.metadata.annotations = None),
            [true; 5]
        );
        let loosened = changed(|present| {
            let schema = present.spec.versions[0]
                .schema
                .as_mut()
                .unwrap()
                .open_api_v3_schema
                .as_mut()
                .unwrap();
            schema.x_kubernetes_preserve_unknown_fields = Some(true);
        });
        assert_eq!(loosened, [true; 5]);
    }

    #[test]
    fn a_newer_version_is_left_alone_and_an_older_one_is_not() {
        let of = |version: &'static str| {
            changed(move |present| {
                present
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(DEFINITION_VERSION_ANNOTATION.to_owned(), version.to_owned());
                present.spec.versions[0].schema = None;
            })
        };
        assert_eq!(of("99.0.0"), [false; 5]);
        assert_eq!(of("0.99.0-rc.1"), [false; 5]);
        assert_eq!(of("0.0.9"), [true; 5]);
        assert_eq!(of(VERSION), [true; 5]);
        assert_eq!(of("the one I like"), [true; 5]);
    }
}
