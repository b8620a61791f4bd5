//! Where the spec of a pod, or of a template, says that the data directory is: its environment, its
//! arguments, and the directories of its volumes that it mounts. Pure.

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

/// What a pod template says of the data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TemplateDirectory {
    /// Nothing: it is what the image says.
    #[default]
    OfImage,
    /// This one.
    At(String),
    /// Another one in every pod.
    OfPod,
    /// It may come from where the template does not show it.
    NotShown,
}

/// Variables that name the data directory: that of Postgres itself, of Bitnami's images, and of Patroni.
const DIRECTORY_VARIABLES: &[&str] = &[
    "PGDATA",
    "POSTGRESQL_DATA_DIR",
    "PATRONI_POSTGRESQL_DATA_DIR",
];

/// What a container of a template says of the data directory.
pub(super) fn template_directory(container: &Container) -> TemplateDirectory {
    let words: Vec<&str> = [&container.command, &container.args]
        .into_iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let mut variables = container.env.iter().flatten();
    let named = variables.rfind(|variable| DIRECTORY_VARIABLES.contains(&variable.name.as_str()));
    let directory = match (from_arguments(&words), named) {
        (Some(directory), _) => directory.to_owned(),
        (None, Some(variable)) => match &variable.value {
            Some(value) => expand(value, &ObjectMeta::default(), container),
            None if is_of_pod(variable) => return TemplateDirectory::OfPod,
            None => return TemplateDirectory::NotShown,
        },
        (None, None) if container.env_from.iter().flatten().next().is_some() => {
            return TemplateDirectory::NotShown;
        }
        (None, None) => return TemplateDirectory::OfImage,
    };
    match refers_to_pod(&directory, container) {
        Some(true) => TemplateDirectory::OfPod,
        Some(false) => TemplateDirectory::NotShown,
        None => TemplateDirectory::At(directory.trim_end_matches('/').to_owned()),
    }
}

/// The places at which a container of a template mounts another directory of a volume in every pod.
pub(super) fn mounts_of_pod(container: &Container) -> Vec<String> {
    let mounts = container.volume_mounts.iter().flatten();
    let of_pod = mounts.filter(|mount| {
        let expression = mount.sub_path_expr.as_deref().unwrap_or_default();
        let expression = expand(expression, &ObjectMeta::default(), container);
        refers_to_pod(&expression, container) == Some(true)
    });
    of_pod.map(|mount| mount.mount_path.clone()).collect()
}

/// Whether a text in which the known variables are filled in has one that differs from pod to pod;
/// none if it has no variable any more.
fn refers_to_pod(text: &str, container: &Container) -> Option<bool> {
    text.contains("$(").then(|| {
        let mut variables = container.env.iter().flatten();
        variables
            .any(|variable| is_of_pod(variable) && text.contains(&format!("$({})", variable.name)))
    })
}

fn is_of_pod(variable: &EnvVar) -> bool {
    let source = variable.value_from.as_ref();
    let field = source.and_then(|source| source.field_ref.as_ref());
    field.is_some_and(|field| {
        matches!(
            field.field_path.as_str(),
            "metadata.name"
                | "metadata.uid"
                | "status.podIP"
                | "metadata.labels['apps.kubernetes.io/pod-index']"
                | "metadata.labels['statefulset.kubernetes.io/pod-name']"
        )
    })
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
    fn a_template_says_its_directory_or_that_it_is_another_one_in_every_pod() {
        let pod_name =
            json!({"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}});
        let node =
            json!({"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}});
        let at = |value: &str| json!({"name": "PGDATA", "value": value});
        for (fields, wanted) in [
            (json!({}), TemplateDirectory::OfImage),
            (
                json!({"env": [at("/data/pg/")]}),
                TemplateDirectory::At("/data/pg".to_owned()),
            ),
            (
                json!({"args": ["-D", "/a"], "env": [at("/b")]}),
                TemplateDirectory::At("/a".to_owned()),
            ),
            (
                json!({"env": [{"name": "ROOT", "value": "/data"}, at("$(ROOT)/pg")]}),
                TemplateDirectory::At("/data/pg".to_owned()),
            ),
            (
                json!({"env": [pod_name, at("/data/$(POD)")]}),
                TemplateDirectory::OfPod,
            ),
            (
                json!({"env": [node, at("/data/$(NODE)")]}),
                TemplateDirectory::NotShown,
            ),
            (
                json!({"env": [{"name": "PGDATA", "valueFrom": {"configMapKeyRef": {"name": "pg", "key": "d"}}}]}),
                TemplateDirectory::NotShown,
            ),
            (
                json!({"envFrom": [{"secretRef": {"name": "pg"}}]}),
                TemplateDirectory::NotShown,
            ),
            (
                json!({"env": [{"name": "POSTGRESQL_DATA_DIR", "value": "/data"}]}),
                TemplateDirectory::At("/data".to_owned()),
            ),
        ] {
            assert_eq!(template_directory(&container(&fields)), wanted, "{fields}");
        }
        let mounted = json!({"env": [pod_name, node], "volumeMounts": [
            {"name": "data", "mountPath": "/a", "subPathExpr": "$(POD)/pg"},
            {"name": "data", "mountPath": "/b", "subPathExpr": "$(NODE)/pg"},
            {"name": "data", "mountPath": "/c", "subPath": "pg"},
        ]});
        assert_eq!(mounts_of_pod(&container(&mounted)), ["/a"]);
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
