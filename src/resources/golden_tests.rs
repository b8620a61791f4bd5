//! Everything that is built for agents, as the API server gets it.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::{
    AgentPodSettings, JobPace, Placement, ValidBackup, ValidSpec, WorkloadReference,
    backup_request, build_agent_cluster_role, build_agent_role_binding,
    build_agent_service_account, build_backup_cron_job, build_catalog_job, build_check_job,
    build_files_job, build_first_backup_job, catalog_request, check_request, files_request,
};
use crate::api::{
    Agents, BackupRequest, CatalogRequest, CheckRequest, DatabaseCheck, FilesRequest,
    ProtectedDatabase, REQUEST_VARIABLE, WorkloadKind,
};

/// A database that uses every field that matters to agents.
fn database() -> ProtectedDatabase {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": { "name": "knowledge", "namespace": "atra", "uid": "uid-of-knowledge" },
        "spec": {
            "workload": { "name": "knowledge-postgres" },
            "connection": {
                "database": "knowledge_os", "additionalDatabases": ["analytics"],
                "credentialsSecret": { "name": "pg-auth", "usernameKey": "user", "passwordKey": "secret" },
                "tls": { "mode": "VerifyFull", "caSecret": { "name": "pg-ca", "key": "root.pem" } },
            },
            "verification": { "tables": [{ "name": "public.experts", "minRows": 80 }], "timeout": "2m" },
            "backup": {
                "schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "deadline": "1h30m",
                "storage": { "s3": {
                    "bucket": "backups", "prefix": "prod", "endpoint": "https://s3.storage:9000", "forcePathStyle": true,
                    "credentialsSecret": { "name": "s3-auth", "accessKeyIdKey": "id", "secretAccessKeyKey": "key" },
                    "caSecret": { "name": "s3-ca", "key": "ca.pem" },
                } },
            },
        },
    }))
}

/// A database with nothing but what must be there.
fn small_database() -> ProtectedDatabase {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": { "name": "small", "namespace": "atra", "uid": "uid-of-small" },
        "spec": {
            "workload": { "name": "postgres" },
            "connection": { "host": "db.example", "database": "app", "credentialsSecret": { "name": "pg-auth" } },
            "backup": {
                "schedule": "@daily",
                "storage": { "s3": { "bucket": "backups", "credentialsSecret": { "name": "s3-auth" } } },
            },
            "verification": { "baseline": { "maxDropPercent": "Off" } },
            "suspend": true,
        },
    }))
}

fn from<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn valid(database: &ProtectedDatabase) -> ValidSpec {
    ValidSpec::parse(&database.spec).unwrap()
}

fn valid_backup(database: &ProtectedDatabase) -> ValidBackup {
    valid(database).backup.unwrap()
}

fn check() -> DatabaseCheck {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": { "name": "knowledge-restart-0", "namespace": "atra", "uid": "uid-of-the-check" },
        "spec": { "database": "knowledge", "trigger": "Restart" },
    }))
}

/// How long a backup waits for a check of the data.
const CHECK_LIMIT: std::time::Duration = std::time::Duration::from_mins(4);

fn settings() -> AgentPodSettings {
    AgentPodSettings {
        agent_image: "localhost/holdfast:test".to_owned(),
        database_image: "localhost/postgres:15".to_owned(),
        image_pull_policy: Some("Never".to_owned()),
        placement: Placement {
            image_pull_secrets: vec!["registry".to_owned()],
            ..Placement::default()
        },
        agents: Agents::default(),
    }
}

fn workload() -> WorkloadReference {
    WorkloadReference {
        kind: Some(WorkloadKind::StatefulSet),
        name: "knowledge-postgres".to_owned(),
        selector: "app=knowledge".to_owned(),
        container: "postgres".to_owned(),
        is_primary: false,
    }
}

/// The request in the environment of the agent's container, as the kubelet gives it to the agent.
fn request_of(pod: &k8s_openapi::api::core::v1::PodTemplateSpec) -> String {
    let environment = pod.spec.as_ref().unwrap().containers[0]
        .env
        .as_ref()
        .unwrap();
    let value = environment
        .iter()
        .find(|variable| variable.name == REQUEST_VARIABLE)
        .unwrap()
        .value
        .as_ref()
        .unwrap();
    value.replace("$$", "$")
}

