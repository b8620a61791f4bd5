//! The defaults of an installation for agents' pods, as they are given to the operator. Pure.

use kube::CustomResourceExt as _;
use serde_json::Value;

use super::valid_agents::agent_errors;
use super::valid_spec::describe_errors;
use crate::api::{Agents, ProtectedDatabase};

/// The defaults of an installation for agents' pods, as JSON with the fields of `spec.agents`. A field
/// that does not exist is refused: nobody would see that it does nothing.
///
/// # Errors
/// What can't be used of it.
pub fn parse_agent_defaults(text: &str) -> Result<Agents, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let definition = serde_json::to_value(ProtectedDatabase::crd()).unwrap_or_default();
    let schema = definition.pointer(SCHEMA).unwrap_or(&Value::Null);
    if let Some(unknown) = unknown_field(schema, &value, "") {
        return Err(format!("there is no field {unknown} in spec.agents"));
    }
    let agents = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let errors = agent_errors("agents", &agents);
    if errors.is_empty() {
        Ok(agents)
    } else {
        Err(describe_errors(&errors))
    }
}

/// Where the schema of `spec.agents` is in the definition.
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/agents";

/// The first field, at any depth, that the schema does not have.
fn unknown_field(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| {
            unknown_field(&schema["items"], item, &format!("{path}[{place}]"))
        }),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let properties = schema["properties"].as_object();
            match properties.map(|properties| properties.get(name)) {
                Some(None) => Some(below(name)),
                Some(Some(property)) => unknown_field(property, field, &below(name)),
                // Labels and amounts have the names that users give them.
                None => None,
            }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_for_agents_are_read_whole_or_refused() {
        let read = |text: &str| parse_agent_defaults(text);
        assert_eq!(read("{}"), Ok(Agents::default()));
        assert_eq!(
            read(r#"{"assignedUser": true}"#).map(|agents| agents.assigned_user),
            Ok(Some(true))
        );
        for (text, said) in [
            ("x", "expected value"),
            (r#"{"nodeSelectors": {}}"#, "no field nodeSelectors"),
            (
                r#"{"resources": {"limit": {"cpu": "1"}}}"#,
                "no field resources.limit",
            ),
            (
                r#"{"tolerations": [{"keys": "a"}]}"#,
                "no field tolerations[0].keys",
            ),
            (
                r#"{"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": 1}}}"#,
                "agents.resources: the request of 2 cpu is above its limit of 1",
            ),
            (r#"{"labels": {"a b": ""}}"#, "agents.labels: \"a b\""),
            (r#"{"env": [{"name": "PGHOST"}]}"#, "agents.env: PGHOST"),
            (
                r#"{"securityContext": {"privileged": true}}"#,
                "agents.securityContext",
            ),
        ] {
            let answer = read(text).err().unwrap_or_default();
            assert!(answer.contains(said), "{text}: {answer}");
        }
    }
}
