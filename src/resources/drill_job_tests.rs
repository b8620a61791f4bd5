//! The pod of a drill, as the API server gets it, and what its two containers have of each other.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::super::{Placement, ValidSpec, drill_request};
use super::*;
use crate::api::{Agents, REQUEST_VARIABLE, RestoredSet};

fn database(storage: &Value) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": { "name": "knowledge", "namespace": "atra", "uid": "uid-of-knowledge" },
        "spec": {
            "workload": { "name": "knowledge-postgres" },
            "connection": {
                "database": "knowledge_os", "credentialsSecret": { "name": "pg-auth" },
                "tls": { "mode": "VerifyFull", "caSecret": { "name": "pg-ca", "key": "root.pem" } },
            },
            "backup": {
                "schedule": "@daily", "retention": {"keepLast": 7, "credentialsSecret": {"name": "s3-delete"}},
                "storage": { "s3": { "bucket": "backups", "credentialsSecret": { "name": "s3-auth" } } },
            },
            "restore": { "credentialsSecret": { "name": "pg-restore" } },
            "drill": {
                "schedule": "@weekly", "deadline": "2h", "storage": storage,
                "queries": [{"name": "experts", "query": "select count(*) from experts", "minimum": 80}],
                "freshness": [{"table": "public.trends", "column": "made", "within": "26h"}],
                "resources": {"limits": {"memory": "2Gi"}},
            },
        },
    }))
    .unwrap()
}

fn build(storage: &Value, raw_bytes: Option<i64>) -> Job {
    let database = database(storage);
    let valid = ValidSpec::parse(&database.spec).unwrap();
    let restore: DatabaseRestore = serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
        "metadata": { "name": "knowledge-drill-1", "namespace": "atra", "uid": "11111111-2222-3333-4444-555555555555" },
        "spec": { "database": "knowledge", "from": { "latestGood": true }, "into": "Scratch" },
    }))
    .unwrap();
    let set = RestoredSet {
        backup: "knowledge-backup-1".to_owned(),
        bucket: "backups".to_owned(),
        path: "atra/knowledge/1".to_owned(),
        manifest_sha256: "ab".repeat(32),
    };
    let (backup, drill) = (valid.backup.unwrap(), valid.drill.unwrap());
    let request = drill_request(&database, &backup, Some(&drill), (&restore, &set));
    let settings = AgentPodSettings {
        agent_image: "localhost/holdfast:test".to_owned(),
        database_image: "localhost/postgres:15".to_owned(),
        image_pull_policy: Some("Never".to_owned()),
        placement: Placement::default(),
        agents: Agents::default(),
    };
    build_drill_job(&database, &restore, &request, raw_bytes, &settings)
}

fn pod(job: Job) -> PodSpec {
    job.spec.unwrap().template.spec.unwrap()
}

#[test]
fn the_job_of_a_drill() {
    insta::assert_yaml_snapshot!("drill_job", build(&Value::Null, Some(1 << 30)));
}

#[test]
fn where_the_data_is() {
    let volume = |storage: &Value, raw_bytes| {
        let volumes = pod(build(storage, raw_bytes)).volumes.unwrap();
        let found = volumes.into_iter().find(|volume| volume.name == "scratch");
        serde_json::to_value(found.unwrap()).unwrap()
    };
    let limit = |volume: &Value| volume["emptyDir"]["sizeLimit"].clone();
    assert_eq!(limit(&volume(&Value::Null, Some(100))), json!("2147483948"));
    assert_eq!(
        limit(&volume(&Value::Null, None)),
        json!("53687091200"),
        "never without a limit"
    );
    assert_eq!(
        limit(&volume(&json!({"size": "20Gi"}), Some(100))),
        json!("20Gi")
    );
    let own = volume(
        &json!({"size": "20Gi", "storageClassName": "fast"}),
        Some(100),
    );
    assert_eq!(
        own["ephemeral"]["volumeClaimTemplate"]["spec"],
        json!({
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "20Gi"}},
        })
    );
}

/// Whatever a dump brings with it runs in the server's container.
#[test]
fn the_server_has_no_key_no_token_and_is_asked_nothing() {
    let pod = pod(build(&Value::Null, None));
    assert_eq!(pod.automount_service_account_token, Some(false));
    let volumes = pod.volumes.unwrap();
    let is_secret = |name: &str| {
        let volume = volumes.iter().find(|volume| volume.name == name).unwrap();
        volume.secret.is_some() || volume.projected.is_some()
    };
    let inits = pod.init_containers.unwrap();
    let server = inits
        .iter()
        .find(|container| container.name == "scratch")
        .unwrap();
    assert_eq!(server.restart_policy.as_deref(), Some("Always"));
    assert_eq!(server.env, None);
    for mount in server.volume_mounts.iter().flatten() {
        assert!(!is_secret(&mount.name), "{}", mount.name);
    }
    let agent = &pod.containers[0];
    let secrets: Vec<&str> = agent
        .volume_mounts
        .iter()
        .flatten()
        .map(|mount| mount.name.as_str())
        .filter(|name| is_secret(name))
        .collect();
    assert_eq!(secrets, ["s3", "token"], "nothing of Postgres");
    let secret = volumes
        .iter()
        .find_map(|volume| volume.secret.as_ref())
        .unwrap();
    assert_eq!(
        secret.secret_name.as_deref(),
        Some("s3-auth"),
        "not the one that may delete"
    );
    let asked = agent
        .env
        .iter()
        .flatten()
        .find(|variable| variable.name == REQUEST_VARIABLE);
    let asked = asked.and_then(|variable| variable.value.clone()).unwrap();
    assert!(
        !asked.contains("pg-auth") && !asked.contains("pg-restore"),
        "{asked}"
    );
    for container in inits.iter().chain(&pod.containers) {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(
            security.allow_privilege_escalation,
            Some(false),
            "{}",
            container.name
        );
        assert_eq!(
            security.read_only_root_filesystem,
            Some(true),
            "{}",
            container.name
        );
    }
}
