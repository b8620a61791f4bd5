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
