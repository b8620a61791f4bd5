//! What would be read of a database as in `incidents/002`: healthy, on another volume, hardly
//! readable, and with hostile names.
#![allow(
    clippy::expect_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::facts::{Facts, Lookup, TemplateRevision, WorkloadFacts};
use crate::api::{CheckOutcome, DatabaseCheck, WorkloadKind};
use crate::verdict::{Baseline, Input, judge};
use crate::world::Fact;

const EXPECTED: &str = "7596965867463589888";
const OTHER: &str = "7597708577837547520";
const PATH: &str = "/var/lib/postgresql/data";
fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn volume_json(claim: &str, volume: &str, created: &str) -> Value {
    json!({
        "claim": claim, "claimUid": format!("uid-of-{claim}"), "volume": volume, "volumeHandle": format!("/volumes/{volume}"),
        "createdAt": created, "mountPath": PATH,
    })
}

fn old_volume() -> Value {
    volume_json(
        "atra-knowledge-postgres-data",
        "pvc-a",
        "2026-01-19T12:34:50Z",
    )
}

fn new_volume() -> Value {
    volume_json(
        "knowledge-os-postgres-data",
        "pvc-b",
        "2026-01-21T12:34:50Z",
    )
}

/// Rows of the tables `knowledge_nodes`, `experts` and `audit`.
fn evidence(
    identifier: &str,
    initialized: &str,
    started: &str,
    observed: &str,
    rows: [i64; 3],
) -> Value {
    let table = |name: &str, rows: i64| json!({"database": "knowledge_os", "name": name, "oid": 16_400, "rows": rows, "count": "Exact"});
    json!({
        "identity": {
            "systemIdentifier": identifier, "initializedAt": initialized, "timeline": 1, "walPosition": "0/1A2B3C8",
            "nextTransactionId": "1234", "postmasterStartedAt": started, "serverVersion": "15.18",
            "dataDirectory": format!("{PATH}/pgdata"), "inRecovery": false,
        },
        "databases": [{"name": "knowledge_os", "oid": 16_384}, {"name": "postgres", "oid": 5}],
        "tables": [table("public.knowledge_nodes", rows[0]), table("public.audit", rows[2]), table("public.experts", rows[1])],
        "tableCount": 3, "totalRows": rows.iter().sum::<i64>(), "observedAt": observed,
    })
}

/// A check of the old volume.
fn good_check(name: &str, time: &str, trigger: &str, rows: [i64; 3]) -> DatabaseCheck {
    let evidence = evidence(
        EXPECTED,
        "2026-01-19T12:34:56Z",
        "2026-01-27T02:10:03Z",
        time,
        rows,
    );
    let message =
        "85 rows in public.experts (at least 80); same cluster as in DatabaseCheck knowledge-1";
    check(
        name,
        time,
        trigger,
        ("knowledge-postgres-0", "uid-of-pod-1", "containerd://1"),
        &old_volume(),
        &evidence,
        ["Verified", "Verified", message],
    )
}

/// A check of the new volume.
fn bad_check(name: &str, time: &str, trigger: &str, rows: [i64; 3]) -> DatabaseCheck {
    let evidence = evidence(
        OTHER,
        "2026-01-21T12:34:56Z",
        "2026-02-01T08:59:41Z",
        time,
        rows,
    );
    check(
        name,
        time,
        trigger,
        ("knowledge-postgres-0", "uid-of-pod-2", "containerd://2"),
        &new_volume(),
        &evidence,
        ["Suspected", "VolumeReplaced", "not judged yet"],
    )
}

fn check(
    name: &str,
    time: &str,
    trigger: &str,
    (pod, pod_uid, container): (&str, &str, &str),
    volume: &Value,
    evidence: &Value,
    [outcome, reason, message]: [&str; 3],
) -> DatabaseCheck {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck",
        "metadata": {"name": name, "namespace": "atra", "creationTimestamp": time},
        "spec": {"database": "knowledge", "trigger": trigger, "target": {
            "pod": pod, "podUid": pod_uid, "container": "postgres", "containerId": container, "volumes": [volume],
        }},
        "status": {"startTime": time, "completionTime": time, "evidence": evidence,
            "verdict": {"outcome": outcome, "reason": reason, "message": message, "baseline": "knowledge-1"}},
    }))
}

