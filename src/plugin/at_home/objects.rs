//! Whether an object of the installation is as it would be installed: every field that the installation
//! sets has its value. What the API server fills in and what others add to lists by name is left alone.
//! Pure.

use serde_json::Value;

use crate::wording::quoted_line;

/// The most characters of a value that are quoted.
const QUOTED: usize = 80;
/// What an installation may set to something else: the chart has values for it.
const FREE: &[&str] = &["resources"];
/// What the items of lists are known by.
const KEYS: &[&str] = &["name", "containerPort", "mountPath"];

/// The object as it is called: kind, namespace, name.
pub fn title(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str();
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = text("name").unwrap_or_default();
    match text("namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Compares an object with the one that this version installs.
pub fn judge_object(
    built: &Value,
    present: Option<&Value>,
    install: &str,
) -> Result<String, String> {
    let title = title(built);
    let Some(present) = present else {
        return Err(format!(
            "{title} does not exist; install this version again: {install}"
        ));
    };
    if present["metadata"]["deletionTimestamp"].is_string() {
        return Err(format!(
            "{title} is being deleted; when it is gone, install this version again: {install}"
        ));
    }
    match difference("", built, present) {
        None => Ok(format!("{title} is as this version installs it")),
        Some(what) => Err(format!(
            "{title} is not as this version installs it: {what}; install it again: {install}"
        )),
    }
}

/// The first field that is not as it was built.
fn difference(path: &str, built: &Value, present: &Value) -> Option<String> {
    match (built, present) {
        (Value::Object(fields), Value::Object(found)) => fields
            .iter()
            .filter(|(name, _)| !FREE.contains(&name.as_str()))
            .find_map(|(name, field)| {
                let path = format!("{path}.{name}");
                difference(&path, field, found.get(name).unwrap_or(&Value::Null))
            }),
        (Value::Array(items), Value::Array(found)) => lists_differ(path, items, found),
        // The API server leaves out what is empty.
        (Value::Null, _) => None,
        _ if is_same(built, present) => None,
        _ => Some(format!(
            "{} is {}, not {}",
            path.trim_start_matches('.'),
            show(present),
            show(built)
        )),
    }
}

fn lists_differ(path: &str, items: &[Value], found: &[Value]) -> Option<String> {
    let key_of = |item: &Value| {
        let mut keys = KEYS.iter();
        keys.find(|key| !item[**key].is_null())
            .map(|key| (*key, item[*key].clone()))
    };
    let is_keyed = !items.is_empty() && items.iter().all(|item| key_of(item).is_some());
    if !is_keyed {
        if items.len() != found.len() {
            let path = path.trim_start_matches('.');
            return Some(format!(
                "{path} has {} items, not {}",
                found.len(),
                items.len()
            ));
        }
        let mut pairs = items.iter().zip(found).enumerate();
        return pairs.find_map(|(place, (item, found))| {
            difference(&format!("{path}[{place}]"), item, found)
        });
    }
    items.iter().find_map(|item| {
        let (key, value) = key_of(item)?;
        let path = format!(
            "{path}[{}]",
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned)
        );
        let mut of_key = found.iter().filter(|other| other[key] == value);
        match of_key.next_back() {
            Some(found) => difference(&path, item, found),
            None => Some(format!("{} is missing", path.trim_start_matches('.'))),
        }
    })
}

/// Whether two values are the same, as one that is absent is an empty one.
fn is_same(built: &Value, present: &Value) -> bool {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    built == present || (is_empty(built) && is_empty(present))
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Object(_) | Value::Array(_) => "another one".to_owned(),
        _ => quoted_line(&value.to_string(), QUOTED),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;
    use crate::install::{InstallOptions, build_installation};

    fn options() -> InstallOptions {
        InstallOptions {
            image: "holdfast:test".to_owned(),
            namespace: "holdfast-system".to_owned(),
            selector: Some("shard=a".to_owned()),
            kept_volume_limit: None,
            backups_at_once: None,
            agents: None,
        }
    }

    fn deployment() -> Value {
        let all = build_installation(&options()).unwrap();
        let mut all = all.into_iter();
        all.find(|object| object["kind"] == "Deployment").unwrap()
    }

    #[test]
    fn every_object_of_the_installation_is_as_itself_and_its_absence_is_found() {
        for built in build_installation(&options()).unwrap() {
            assert!(judge_object(&built, Some(&built), "install").is_ok());
            let said = judge_object(&built, None, "install").unwrap_err();
            assert!(said.contains("does not exist"), "{said}");
            let mut going = built.clone();
            going["metadata"]["deletionTimestamp"] = "2026-02-01T09:00:00Z".into();
            assert!(judge_object(&built, Some(&going), "install").is_err());
        }
    }

    /// Place, field, its other value, and the finding.
    type Change = (&'static str, &'static str, Value, &'static str);

    #[test]
    fn each_field_that_is_another_is_named() {
        let pod = "/spec/template/spec";
        let container = "/spec/template/spec/containers/0";
        let changes: &[Change] = &[
            (
                pod,
                "serviceAccountName",
                json!("default"),
                "serviceAccountName",
            ),
            ("/spec", "replicas", json!(2), "spec.replicas is 2, not 1"),
            (
                "/spec/strategy",
                "type",
                json!("RollingUpdate"),
                "strategy.type",
            ),
            (
                container,
                "image",
                json!("evil"),
                "containers[holdfast].image is \"evil\"",
            ),
            (
                container,
                "args",
                json!(["operator", "-v"]),
                "args has 2 items",
            ),
            (
                container,
                "env",
                json!([]),
                "env[HOLDFAST_AGENT_IMAGE] is missing",
            ),
            (
                "/metadata/labels",
                "app.kubernetes.io/name",
                json!(null),
                "is not set",
            ),
        ];
        for (place, field, value, said) in changes {
            let built = deployment();
            let mut present = built.clone();
            present.pointer_mut(place).unwrap()[*field] = value.clone();
            let found = judge_object(&built, Some(&present), "install").unwrap_err();
            assert!(found.contains(said), "{field}: {found}");
        }
    }

    #[test]
    fn what_others_add_and_the_api_server_fills_in_is_no_difference() {
        let built = deployment();
        let mut present = built.clone();
        present["status"] = json!({"replicas": 1});
        present["metadata"]["labels"]["helm.sh/chart"] = "holdfast".into();
        let container = &mut present["spec"]["template"]["spec"]["containers"][0];
        container["terminationMessagePath"] = "/dev/termination-log".into();
        container["resources"] = json!({"limits": {"memory": "1Gi"}});
        let more = json!({"name": "HOLDFAST_WEBHOOK_URL_FILE", "value": "/etc/x"});
        container["env"].as_array_mut().unwrap().insert(0, more);
        let sidecar = json!({"name": "mesh", "image": "mesh"});
        let containers = &mut present["spec"]["template"]["spec"]["containers"];
        containers.as_array_mut().unwrap().insert(0, sidecar);
        let judged = judge_object(&built, Some(&present), "install");
        assert!(judged.is_ok(), "{judged:?}");
    }
}
