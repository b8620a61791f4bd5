//! Golden tests of what doctor says, from workload objects to words and manifests.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::*;
use crate::api::{ProtectedDatabase, ProtectedDatabaseSpec, WorkloadKind};
use crate::plugin::doctor::{
    NotJudged, build_cover, build_doctor_table, describe_reports, read_deployment,
    read_stateful_set,
};

fn stateful_set(name: &str, container: &Value, change: &Value) -> StatefulSet {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "atra"},
        "spec": {"serviceName": name, "selector": {}, "template": {"spec": {"containers": [container]}}},
    });
    json_patch::merge(&mut object, change);
    serde_json::from_value(object).unwrap()
}

fn workload(object: &StatefulSet, policy: &str) -> PostgresWorkload {
    let seen = read_stateful_set(object).unwrap();
    let claims = seen.claim_names.iter().map(|name| ClaimFound {
        name: name.clone(),
        volume: Some(format!("pv-of-{name}")),
        reclaim_policy: Some(policy.to_owned()),
        unknown: None,
        access_modes: vec!["ReadWriteOnce".to_owned()],
        storage: crate::api::VolumeStorage::default(),
    });
    PostgresWorkload {
        servers: seen.servers(),
        claims: claims.collect(),
        kind: seen.kind,
        namespace: seen.namespace,
        name: seen.name,
        template: seen.template,
        claims_deleted_when: seen.claims_deleted_when,
    }
}

fn careless() -> PostgresWorkload {
    let secret = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "pg-auth", "key": key}}});
    let container = json!({"name": "postgres", "image": "postgres:18", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
        "env": [{"name": "POSTGRES_DB", "value": "knowledge_os"}, secret("POSTGRES_USER", "user"), secret("POSTGRES_PASSWORD", "pass")]});
    let change = json!({"spec": {
        "replicas": 2, "ordinals": {"start": 5}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"},
    }});
    workload(&stateful_set("careless", &container, &change), "Delete")
}

fn bare() -> PostgresWorkload {
    workload(
        &stateful_set(
            "bare",
            &json!({"name": "db", "image": "postgres:latest"}),
            &json!({}),
        ),
        "Delete",
    )
}

