//! Checks, backups and Jobs for the controller's tests: as agents and the API server would leave
//! them.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use super::sample_parts::{from, metadata, time};
use crate::api::{
    AgentFailure, BackupConfirmation, BackupSnapshot, CheckOutcome, CheckVerdict, DatabaseBackup,
    DatabaseCheck, Evidence, names,
};

/// A check of the container `containerd://1`, created at `created`: five seconds later it had found
/// the data as it should be.
pub fn check(name: &str, created: &str) -> DatabaseCheck {
    let mut check = pending(name, created);
    let status = check.status.get_or_insert_default();
    let created = time(created).0;
    status.start_time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        created + jiff::Span::new().seconds(3),
    ));
    status.completion_time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        created + jiff::Span::new().seconds(5),
    ));
    status.evidence = Some(evidence());
    status.verdict = Some(verdict(CheckOutcome::Verified, "Verified"));
    check
}

/// A check of the container `containerd://1` that has not ended.
pub fn pending(name: &str, created: &str) -> DatabaseCheck {
    let mut check: DatabaseCheck = from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": metadata(name),
        "spec": {
            "database": "knowledge", "trigger": "Restart",
            "target": {
                "pod": "knowledge-postgres-0", "podUid": "pod-1", "container": "postgres", "containerId": "containerd://1",
                "databaseGeneration": 1,
                "volumes": [{
                    "claim": "data-knowledge-postgres-0", "claimUid": "uid-of-data-knowledge-postgres-0", "volume": "pvc-a",
                    "volumeHandle": "/volumes/pvc-a", "createdAt": "2026-01-19T12:34:50Z", "mountPath": "/var/lib/postgresql/data",
                }],
            },
        },
    }));
    check.metadata.creation_timestamp = Some(time(created));
    check
}

/// A check that looked at the data after another initdb on the same volume.
pub fn reset(name: &str, created: &str) -> DatabaseCheck {
    let mut check = unjudged(check(name, created));
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.system_identifier = "7599999999999999999".to_owned();
        evidence.identity.initialized_at = time("2026-02-01T08:59:00Z");
        for (table, rows) in evidence.tables.iter_mut().zip([1, 27]) {
            table.rows = rows;
        }
    }
    check
}

/// A check whose agent could say nothing.
pub fn unverifiable(name: &str, created: &str, reason: &str) -> DatabaseCheck {
    let mut check = check(name, created);
    let status = check.status.get_or_insert_default();
    status.evidence = None;
    status.failure = Some(AgentFailure {
        reason: reason.to_owned(),
        message: "the server did not answer".to_owned(),
    });
    status.verdict = Some(verdict(CheckOutcome::Unverifiable, reason));
    check
}

/// A check that got its verdict from the operator because its agent never reported.
pub fn unreported(name: &str, created: &str, reason: &str) -> DatabaseCheck {
    let mut check = pending(name, created);
    check.status.get_or_insert_default().verdict =
        Some(verdict(CheckOutcome::Unverifiable, reason));
    check
}

/// A check that a user asked for.
pub fn manual(name: &str, created: &str) -> DatabaseCheck {
    let mut check = pending(name, created);
    check.spec.trigger = crate::api::CheckTrigger::Manual;
    check.spec.target = None;
    check
}

pub fn unjudged(mut check: DatabaseCheck) -> DatabaseCheck {
    check.status.get_or_insert_default().verdict = None;
    check
}

pub fn judged(mut check: DatabaseCheck, outcome: CheckOutcome, reason: &str) -> DatabaseCheck {
    check.status.get_or_insert_default().verdict = Some(verdict(outcome, reason));
    check
}

/// The check is of that container.
pub fn of_container(
    mut check: DatabaseCheck,
    pod: &str,
    pod_uid: &str,
    container_id: &str,
) -> DatabaseCheck {
    if let Some(target) = check.spec.target.as_mut() {
        (target.pod, target.pod_uid, target.container_id) =
            (pod.to_owned(), pod_uid.to_owned(), container_id.to_owned());
    }
    check
}

/// The check is that try, counted from 0.
pub fn attempt(mut check: DatabaseCheck, attempt: i32) -> DatabaseCheck {
    if let Some(target) = check.spec.target.as_mut() {
        target.attempt = attempt;
    }
    check
}

/// The server that the check found was a replica.
pub fn in_recovery(mut check: DatabaseCheck) -> DatabaseCheck {
    if let Some(evidence) = check
        .status
        .as_mut()
        .and_then(|status| status.evidence.as_mut())
    {
        evidence.identity.in_recovery = true;
    }
    check
}

