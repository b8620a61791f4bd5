//! Reads the names of the variables that containers take from ConfigMaps and Secrets as a whole. Of a
//! Secret nothing but the names of its keys is kept.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, Container, EnvFromSource, EnvVar, EnvVarSource, PodSpec,
    SecretKeySelector,
};
use kube::api::GetParams;
use kube::core::Request;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;
use crate::resources::long_running;

/// A ConfigMap or Secret: kind and name.
type Source = (&'static str, String);

/// What has been read of a source: its keys; none if it does not exist; or why it could not be read.
type Keys = Result<Option<Vec<String>>, String>;

/// Keys of ConfigMaps and Secrets, each read once.
#[derive(Debug, Default)]
pub struct EnvSources {
    read: BTreeMap<(String, Source), Keys>,
}

/// The keys of an object. The values are passed over while it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(clippy::zero_sized_map_values, reason = "the values are not kept")]
struct KeysOnly {
    #[serde(default)]
    data: BTreeMap<String, IgnoredAny>,
}

impl EnvSources {
    /// The pod with the names of these variables, and why some are not known.
    #[allow(clippy::map_entry, reason = "an entry can't wait for an answer")]
    pub async fn fill_in(
        &mut self,
        cluster: &Cluster,
        namespace: &str,
        spec: &PodSpec,
    ) -> (PodSpec, Vec<String>) {
        let containers = long_running(spec);
        let sources = containers.flat_map(|container| container.env_from.iter().flatten());
        for source in sources.filter_map(source_of) {
            let place = (namespace.to_owned(), source);
            if !self.read.contains_key(&place) {
                let keys = fetch_keys(cluster, namespace, &place.1).await;
                self.read.insert(place, keys);
            }
        }
        fill_in(spec, |source| {
            let place = (namespace.to_owned(), source.clone());
            let unread = || Err(format!("{} {} was not read", source.0, source.1));
            self.read.get(&place).cloned().unwrap_or_else(unread)
        })
    }
}

/// The pod with the names of the variables that are known. What is not known stays in `envFrom`.
fn fill_in(spec: &PodSpec, keys_of: impl Fn(&Source) -> Keys) -> (PodSpec, Vec<String>) {
    let mut spec = spec.clone();
    let mut unread = Vec::new();
    let before = spec.init_containers.iter_mut().flatten();
    for container in spec.containers.iter_mut().chain(before) {
        if container.env_from.is_none() {
            continue;
        }
        let mut left = Vec::new();
        for from in container.env_from.take().into_iter().flatten() {
            match source_of(&from).map(|source| (keys_of(&source), source)) {
                Some((Ok(keys), source)) => {
                    add_variables(container, &from, &source, keys.unwrap_or_default());
                }
                Some((Err(why), _)) => {
                    unread.push(why);
                    left.push(from);
                }
                None => left.push(from),
            }
        }
        container.env_from = (!left.is_empty()).then_some(left);
    }
    (spec, unread)
}

fn add_variables(
    container: &mut Container,
    from: &EnvFromSource,
    (kind, name): &Source,
    keys: Vec<String>,
) {
    let prefix = from.prefix.clone().unwrap_or_default();
    let variables = container.env.get_or_insert_default();
    for key in keys {
        let variable = format!("{prefix}{key}");
        // What `env` says comes before `envFrom`.
        if variables.iter().any(|known| known.name == variable) {
            continue;
        }
        let mut value = EnvVarSource::default();
        if *kind == "Secret" {
            value.secret_key_ref = Some(SecretKeySelector {
                name: name.clone(),
                key,
                optional: None,
            });
        } else {
            value.config_map_key_ref = Some(ConfigMapKeySelector {
                name: name.clone(),
                key,
                optional: None,
            });
        }
        variables.push(EnvVar {
            name: variable,
            value: None,
            value_from: Some(value),
        });
    }
}

fn source_of(from: &EnvFromSource) -> Option<Source> {
    let config_map = from.config_map_ref.as_ref();
    let secret = from.secret_ref.as_ref();
    let config_map = config_map.map(|source| ("ConfigMap", source.name.clone()));
    let named = config_map.or_else(|| secret.map(|source| ("Secret", source.name.clone())));
    named.filter(|(_, name)| !name.is_empty())
}

async fn fetch_keys(cluster: &Cluster, namespace: &str, (kind, name): &Source) -> Keys {
    let plural = if *kind == "Secret" {
        "secrets"
    } else {
        "configmaps"
    };
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/{plural}"))
        .get(name, &GetParams::default())
        .map_err(|error| format!("{kind} {name} can't be asked for: {error}"))?;
    let question = ClusterRequest::about(
        "get",
        plural,
        name,
        Some(namespace),
        cluster.context.as_deref(),
    );
    match cluster.client.request::<KeysOnly>(request).await {
        Ok(found) => Ok(Some(found.data.into_keys().collect())),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(question.failed(error).to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::unnecessary_wraps,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;
    use crate::plugin::doctor::recognise_postgres;

    fn spec() -> PodSpec {
        serde_json::from_value(json!({"containers": [{
            "name": "db", "image": "shop/db:3",
            "env": [{"name": "PGDATA", "value": "/data/pg"}],
            "envFrom": [{"configMapRef": {"name": "settings"}}, {"prefix": "POSTGRES_", "secretRef": {"name": "auth"}}],
        }]}))
        .unwrap()
    }

    fn keys(names: &[&str]) -> Keys {
        Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()))
    }

    #[test]
    fn variables_have_the_names_of_the_keys_and_no_values() {
        let (filled, unread) = fill_in(&spec(), |(kind, _)| match *kind {
            "Secret" => keys(&["PASSWORD", "USER"]),
            _ => keys(&["POSTGRES_DB", "PGDATA"]),
        });
        assert_eq!(unread, Vec::<String>::new());
        let container = &filled.containers[0];
        assert_eq!(container.env_from, None);
        let variables = container.env.as_ref().unwrap();
        let told: Vec<(&str, bool)> = variables
            .iter()
            .map(|variable| (variable.name.as_str(), variable.value.is_some()))
            .collect();
        let wanted = [
            ("PGDATA", true),
            ("POSTGRES_DB", false),
            ("POSTGRES_PASSWORD", false),
            ("POSTGRES_USER", false),
        ];
        assert_eq!(told, wanted);
        let template = recognise_postgres(&filled, &[]).unwrap();
        let password = template.password.unwrap();
        assert_eq!(
            (password.name.as_str(), password.key.as_str()),
            ("auth", "PASSWORD")
        );
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let (filled, unread) = fill_in(&spec(), |_| Err("no permission".to_owned()));
        assert_eq!(unread, ["no permission", "no permission"]);
        let left = filled.containers[0].env_from.as_ref().unwrap();
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn values_of_a_secret_are_passed_over() {
        let secret = json!({"data": {"password": "c2VjcmV0"}, "kind": "Secret"});
        let keys: KeysOnly = serde_json::from_value(secret).unwrap();
        assert_eq!(format!("{:?}", keys.data), "{\"password\": IgnoredAny}");
    }
}
