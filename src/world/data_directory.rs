//! Where a pod's spec says that the data directory is: its environment, its arguments, and the
//! directories of its volumes that it mounts. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The data directory that a container configures; empty if it leaves that to its image. An
/// argument of the server comes before the environment.
pub(super) fn configured_directory(container: &Container) -> String {
    let words: Vec<&str> = [&container.command, &container.args]
        .into_iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let environment = || {
        let variable = container
            .env
            .iter()
            .flatten()
            .rfind(|variable| variable.name == "PGDATA")?;
        variable.value.clone()
    };
    from_arguments(&words)
        .map(ToOwned::to_owned)
        .or_else(environment)
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned()
}

/// `-D DIR`, `-c data_directory=DIR` or `--data-directory=DIR`: the last setting wins, and it comes
/// before `-D`.
fn from_arguments<'a>(words: &[&'a str]) -> Option<&'a str> {
    let setting = words.iter().rev().find_map(|word| {
        let word = word.trim_start_matches("--").trim_start_matches("-c");
        ["data_directory=", "data-directory="]
            .iter()
            .find_map(|name| word.strip_prefix(name))
    });
    let option = || {
        let position = words.iter().rposition(|word| word.starts_with("-D"))?;
        match words[position].strip_prefix("-D") {
            Some("") => words.get(position + 1).copied(),
            attached => attached,
        }
    };
    setting
        .or_else(option)
        .filter(|directory| directory.starts_with('/'))
}

/// The directory of the volume that is mounted, with the variables of `subPathExpr` filled in as
/// far as the pod's spec says what they are.
pub(super) fn mounted_sub_path(
    pod: &ObjectMeta,
    container: &Container,
    mount: &VolumeMount,
) -> String {
    let path = match (&mount.sub_path, &mount.sub_path_expr) {
        (Some(path), _) if !path.is_empty() => path.clone(),
        (_, Some(expression)) => expand(expression, pod, container),
        _ => String::new(),
    };
    path.trim_matches('/').to_owned()
}

fn expand(expression: &str, pod: &ObjectMeta, container: &Container) -> String {
    let known: BTreeMap<&str, &str> = container
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some((variable.name.as_str(), value_of(variable, pod)?)))
        .collect();
    known
        .iter()
        .fold(expression.to_owned(), |text, (name, value)| {
            text.replace(&format!("$({name})"), value)
        })
}

fn value_of<'a>(variable: &'a EnvVar, pod: &'a ObjectMeta) -> Option<&'a str> {
    let field = variable
        .value_from
        .as_ref()
        .and_then(|source| source.field_ref.as_ref())
        .map(|field| field.field_path.as_str());
    match field {
        Some("metadata.name") => pod.name.as_deref(),
        Some("metadata.namespace") => pod.namespace.as_deref(),
        Some(_) => None,
        None => variable.value.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn container(fields: &Value) -> Container {
        let mut container = json!({"name": "postgres"});
        container
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(container).unwrap()
    }

    #[test]
    fn a_pod_configures_its_data_directory_by_environment_or_arguments() {
        let directory = |fields: Value| configured_directory(&container(&fields));
        assert_eq!(directory(json!({})), "");
        assert_eq!(
            directory(json!({"env": [{"name": "PGDATA", "value": "/data/pg/"}]})),
            "/data/pg"
        );
        assert_eq!(directory(json!({"args": ["-D", "/a"]})), "/a");
        assert_eq!(directory(json!({"command": ["postgres", "-D/a"]})), "/a");
        assert_eq!(
            directory(json!({"args": ["-D", "/a", "-c", "data_directory=/b"]})),
            "/b"
        );
        assert_eq!(
            directory(json!({
                "args": ["--data-directory=/c"], "env": [{"name": "PGDATA", "value": "/data"}]
            })),
            "/c"
        );
        assert_eq!(
            directory(json!({"args": ["-c", "shared_buffers=16MB"]})),
            ""
        );
    }

    #[test]
    fn a_sub_path_has_the_name_of_its_pod() {
        let pod = ObjectMeta {
            name: Some("db-1".to_owned()),
            ..ObjectMeta::default()
        };
        let container = container(&json!({"env": [
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]}));
        let mounted = |fields: Value| {
            let mut mount = json!({"name": "data", "mountPath": "/data"});
            mount
                .as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            mounted_sub_path(&pod, &container, &serde_json::from_value(mount).unwrap())
        };
        assert_eq!(mounted(json!({})), "");
        assert_eq!(mounted(json!({"subPath": "old/"})), "old");
        assert_eq!(mounted(json!({"subPathExpr": "$(POD)/pg"})), "db-1/pg");
        assert_eq!(mounted(json!({"subPathExpr": "$(NODE)/pg"})), "$(NODE)/pg");
    }
}
