//! Golden tests of the words for a database: green, reset, new, changed since.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::{Value, json};

use super::*;
use crate::api::ProtectedDatabase;
use crate::incident::build_overview;

const NOW: &str = "2026-02-01T12:00:00Z";

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-02-01T09:01:00Z"})
}

fn object(status: &Value) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "generation": 1},
        "spec": {
            "workload": {"kind": "StatefulSet", "name": "knowledge-postgres"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
            "backup": {"schedule": "0 3 * * *", "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3-auth"}}}},
        },
        "status": status,
    }))
    .unwrap()
}

fn green() -> Value {
    json!({
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", "True", "AllGood", "guarded, verified and backed up"),
            condition("Reconciling", "False", "Settled", ""), condition("Stalled", "False", "Settled", ""),
            condition("Guarded", "True", "Guarded", "m"), condition("DataVerified", "True", "Verified", "m"),
            condition("DataReset", "False", "Verified", "m"), condition("BackupFresh", "True", "Fresh", "m"),
            condition("RestoreProven", "Unknown", "NotSupported", "m"),
        ],
        "claims": [{"name": "knowledge-data", "uid": "u", "volume": "pvc-a", "volumeHandle": "/volumes/pvc-a", "reclaimPolicy": "Retain",
            "guarded": true, "mounted": true, "creationTime": "2026-01-19T12:34:50Z"}],
        "baseline": {"check": "knowledge-1", "time": "2026-02-01T09:00:00Z", "systemIdentifier": "7488888888888888888"},
        "lastCheck": {"name": "knowledge-1", "time": "2026-02-01T09:00:00Z", "outcome": "Verified", "reason": "Verified"},
        "lastBackup": {"name": "knowledge-backup-first", "time": "2026-02-01T09:01:00Z", "state": "Complete"},
        "lastGoodBackup": {"name": "knowledge-backup-first", "time": "2026-02-01T09:01:00Z", "state": "Complete"},
        "nextBackup": "2026-02-02T03:00:00Z",
    })
}

fn reset() -> Value {
    let message = "the volume was replaced; undo it: kubectl -n atra rollout undo \
        statefulset/knowledge-postgres";
    let mut status = green();
    status["conditions"] = json!([
        condition(
            "Ready",
            "False",
            "NotReady",
            "DataReset is True (VolumeReplaced); that condition says more"
        ),
        condition(
            "Guarded",
            "False",
            "ClaimNotFound",
            "claim knowledge-data does not exist"
        ),
        condition("DataVerified", "False", "VolumeReplaced", message),
        condition("DataReset", "True", "VolumeReplaced", message),
        condition("BackupFresh", "Unknown", "NotKnown", "no backup was seen"),
        condition("Stalled", "True", "ClaimNotFound", message),
        condition("Reconciling", "True", "Progressing", "waiting"),
    ]);
    status["claims"][0]["guarded"] = false.into();
    status["lastBackup"] =
        json!({"name": "knowledge-backup-2", "time": "2026-02-01T11:59:30Z", "state": "Suspect"});
    status
}

fn told(object: ProtectedDatabase) -> String {
    describe_database(&build_overview(object), NOW.parse().unwrap())
}

#[test]
fn a_green_database_reads() {
    let report = build_overview(object(&green()));
    assert!(report.ready && report.what_to_do.is_empty());
    insta::assert_snapshot!(told(object(&green())));
}

#[test]
fn a_reset_database_reads() {
    let report = build_overview(object(&reset()));
    assert!(!report.ready);
    assert_eq!(
        report.what_to_do.len(),
        3,
        "each message once: {:?}",
        report.what_to_do
    );
    insta::assert_snapshot!(told(object(&reset())));
}

#[test]
fn a_backup_that_waits_for_its_turn_reads() {
    let mut waiting = green();
    waiting["backupTurn"] = json!({"backup": "knowledge-backup-2", "since": "2026-02-01T11:30:00Z", "ahead": 12,
        "aheadNames": ["orders", "users"], "atMost": 10, "asOf": "2026-02-01T11:59:00Z"});
    insta::assert_snapshot!(told(object(&waiting)));
}

#[test]
fn a_new_database_reads() {
    let mut new = object(&Value::Null);
    new.spec.backup = None;
    new.spec.suspend = true;
    insta::assert_snapshot!(told(new));
}

#[test]
fn what_is_said_of_an_older_spec_is_not_green() {
    let mut changed = object(&green());
    changed.metadata.generation = Some(2);
    let report = build_overview(changed.clone());
    assert!(!report.ready);
    assert!(
        report.what_to_do[0].contains("has not looked at the last change yet"),
        "{:?}",
        report.what_to_do
    );
    assert!(
        told(changed).starts_with("atra/knowledge: ready before its last change; not known now")
    );
}

#[test]
fn a_backup_that_nobody_asked_for_is_nothing_to_do() {
    let mut plain = object(&reset());
    plain.spec.backup = None;
    assert!(
        !build_overview(plain)
            .what_to_do
            .iter()
            .any(|message| message.contains("no backup"))
    );
}

#[test]
fn files_are_told_where_they_are_asked_about() {
    let mut status = green();
    status["conditions"][0] = condition(
        "Ready",
        "False",
        "NotReady",
        "FilesMatch is False (FilesMissing); that condition says more",
    );
    let message = "1 of the 3 paths that rows name has no file in claim uploads: b.png";
    status["conditions"].as_array_mut().unwrap().push(condition(
        "FilesMatch",
        "False",
        "FilesMissing",
        message,
    ));
    let mut database = object(&status);
    let rule = json!({"claim": "uploads", "query": "select path from uploads"});
    database.spec.verification.files = vec![serde_json::from_value(rule).unwrap()];
    let said = told(database);
    assert!(
        said.contains("FilesMatch     FILES AND ROWS DO NOT MATCH (FilesMissing)")
            && said.contains(&format!("- {message}")),
        "{said}"
    );
    assert!(!told(object(&green())).contains("FilesMatch"));
}

#[test]
fn the_table_reads() {
    let mut other = object(&Value::Null);
    other.metadata.name = Some("a-database-with-a-longer-name".to_owned());
    let reports = [object(&green()), object(&reset()), other].map(build_overview);
    insta::assert_snapshot!(build_status_table(&reports, NOW.parse().unwrap()));
}
