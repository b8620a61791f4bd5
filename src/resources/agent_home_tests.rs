//! What is asked for reaches the pod, what is not asked for is that of the database's pod, and nothing
//! weakens what agents are.
#![allow(clippy::unwrap_used, reason = "tests")]

use k8s_openapi::api::batch::v1::{CronJob, Job};
use serde_json::{Value, json};

use super::*;
use crate::api::{BackupRequest, CheckRequest, DatabaseCheck, FilesRequest, ProtectedDatabase};
use crate::resources::{
    JobPace, Placement, ValidSpec, WorkloadReference, backup_request, build_backup_cron_job,
    build_check_job, build_files_job, check_request, files_request,
};

fn from<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn database() -> ProtectedDatabase {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "uid-of-knowledge"},
        "spec": {
            "workload": {"name": "postgres"},
            "connection": {"database": "app", "credentialsSecret": {"name": "pg-auth"}},
            "verification": {"files": [{"claim": "uploads", "query": "select 1", "runAsUser": 1000}]},
            "backup": {
                "schedule": "@daily",
                "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3-auth"}}},
            },
        },
    }))
}

fn check() -> DatabaseCheck {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": {"name": "knowledge-0", "namespace": "atra", "uid": "uid-of-the-check"},
        "spec": {"database": "knowledge", "trigger": "Restart"},
    }))
}

/// Everything that can be asked for.
fn everything() -> Agents {
    let term = json!({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["fast"]}]});
    from(json!({
        "resources": {"requests": {"memory": "128Mi"}, "limits": {"cpu": 1, "ephemeral-storage": "1Gi"}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "priorityClassName": "background", "runtimeClassName": "kata",
        "imagePullSecrets": [{"name": "mirror"}],
        "labels": {"team": "data"}, "annotations": {"owner": "data@example.org"},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128/$x"}],
        "securityContext": {"runAsUser": 1234, "supplementalGroups": [2000]},
    }))
}

fn settings(agents: Agents) -> AgentPodSettings {
    AgentPodSettings {
        agent_image: "holdfast:test".to_owned(),
        database_image: "postgres:15".to_owned(),
        image_pull_policy: None,
        placement: Placement {
            node_selector: pairs(&[("pool", "databases")]),
            tolerations: from(json!([{"key": "databases", "operator": "Exists"}])),
            priority_class_name: Some("critical".to_owned()),
            runtime_class_name: Some("gvisor".to_owned()),
            image_pull_secrets: vec!["registry".to_owned()],
        },
        agents,
    }
}

fn check_job(agents: Agents) -> Job {
    let database = database();
    let verification = ValidSpec::parse(&database.spec).unwrap().verification;
    let request: CheckRequest = check_request(&database, &verification, &check(), "10.0.0.7");
    let margin = JobPace::default().margin;
    build_check_job(&database, &check(), &request, &settings(agents), margin)
}

fn files_job(agents: Agents) -> Job {
    let database = database();
    let verification = ValidSpec::parse(&database.spec).unwrap().verification;
    let request: FilesRequest =
        files_request(&database, &verification, &check(), 0, "10.0.0.7").unwrap();
    let (settings, margin) = (settings(agents), JobPace::default().margin);
    build_files_job(
        &database,
        &check(),
        &request,
        Some("node-1"),
        &settings,
        margin,
    )
}

fn cron_job(agents: Agents) -> CronJob {
    let database = database();
    let backup = ValidSpec::parse(&database.spec).unwrap().backup.unwrap();
    let workload = WorkloadReference {
        kind: Some(crate::api::WorkloadKind::StatefulSet),
        name: "postgres".to_owned(),
        selector: "app=postgres".to_owned(),
        container: "postgres".to_owned(),
        is_primary: false,
    };
    let limit = std::time::Duration::from_mins(2);
    let request: BackupRequest = backup_request(&database, &backup, &workload, limit);
    build_backup_cron_job(
        &database,
        &backup.schedule,
        &request,
        None,
        &settings(agents),
    )
}

fn pod(job: Job) -> PodSpec {
    job.spec.unwrap().template.spec.unwrap()
}

#[test]
fn everything_that_is_asked_for_reaches_job_and_cron_job() {
    insta::assert_yaml_snapshot!("asked_check_job", check_job(everything()));
    insta::assert_yaml_snapshot!("asked_files_job", files_job(everything()));
    insta::assert_yaml_snapshot!("asked_cron_job", cron_job(everything()));
}

#[test]
fn what_is_not_asked_for_is_that_of_the_databases_pod() {
    let pod = pod(check_job(Agents::default()));
    assert_eq!(
        pod.node_selector.unwrap(),
        pairs(&[("kubernetes.io/os", "linux"), ("pool", "databases")])
    );
    assert_eq!(pod.tolerations.unwrap().len(), 1);
    assert_eq!(pod.priority_class_name.as_deref(), Some("critical"));
    assert_eq!(pod.runtime_class_name.as_deref(), Some("gvisor"));
    assert_eq!(pod.image_pull_secrets.unwrap()[0].name, "registry");
}