#[test]
fn the_job_of_a_check() {
    let request = check_request(
        &database(),
        &valid(&database()).verification,
        &check(),
        "10.0.0.7",
    );
    let job = build_check_job(
        &database(),
        &check(),
        &request,
        &settings(),
        JobPace::default().margin,
    );
    insta::assert_yaml_snapshot!("check_job", job);
    assert_eq!(
        serde_json::from_str::<CheckRequest>(&request_of(&job.spec.unwrap().template)).unwrap(),
        request
    );
}

/// By certificate, at a host, and to the pod itself with the name that the host's certificate has.
#[test]
fn the_job_of_a_check_that_logs_in_by_certificate() {
    let mut database = small_database();
    database.spec.connection = from(json!({
        "host": "db.example", "database": "app", "username": "holdfast",
        "clientCertificateSecret": {"name": "pg-client"},
        "tls": {"mode": "VerifyFull", "caSecret": {"name": "pg-ca", "key": "ca.crt"}},
    }));
    let mut check = check();
    let target = json!({"pod": "db-0", "podUid": "u-1", "container": "postgres", "containerId": "containerd://1"});
    check.spec.target = from(target);
    let verification = valid(&database).verification;
    let ask = |check: &DatabaseCheck| check_request(&database, &verification, check, "10.0.0.7");
    let request = ask(&check);
    insta::assert_yaml_snapshot!(
        "certificate_job",
        build_check_job(
            &database,
            &check,
            &request,
            &settings(),
            JobPace::default().margin
        )
    );
    let server = request.server;
    assert_eq!(
        (server.host.as_deref(), server.tls_server_name.as_deref()),
        (Some("10.0.0.7"), Some("db.example")),
        "the pod itself, by the name that its certificate has"
    );
    assert_eq!(server.pod.map(|pod| pod.uid), Some("u-1".to_owned()));
    if let Some(target) = &mut check.spec.target {
        target.host = Some("db.example".to_owned());
    }
    let server = ask(&check).server;
    assert_eq!(
        (server.host.as_deref(), server.pod),
        (Some("db.example"), None)
    );
}

#[test]
fn the_cron_job_of_backups_and_its_first_job() {
    let request = backup_request(
        &database(),
        &valid_backup(&database()),
        &workload(),
        CHECK_LIMIT,
    );
    let mut cron_job = build_backup_cron_job(
        &database(),
        &valid_backup(&database()).schedule,
        &request,
        None,
        &settings(),
    );
    insta::assert_yaml_snapshot!("backup_cron_job", cron_job);
    cron_job.metadata.uid = Some("uid-of-the-cron-job".to_owned());
    let job = build_first_backup_job(&cron_job, "knowledge-backup-first");
    insta::assert_yaml_snapshot!("first_backup_job", job.metadata);
    assert_eq!(job.spec, cron_job.spec.job_template.spec);
    assert_eq!(
        serde_json::from_str::<BackupRequest>(&request_of(&job.spec.unwrap().template)).unwrap(),
        request
    );
}

#[test]
fn a_small_database_and_what_is_asked_about_it() {
    let request = backup_request(
        &small_database(),
        &valid_backup(&small_database()),
        &workload(),
        CHECK_LIMIT,
    );
    insta::assert_yaml_snapshot!("small_backup_request", request);
    insta::assert_yaml_snapshot!(
        "small_check_request",
        check_request(
            &small_database(),
            &valid(&small_database()).verification,
            &check(),
            "10.0.0.7"
        )
    );
    let settings = AgentPodSettings {
        image_pull_policy: None,
        placement: Placement::default(),
        ..settings()
    };
    insta::assert_yaml_snapshot!(
        "small_backup_cron_job",
        build_backup_cron_job(
            &small_database(),
            &valid_backup(&small_database()).schedule,
            &request,
            None,
            &settings
        )
    );
}

#[test]
fn who_agents_are_and_what_they_may_do() {
    let all = (
        build_agent_service_account("atra"),
        build_agent_role_binding("atra"),
        build_agent_cluster_role(),
    );
    insta::assert_yaml_snapshot!("agent_identity", all);
}

