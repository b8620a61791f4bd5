//! What must hold for every type of finding. The types are taken from the schema of the enum, so
//! that a new one can't be forgotten here.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::sentence::say_finding;
use crate::api::{CheckOutcome, Finding, reasons};

const DETECTION_PAGE: &str = include_str!("../../docs/detection.md");

/// The schema of each type.
fn types() -> Vec<Value> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Finding>();
    schema.get("oneOf").unwrap().as_array().unwrap().clone()
}

/// A finding of each type, with the least that it must have.
fn every_finding() -> Vec<Finding> {
    let findings: Vec<Finding> = types()
        .iter()
        .map(|one| serde_json::from_value(least(one)).unwrap())
        .collect();
    assert!(findings.len() > 15 && !findings.contains(&Finding::Unknown));
    findings
}

/// The smallest value that a schema allows.
fn least(schema: &Value) -> Value {
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema.pointer("/oneOf/0").or(schema.pointer("/enum/0")) {
        return if first.is_object() {
            least(first)
        } else {
            first.clone()
        };
    }
    match schema["type"].as_str().unwrap_or_default() {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields: Map<String, Value> = required
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), least(&schema["properties"][name])))
                .collect();
            Value::Object(fields)
        }
        "string" if schema["format"] == "date-time" => json!("2026-01-19T12:34:56Z"),
        "string" => json!("x"),
        "integer" => json!(1),
        "boolean" => json!(false),
        "array" => json!([]),
        other => panic!("no value of type {other:?}: {schema}"),
    }
}

#[test]
fn every_suspected_reset_is_a_row_of_the_detection_page_and_a_documented_reason() {
    let rows: Vec<&str> = DETECTION_PAGE
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    for finding in every_finding() {
        if finding.outcome() != CheckOutcome::Suspected {
            continue;
        }
        let word = finding.type_word();
        assert_eq!(
            word,
            finding.reason(),
            "the type of a suspected reset is its reason"
        );
        assert!(reasons::find(&word).is_some(), "{word} is not documented");
        assert!(
            rows.iter().any(|row| row.contains(&format!("`{word}`"))),
            "{word} is in no row of docs/detection.md"
        );
    }
}

#[test]
fn every_finding_is_a_sentence_and_can_be_read_again() {
    for finding in every_finding() {
        let sentence = say_finding(&finding, std::slice::from_ref(&finding), None);
        assert!(
            !sentence.ends_with('.') && !sentence.contains('\n'),
            "{sentence}"
        );
        let stored = serde_json::to_value(&finding).unwrap();
        assert_eq!(
            serde_json::from_value::<Finding>(stored).unwrap(),
            finding,
            "{sentence}"
        );
    }
}

#[test]
fn a_field_means_the_same_in_every_type() {
    let mut fields: Map<String, Value> = Map::new();
    for one in types() {
        for (name, field) in one["properties"].as_object().unwrap() {
            if name != "type" {
                let known = fields.entry(name.clone()).or_insert_with(|| field.clone());
                assert_eq!(known, field, "the definition has only one field {name}");
            }
        }
    }
}
