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
use serde_json::Value;

use super::confirmation::{Standing, standing};
use super::drift::{is_built, value};
use super::version::{is_newer, set_version};
use crate::api::names::{NAME_LABEL, NAME_VALUE};
use crate::api::{
    ConfirmedVerb, DatabaseBackup, DatabaseCheck, DatabaseLedger, DatabaseRestore,
    ProtectedDatabase,
};

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
    now: Option<Timestamp>,
) -> bool {
    if carries_ended(present, now) {
        return true;
    }
    if is_newer(&present.metadata) {
        return false;
    }
    let mut marked = present.clone();
    set_marks(&mut marked);
    marked.metadata != present.metadata || !is_built(&value(&present.spec), &value(&built.spec))
}

/// Whether a definition says that a newer version has installed it, and is not the one of this version
/// with more fields: what it takes can't be told here.
#[must_use]
pub fn definition_is_unproven(
    present: &CustomResourceDefinition,
    built: &CustomResourceDefinition,
) -> bool {
    is_newer(&present.metadata) && !has_every_field(&value(&present.spec), &value(&built.spec))
}

/// Whether `present` has what was built, where a schema may have more fields and other words.
fn has_every_field(present: &Value, built: &Value) -> bool {
    /// What says nothing of the objects that are taken.
    const WORDS: [&str; 4] = [
        "description",
        "shortNames",
        "categories",
        "additionalPrinterColumns",
    ];
    match (present, built) {
        (Value::Object(present), Value::Object(built)) => {
            let is_same = |key: &String| match (present.get(key), built.get(key)) {
                _ if WORDS.contains(&key.as_str()) => true,
                (Some(Value::Object(present)), Some(Value::Object(built)))
                    if key == "properties" =>
                {
                    let mut fields = built.iter();
                    fields.all(|(name, built)| {
                        let present = present.get(name);
                        present.is_some_and(|present| has_every_field(present, built))
                    })
                }
                (Some(present), Some(built)) => has_every_field(present, built),
                (Some(present), None) => is_empty(present),
                (None, _) => false,
            };
            present.keys().chain(built.keys()).all(is_same)
        }
        (Value::Array(present), Value::Array(built)) => {
            let mut both = present.iter().zip(built);
            present.len() == built.len()
                && both.all(|(present, built)| has_every_field(present, built))
        }
        (present, built) => present == built,
    }
}

/// Whether a field that was not built says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The definition that is there with the spec and the marks that were built; what others have added
/// to its metadata stays, except a confirmation that has ended. One of a newer version keeps its
/// spec.
#[must_use]
pub fn restore_definition(
    present: &CustomResourceDefinition,
    built: &CustomResourceDefinition,
    now: Option<Timestamp>,
) -> CustomResourceDefinition {
    let is_newer = is_newer(&present.metadata);
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

/// Whether a definition carries a confirmation that confirms nothing any more. Where the time is not
/// known, it may be in force.
#[must_use]
pub fn carries_ended(present: &CustomResourceDefinition, now: Option<Timestamp>) -> bool {
    has_ended(present, now).next().is_some()
}

/// What was confirmed of a definition, and is not any more.
fn has_ended(
    present: &CustomResourceDefinition,
    now: Option<Timestamp>,
) -> impl Iterator<Item = ConfirmedVerb> {
    let has_ended = |verb: &ConfirmedVerb| {
        let standing = now.map(|now| standing(&present.metadata, *verb, now));
        matches!(standing, Some(Standing::Ended | Standing::Void))
    };
    let ended = ConfirmedVerb::ALL.map(|verb| Some(verb).filter(has_ended));
    ended.into_iter().flatten()
}

fn set_marks(definition: &mut CustomResourceDefinition) {
    let metadata = &mut definition.metadata;
    metadata
        .labels
        .get_or_insert_default()
        .insert(NAME_LABEL.to_owned(), NAME_VALUE.to_owned());
    set_version(metadata);
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use super::*;
    use crate::api::names::DEFINITION_VERSION_ANNOTATION;

    fn changed(change: impl Fn(&mut CustomResourceDefinition)) -> [bool; 5] {
        let mut all = definitions().into_iter();
        std::array::from_fn(|_| {
            let built = all.next().unwrap();
            let mut present = built.clone();
            change(&mut present);
            let now = Some(now());
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
    fn a_newer_definition_is_believed_only_with_every_field_of_this_version() {
        for built in definitions() {
            let newer = |change: &dyn Fn(&mut CustomResourceDefinition)| {
                let mut newer = built.clone();
                let annotations = newer.metadata.annotations.get_or_insert_default();
                annotations.insert(
                    DEFINITION_VERSION_ANNOTATION.to_owned(),
                    "99.0.0".to_owned(),
                );
                change(&mut newer);
                definition_is_unproven(&newer, &built)
            };
            assert!(!newer(&|_| {}));
            assert!(!newer(&|newer| {
                let schema = newer.spec.versions[0].schema.as_mut().unwrap();
                let schema = schema.open_api_v3_schema.as_mut().unwrap();
                schema.description = Some("other words".to_owned());
                let fields = schema.properties.as_mut().unwrap();
                fields.insert("further".to_owned(), JSONSchemaProps::default());
            }));
            assert!(newer(&|newer| newer.spec.versions[0].served = false));
            assert!(newer(&|newer| {
                let schema = newer.spec.versions[0].schema.as_mut().unwrap();
                let schema = schema.open_api_v3_schema.as_mut().unwrap();
                schema.properties.as_mut().unwrap().remove("status");
            }));
            assert!(newer(&|newer| newer.spec.versions[0].subresources = None));
            assert!(newer(&|newer| newer.spec.versions.clear()));
            assert!(newer(&|newer| {
                let schema = newer.spec.versions[0].schema.as_mut().unwrap();
                let schema = schema.open_api_v3_schema.as_mut().unwrap();
                schema.x_kubernetes_preserve_unknown_fields = Some(true);
            }));
        }
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
        let restored = restore_definition(&newer, &built, Some(now()));
        newer.metadata.annotations.as_mut().unwrap().remove(&ended);
        assert_eq!(restored, newer, "the rest of a newer version stays");
    }

    #[test]
    fn where_the_time_is_not_known_no_confirmation_is_removed() {
        let built = definitions().remove(0);
        let mut confirmed = built.clone();
        let annotations = confirmed.metadata.annotations.get_or_insert_default();
        let key = ConfirmedVerb::Delete.annotation().to_owned();
        annotations.insert(key, "u-1/2026-02-01T09:10:00Z".to_owned());
        assert!(carries_ended(&confirmed, Some(now())));
        assert!(!carries_ended(&confirmed, None));
        assert_eq!(restore_definition(&confirmed, &built, None), confirmed);
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
        assert_eq!(of(env!("CARGO_PKG_VERSION")), [true; 5]);
        assert_eq!(of("the one I like"), [true; 5]);
    }
}
