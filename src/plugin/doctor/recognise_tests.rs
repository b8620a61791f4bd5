//! Golden tests of the recognition: templates as people write them, and what is read from each.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;

fn pod(container: &Value, volumes: &Value) -> PodSpec {
    let mut container = container.clone();
    if container.get("name").is_none() {
        container["name"] = "main".into();
    }
    serde_json::from_value(json!({"containers": [container], "volumes": volumes})).unwrap()
}

fn recognise(container: &Value, volumes: &Value) -> Option<PostgresTemplate> {
    recognise_postgres(&pod(container, volumes), &["data".to_owned()])
}

fn from_secret(name: &str, secret: &str, key: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
}

#[test]
fn templates_are_read() {
    let data_at = |path: &str| json!([{"name": "data", "mountPath": path}]);
    let none = json!([]);
    let samples = [
        (
            "a StatefulSet by hand",
            json!({"name": "postgres", "image": "postgres:15", "ports": [{"containerPort": 5432}], "volumeMounts": data_at("/var/lib/postgresql/data"),
                "env": [{"name": "POSTGRES_DB", "value": "knowledge_os"}, from_secret("POSTGRES_USER", "pg-auth", "username"),
                    from_secret("POSTGRES_PASSWORD", "pg-auth", "password"), {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}]}),
            none.clone(),
        ),
        (
            "Bitnami",
            json!({"image": "docker.io/bitnami/postgresql:16", "volumeMounts": data_at("/bitnami/postgresql"),
                "env": [{"name": "POSTGRESQL_DATABASE", "value": "shop"}, from_secret("POSTGRES_PASSWORD", "shop-postgresql", "password")]}),
            none.clone(),
        ),
        (
            "Postgres 18 on the mount of Postgres 17",
            json!({"image": "postgres:18", "volumeMounts": data_at("/var/lib/postgresql/data")}),
            none.clone(),
        ),
        (
            "a version that is not named",
            json!({"image": "postgres", "volumeMounts": data_at("/var/lib/postgresql/data")}),
            none.clone(),
        ),
        (
            "an emptyDir",
            json!({"image": "pgvector/pgvector:pg17", "volumeMounts": [{"name": "scratch", "mountPath": "/var/lib/postgresql"}]}),
            json!([{"name": "scratch", "emptyDir": {}}]),
        ),
        (
            "an emptyDir below a claim",
            json!({"image": "postgres:17", "volumeMounts": [{"name": "named", "mountPath": "/var/lib/postgresql"}, {"name": "scratch", "mountPath": "/var/lib/postgresql/data"}]}),
            json!([{"name": "scratch", "emptyDir": {}}, {"name": "named", "persistentVolumeClaim": {"claimName": "old"}}]),
        ),
        (
            "nothing mounted",
            json!({"image": "timescale/timescaledb:2.17.1-pg16"}),
            none.clone(),
        ),
        (
            "an image of one's own, by its port",
            json!({"image": "registry.example.com/shop/db:3", "ports": [{"containerPort": 5432}], "env": [{"name": "POSTGRES_HOST", "value": "::"}]}),
            none.clone(),
        ),
        (
            "an image of one's own, by PGDATA whose value is not in the template",
            json!({"image": "shop/db", "env": [{"name": "PGDATA", "value": "$(ROOT)/pgdata"}], "ports": [{"name": "postgres", "containerPort": 6543}]}),
            none.clone(),
        ),
        (
            "an image of one's own, by its variables",
            json!({"image": "shop/db", "env": [{"name": "POSTGRES_USER", "value": "app"}]}),
            none,
        ),
    ];
    let read: Vec<(&str, Option<PostgresTemplate>)> = samples
        .iter()
        .map(|(what, container, volumes)| (*what, recognise(container, volumes)))
        .collect();
    assert!(
        read.iter().all(|(_, template)| template.is_some()),
        "{read:?}"
    );
    insta::assert_yaml_snapshot!(read);
}

#[test]
fn what_only_talks_to_a_postgres_is_none() {
    let variable = |name: &str| json!([{"name": name, "value": "x"}]);
    for container in [
        json!({"image": "shop/web:1"}),
        json!({"image": "postgres:17", "command": ["sleep", "infinity"]}),
        json!({"image": "shop/web:1", "env": variable("DATABASE_URL")}),
        json!({"image": "shop/web:1", "env": [{"name": "POSTGRES_HOST", "value": "db"}, {"name": "POSTGRES_PASSWORD", "value": "x"}]}),
        json!({"image": "prometheuscommunity/postgres-exporter", "ports": [{"containerPort": 9187}]}),
        json!({"image": "bitnami/pgbouncer", "ports": [{"containerPort": 5432}], "env": variable("POSTGRES_USER")}),
        json!({}),
    ] {
        assert_eq!(recognise(&container, &json!([])), None, "{container}");
    }
}

#[test]
fn the_server_is_told_from_what_stands_beside_it() {
    let pod: PodSpec = serde_json::from_value(json!({"containers": [
        {"name": "exporter", "image": "prometheuscommunity/postgres-exporter"},
        {"name": "forward", "image": "alpine/socat", "ports": [{"containerPort": 5432}]},
        {"name": "server", "image": "postgres:17"},
    ]}))
    .unwrap();
    assert_eq!(
        recognise_postgres(&pod, &[]).map(|template| template.container),
        Some("server".to_owned())
    );
}

#[test]
fn a_server_in_a_sidecar_is_recognised() {
    let pod = |restart: &str| -> PodSpec {
        serde_json::from_value(json!({
            "containers": [{"name": "app", "image": "shop/app:1"}],
            "initContainers": [{
                "name": "postgres", "image": "postgres:17", "restartPolicy": restart,
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        }))
        .unwrap()
    };
    let found = recognise_postgres(&pod("Always"), &[]).unwrap();
    assert_eq!(found.container, "postgres");
    assert!(found.data[0].on_claim, "{found:?}");
    // One that ends is no server.
    assert_eq!(recognise_postgres(&pod("OnFailure"), &[]), None);
}

#[test]
fn an_image_that_speaks_of_something_else_is_a_server_where_it_has_pgdata() {
    let tools = "acme/postgres-backup-tools:16";
    let data = json!({"name": "PGDATA", "value": "/data/pg"});
    let server = json!({"image": tools, "env": [data]});
    let found = recognise(&server, &json!([])).unwrap();
    assert_eq!(found.because, "environment variable PGDATA");
    let client = json!({"image": tools, "env": [data, {"name": "PGHOST", "value": "db"}]});
    assert_eq!(recognise(&client, &json!([])), None);
}

#[test]
fn what_only_listens_may_be_a_proxy() {
    let port = json!([{"containerPort": 5432}]);
    let mount = json!([{"name": "data", "mountPath": "/data"}]);
    for (container, may_be) in [
        (json!({"image": "shop/db:1", "ports": port}), true),
        (
            json!({"image": "shop/db:1", "ports": port, "volumeMounts": mount}),
            false,
        ),
        (json!({"image": "postgres:17", "ports": port}), false),
    ] {
        let found = recognise(&container, &json!([])).unwrap();
        assert_eq!(found.may_be_proxy, may_be, "{container}");
    }
    let pooler = json!({"image": "ghcr.io/postgresml/pgcat:1", "ports": port});
    assert_eq!(recognise(&pooler, &json!([])), None);
}