fn good_checks() -> Vec<DatabaseCheck> {
    let mut checks = vec![good_check(
        "knowledge-1",
        "2026-01-27T02:10:06Z",
        "Restart",
        [25_804, 84, 4_410],
    )];
    let later = [
        ("knowledge-s1", "2026-01-28T03:00:04Z", [25_911, 84, 4_498]),
        ("knowledge-s2", "2026-01-29T03:00:03Z", [26_040, 84, 4_633]),
        ("knowledge-s3", "2026-01-30T03:00:05Z", [26_188, 85, 4_790]),
        ("knowledge-s4", "2026-01-31T03:00:04Z", [26_301, 85, 4_902]),
        ("knowledge-s5", "2026-02-01T03:00:04Z", [26_337, 85, 5_000]),
    ];
    checks.extend(later.map(|(name, time, rows)| good_check(name, time, "Schedule", rows)));
    checks
}

fn condition(type_: &str, status: &str, reason: &str, since: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": "m", "lastTransitionTime": since})
}

fn database_json() -> Value {
    json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "generation": 1},
        "spec": {
            "workload": {"kind": "StatefulSet", "name": "knowledge-postgres"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
            "verification": {"tables": [
                {"name": "public.experts", "minRows": 80}, {"name": "public.knowledge_nodes", "minRows": 10000, "maxDropPercent": 20},
            ]},
            "backup": {"schedule": "0 3 * * *", "storage": {"s3": {"bucket": "backups", "credentialsSecret": {"name": "s3-auth"}}}},
        },
        "status": {
            "observedGeneration": 1,
            "conditions": [
                condition("Ready", "True", "AllGood", "2026-01-27T02:10:10Z"), condition("Stalled", "False", "Settled", "2026-01-27T02:10:10Z"),
                condition("Guarded", "True", "Guarded", "2026-01-27T02:10:02Z"),
                condition("DataVerified", "True", "Verified", "2026-01-27T02:10:08Z"),
                condition("DataReset", "False", "Verified", "2026-01-27T02:10:08Z"),
                condition("BackupFresh", "True", "Fresh", "2026-01-27T02:12:00Z"),
            ],
            "claims": [{"name": "atra-knowledge-postgres-data", "uid": "uid-of-atra-knowledge-postgres-data", "volume": "pvc-a",
                "volumeHandle": "/volumes/pvc-a", "reclaimPolicy": "Retain", "guarded": true, "mounted": true, "creationTime": "2026-01-19T12:34:50Z"}],
            "baseline": {"check": "knowledge-s5", "time": "2026-02-01T03:00:04Z", "systemIdentifier": EXPECTED},
            "lastGoodBackup": {"name": "knowledge-backup-29498580", "time": "2026-02-01T03:02:11Z", "state": "Complete"},
        },
    })
}

fn backup(name: &str, time: &str, state: &str, rows: i64) -> Value {
    json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": {"name": name, "namespace": "atra", "creationTimestamp": time}, "spec": {"database": "knowledge"},
        "status": {"state": state, "completionTime": time, "rows": rows, "path": format!("prod/atra/knowledge/{name}")},
    })
}

fn event(kind: &str, name: &str, [time, type_, reason, message]: [&str; 4]) -> Value {
    json!({
        "metadata": {"name": format!("{name}.1"), "namespace": "atra"}, "involvedObject": {"kind": kind, "name": name},
        "lastTimestamp": time, "type": type_, "reason": reason, "message": message, "count": 1,
    })
}

fn volume_object(
    name: &str,
    claim: &str,
    created: &str,
) -> Lookup<k8s_openapi::api::core::v1::PersistentVolume> {
    let object = json!({
        "metadata": {"name": name, "creationTimestamp": created},
        "spec": {"persistentVolumeReclaimPolicy": "Retain", "capacity": {"storage": "20Gi"}, "hostPath": {"path": format!("/volumes/{name}")},
            "claimRef": {"namespace": "atra", "name": claim}},
        "status": {"phase": "Bound", "lastPhaseTransitionTime": created},
    });
    Lookup {
        name: name.to_owned(),
        found: Fact::Known(Some(from(object))),
    }
}

