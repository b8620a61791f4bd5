//! Schemas of what Kubernetes defines, as part of our own kinds: without their long descriptions, and
//! with a limit on every list, map and text, so that rules about them cost the API server little, and
//! with what the API server asks of them in a pod.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// How many items a list or a map has at most.
const ITEMS: u64 = 32;
/// How long a text is at most: names and keys of labels with their prefix are shorter.
const LENGTH: u64 = 512;

/// The schema of a type of Kubernetes.
pub fn bounded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    bound(schema.ensure_object());
    schema
}

/// The value of a label.
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// The key of a label; a toleration of everything has none.
const LABEL_KEY: &str = "^(([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
    [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";
/// The name of an object; empty for none.
const OBJECT_NAME: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";

/// Labels by key; rules say what a key is.
pub fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": ITEMS,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
    })
}

/// Texts by key, each at most so long.
pub fn pairs<const MOST: u64>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": ITEMS,
        "additionalProperties": {"type": "string", "maxLength": MOST},
    })
}

/// Annotations by key; rules say what a key is.
pub fn annotations(generator: &mut SchemaGenerator) -> Schema {
    pairs::<4096>(generator)
}

/// The name of an object of another kind, or nothing.
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 253, "pattern": OBJECT_NAME})
}

/// What the API server asks of a field of a pod, beyond its type.
fn rules_of(field: &str, siblings: &Map<String, Value>) -> Option<Value> {
    let is_toleration = siblings.contains_key("effect");
    Some(match field {
        "effect" => json!({"enum": ["", "NoSchedule", "PreferNoSchedule", "NoExecute"]}),
        "operator" if is_toleration => json!({"enum": ["", "Equal", "Exists"]}),
        "operator" => json!({"enum": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]}),
        "key" | "topologyKey" => json!({"pattern": LABEL_KEY}),
        "value" => json!({"pattern": LABEL_VALUE, "maxLength": 63}),
        "weight" => json!({"minimum": 1, "maximum": 100}),
        "maxSkew" | "minDomains" => json!({"minimum": 1}),
        "whenUnsatisfiable" => json!({"enum": ["DoNotSchedule", "ScheduleAnyway"]}),
        "nodeAffinityPolicy" | "nodeTaintsPolicy" => json!({"enum": ["Honor", "Ignore"]}),
        "name" => json!({"pattern": OBJECT_NAME, "minLength": 1, "maxLength": 253}),
        _ => return None,
    })
}

/// Amounts of resources: numbers or texts such as `500m`.
pub fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 3,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "maxLength": 32,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$",
        },
    })
}

fn bound(schema: &mut Map<String, Value>) {
    schema.remove("description");
    let limit = match schema.get("type").and_then(Value::as_str) {
        Some("array") => Some(("maxItems", ITEMS)),
        Some("object") if schema.contains_key("additionalProperties") => {
            Some(("maxProperties", ITEMS))
        }
        Some("string") => Some(("maxLength", LENGTH)),
        _ => None,
    };
    if let Some((field, limit)) = limit {
        schema.entry(field).or_insert_with(|| json!(limit));
    }
    for part in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(part).and_then(Value::as_object_mut) {
            bound(part);
        }
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties else { return };
    let siblings = properties.clone();
    for (name, property) in properties {
        if let Some(property) = property.as_object_mut() {
            bound(property);
            let rules = rules_of(name, &siblings);
            property.extend(
                rules
                    .as_ref()
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default(),
            );
        }
    }
}
