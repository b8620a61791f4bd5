//! The Job that restores a backup for one `DatabaseRestore`. Pure.

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{RESTORE, Task, build_template};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::backup_job::{BACKOFF_LIMIT, build_failure_policy};
use crate::api::{DatabaseRestore, JOB_MARGIN_SECONDS, ProtectedDatabase, RestoreRequest, names};

/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 86_400;

/// The Job of one restore, under a name made of the restore's UID, so that one never has two. A pod that
/// was evicted is replaced, and the agent goes on where the one before was; what the agent reports as
/// failed ends the Job.
#[must_use]
pub fn build_restore_job(
    database: &ProtectedDatabase,
    restore: &DatabaseRestore,
    request: &RestoreRequest,
    settings: &AgentPodSettings,
) -> Job {
    let task = Task {
        name: RESTORE,
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Restore,
        claim: None,
        directories: &[],
        node: None,
    };
    let mut settings = settings.clone();
    let backup = database.spec.backup.as_ref();
    if let Some(resources) = backup.and_then(|backup| backup.resources.clone()) {
        settings.agents.resources = Some(resources);
    }
    let name = names::restore_job(&request.restore_uid);
    let deadline = request.deadline_seconds.saturating_add(JOB_MARGIN_SECONDS);
    Job {
        metadata: build_metadata(database, restore, Some(name), task.name, &settings),
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            pod_failure_policy: Some(build_failure_policy()),
            pod_replacement_policy: Some("Failed".to_owned()),
            active_deadline_seconds: i64::try_from(deadline).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            template: build_template(database, &task, &settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::time::Duration;

    use k8s_openapi::api::core::v1::PodSpec;
    use serde_json::{Value, json};

    use super::super::{
        Placement, RestoreTask, ValidSpec, WorkloadReference, backup_request,
        build_backup_cron_job, restore_request,
    };
    use super::*;
    use crate::api::{
        Agents, DataDisk, IDENTITY_DIRECTORY, IDENTITY_FILE, PodReference, REQUEST_VARIABLE,
        RestoredSet,
    };

    fn from<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    fn database(identity: &Value) -> ProtectedDatabase {
        let storage = json!({"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3"}}});
        from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-db"},
            "spec": {
                "workload": {"name": "pg"},
                "connection": {"database": "app", "credentialsSecret": {"name": "auth"}},
                "backup": {"schedule": "@daily", "storage": storage},
                "restore": {"credentialsSecret": {"name": "restore-auth"}, "identitySecret": identity},
            },
        }))
    }

    fn settings() -> AgentPodSettings {
        AgentPodSettings {
            agent_image: "holdfast".to_owned(),
            database_image: "postgres".to_owned(),
            image_pull_policy: None,
            placement: Placement::default(),
            agents: Agents::default(),
        }
    }

    fn job_of(database: &ProtectedDatabase) -> Job {
        let restore: DatabaseRestore = from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "back", "namespace": "atra", "uid": "u-1"},
            "spec": {"database": "knowledge", "from": {"latestGood": true}, "into": "Beside"},
        }));
        let spec = ValidSpec::parse(&database.spec).unwrap();
        let task = RestoreTask {
            restore: &restore,
            set: &RestoredSet::default(),
            pod: PodReference {
                name: "pg-0".to_owned(),
                uid: "u-pod".to_owned(),
                container: "postgres".to_owned(),
                container_id: "containerd://1".to_owned(),
            },
            address: "10.0.0.1",
            disk: DataDisk::unknown(Some("data-pg-0"), "no size".to_owned()),
            workload: None,
            claims: vec!["data-pg-0".to_owned()],
        };
        let (backup, deadline) = (spec.backup.unwrap(), spec.restore.unwrap().deadline);
        let request = restore_request(database, &backup, deadline, task).unwrap();
        build_restore_job(database, &restore, &request, &settings())
    }

    fn pod_of(job: &Job) -> PodSpec {
        job.spec.clone().unwrap().template.spec.unwrap()
    }

    #[test]
    fn private_keys_are_a_file_of_the_agent_of_a_restore_and_nothing_else() {
        let with = database(&json!({"name": "backup-key", "key": "k.txt"}));
        let pod = pod_of(&job_of(&with));
        let volumes = pod.volumes.unwrap();
        let volume = volumes.iter().find(|one| one.name == "identity").unwrap();
        let secret = volume.secret.clone().unwrap();
        assert_eq!(secret.secret_name.as_deref(), Some("backup-key"));
        let items = secret.items.unwrap();
        assert_eq!(
            items
                .iter()
                .map(|item| (&*item.key, &*item.path))
                .collect::<Vec<_>>(),
            [("k.txt", IDENTITY_FILE)]
        );
        let mounts = pod.containers[0].volume_mounts.clone().unwrap();
        let mount = mounts.iter().find(|one| one.name == "identity").unwrap();
        assert_eq!(mount.mount_path, IDENTITY_DIRECTORY);
        assert_eq!(mount.read_only, Some(true));
        let install = &pod.init_containers.unwrap()[0];
        let of_install = install.volume_mounts.iter().flatten();
        assert!(of_install.clone().all(|mount| mount.name != "identity"));
        let environment = pod.containers[0].env.clone().unwrap();
        let request = environment.iter().find(|one| one.name == REQUEST_VARIABLE);
        let request = request.unwrap().value.clone().unwrap();
        assert!(
            request.contains("backup-key") && request.contains("no size"),
            "for messages: {request}"
        );

        // Nobody else gets them, nor a restore that has none.
        let none = pod_of(&job_of(&database(&Value::Null)));
        let backup = ValidSpec::parse(&with.spec).unwrap().backup.unwrap();
        let workload = WorkloadReference {
            kind: None,
            name: String::new(),
            selector: "app=pg".to_owned(),
            container: "postgres".to_owned(),
            is_primary: false,
        };
        let request = backup_request(&with, &backup, &workload, Duration::from_mins(1));
        let backups = build_backup_cron_job(&with, &backup.schedule, &request, None, &settings());
        let backups = backups.spec.job_template.spec.unwrap().template.spec;
        let backups = backups.unwrap();
        for pod in [none, backups] {
            let mut volumes = pod.volumes.iter().flatten();
            assert!(volumes.all(|volume| volume.name != "identity"));
        }
    }
}