/// Nothing is a wish too: an empty list or name takes nothing over.
#[test]
fn the_spec_comes_first_then_the_installation_then_the_databases_pod() {
    let installation: Agents = from(json!({
        "nodeSelector": {"pool": "installation"}, "tolerations": [], "priorityClassName": "installation",
        "labels": {"team": "installation", "cost": "1"}, "imagePullSecrets": [{"name": "mirror"}],
        "env": [{"name": "NO_PROXY", "value": "installation"}, {"name": "TZ", "value": "UTC"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "assignedUser": true,
    }));
    let spec: Agents = from(json!({
        "nodeSelector": {}, "priorityClassName": "", "labels": {"team": "spec"},
        "imagePullSecrets": [{"name": "own"}], "env": [{"name": "NO_PROXY", "value": "spec"}],
        "resources": {"limits": {"cpu": "2"}}, "assignedUser": false,
    }));
    let job = check_job(spec.over(&installation));
    let labels = job.metadata.labels.clone().unwrap();
    assert_eq!(
        (labels["team"].as_str(), labels["cost"].as_str()),
        ("spec", "1")
    );
    let pod = pod(job);
    assert_eq!(pod.node_selector.unwrap(), pairs(&[SYSTEM]), "{{}} is none");
    assert_eq!(pod.tolerations, None, "the installation's none");
    assert_eq!(pod.priority_class_name, None, "an empty name is none");
    assert_eq!(
        pod.runtime_class_name.as_deref(),
        Some("gvisor"),
        "nobody asked"
    );
    let secrets: Vec<_> = pod
        .image_pull_secrets
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(secrets, ["own", "mirror", "registry"]);
    assert_eq!(pod.security_context.unwrap().run_as_user, Some(65532));
    let env = pod.containers[0].env.clone().unwrap().into_iter();
    let env: Vec<_> = env
        .skip(2)
        .map(|one| (one.name, one.value.unwrap()))
        .collect();
    let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(env, [said("NO_PROXY", "spec"), said("TZ", "UTC")]);
    let limits = pod.containers[0].resources.clone().unwrap().limits.unwrap();
    assert_eq!(
        (limits["cpu"].0.as_str(), limits["memory"].0.as_str()),
        ("2", "1Gi")
    );
}

/// A quota on `limits.cpu` counts every container, and a request above its limit makes a Job that no
/// pod can come from.
#[test]
fn every_container_has_the_limits_and_no_request_is_above_its_limit() {
    let agents = json!({"resources": {"limits": {"cpu": "5m", "memory": "32Mi"}}});
    let pod = pod(check_job(from(agents)));
    for container in pod
        .containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
    {
        let resources = container.resources.as_ref().unwrap();
        for name in ["cpu", "memory"] {
            let amount =
                |of: &Option<BTreeMap<String, Quantity>>| of.as_ref().unwrap()[name].clone();
            assert_eq!(
                amount(&resources.limits),
                amount(&resources.requests),
                "{}",
                container.name
            );
        }
    }
}

#[test]
fn a_limit_that_nobody_asked_for_gives_way_to_the_request() {
    let agents = json!({"resources": {"requests": {"memory": "1Gi"}}});
    let pod = pod(check_job(from(agents)));
    for container in pod
        .containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
    {
        let limits = container
            .resources
            .as_ref()
            .and_then(|all| all.limits.as_ref());
        assert_eq!(limits.unwrap()["memory"].0, "1Gi", "{}", container.name);
    }
}

#[test]
fn where_the_cluster_assigns_users_none_is_set_and_secrets_are_readable() {
    let assigned = || from::<Agents>(json!({"assignedUser": true}));
    for job in [
        check_job(assigned()),
        Job {
            spec: cron_job(assigned()).spec.job_template.spec,
            ..Job::default()
        },
    ] {
        let pod = pod(job);
        let context = pod.security_context.unwrap();
        assert_eq!(
            (context.run_as_user, context.run_as_group, context.fs_group),
            (None, None, None)
        );
        assert_eq!(context.run_as_non_root, Some(true));
        for volume in pod.volumes.unwrap() {
            if let Some(secret) = volume.secret {
                assert_eq!(secret.default_mode, Some(0o444), "{}", volume.name);
            }
        }
    }
    let context = pod(files_job(assigned())).security_context.unwrap();
    assert_eq!(
        (context.run_as_user, context.run_as_group),
        (Some(1000), None),
        "the user that the rule names is meant"
    );
}

/// Also from an object that no schema has refused.
#[test]
fn nothing_that_is_asked_for_weakens_an_agent() {
    let agents: Agents = from(json!({
        "labels": {"holdfast.dev/database": "other", "app.kubernetes.io/managed-by": "me"},
        "annotations": {"batch.kubernetes.io/x": "y"},
        "env": [{"name": "HOLDFAST_REQUEST", "value": "{}"}, {"name": "PGHOST", "value": "x"}, {"name": "PATH", "value": "x"}],
        "securityContext": {
            "privileged": true, "allowPrivilegeEscalation": true, "runAsNonRoot": false,
            "capabilities": {"add": ["SYS_ADMIN"]},
        },
    }));
    let plain = check_job(Agents::default());
    assert_eq!(check_job(agents), plain);
    let windows = from::<Agents>(json!({"nodeSelector": {"kubernetes.io/os": "windows"}}));
    assert_eq!(
        pod(check_job(windows)).node_selector.unwrap(),
        pairs(&[SYSTEM])
    );
}

/// Who needs the sidecar to reach the server asks for it.
#[test]
fn a_mesh_is_off_unless_it_is_asked_for() {
    let metadata = |agents: Value| {
        let template = check_job(from(agents)).spec.unwrap().template;
        template.metadata.unwrap()
    };
    let off = metadata(json!({}));
    assert_eq!(off.labels.unwrap()["sidecar.istio.io/inject"], "false");
    assert_eq!(off.annotations.unwrap()["linkerd.io/inject"], "disabled");
    let on = json!({"labels": {"sidecar.istio.io/inject": "true"}, "annotations": {"linkerd.io/inject": "enabled"}});
    let on = metadata(on);
    assert_eq!(on.labels.unwrap()["sidecar.istio.io/inject"], "true");
    assert_eq!(on.annotations.unwrap()["linkerd.io/inject"], "enabled");
}
