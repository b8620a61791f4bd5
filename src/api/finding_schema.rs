//! The schema of a list of findings: structural schemas know no enums with fields.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Makes one object of the types of a list of findings, as a structural schema must be: `type` says
/// which there are, every other field is optional. `type` takes any word, so that the definition of
/// one version does not refuse the verdicts of another.
pub(super) fn merge_types(list: &mut Schema) {
    let Some(schema) = list.get_mut("items").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let mut words = Vec::new();
    let mut properties = Map::new();
    for variant in &variants {
        let word = variant
            .pointer("/properties/type/const")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let meaning = variant
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        words.push(format!("{word}: {meaning}"));
        let fields = variant.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            properties.insert(name.clone(), field.clone());
        }
    }
    let description = format!("What was found. {}", words.join(" "));
    properties.insert(
        "type".to_owned(),
        json!({ "type": "string", "maxLength": 64, "description": description }),
    );
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), json!(["type"]));
}
