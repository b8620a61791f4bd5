//! A drill, its Job and report, and a database that asks for drills, for the tests of what drills do.

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use serde_json::{Value, json};

use super::restore_sample::{backup, decided, set};
use super::sample::Sample;
use super::sample_parts::{from, time};
use crate::api::{BackupDrill, DatabaseBackup, DatabaseRestore, names};
use crate::plan::Step;
use crate::world::{AgentIdentity, Fact};

/// The identifier of the database cluster in the samples.
pub const CLUSTER: &str = "7597042323410313218";
/// When the drill of the samples ended.
pub const ENDED: &str = "2026-02-01T09:28:00Z";
/// The set of the samples.
pub const BACKUP: &str = "knowledge-backup-first";

/// A drill of that name with that status, as the operator creates it. Its UID has its name.
pub fn drill(name: &str, status: &Value) -> DatabaseRestore {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
        "metadata": {
            "name": name, "namespace": "atra", "uid": format!("uid-of-{name}"),
            "creationTimestamp": "2026-02-01T09:25:00Z", "resourceVersion": "7",
            "ownerReferences": [{
                "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase", "name": "knowledge",
                "uid": "uid-of-knowledge", "controller": true,
            }],
        },
        "spec": {"database": "knowledge", "from": {"latestGood": true}, "into": "Scratch"},
        "status": status,
    }))
}

/// The name of a drill of the samples.
pub const NAME: &str = "knowledge-drill-20260201-092500";

/// The status that has announced it.
pub fn announced() -> Value {
    json!({"state": "Running", "startTime": "2026-02-01T09:25:10Z", "set": set()})
}

/// The status while its Job runs.
pub fn running() -> Value {
    let mut status = announced();
    status["job"] = names::restore_job(&format!("uid-of-{NAME}")).into();
    status["jobUid"] = "uid-of-the-job".into();
    status
}

/// The report of an agent that has found everything as it should be.
pub fn report() -> Value {
    json!({
        "phase": "Done", "completionTime": "2026-02-01T09:27:00Z",
        "databases": [{
            "name": "knowledge_os", "restoredAs": "knowledge_os", "tables": 2, "expectedRows": 26_422,
            "rows": 26_422, "isIdentical": true,
        }],
        "tables": [{"database": "knowledge_os", "name": "public.experts", "rows": 85}],
        "drill": {
            "systemIdentifier": CLUSTER, "serverVersion": "15.18", "schemaMatches": true,
            "sequencesMatch": true, "amcheck": "passed: 12 indexes",
            "queries": [{"name": "experts", "value": "85", "passed": true}],
            "freshness": [{
                "database": "knowledge_os", "table": "public.trends", "column": "made",
                "newest": "2026-02-01 08:59:00+00", "passed": true,
            }],
            "times": {"downloadSeconds": 20, "dataSeconds": 70, "indexSeconds": 30, "verifySeconds": 12},
        },
    })
}

/// The status of one that has reported.
pub fn reported(report: &Value) -> Value {
    let mut status = running();
    status["report"] = report.clone();
    status
}

/// The status of one that is over.
pub fn over(state: &str, report: &Value) -> Value {
    let mut status = reported(report);
    status["state"] = state.into();
    status["message"] = "what it said".into();
    status["completionTime"] = ENDED.into();
    status
}

/// The report of one that has failed.
pub fn failure(reason: &str, class: &str) -> Value {
    json!({
        "completionTime": "2026-02-01T09:27:00Z", "drill": {"class": class},
        "failure": {"reason": reason, "message": "an object of the set has other bytes."},
    })
}

/// A database with a backup that counts, which asks for drills every Sunday.
pub fn drilled() -> Sample {
    Sample::settled()
        .backups(vec![backup(BACKUP, "2026-02-01T09:01:00Z")])
        .database(|database| {
            database.spec.drill = Some(from(json!({
                "schedule": "0 5 * * 0",
                "queries": [{"name": "experts", "query": "select count(*) from experts", "minimum": 80}],
                "freshness": [{"table": "public.trends", "column": "made", "within": "26h"}],
            })));
        })
        .with(|observed| observed.agent_identity = Fact::Known(AgentIdentity::AsItShouldBe))
        .after_a_pass()
}

/// The same, with these restores.
pub fn with(restores: Vec<DatabaseRestore>) -> Sample {
    drilled().with(|observed| observed.restores = Fact::Known(restores))
}

/// The backup of the samples, as the drill of that time has noted it.
pub fn noted(passed: bool, at: &str) -> DatabaseBackup {
    let mut backup = backup(BACKUP, "2026-02-01T09:01:00Z");
    backup.status.get_or_insert_default().drill = Some(BackupDrill {
        restore: NAME.to_owned(),
        time: time(at),
        passed,
        times: from(json!({"downloadSeconds": 20, "dataSeconds": 70})),
        unchecked: Vec::new(),
        not_restored: Vec::new(),
    });
    backup
}

/// After the pass in which the end of a drill was seen, and the one after that.
pub fn remembering(restore: DatabaseRestore, backup: DatabaseBackup) -> Sample {
    with(vec![restore]).backups(vec![backup]).after_a_pass()
}

/// The Job of the drill, which has ended so; none if it runs.
pub fn job(end: Option<&str>) -> Job {
    let step = decided(&with(vec![drill(NAME, &announced())]))
        .plan
        .steps
        .pop();
    let Some(Step::CreateJob(job)) = step else {
        panic!("no Job");
    };
    let mut job = *job;
    job.metadata.uid = Some("uid-of-the-job".to_owned());
    let status = job.status.get_or_insert_default();
    status.conditions = end.map(|type_| {
        vec![JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(time("2026-02-01T09:27:10Z")),
            ..JobCondition::default()
        }]
    });
    job
}