/// The agent's clock differed by that many seconds from the API server's.
pub fn by_clock(mut check: DatabaseCheck, seconds: i64) -> DatabaseCheck {
    if let Some(completion) = check
        .status
        .as_mut()
        .and_then(|status| status.completion_time.as_mut())
    {
        completion.0 += jiff::Span::new().seconds(seconds);
    }
    check
}

pub fn evidence() -> Evidence {
    from(json!({
        "identity": {
            "systemIdentifier": "7597042323410313218", "initializedAt": "2026-01-19T12:34:56Z", "timeline": 1, "walPosition": "0/1A2B3C8",
            "nextTransactionId": "1234", "postmasterStartedAt": "2026-02-01T08:59:58Z", "serverVersion": "15.18",
            "dataDirectory": "/var/lib/postgresql/data/pgdata", "inRecovery": false,
        },
        "databases": [{ "name": "knowledge_os", "oid": 16_384 }, { "name": "postgres", "oid": 5 }],
        "tables": [
            { "database": "knowledge_os", "name": "public.experts", "oid": 16_400, "rows": 85, "count": "Exact" },
            { "database": "knowledge_os", "name": "public.knowledge_nodes", "oid": 16_401, "rows": 26_337, "count": "Exact" },
        ],
        "tableCount": 2, "totalRows": 26_422, "observedAt": "2026-02-01T09:00:04Z",
    }))
}

fn verdict(outcome: CheckOutcome, reason: &str) -> CheckVerdict {
    CheckVerdict {
        findings: Vec::new(),
        outcome,
        reason: reason.to_owned(),
        message: format!("as said before: {reason}"),
        baseline: None,
        declared_by: None,
        partial: false,
    }
}

/// A backup in that state; times are those of its Job.
pub fn backup(name: &str, created: &str, state: &str) -> DatabaseBackup {
    let mut backup: DatabaseBackup = from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": metadata(name), "spec": { "database": "knowledge" }, "status": { "state": state, "startTime": created },
    }));
    backup.metadata.creation_timestamp = Some(time(created));
    backup
}

pub fn complete_backup(name: &str, created: &str) -> DatabaseBackup {
    let mut backup = backup(name, created, "Complete");
    let status = backup.status.get_or_insert_default();
    status.completion_time = Some(time(created));
    status.confirmed = Some(BackupConfirmation {
        check: "knowledge-1".to_owned(),
        time: time(created),
    });
    backup
}

/// A complete backup that no check has said anything about, taken at that position of the write-ahead
/// log.
pub fn unconfirmed_backup(name: &str, created: &str, wal_position: &str) -> DatabaseBackup {
    let mut backup = complete_backup(name, created);
    let status = backup.status.get_or_insert_default();
    status.confirmed = None;
    status.system_identifier = Some("7597042323410313218".to_owned());
    status.snapshot = Some(BackupSnapshot {
        time: time(created),
        timeline: 1,
        wal_position: wal_position.to_owned(),
    });
    backup
}

/// A backup that was not taken, or while the data looked reset.
pub fn bad_backup(name: &str, created: &str, state: &str, reason: &str) -> DatabaseBackup {
    let mut backup = backup(name, created, state);
    let status = backup.status.get_or_insert_default();
    status.completion_time = Some(time(created));
    status.reason = Some(reason.to_owned());
    status.message = Some("the bucket does not answer".to_owned());
    backup
}

/// The same as an agent or the operator has created it, and not a user.
pub fn of_agents(mut backup: DatabaseBackup) -> DatabaseBackup {
    let labels = [
        (names::DATABASE_LABEL, "knowledge"),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    backup.metadata.labels = Some(labels.into());
    backup
}

/// A Job of ours that runs.
pub fn job(name: &str, task: &str) -> Job {
    let mut job = Job {
        metadata: metadata(name),
        ..Job::default()
    };
    let labels = [
        (names::DATABASE_LABEL, "knowledge"),
        (names::TASK_LABEL, task),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ];
    job.metadata.labels = Some(
        labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    if task == "check" {
        job.metadata.owner_references = Some(vec![from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "name": name, "uid": format!("uid-of-{name}"), "controller": true,
        }))]);
    }
    job
}

/// A Job of ours that has ended.
pub fn ended_job(name: &str, task: &str, ended: &str, reason: &str) -> Job {
    let kind = if reason == "CompletionsReached" {
        "Complete"
    } else {
        "Failed"
    };
    Job {
        status: from(
            json!({ "conditions": [{ "type": kind, "status": "True", "reason": reason, "lastTransitionTime": ended }] }),
        ),
        ..job(name, task)
    }
}
