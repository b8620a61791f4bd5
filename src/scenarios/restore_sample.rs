//! A restore from a backup, its set, Job and report, for the tests of what restores do.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use super::agents;
use super::sample::Sample;
use super::sample_objects::{check, complete_backup, unjudged};
use super::sample_parts::from;
use crate::api::{
    BackupDemotion, CheckTrigger, DatabaseBackup, DatabaseCheck, DatabaseRestore, names,
};
use crate::decide::{SetDecision, decide_set};
use crate::world::{AgentIdentity, Fact, Observed};

/// UID of the restore, and its Job's name.
pub const UID: &str = "11111111-2222-3333-4444-555555555555";
pub const JOB: &str = "restore-11111111-2222-3333-4444-555555555555";
/// Object id of the database that was restored.
pub const OID: i64 = 16_999;

/// A backup with a set that can be restored.
pub fn backup(name: &str, created: &str) -> DatabaseBackup {
    let mut backup = complete_backup(name, created);
    let status = backup.status.get_or_insert_default();
    status.bucket = Some("backups".to_owned());
    status.path = Some(format!("atra/knowledge/{name}"));
    status.manifest_sha256 = Some("ab".repeat(32));
    status.system_identifier = Some("7597042323410313218".to_owned());
    status.rows = Some(26_422);
    status.tables = Some(2);
    backup
}

pub fn demoted(mut backup: DatabaseBackup) -> DatabaseBackup {
    let by: BackupDemotion = from(
        json!({"reason": "TablesEmptied", "check": "knowledge-2", "time": "2026-02-01T09:20:00Z"}),
    );
    backup.status.get_or_insert_default().demoted = Some(by);
    backup
}

/// A restore that replaces the database, confirmed by its UID, with that status.
pub fn restore(status: &Value) -> DatabaseRestore {
    restore_of(&json!({"latestGood": true}), "Replace", status)
}

pub fn restore_of(source: &Value, into: &str, status: &Value) -> DatabaseRestore {
    let confirm = (into == "Replace").then_some("uid-of-knowledge");
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
        "metadata": {
            "name": "back", "namespace": "atra", "uid": UID, "creationTimestamp": "2026-02-01T09:25:00Z",
        },
        "spec": {"database": "knowledge", "from": source, "into": into, "confirm": confirm},
        "status": status,
    }))
}

/// The set that is chosen in the samples.
pub fn set() -> Value {
    json!({
        "backup": "knowledge-backup-first", "bucket": "backups",
        "path": "atra/knowledge/knowledge-backup-first", "manifestSha256": "ab".repeat(32),
    })
}

/// The status that has announced it.
pub fn announced() -> Value {
    json!({"state": "Running", "startTime": "2026-02-01T09:25:10Z", "set": set()})
}

/// The status after its agent has done it all.
pub fn done() -> Value {
    let mut status = announced();
    status["job"] = JOB.into();
    status["report"] = json!({
        "phase": "Done", "completionTime": "2026-02-01T09:27:00Z", "outageMilliseconds": 85,
        "message": "To drop it: DROP DATABASE knowledge_os_before_restore_11111111;",
        "databases": [{
            "name": "knowledge_os", "restoredAs": "knowledge_os_restore_11111111", "oid": OID,
            "keptAs": "knowledge_os_before_restore_11111111", "keptOid": 16_384,
            "tables": 2, "expectedRows": 26_422, "rows": 26_422, "isIdentical": true,
        }],
        "tables": [
            {"database": "knowledge_os", "name": "public.knowledge_nodes", "rows": 26_337},
            {"database": "knowledge_os", "name": "public.experts", "rows": 85},
        ],
    });
    status
}

/// A database whose tables were emptied, with a backup that counts and the role of restores.
pub fn emptied() -> Sample {
    let mut emptied = unjudged(check("knowledge-2", "2026-02-01T09:20:00Z"));
    let status = emptied.status.get_or_insert_default();
    for table in status
        .evidence
        .iter_mut()
        .flat_map(|found| &mut found.tables)
    {
        table.rows = 0;
    }
    Sample::settled()
        .backups(vec![backup(
            "knowledge-backup-first",
            "2026-02-01T09:01:00Z",
        )])
        .database(|database| {
            database.spec.restore =
                Some(from(json!({"credentialsSecret": {"name": "pg-restore"}})));
        })
        .and_check(emptied)
        .after_a_pass()
        .with(|observed| observed.agent_identity = Fact::Known(AgentIdentity::AsItShouldBe))
}

/// The same, with a restore.
pub fn restoring(restore: DatabaseRestore) -> Sample {
    emptied().with(|observed| observed.restores = Fact::Known(vec![restore]))
}

/// The Job of the restore, which runs.
pub fn job() -> Job {
    let mut job = agents::job(JOB, "restore");
    job.metadata.owner_references = Some(vec![from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "name": "back", "uid": UID,
        "controller": true,
    }))]);
    job
}

/// What a check finds in the database that was restored.
pub fn restored_check(name: &str, created: &str) -> DatabaseCheck {
    let mut check = unjudged(check(name, created));
    check.spec.trigger = CheckTrigger::Restore;
    let status = check.status.get_or_insert_default();
    for database in status
        .evidence
        .iter_mut()
        .flat_map(|found| &mut found.databases)
    {
        if database.name == "knowledge_os" {
            database.oid = OID;
        }
    }
    check
}

/// What is decided about the restore that is in the sample.
pub fn decided(sample: &Sample) -> SetDecision {
    decided_by(&sample.0).expect("everything was read")
}

pub fn decided_by(observed: &Observed) -> Result<SetDecision, String> {
    let restores = observed.restores.known().expect("restores");
    decide_set(&restores[0], observed)
}

/// The name of a check of the restored data.
pub fn check_name() -> String {
    let step = decided(&restoring(restore(&done()))).plan.steps.remove(0);
    match step {
        crate::plan::Step::CreateCheck(check) => check.metadata.name.unwrap_or_default(),
        other => panic!("no check but {}", other.describe()),
    }
}

/// The Job's name is what the API's words say.
#[test]
fn a_restore_has_one_job_by_its_uid() {
    assert_eq!(names::restore_job(UID), JOB);
}
