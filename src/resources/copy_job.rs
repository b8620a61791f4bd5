//! The Job that copies the set of one backup into another bucket. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::agent_job::build_metadata;
use super::agent_pod::{Task, build_template};
use super::agent_secrets::Secrets;
use super::agent_settings::AgentPodSettings;
use super::valid_copies::ValidCopy;
use super::valid_spec::ValidBackup;
use crate::api::{CopyRequest, DatabaseBackup, ProtectedDatabase};

/// How long an ended Job is kept: longer than the pause after one that failed.
const COPY_KEPT: Duration = Duration::from_hours(3);

/// What the agent of a copy is asked. None if it is not known where the set is.
#[must_use]
pub fn copy_request(
    database: &ProtectedDatabase,
    backup: &ValidBackup,
    copy: &ValidCopy,
    of: &DatabaseBackup,
) -> Option<CopyRequest> {
    let status = of.status.as_ref()?;
    // What the first bucket has damaged, the copy has as it was stored.
    let demoted = status.demoted.clone().filter(|by| !by.is_damage());
    Some(CopyRequest {
        namespace: database.metadata.namespace.clone()?,
        database: database.metadata.name.clone()?,
        backup: of.metadata.name.clone()?,
        copy: copy.name.clone(),
        source: backup.storage.clone(),
        path: status.path.clone()?,
        manifest_sha256: status.manifest_sha256.clone()?,
        target: copy.storage.clone(),
        confirmed: status.confirmed.clone().filter(|_| demoted.is_none()),
        demoted,
        is_complete: false,
        retry_seconds: copy.retry_timeout.as_secs(),
        deadline_seconds: backup.deadline.as_secs(),
    })
}

/// A Job in our own image, with the keys of both buckets and none of Postgres.
#[must_use]
pub fn build_copy_job(
    database: &ProtectedDatabase,
    name: &str,
    request: &CopyRequest,
    settings: &AgentPodSettings,
    margin: Duration,
) -> Job {
    let copies = database
        .spec
        .backup
        .iter()
        .flat_map(|backup| &backup.copies);
    let place = copies
        .into_iter()
        .position(|copy| copy.name == request.copy);
    let task = Task {
        name: "copy",
        request: serde_json::to_string(request).unwrap_or_default(),
        // Of a copy that is not in the spec nothing is mounted.
        secrets: Secrets::Copy(place.unwrap_or(usize::MAX)),
        claim: None,
        directories: &[],
        node: None,
    };
    let deadline = Duration::from_secs(request.deadline_seconds).saturating_add(margin);
    Job {
        metadata: build_metadata(
            database,
            database,
            Some(name.to_owned()),
            task.name,
            settings,
        ),
        spec: Some(JobSpec {
            // The operator tries it again, later.
            backoff_limit: Some(0),
            active_deadline_seconds: i64::try_from(deadline.as_secs()).ok(),
            ttl_seconds_after_finished: i32::try_from(COPY_KEPT.as_secs()).ok(),
            template: build_template(database, &task, settings),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::{Value, json};

    use super::super::{JobPace, Placement, ValidSpec};
    use super::*;
    use crate::api::{Agents, REQUEST_VARIABLE};

    fn database() -> ProtectedDatabase {
        let s3 = |bucket: &str, secret: &str| json!({"s3": {"bucket": bucket, "credentialsSecret": {"name": secret}, "caSecret": {"name": "ca", "key": "ca.crt"}}});
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
            "metadata": {"name": "knowledge", "namespace": "atra", "uid": "uid-of-knowledge"},
            "spec": {
                "workload": {"name": "pg"},
                "connection": {"database": "app", "credentialsSecret": {"name": "pg-auth"}},
                "backup": {
                    "schedule": "@daily", "storage": s3("backups", "s3-auth"),
                    "retention": {"keepLast": 1, "credentialsSecret": {"name": "may-delete"}},
                    "copies": [
                        {"name": "near", "storage": s3("near", "s3-near")},
                        {"name": "offsite", "storage": s3("copies", "s3-offsite")},
                    ],
                },
            },
        }))
        .unwrap()
    }

    fn backup(status: &Value) -> DatabaseBackup {
        let mut all = json!({
            "state": "Complete", "path": "atra/knowledge/20260201T091000Z-00000001", "manifestSha256": "aa",
            "confirmed": {"check": "knowledge-2", "time": "2026-02-01T09:20:00Z"},
        });
        for (key, value) in status.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
            "metadata": {"name": "knowledge-backup-1", "uid": "u"}, "spec": {"database": "knowledge"},
            "status": all,
        }))
        .unwrap()
    }

    fn request(status: &Value) -> Option<CopyRequest> {
        let database = database();
        let valid = ValidSpec::parse(&database.spec).unwrap().backup.unwrap();
        copy_request(&database, &valid, &valid.copies[1], &backup(status))
    }

    #[test]
    fn the_job_has_the_keys_of_two_buckets_and_none_of_postgres() {
        let request = request(&json!({})).unwrap();
        let settings = AgentPodSettings {
            agent_image: "localhost/holdfast:test".to_owned(),
            database_image: "localhost/postgres:15".to_owned(),
            image_pull_policy: None,
            placement: Placement::default(),
            agents: Agents::default(),
        };
        let margin = JobPace::default().margin;
        let job = build_copy_job(&database(), "copy-u-1", &request, &settings, margin);
        insta::assert_yaml_snapshot!("copy_job", job);

        let text = serde_json::to_string(&job).unwrap();
        for not_there in [
            "secrets/postgres",
            "s3-near",
            "may-delete",
            "localhost/postgres",
        ] {
            assert!(!text.contains(not_there), "{not_there}: {text}");
        }
        let pod = job.spec.unwrap().template.spec.unwrap();
        let mut variables = pod.containers[0].env.iter().flatten();
        let asked = variables.find(|variable| variable.name == REQUEST_VARIABLE);
        let asked = asked.unwrap().value.as_ref().unwrap().replace("$$", "$");
        assert_eq!(
            serde_json::from_str::<CopyRequest>(&asked).unwrap(),
            request
        );
    }

    #[test]
    fn damage_of_the_first_bucket_is_not_said_of_the_copy() {
        let by = |reason: &str| json!({"demoted": {"check": "c", "time": "2026-02-01T09:20:00Z", "reason": reason}});
        let damaged = request(&by("SetDamaged")).unwrap();
        assert!(damaged.demoted.is_none() && damaged.confirmed.is_some());
        let reset = request(&by("TablesEmptied")).unwrap();
        assert!(reset.demoted.is_some() && reset.confirmed.is_none());
        assert_eq!(
            request(&json!({"path": null})),
            None,
            "it is not known where the set is"
        );
    }
}
