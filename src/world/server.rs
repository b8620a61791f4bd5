//! Whether a pod runs a Postgres server, as far as its spec says so, and of which database. Pure.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ServerFact;
use super::instances::{LabelledRole, is_replica_word, labelled_role};
use crate::api::DEFAULT_PORT;
use crate::resources::{ImageKind, image_kind, long_running};

/// Variables that name the database that a server creates.
const DATABASE_VARIABLES: &[&str] = &["POSTGRES_DB", "POSTGRESQL_DATABASE", "POSTGRES_DATABASE"];

/// Variables that say whether a server follows another one.
const REPLICATION_VARIABLES: &[&str] =
    &["POSTGRESQL_REPLICATION_MODE", "POSTGRES_REPLICATION_MODE"];

/// Variables with the server that a server follows.
const FOLLOWED_VARIABLES: &[&str] = &[
    "POSTGRESQL_MASTER_HOST",
    "POSTGRES_MASTER_HOST",
    "POSTGRES_PRIMARY_HOST",
    "PG_MASTER_HOST",
    "PG_PRIMARY_HOST",
    "PRIMARY_HOST",
    "PRIMARY_CONNINFO",
    "REPLICATE_FROM",
];

/// Variables that say where the data directory is.
const PLACE_VARIABLES: &[&str] = &["PGDATA"];

/// Variables with the address of a server: their container is a client.
const CLIENT_VARIABLES: &[&str] = &["PGHOST", "POSTGRES_HOST", "POSTGRES_SERVER", "POSTGRES_URL"];

/// Programs that images of Postgres are also started for.
const CLIENTS: &[&str] = &[
    "psql",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_isready",
    "pgbench",
    "sleep",
    "tail",
];

/// The Postgres server of a pod. A Job's pod ends, so it is none.
pub(super) fn server_fact(metadata: &ObjectMeta, spec: &PodSpec) -> Option<ServerFact> {
    let is_restarted = spec.restart_policy.as_deref().unwrap_or("Always") == "Always";
    let container = long_running(spec).find(|container| is_restarted && is_server(container))?;
    let ports = container.ports.iter().flatten();
    let ports = ports.map(|port| (port.name.clone().unwrap_or_default(), port.container_port));
    Some(ServerFact {
        database: variable(container, DATABASE_VARIABLES).map(ToOwned::to_owned),
        is_replica: is_replica(metadata, container),
        may_be_proxy: may_be_proxy(spec, container),
        ports: ports.collect(),
    })
}

/// The containers of a pod among which the one of the database is: its own, and sidecars that are
/// servers. Another sidecar, such as a mesh's proxy, is no reason to ask which container it is.
pub(super) fn candidates(spec: &PodSpec) -> Vec<&Container> {
    let is_own = |container: &Container| {
        let mut own = spec.containers.iter();
        own.any(|own| own.name == container.name)
    };
    let all = long_running(spec);
    all.filter(|container| is_own(container) || is_server(container))
        .collect()
}

fn is_server(container: &Container) -> bool {
    let mut ports = container.ports.iter().flatten();
    let is_one = match image_kind(container.image.as_deref().unwrap_or_default()) {
        ImageKind::Other => keeps_data(container),
        ImageKind::Server => true,
        ImageKind::Unknown => {
            has_variable(container, PLACE_VARIABLES)
                || (ports.any(|port| port.container_port == i32::from(DEFAULT_PORT))
                    && !has_variable(container, CLIENT_VARIABLES))
        }
    };
    is_one && !runs_client(container)
}

fn has_variable(container: &Container, names: &[&str]) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(|variable| names.contains(&variable.name.as_str()))
}

/// Whether a container says where its data directory is, and is no client: a server, whatever the name
/// of its image says.
#[must_use]
pub fn keeps_data(container: &Container) -> bool {
    has_variable(container, PLACE_VARIABLES)
        && !has_variable(container, CLIENT_VARIABLES)
        && !runs_client(container)
}

/// Whether only the port of a container speaks for a server: poolers and other proxies have it too, and
/// no claim. A mount whose volume the pod does not have is of a claim template.
fn may_be_proxy(spec: &PodSpec, container: &Container) -> bool {
    let is_known = image_kind(container.image.as_deref().unwrap_or_default()) == ImageKind::Server;
    let mounts_claim = container.volume_mounts.iter().flatten().any(|mount| {
        let mut volumes = spec.volumes.iter().flatten();
        let found = volumes.find(|volume| volume.name == mount.name);
        found.is_none_or(|volume| volume.persistent_volume_claim.is_some())
    });
    !is_known && !has_variable(container, PLACE_VARIABLES) && !mounts_claim
}

/// Whether a container is started for something else than its server.
#[must_use]
pub fn runs_client(container: &Container) -> bool {
    let words = [&container.command, &container.args].into_iter().flatten();
    let words: Vec<&str> = words
        .flatten()
        .flat_map(|word| word.split_whitespace())
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let is_started = |word: &&str| matches!(*word, "postgres" | "docker-entrypoint.sh" | "run.sh");
    match words.first() {
        Some(&("sh" | "bash" | "ash" | "dash")) => {
            !words.iter().any(is_started) && words.iter().any(|word| CLIENTS.contains(word))
        }
        Some(first) => CLIENTS.contains(first),
        None => false,
    }
}

