//! The Job that restores the files of one directory for one `DatabaseRestore`: in our own image, with the key
//! that reads the bucket, and with the one claim that an agent may write to. Pure.

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{ExaminedClaim, Task, build_template};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::backup_job::{BACKOFF_LIMIT, build_failure_policy};
use crate::api::{
    BackupDirectory, DatabaseRestore, JOB_MARGIN_SECONDS, ProtectedDatabase, RestoreRequest, names,
};

/// How long an ended Job is kept for reading, in seconds.
const KEPT_SECONDS: i32 = 86_400;

/// The Job of one restore of files, under the name that the Job of every DatabaseRestore has. `directory` is
/// that of the spec, and `node` is where its claim is mounted already.
#[must_use]
pub fn build_restore_files_job(
    database: &ProtectedDatabase,
    restore: &DatabaseRestore,
    request: &RestoreRequest,
    (directory, node): (&BackupDirectory, Option<&str>),
    settings: &AgentPodSettings,
) -> Job {
    let task = Task {
        name: names::RESTORE_FILES_TASK,
        request: serde_json::to_string(request).unwrap_or_default(),
        secrets: Secrets::Files,
        claim: Some(ExaminedClaim {
            claim: &directory.claim,
            user: directory.run_as_user,
            group: directory.run_as_group,
            node,
            is_written: true,
        }),
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

    use serde_json::{Value, json};

    use super::super::{Placement, ValidSpec, files_restore_request};
    use super::*;
    use crate::api::{Agents, FilesToRestore, RestoredSet};

    fn from<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn it_has_one_claim_to_write_to_the_key_of_the_bucket_and_no_way_to_a_server() {
        let database: ProtectedDatabase = from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-db"},
            "spec": {
                "workload": {"name": "pg"},
                "connection": {"database": "app", "credentialsSecret": {"name": "pg-auth"}},
                "backup": {
                    "schedule": "@daily",
                    "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3-auth"}}},
                    "retention": {"keepLast": 1, "credentialsSecret": {"name": "may-delete"}},
                    "directories": [{"claim": "uploads", "path": "images", "runAsUser": 1000, "runAsGroup": 2000}],
                },
                "restore": {
                    "credentialsSecret": {"name": "restore-auth"},
                    "identitySecret": {"name": "backup-key", "key": "k.txt"},
                },
            },
        }));
        let restore: DatabaseRestore = from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "back", "namespace": "atra", "uid": "u-1"},
            "spec": {
                "database": "knowledge", "from": {"latestGood": true}, "into": "Replace", "confirm": "u-db",
                "files": {"claim": "uploads", "path": "images"},
            },
        }));
        let valid = ValidSpec::parse(&database.spec).unwrap().backup.unwrap();
        let files = FilesToRestore {
            claim: "uploads".to_owned(),
            claim_uid: "u-claim".to_owned(),
            path: "images".to_owned(),
        };
        let set = RestoredSet::default();
        let request = files_restore_request(&database, &valid, None, (&restore, &set), files);
        let settings = AgentPodSettings {
            agent_image: "localhost/holdfast:test".to_owned(),
            database_image: "localhost/postgres:15".to_owned(),
            image_pull_policy: None,
            placement: Placement::default(),
            agents: Agents::default(),
        };
        let directory = &database.spec.backup.as_ref().unwrap().directories[0];
        let of = (directory, Some("node-1"));
        let job = build_restore_files_job(&database, &restore, &request, of, &settings);
        insta::assert_yaml_snapshot!("restore_files_job", job);
        let text = serde_json::to_string(&job).unwrap();
        for not_there in [
            "pg-auth",
            "restore-auth",
            "may-delete",
            "localhost/postgres",
            "fsGroup",
        ] {
            assert!(!text.contains(not_there), "{not_there}: {text}");
        }
    }
}
