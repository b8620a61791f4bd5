//! The schema of the chart's values. What it says of agents' pods is made from the schema of
//! `spec.agents`, with the rules that JSON Schema can say too; the rest the operator says when it starts.
//! Pure.

use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};

use super::InstallError;
use super::access::OPTIONAL_ROLES;
use crate::api::{AGENT_RESOURCES, ProtectedDatabase, RESERVED_KEYS, RESERVED_VARIABLES, names};

/// Where the schema of `spec.agents` is in the definition.
const AGENTS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/agents";
/// What a key of a label or an annotation is; of an annotation also in upper case.
const KEY: &str = "^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?\
    [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/// The schema as it is written: a line per value.
pub fn build_values_schema() -> Result<String, InstallError> {
    let mut lines = Vec::new();
    for (name, schema) in properties()? {
        lines.push(format!("    {}: {schema}", json!(name)));
    }
    let definitions = json!({
        "somePorts": {"type": "array", "minItems": 1, "items": port()},
        "ports": {"type": "array", "items": port()},
        "monitoring": {
            "description": "An object of the Prometheus operator, and further labels for it.",
            "type": "object", "additionalProperties": false,
            "properties": {"enabled": {"type": "boolean"}, "labels": texts()},
        },
    });
    Ok(format!(
        "{{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": \"Values of the \
         chart holdfast\",\n  \"type\": \"object\",\n  \"additionalProperties\": false,\n  \"required\": \
         [\"image\", \"resources\"],\n  \"properties\": {{\n{}\n  }},\n  \"definitions\": \
         {definitions}\n}}\n",
        lines.join(",\n")
    ))
}

fn port() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 65535})
}

fn texts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn properties() -> Result<Vec<(&'static str, Value)>, InstallError> {
    let amounts = json!({"type": "object", "additionalProperties": {"type": ["string", "number"]}});
    let named = json!({"type": "array", "items": {"type": "string", "minLength": 1}});
    let roles = OPTIONAL_ROLES.iter();
    let roles: Map<String, Value> = roles
        .map(|role| (role.value.to_owned(), json!({"type": "boolean"})))
        .collect();
    let reference = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
    Ok(vec![
        (
            "image",
            json!({"description": "The image of operator and agents.", "type": "string", "minLength": 1, "pattern": r"^\S+$"}),
        ),
        (
            "resources",
            json!({
                "description": "Requests and limits of the operator.", "type": "object",
                "additionalProperties": false,
                "properties": {"requests": amounts, "limits": amounts, "claims": {"type": "array"}},
            }),
        ),
        (
            "keptVolumeLimit",
            json!({
                "description": "How many volumes whose claims are gone the databases of one namespace may keep on Retain.",
                "type": "integer", "minimum": 1, "maximum": 65535,
            }),
        ),
        (
            "backupsAtOnce",
            json!({
                "description": "How many backups may run at once; others wait for their turn. 0: any number.",
                "type": "integer", "minimum": 0, "maximum": 65535,
            }),
        ),
        (
            "selector",
            json!({
                "description": "The labels of the ProtectedDatabases that are this operator's own, as kubectl takes them.",
                "type": "string", "pattern": "^[-A-Za-z0-9_./=!,() ]*$",
            }),
        ),
        (
            "roles",
            json!({
                "description": "Which of the operator's roles that can be left out are there.", "type": "object",
                "additionalProperties": false,
                "properties": roles,
            }),
        ),
        ("operator", operator()?),
        ("agents", agents()?),
        (
            "networkPolicies",
            json!({
                "description": "The flows that Holdfast needs, as NetworkPolicies.", "type": "object",
                "additionalProperties": false,
                "properties": {
                    "enabled": {"type": "boolean"},
                    "namespaces": named, "ingressDeniedNamespaces": named,
                    "dnsPorts": reference("somePorts"), "databasePorts": reference("somePorts"),
                    "apiServerPorts": reference("somePorts"), "storagePorts": reference("ports"),
                    "webhookPorts": reference("ports"),
                },
            }),
        ),
        (
            "webhook",
            json!({
                "description": "The Secret that holds the URL of a webhook for alerts.", "type": "object",
                "additionalProperties": false,
                "properties": {"secretName": {"type": "string"}, "key": {"type": "string", "minLength": 1}},
            }),
        ),
        ("prometheusRule", reference("monitoring")),
        ("podMonitor", reference("monitoring")),
        (
            "labels",
            json!({"description": "Further labels for every object of the chart.", "type": "object", "additionalProperties": {"type": "string"}}),
        ),
        (
            "global",
            json!({"description": "Set by Helm for charts that contain this one.", "type": "object"}),
        ),
    ])
}