/// What the labels say is newer than names and variables, which stay at a failover.
fn is_replica(metadata: &ObjectMeta, container: &Container) -> bool {
    let said = metadata.labels.as_ref().and_then(labelled_role);
    if let Some(role) = said {
        return role == LabelledRole::Replica;
    }
    let owners = metadata.owner_references.iter().flatten();
    let mut names = owners.flat_map(|owner| owner.name.split('-'));
    names.any(is_replica_word)
        || variable(container, REPLICATION_VARIABLES).is_some_and(is_replica_word)
        || variable(container, FOLLOWED_VARIABLES).is_some()
}

/// The value of a variable that is written in the spec.
fn variable<'a>(container: &'a Container, names: &[&str]) -> Option<&'a str> {
    let mut variables = container.env.iter().flatten();
    let found = variables.find(|variable| names.contains(&variable.name.as_str()))?;
    found.value.as_deref().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn server(labels: &Value, container: &Value) -> Option<ServerFact> {
        let metadata: ObjectMeta = serde_json::from_value(json!({"labels": labels})).unwrap();
        let mut full = json!({"name": "db"});
        json_patch::merge(&mut full, container);
        let spec: PodSpec = serde_json::from_value(json!({"containers": [full]})).unwrap();
        server_fact(&metadata, &spec)
    }

    #[test]
    fn servers_are_told_from_their_clients() {
        for (container, is_one) in [
            (json!({"image": "postgres:15"}), true),
            (
                json!({"image": "postgres:15", "args": ["-c", "fsync=off"]}),
                true,
            ),
            (
                json!({"image": "postgres:15", "command": ["docker-entrypoint.sh", "postgres"]}),
                true,
            ),
            (
                json!({"image": "postgres:15", "command": ["sh", "-c", "sleep 5; exec docker-entrypoint.sh postgres"]}),
                true,
            ),
            (
                json!({"image": "postgres:15", "command": ["sleep", "infinity"]}),
                false,
            ),
            (
                json!({"image": "postgres:15", "args": ["psql", "-h", "db"]}),
                false,
            ),
            (
                json!({"image": "postgres:15", "command": ["/bin/sh", "-c", "while true; do pg_dump; sleep 60; done"]}),
                false,
            ),
            (
                json!({"image": "shop/db:1", "env": [{"name": "PGDATA", "value": "/data"}]}),
                true,
            ),
            (
                json!({"image": "shop/db:1", "ports": [{"containerPort": 5432}]}),
                true,
            ),
            (
                json!({"image": "shop/web:1", "ports": [{"containerPort": 5432}], "env": [{"name": "PGHOST", "value": "db"}]}),
                false,
            ),
            (
                json!({"image": "bitnami/pgbouncer:1", "ports": [{"containerPort": 5432}]}),
                false,
            ),
            (json!({"image": "shop/web:1"}), false),
            (
                json!({"image": "acme/postgres-backup-tools:16", "env": [{"name": "PGDATA", "value": "/data"}]}),
                true,
            ),
            (
                json!({"image": "acme/postgres-backup:16", "env": [{"name": "PGDATA", "value": "/data"}, {"name": "PGHOST", "value": "db"}]}),
                false,
            ),
            (
                json!({"image": "ghcr.io/postgresml/pgcat:1", "ports": [{"containerPort": 5432}]}),
                false,
            ),
            (
                json!({"image": "alpine/socat", "ports": [{"containerPort": 5432}]}),
                false,
            ),
        ] {
            assert_eq!(
                server(&json!({}), &container).is_some(),
                is_one,
                "{container}"
            );
        }
    }

    #[test]
    fn what_only_listens_may_be_a_proxy() {
        let port = json!([{"containerPort": 5432}]);
        let mount = json!([{"name": "data", "mountPath": "/data"}]);
        for (container, may_be) in [
            (json!({"image": "shop/db:1", "ports": port}), true),
            (json!({"image": "postgres:15", "ports": port}), false),
            (
                json!({"image": "shop/db:1", "ports": port, "volumeMounts": mount}),
                false,
            ),
            (
                json!({"image": "shop/db:1", "env": [{"name": "PGDATA", "value": "/data"}]}),
                false,
            ),
        ] {
            let found = server(&json!({}), &container).unwrap();
            assert_eq!(found.may_be_proxy, may_be, "{container}");
        }
    }

    #[test]
    fn a_replica_says_so_by_its_labels_or_its_environment() {
        let mode = json!({"image": "postgres:15", "env": [{"name": "POSTGRES_REPLICATION_MODE", "value": "slave"}]});
        let plain =
            json!({"image": "postgres:15", "env": [{"name": "POSTGRES_DB", "value": "shop"}]});
        assert!(server(&json!({}), &mode).unwrap().is_replica);
        let follows = json!({"image": "postgres:15", "env": [{"name": "POSTGRESQL_MASTER_HOST", "value": "db"}]});
        assert!(server(&json!({}), &follows).unwrap().is_replica);
        // It was promoted since.
        let promoted = json!({"role": "primary"});
        assert!(!server(&promoted, &mode).unwrap().is_replica);
        let read = json!({"app.kubernetes.io/component": "read"});
        assert!(server(&read, &plain).unwrap().is_replica);
        let found = server(&json!({"app.kubernetes.io/component": "primary"}), &plain).unwrap();
        assert!(!found.is_replica);
        assert_eq!(found.database.as_deref(), Some("shop"));
    }
}