#[test]
fn names_with_dollars_reach_the_agent_as_they_are() {
    let mut database = database();
    for name in ["a$b", "a$$b", "$(HOLDFAST_JOB_NAME)", "$$(x)", "$"] {
        name.clone_into(&mut database.spec.connection.database);
        let request = check_request(
            &database,
            &valid(&database).verification,
            &check(),
            "10.0.0.7",
        );
        let job = build_check_job(
            &database,
            &check(),
            &request,
            &settings(),
            JobPace::default().margin,
        );
        let environment = serde_json::to_string(&job).unwrap();
        assert!(
            !environment.replace("$$", "").contains('$'),
            "{name}: a single dollar is left"
        );
        assert_eq!(
            serde_json::from_str::<CheckRequest>(&request_of(&job.spec.unwrap().template))
                .unwrap()
                .server
                .databases[0],
            name
        );
    }
}

#[test]
fn pods_meet_pod_security_restricted_and_hold_no_secret() {
    let request = backup_request(
        &database(),
        &valid_backup(&database()),
        &workload(),
        CHECK_LIMIT,
    );
    let cron_job = build_backup_cron_job(
        &database(),
        &valid_backup(&database()).schedule,
        &request,
        None,
        &settings(),
    );
    let pod = cron_job
        .spec
        .job_template
        .spec
        .unwrap()
        .template
        .spec
        .unwrap();
    let security = pod.security_context.unwrap();
    assert_eq!(
        (security.run_as_non_root, security.run_as_user),
        (Some(true), Some(65_532))
    );
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    for container in pod
        .containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
    {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(
            (
                security.allow_privilege_escalation,
                security.read_only_root_filesystem
            ),
            (Some(false), Some(true))
        );
        assert_eq!(
            security.capabilities.as_ref().unwrap().drop,
            Some(vec!["ALL".to_owned()])
        );
        assert!(container.env.iter().flatten().all(|variable| {
            variable.value_from.as_ref().is_none_or(|source| {
                source.secret_key_ref.is_none() && source.config_map_key_ref.is_none()
            })
        }));
        assert_eq!(container.env_from, None);
    }
}

/// The database with two rules about files, the first of which uses every field.
fn database_with_files() -> ProtectedDatabase {
    let mut database = database();
    database.spec.verification.files = from(json!([
        {
            "claim": "uploads", "root": "trend_examples", "prefix": "/app/data/trend_examples", "query": "select '$1', path from trends",
            "database": "analytics", "runAsUser": 1000, "runAsGroup": 1001, "timeout": "1h",
        },
        { "claim": "avatars", "query": "select path from users" },
    ]));
    database
}

#[test]
fn the_jobs_that_look_for_files() {
    let database = database_with_files();
    let request = files_request(
        &database,
        &valid(&database).verification,
        &check(),
        0,
        "10.0.0.7",
    )
    .unwrap();
    let job = build_files_job(
        &database,
        &check(),
        &request,
        Some("node-1"),
        &settings(),
        JobPace::default().margin,
    );
    insta::assert_yaml_snapshot!("files_job", job);
    assert_eq!(
        serde_json::from_str::<FilesRequest>(&request_of(&job.spec.unwrap().template)).unwrap(),
        request
    );
    assert_eq!(
        files_request(
            &database,
            &valid(&database).verification,
            &check(),
            2,
            "10.0.0.7"
        ),
        None
    );
}

#[test]
fn the_job_that_looks_at_the_sets_has_the_key_of_the_bucket_and_none_of_postgres() {
    let database = database();
    let mut request = catalog_request(&database, &valid_backup(&database), "knowledge-backup-1");
    request.removes = true;
    let margin = JobPace::default().margin;
    let job = build_catalog_job(&database, "catalog-u-1", &request, &settings(), margin);
    insta::assert_yaml_snapshot!("catalog_job", job);

    let pod = job.spec.unwrap().template;
    assert_eq!(
        serde_json::from_str::<CatalogRequest>(&request_of(&pod)).unwrap(),
        request
    );
    let text = serde_json::to_string(&pod).unwrap();
    assert!(!text.contains("secrets/postgres"), "{text}");
}

