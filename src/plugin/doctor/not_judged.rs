//! Pods and workloads that may run a Postgres and do not say so: they are named, so that nobody takes
//! silence for an answer. Pure.

use std::fmt;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde::Serialize;

use super::mounts::is_on_claim;
use crate::resources::{long_running, may_be_server};

/// Names of images that keep other data than a Postgres.
const OF_OTHER_DATA: &[&str] = &[
    "redis",
    "valkey",
    "keydb",
    "memcached",
    "mysql",
    "mariadb",
    "mongo",
    "mongodb",
    "minio",
    "rabbitmq",
    "kafka",
    "zookeeper",
    "elasticsearch",
    "opensearch",
    "clickhouse-server",
    "influxdb",
    "prometheus",
    "grafana",
    "loki",
    "nginx",
    "etcd",
    "vault",
    "registry",
];

/// What may run a Postgres.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotJudged {
    pub pods: Vec<PodNotJudged>,
    /// Why something else could not be found out.
    pub unread: Vec<String>,
}

/// One that may run a Postgres, and why it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodNotJudged {
    pub namespace: String,
    /// Kind and name, as `kubectl exec` takes them.
    pub exec: String,
    /// Its image, if that is all there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What could not be read of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

impl NotJudged {
    /// Keeps a pod, or the template of one, that is not recognised. `claim_templates` are those of its
    /// StatefulSet.
    pub fn keep(
        &mut self,
        (namespace, exec): (&str, String),
        spec: &PodSpec,
        claim_templates: &[String],
        unread: Vec<String>,
    ) {
        let unsure = long_running(spec).find(|container| {
            is_unsure(container)
                && (!unread.is_empty() || mounts_claim(spec, container, claim_templates))
        });
        let Some(container) = unsure else { return };
        let found = PodNotJudged {
            namespace: namespace.to_owned(),
            exec,
            image: container.image.clone(),
            unread,
        };
        if !self.pods.contains(&found) {
            self.pods.push(found);
        }
    }
}

impl fmt::Display for PodNotJudged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image.as_deref().unwrap_or("no image");
        write!(formatter, "{} in namespace {}: ", self.exec, self.namespace)?;
        if self.unread.is_empty() {
            return write!(
                formatter,
                "it mounts a claim, and image {image} does not say what it is"
            );
        }
        write!(formatter, "image {image}; {}", self.unread.join("; "))
    }
}

/// Whether nothing says what a container runs.
fn is_unsure(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default();
    may_be_server(image) && !OF_OTHER_DATA.contains(&name)
}

/// Whether a container mounts a claim.
pub(super) fn mounts_claim(
    spec: &PodSpec,
    container: &Container,
    claim_templates: &[String],
) -> bool {
    let mut mounts = container.volume_mounts.iter().flatten();
    mounts.any(|mount| is_on_claim(spec, &mount.name, claim_templates))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::json;

    use super::*;

    fn kept(image: &str, mounts: bool, unread: &[&str]) -> Vec<String> {
        let mounts = if mounts {
            json!([{"name": "data", "mountPath": "/data"}])
        } else {
            json!([])
        };
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "main", "image": image, "volumeMounts": mounts}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        }))
        .unwrap();
        let mut found = NotJudged::default();
        let unread = unread.iter().map(|why| (*why).to_owned()).collect();
        found.keep(("shop", "deployment/db".to_owned()), &spec, &[], unread);
        found.pods.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sidecar_that_does_not_say_what_it_is_is_named() {
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "app", "image": "shop/app:1"}],
            "initContainers": [{
                "name": "db", "image": "shop/db:3", "restartPolicy": "Always",
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        }))
        .unwrap();
        let mut found = NotJudged::default();
        found.keep(("shop", "deployment/db".to_owned()), &spec, &[], Vec::new());
        assert_eq!(found.pods[0].image.as_deref(), Some("shop/db:3"));
    }

    #[test]
    fn what_does_not_say_what_it_is_is_named() {
        assert_eq!(
            kept("shop/db:3", true, &[]),
            [
                "deployment/db in namespace shop: it mounts a claim, and image shop/db:3 does not say what it is"
            ]
        );
        assert_eq!(kept("shop/web:3", false, &[]), Vec::<String>::new());
        assert_eq!(kept("acme/postgres-backup-tools:16", true, &[]).len(), 1);
        let percona = "percona/percona-postgresql-operator@sha256:00";
        assert_eq!(kept(percona, true, &[]).len(), 1);
        assert_eq!(kept("bitnami/pgbouncer:1", true, &[]), Vec::<String>::new());
        assert_eq!(kept("redis:7", true, &[]), Vec::<String>::new());
        assert_eq!(
            kept("docker.io/library/mariadb@sha256:00", true, &[]),
            Vec::<String>::new()
        );
        assert_eq!(
            kept("shop/web:3", false, &["Secret auth could not be read"]),
            ["deployment/db in namespace shop: image shop/web:3; Secret auth could not be read"]
        );
    }
}