fn claim_object(
    name: &str,
    volume: &str,
    created: &str,
) -> Lookup<k8s_openapi::api::core::v1::PersistentVolumeClaim> {
    let object = json!({
        "metadata": {"name": name, "namespace": "atra", "creationTimestamp": created},
        "spec": {"volumeName": volume, "resources": {"requests": {"storage": "20Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "20Gi"}},
    });
    Lookup {
        name: name.to_owned(),
        found: Fact::Known(Some(from(object))),
    }
}

fn revision(number: i64, created: &str, claim: &str) -> TemplateRevision {
    TemplateRevision {
        name: format!("knowledge-postgres-{number}"),
        number,
        created: Some(from(json!(created))),
        template: Some(template(claim)),
    }
}

fn template(claim: &str) -> k8s_openapi::api::core::v1::PodTemplateSpec {
    from(json!({"spec": {
        "containers": [{"name": "postgres", "image": "example/postgres:15.18"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }}))
}

fn pod(uid: &str, created: &str, claim: &str) -> k8s_openapi::api::core::v1::Pod {
    let mut object = json!({"metadata": {"name": "knowledge-postgres-0", "namespace": "atra", "uid": uid, "creationTimestamp": created}});
    object["spec"] = serde_json::to_value(template(claim).spec).expect("a template");
    object["spec"]["nodeName"] = "n1".into();
    object["status"] = json!({"containerStatuses": [{
        "name": "postgres", "image": "i", "imageID": "i", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": created}},
    }]});
    from(object)
}

fn node() -> Lookup<k8s_openapi::api::core::v1::Node> {
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": "2025-12-12T07:00:00Z"});
    let object = json!({"metadata": {"name": "n1"}, "status": {
        "conditions": [condition("DiskPressure", "False"), condition("Ready", "True")],
        "nodeInfo": {"bootID": "b0071d", "kernelVersion": "6.12.9", "kubeletVersion": "v1.36.0", "osImage": "Debian GNU/Linux 12", "architecture": "amd64",
            "containerRuntimeVersion": "containerd://2", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "systemUUID": ""},
    }});
    Lookup {
        name: "n1".to_owned(),
        found: Fact::Known(Some(from(object))),
    }
}

fn now(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Everything is as it should be.
pub fn healthy() -> Facts {
    Facts {
        namespace: "atra".to_owned(),
        name: "knowledge".to_owned(),
        context_flag: String::new(),
        now: now("2026-02-01T06:00:00Z"),
        database: Fact::Known(Some(from(database_json()))),
        ledger: Fact::Known(None),
        checks: Fact::Known(good_checks()),
        backups: Fact::Known(vec![
            from(backup(
                "knowledge-backup-29497140",
                "2026-01-31T03:02:08Z",
                "Complete",
                31_288,
            )),
            from(backup(
                "knowledge-backup-29498580",
                "2026-02-01T03:02:11Z",
                "Complete",
                31_422,
            )),
        ]),
        restores: Fact::Known(Vec::new()),
        workload: Fact::Known(Some(WorkloadFacts {
            kind: WorkloadKind::StatefulSet,
            metadata: from(
                json!({"name": "knowledge-postgres", "uid": "u", "managedFields": [
                    {"manager": "helm", "operation": "Apply", "time": "2026-01-19T12:34:40Z"},
                ]}),
            ),
            template: template("atra-knowledge-postgres-data"),
        })),
        revisions: Fact::Known(vec![revision(
            1,
            "2026-01-19T12:34:40Z",
            "atra-knowledge-postgres-data",
        )]),
        pods: Fact::Known(vec![pod(
            "uid-of-pod-1",
            "2026-01-27T02:10:01Z",
            "atra-knowledge-postgres-data",
        )]),
        claims: vec![claim_object(
            "atra-knowledge-postgres-data",
            "pvc-a",
            "2026-01-19T12:34:48Z",
        )],
        volumes: vec![volume_object(
            "pvc-a",
            "atra-knowledge-postgres-data",
            "2026-01-19T12:34:50Z",
        )],
        nodes: vec![node()],
        events: Fact::Known(Vec::new()),
        cluster_events: Fact::Known(Vec::new()),
    }
}

/// The database came up on another volume, with 1 expert and 27 nodes, and everything else looked
/// healthy.
pub fn incident() -> Facts {
    let mut facts = unjudged_incident();
    judge_again(&mut facts);
    facts
}

/// Judges the checks of the other volume as the operator does.
fn judge_again(facts: &mut Facts) {
    let (Fact::Known(Some(database)), Fact::Known(checks)) = (&facts.database, &mut facts.checks)
    else {
        return;
    };
    let good = checks[5].clone();
    let baseline = Baseline {
        source: "DatabaseCheck knowledge-s5",
        volumes: &good.spec.target.as_ref().expect("a target").volumes,
        other_mounts: &[],
        evidence: good.evidence().expect("evidence"),
        without_login: None,
        best: &[],
    };
    for check in checks {
        let status = check.status.as_mut().expect("a status");
        let verdict = status.verdict.as_mut().expect("a verdict");
        if verdict.outcome != CheckOutcome::Suspected {
            continue;
        }
        let judged = judge(&Input {
            namespace: "atra",
            database: "knowledge",
            check: check.metadata.name.as_deref().expect("a name"),
            spec: &database.spec,
            baseline: Some(baseline),
            evidence: status.evidence.as_ref(),
            failure: None,
            without_login: None,
            image: None,
            replica_volumes: &[],
            other_backups: None,
            target: check.spec.target.as_ref().expect("a target"),
        });
        judged.reason.clone_into(&mut verdict.reason);
        (verdict.message, verdict.findings) = (judged.message, judged.findings);
    }
}

fn unjudged_incident() -> Facts {
    let mut checks = good_checks();
    checks.push(bad_check(
        "knowledge-2",
        "2026-02-01T08:59:46Z",
        "Restart",
        [27, 1, 0],
    ));
    checks.push(bad_check(
        "knowledge-s6",
        "2026-02-01T11:00:03Z",
        "Schedule",
        [27, 1, 0],
    ));
    let mut database = database_json();
    let at = "2026-02-01T08:59:47Z";
    for (position, changed) in [
        (0, condition("Ready", "False", "NotReady", at)),
        (3, condition("DataVerified", "False", "VolumeReplaced", at)),
        (4, condition("DataReset", "True", "VolumeReplaced", at)),
    ] {
        database["status"]["conditions"][position] = changed;
    }
    let other = json!({"name": "knowledge-os-postgres-data", "uid": "u-2", "volume": "pvc-b", "volumeHandle": "/volumes/pvc-b",
        "reclaimPolicy": "Retain", "guarded": true, "mounted": true, "creationTime": "2026-01-21T12:34:48Z"});
    database["status"]["claims"][0]["mounted"] = false.into();
    database["status"]["claims"]
        .as_array_mut()
        .expect("claims")
        .push(other);
    let healthy = healthy();
    let mut workload = healthy
        .workload
        .known()
        .cloned()
        .flatten()
        .expect("a workload");
    workload.template = template("knowledge-os-postgres-data");
    workload.metadata.managed_fields = from(json!([
        {"manager": "helm", "operation": "Apply", "time": "2026-01-19T12:34:40Z"},
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-02-01T08:59:12Z"},
    ]));
    let mut backups = healthy.backups.known().cloned().expect("backups");
    backups.push(from(backup(
        "knowledge-backup-29499000",
        "2026-02-01T10:00:09Z",
        "Suspect",
        28,
    )));
    Facts {
        now: now("2026-02-01T12:00:00Z"),
        database: Fact::Known(Some(from(database))),
        checks: Fact::Known(checks),
        backups: Fact::Known(backups),
        workload: Fact::Known(Some(workload)),
        revisions: Fact::Known(vec![
            revision(2, "2026-02-01T08:59:12Z", "knowledge-os-postgres-data"),
            revision(1, "2026-01-19T12:34:40Z", "atra-knowledge-postgres-data"),
        ]),
        pods: Fact::Known(vec![pod(
            "uid-of-pod-2",
            "2026-02-01T08:59:38Z",
            "knowledge-os-postgres-data",
        )]),
        claims: vec![
            claim_object(
                "atra-knowledge-postgres-data",
                "pvc-a",
                "2026-01-19T12:34:48Z",
            ),
            claim_object(
                "knowledge-os-postgres-data",
                "pvc-b",
                "2026-01-21T12:34:48Z",
            ),
        ],
        volumes: vec![
            volume_object(
                "pvc-a",
                "atra-knowledge-postgres-data",
                "2026-01-19T12:34:50Z",
            ),
            volume_object(
                "pvc-b",
                "knowledge-os-postgres-data",
                "2026-01-21T12:34:50Z",
            ),
        ],
        events: Fact::Known(vec![
            from(event(
                "Pod",
                "knowledge-postgres-0",
                [
                    "2026-02-01T08:59:40Z",
                    "Normal",
                    "Started",
                    "Started container postgres",
                ],
            )),
            from(event(
                "StatefulSet",
                "knowledge-postgres",
                [
                    "2026-02-01T08:59:20Z",
                    "Normal",
                    "SuccessfulDelete",
                    "delete Pod knowledge-postgres-0",
                ],
            )),
            from(event(
                "ProtectedDatabase",
                "knowledge",
                [
                    "2026-02-01T08:59:47Z",
                    "Warning",
                    "VolumeReplaced",
                    "DataReset is True: the data looks reset",
                ],
            )),
        ]),
        ..healthy
    }
}

/// The incident is over: the old volume is mounted back, and a check has found the data good.
pub fn recovered() -> Facts {
    let mut facts = incident();
    facts.now = now("2026-02-01T12:30:00Z");
    facts.database = healthy().database;
    if let Fact::Known(checks) = &mut facts.checks {
        let mut back = good_check(
            "knowledge-3",
            "2026-02-01T11:58:20Z",
            "Restart",
            [26_337, 85, 5_000],
        );
        let target = back.spec.target.as_mut().expect("a target");
        "uid-of-pod-3".clone_into(&mut target.pod_uid);
        "containerd://3".clone_into(&mut target.container_id);
        let identity = &mut back
            .status
            .as_mut()
            .and_then(|status| status.evidence.as_mut())
            .expect("evidence")
            .identity;
        identity.postmaster_started_at = from(json!("2026-02-01T11:58:16Z"));
        checks.push(back);
    }
    facts
}

/// The same as the incident, seen by somebody who may read nearly nothing.
pub fn unreadable() -> Facts {
    fn refused<T>(what: &str) -> Fact<T> {
        Fact::Unknown(format!(
            "not allowed to list {what} in namespace atra: forbidden; check with `kubectl auth \
             can-i list {what} -n atra`, and ask for that right"
        ))
    }
    fn asked<T>(what: &str, name: &str) -> Lookup<T> {
        let why = format!(
            "not allowed to get {what} {name}: forbidden; check with `kubectl auth can-i get \
             {what}/{name}`, and ask for that right"
        );
        Lookup {
            name: name.to_owned(),
            found: Fact::Unknown(why),
        }
    }
    let claims = ["atra-knowledge-postgres-data", "knowledge-os-postgres-data"];
    Facts {
        ledger: refused("databaseledgers.holdfast.dev"),
        checks: refused("databasechecks.holdfast.dev"),
        backups: refused("databasebackups.holdfast.dev"),
        restores: refused("databaserestores.holdfast.dev"),
        workload: refused("statefulsets.apps"),
        revisions: refused("controllerrevisions.apps"),
        pods: refused("pods"),
        claims: claims
            .map(|name| asked("persistentvolumeclaims", name))
            .into(),
        volumes: ["pvc-a", "pvc-b"]
            .map(|name| asked("persistentvolumes", name))
            .into(),
        nodes: vec![asked("nodes", "n1")],
        events: refused("events"),
        cluster_events: refused("events"),
        ..incident()
    }
}

/// Text that would do harm in one format or the other.
pub const HOSTILE: &str = "</style></svg><script>alert(1)</script><img src=x \
    onerror=alert(1)>|`id`|**x** [a](javascript:x)\u{1b}[2J\u{202e}\n\n# h1";

/// The incident, by a database and objects whose names are hostile.
pub fn hostile() -> Facts {
    let mut facts = incident();
    if let Fact::Known(checks) = &mut facts.checks {
        for check in checks {
            let target = check.spec.target.as_mut().expect("a target");
            target.pod = HOSTILE.to_owned();
            for volume in &mut target.volumes {
                volume.volume = format!("{}; rm -rf ~ {HOSTILE}", volume.volume);
                volume.claim = HOSTILE.to_owned();
            }
            let status = check.status.as_mut().expect("a status");
            let evidence = status.evidence.as_mut().expect("evidence");
            HOSTILE.clone_into(&mut evidence.databases[0].name);
            for table in &mut evidence.tables {
                table.name.push_str(HOSTILE);
                HOSTILE.clone_into(&mut table.database);
            }
            for text in [
                &mut evidence.identity.server_version,
                &mut evidence.identity.system_identifier,
                &mut evidence.identity.wal_position,
            ] {
                text.push_str(HOSTILE);
            }
        }
    }
    if let Fact::Known(Some(database)) = &mut facts.database {
        database.spec.connection.database = HOSTILE.to_owned();
        for rule in &mut database.spec.verification.tables {
            rule.name.push_str(HOSTILE);
        }
    }
    judge_again(&mut facts);
    if let Fact::Known(checks) = &mut facts.checks {
        for status in checks.iter_mut().filter_map(|check| check.status.as_mut()) {
            let verdict = status.verdict.as_mut().expect("a verdict");
            verdict.message.push_str(HOSTILE);
            verdict.reason.push_str(HOSTILE);
        }
    }
    if let Fact::Known(events) = &mut facts.events {
        for event in events {
            event.message = Some(HOSTILE.to_owned());
        }
    }
    facts.volumes = vec![Lookup {
        name: "pvc-a".to_owned(),
        found: Fact::Unknown(HOSTILE.to_owned()),
    }];
    facts
}