/// What may delete is not where the database's own image runs.
#[test]
fn a_key_of_retentions_own_is_in_no_pod_of_a_backup() {
    let margin = JobPace::default().margin;
    let mut database = database();
    let retention = serde_json::json!({"keepLast": 1, "credentialsSecret": {"name": "may-delete"}});
    let asked = database.spec.backup.as_mut().unwrap();
    asked.retention = serde_json::from_value(retention).unwrap();
    let request = catalog_request(&database, &valid_backup(&database), "knowledge-backup-1");
    let secret = request.storage.credentials_secret.as_ref();
    assert_eq!(
        secret.map(|secret| secret.name.as_str()),
        Some("may-delete")
    );
    let job = build_catalog_job(&database, "catalog-u-1", &request, &settings(), margin);
    let text = serde_json::to_string(&job.spec.unwrap().template.spec.unwrap().volumes).unwrap();
    assert!(text.contains("may-delete"), "{text}");
    let taking = super::agent_pod::Task {
        name: super::agent_pod::BACKUP,
        request: String::new(),
        secrets: super::agent_secrets::Secrets::PostgresAndStorage,
        claim: None,
        directories: &[],
        node: None,
    };
    let pod = super::agent_pod::build_template(&database, &taking, &settings());
    let text = serde_json::to_string(&pod).unwrap();
    assert!(!text.contains("may-delete"), "{text}");
}

/// The claims of directories are read, each once, near the pod that has them, and as their owner.
#[test]
fn the_directories_of_a_set_are_mounted_read_only() {
    let mut database = database();
    let asked = database.spec.backup.as_mut().unwrap();
    asked.directories = from(json!([
        {"claim": "uploads", "path": "generated_images", "runAsUser": 1000, "runAsGroup": 1000},
        {"claim": "receipts", "runAsUser": 1000, "runAsGroup": 1000},
        {"claim": "uploads", "path": "avatars", "runAsUser": 1000, "runAsGroup": 1000},
    ]));
    let backup = valid_backup(&database);
    let mut request = backup_request(&database, &backup, &workload(), CHECK_LIMIT);
    request.turn_seconds = Some(crate::resources::turn_limit(&backup.schedule));
    let cron_job = build_backup_cron_job(
        &database,
        &backup.schedule,
        &request,
        Some("node-2"),
        &settings(),
    );
    assert_eq!(super::noted_node(&cron_job), Some("node-2"));
    insta::assert_yaml_snapshot!("backup_cron_job_with_directories", cron_job);
}

#[test]
fn the_users_files_are_mounted_read_only_and_are_given_to_no_group() {
    let database = database_with_files();
    for place in 0..2 {
        let request = files_request(
            &database,
            &valid(&database).verification,
            &check(),
            place,
            "10.0.0.7",
        )
        .unwrap();
        let job = build_files_job(
            &database,
            &check(),
            &request,
            None,
            &settings(),
            JobPace::default().margin,
        );
        let pod = job.spec.unwrap().template.spec.unwrap();
        let security = pod.security_context.unwrap();
        assert_eq!(
            security.fs_group, None,
            "the kubelet would change the owner of the users' files"
        );
        assert_eq!(
            (
                security.fs_group_change_policy,
                security.supplemental_groups,
                security.run_as_non_root
            ),
            (None, None, Some(true))
        );
        assert!(security.run_as_user.unwrap() > 0 && security.run_as_group.unwrap() > 0);
        let claims: Vec<_> = pod
            .volumes
            .iter()
            .flatten()
            .filter_map(|volume| volume.persistent_volume_claim.as_ref())
            .collect();
        assert!(claims.len() == 1 && claims.iter().all(|claim| claim.read_only == Some(true)));
        let mounts: Vec<_> = pod.containers[0]
            .volume_mounts
            .iter()
            .flatten()
            .filter(|mount| mount.name == "files")
            .collect();
        assert!(mounts.len() == 1 && mounts.iter().all(|mount| mount.read_only == Some(true)));
        for secret in pod
            .volumes
            .iter()
            .flatten()
            .filter_map(|volume| volume.secret.as_ref())
        {
            assert_eq!(
                secret.default_mode,
                Some(0o444),
                "without a group of its own the agent could not read it"
            );
        }
        assert_eq!(
            (pod.init_containers, pod.containers.len()),
            (None, 1),
            "only the agent's container sees Secrets and files"
        );
        assert_eq!(
            pod.containers[0].image.as_deref(),
            Some("localhost/holdfast:test"),
            "no program of the database's image sees the files"
        );
    }
}