fn open() -> PostgresWorkload {
    let mounts = json!([{"name": "data", "mountPath": "/var/lib/postgresql/data"}]);
    let container = json!({"name": "db", "image": "postgres", "volumeMounts": mounts, "ports": [{"containerPort": 6000}],
        "env": [{"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "pg", "key": "secret"}}}]});
    workload(
        &stateful_set(
            "open",
            &container,
            &json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
        ),
        "Retain",
    )
}

/// The most frequent mistake: the claim above the directory that the image declares as VOLUME.
fn above(image: &str, environment: &Value) -> PostgresWorkload {
    let container = json!({"name": "db", "image": image, "env": environment,
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql"}]});
    workload(
        &stateful_set(
            "above",
            &container,
            &json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
        ),
        "Retain",
    )
}

fn strange() -> PostgresWorkload {
    let mut strange = workload(
        &stateful_set(
            "strange",
            &json!({"name": "db", "image": "shop/db", "ports": [{"containerPort": 5432}]}),
            &json!({}),
        ),
        "",
    );
    strange.claims = vec![ClaimFound {
        name: "data".to_owned(),
        volume: Some("pv".to_owned()),
        reclaim_policy: None,
        unknown: Some("not allowed to get persistentvolumes pv".to_owned()),
        access_modes: Vec::new(),
        storage: crate::api::VolumeStorage::default(),
    }];
    strange
}

fn cover(workload: &str, ready: bool, deletion: &str) -> Cover {
    let spec: ProtectedDatabaseSpec = serde_json::from_value(json!({
        "workload": {"name": workload}, "guard": {"deletion": deletion},
        "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
    }))
    .unwrap();
    let mut database = ProtectedDatabase::new("knowledge", spec);
    database.metadata.namespace = Some("atra".to_owned());
    let mut cover = build_cover(&database);
    cover.ready = ready;
    cover.backup = BackupCover::Taken;
    cover
}

fn good() -> PostgresWorkload {
    let mut good = open();
    "good".clone_into(&mut good.name);
    good.template.data.truncate(1);
    good
}

#[test]
fn what_doctor_says_reads() {
    let mut refused = cover("good", true, "Deny");
    refused.restore_obstacles = vec![
        "database \"shop\" has the extension timescaledb, which can't be restored yet".to_owned(),
    ];
    let reports = [
        judge(good(), Some(&refused)),
        judge(careless(), None),
        judge(bare(), None),
        judge(open(), Some(&cover("open", false, "Off"))),
        judge(strange(), None),
        judge(good(), Some(&cover("good", true, "Deny"))),
    ];
    insta::assert_snapshot!(describe_reports(
        &reports,
        &NotJudged::default(),
        "in this cluster",
        ""
    ));
    insta::assert_snapshot!("the_table_reads", build_doctor_table(&reports));
}

#[test]
fn a_claim_above_the_images_volume_is_found() {
    let pgdata = |path: &str| json!([{"name": "PGDATA", "value": path}]);
    let ready = Some(cover("above", true, "Deny"));
    for (image, environment, words) in [
        (
            "postgres:17",
            json!([]),
            "because the image declares VOLUME /var/lib/postgresql/data",
        ),
        (
            "postgres:17",
            pgdata("/var/lib/postgresql/data/pgdata"),
            "then mount it at /var/lib/postgresql/data;",
        ),
        (
            "postgis/postgis:16-3.4",
            json!([]),
            "because the image declares VOLUME",
        ),
        (
            "registry.example.com/shop/postgres:15",
            json!([]),
            "if the image, like others of this name, declares",
        ),
        (
            "postgres:latest",
            json!([]),
            "the data directory may be on no claim",
        ),
        ("postgres:17", pgdata("/var/lib/postgresql/pgdata"), ""),
        ("postgres:18", json!([]), ""),
        ("postgres:18", pgdata("/var/lib/postgresql/data"), ""),
        ("shop/db", pgdata("/var/lib/postgresql/data"), ""),
    ] {
        let report = judge(above(image, &environment), ready.as_ref());
        let said = report.findings.join("\n");
        if words.is_empty() {
            assert_eq!(said, "", "{image} {environment}");
        } else {
            assert!(said.contains(words), "{image} {environment}: {said}");
        }
    }
}

#[test]
fn what_the_operator_has_seen_is_said_too() {
    let mut seen = cover("good", true, "Deny");
    seen.guard_says = Some("the data directory is not on a PersistentVolumeClaim".to_owned());
    let report = judge(good(), Some(&seen));
    assert_eq!(
        report.findings,
        ["the data directory is not on a PersistentVolumeClaim"]
    );
}

#[test]
fn a_protected_database_without_a_backup_is_found() {
    for (backup, words) in [
        (BackupCover::NotAskedFor, "has no spec.backup"),
        (BackupCover::None, "has no good backup yet"),
    ] {
        let mut seen = cover("good", true, "Deny");
        seen.backup = backup;
        let findings = judge(good(), Some(&seen)).findings;
        assert!(
            findings.len() == 1 && findings[0].contains(words),
            "{findings:?}"
        );
    }
}

#[test]
fn a_well_kept_database_has_no_findings() {
    let report = judge(good(), Some(&cover("good", true, "Deny")));
    assert_eq!(
        (report.findings, report.not_known, report.manifest),
        (Vec::new(), Vec::new(), None)
    );
    assert_eq!(
        describe_reports(&[], &NotJudged::default(), "in namespace atra", ""),
        "Nothing in namespace atra is known to be a Postgres.\n"
    );
}

#[test]
fn every_manifest_is_a_protected_database() {
    for workload in [careless(), bare(), open(), strange()] {
        let manifest = judge(workload, None).manifest.unwrap();
        let object: ProtectedDatabase =
            serde_saphyr::from_str(&manifest).unwrap_or_else(|error| panic!("{error}\n{manifest}"));
        assert_eq!(object.metadata.namespace.as_deref(), Some("atra"));
    }
}

#[test]
fn a_deployment_is_read_like_a_stateful_set() {
    let object = serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db", "namespace": "atra"},
        "spec": {"selector": {}, "template": {"spec": {
            "containers": [{"name": "db", "image": "postgres:17", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db-data"}}, {"name": "tmp", "emptyDir": {}}],
        }}},
    }));
    let seen = read_deployment(&object.unwrap()).unwrap();
    assert_eq!(
        (seen.kind, seen.claim_names),
        (WorkloadKind::Deployment, vec!["db-data".to_owned()])
    );
    assert!(seen.template.data[0].on_claim);
}