/// The schema of what the operator's own pod can have: fields of `spec.agents`, under the names that
/// charts give them.
fn operator() -> Result<Value, InstallError> {
    let agents = agents()?;
    let field = |name: &str| agents["properties"][name].clone();
    Ok(json!({
        "description": "How the operator's own pod is.", "type": "object",
        "additionalProperties": false,
        "properties": {
            "imagePullSecrets": field("imagePullSecrets"), "nodeSelector": field("nodeSelector"),
            "tolerations": field("tolerations"), "affinity": field("affinity"),
            "priorityClassName": field("priorityClassName"), "podLabels": field("labels"),
            "podAnnotations": field("annotations"),
        },
    }))
}

/// The schema of `spec.agents` as JSON Schema, with its rules.
fn agents() -> Result<Value, InstallError> {
    let definition = serde_json::to_value(ProtectedDatabase::crd())?;
    let mut schema = definition.pointer(AGENTS).cloned().unwrap_or_default();
    to_json_schema(&mut schema);
    schema["description"] =
        "How the pods of agents are where a ProtectedDatabase does not say it: the \
        fields of its spec.agents."
            .into();
    let starts = |prefixes: &[&str]| format!("^({})", prefixes.join("|").replace('.', "[.]"));
    let keys = json!({"pattern": KEY, "not": {"pattern": starts(RESERVED_KEYS)}});
    let own = json!({"enum": [names::MANAGED_BY_LABEL]});
    let fields = &mut schema["properties"];
    fields["annotations"]["propertyNames"] = keys.clone();
    fields["labels"]["propertyNames"] = json!({"allOf": [keys, {"not": own}]});
    fields["nodeSelector"]["propertyNames"] = json!({"pattern": KEY});
    fields["nodeSelector"]["properties"] = json!({"kubernetes.io/os": {"enum": ["linux"]}});
    for amounts in ["requests", "limits"] {
        fields["resources"]["properties"][amounts]["propertyNames"] =
            json!({"enum": AGENT_RESOURCES});
    }
    let reserved = format!("{}|^PATH$", starts(RESERVED_VARIABLES));
    fields["env"]["items"]["properties"]["name"]["not"] = json!({"pattern": reserved});
    let context = &mut fields["securityContext"]["properties"];
    for (field, always) in [
        ("privileged", false),
        ("allowPrivilegeEscalation", false),
        ("runAsNonRoot", true),
    ] {
        context[field]["enum"] = json!([always]);
    }
    context["capabilities"]["properties"]["add"]["maxItems"] = 0.into();
    for profile in ["seccompProfile", "appArmorProfile"] {
        context[profile]["properties"]["type"]["enum"] = json!(["RuntimeDefault", "Localhost"]);
    }
    let ids = ["runAsUser", "runAsGroup", "fsGroup"].map(|id| json!({"required": [id]}));
    schema["if"] = json!({
        "required": ["assignedUser"], "properties": {"assignedUser": {"enum": [true]}},
    });
    schema["then"] = json!({"properties": {"securityContext": {"not": {"anyOf": ids}}}});
    Ok(schema)
}

/// Removes what only Kubernetes knows, and refuses what is not named.
fn to_json_schema(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    fields.remove("description");
    if fields.remove("x-kubernetes-int-or-string").is_some() {
        fields.insert("type".to_owned(), json!(["integer", "string"]));
        fields.insert("minimum".to_owned(), 0.into());
    }
    fields.retain(|name, _| !name.starts_with("x-kubernetes-") && name != "format");
    if fields.contains_key("properties") {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    for part in ["items", "additionalProperties"] {
        if let Some(part) = fields.get_mut(part) {
            to_json_schema(part);
        }
    }
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        to_json_schema(property);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn the_schema_is_one_and_knows_every_field_of_agents() {
        let schema: Value = serde_json::from_str(&build_values_schema().unwrap()).unwrap();
        let agents = &schema["properties"]["agents"];
        let definition = serde_json::to_value(ProtectedDatabase::crd()).unwrap();
        let fields = definition.pointer(AGENTS).unwrap()["properties"]
            .as_object()
            .unwrap();
        for field in fields.keys() {
            assert!(agents["properties"][field].is_object(), "{field}");
        }
        assert_eq!(agents["additionalProperties"], false);
        let text = agents.to_string();
        assert!(!text.contains("x-kubernetes"), "{text}");
        let operator = &schema["properties"]["operator"]["properties"];
        for field in operator.as_object().unwrap().values() {
            assert!(field["type"].is_string(), "{field}");
        }
        assert_eq!(
            agents["properties"]["securityContext"]["properties"]["privileged"]["enum"],
            json!([false])
        );
    }
}
