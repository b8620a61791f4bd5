//! A database that looks reset, and the check that says so, for the tests of this module.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::json;

use crate::api::{DatabaseCheck, ProtectedDatabase};

/// The ProtectedDatabase; `reset` is the status of its condition `DataReset`.
pub fn database(reset: &str) -> ProtectedDatabase {
    let reason = if reset == "True" {
        "TablesEmptied"
    } else {
        "Verified"
    };
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-1", "resourceVersion": "7"},
        "spec": {
            "workload": {"kind": "StatefulSet", "name": "knowledge-postgres"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "pg-auth"}},
        },
        "status": {
            "conditions": [{"type": "DataReset", "status": reset, "reason": reason, "message": "", "lastTransitionTime": "2026-02-01T09:01:00Z"}],
            "baseline": {"check": "knowledge-1a2b3c", "time": "2026-02-01T09:00:00Z", "systemIdentifier": "7"},
            "lastCheck": {"name": "knowledge-9z8y7x", "time": "2026-02-01T11:00:00Z", "outcome": "Suspected", "reason": "TablesEmptied"},
            "lastGoodBackup": {"name": "knowledge-backup-first", "time": "2026-02-01T09:01:00Z", "state": "Complete"},
        },
    }))
    .unwrap()
}

pub fn check() -> DatabaseCheck {
    let table = |name: &str, rows: i64| json!({"database": "knowledge_os", "name": name, "oid": 1, "rows": rows, "count": "Exact"});
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "metadata": {"name": "knowledge-9z8y7x", "namespace": "atra"},
        "spec": {"database": "knowledge", "trigger": "Restart"},
        "status": {
            "completionTime": "2026-02-01T11:00:00Z",
            "evidence": {
                "identity": {
                    "systemIdentifier": "7", "initializedAt": "2026-01-01T00:00:00Z", "timeline": 1, "walPosition": "0/1", "nextTransactionId": "5",
                    "postmasterStartedAt": "2026-02-01T10:59:00Z", "serverVersion": "15.18", "inRecovery": false,
                },
                "databases": [], "tables": [table("public.experts", 85), table("public.knowledge_nodes", 0)],
                "tableCount": 2, "totalRows": 85, "observedAt": "2026-02-01T11:00:00Z",
            },
            "verdict": {
                "outcome": "Suspected", "reason": "TablesEmptied", "baseline": "knowledge-1a2b3c",
                "message": "the data looks reset: 1 table that had rows is empty \
                    (public.knowledge_nodes: 26,337 -> 0 rows). Next: …",
            },
        },
    }))
    .unwrap()
}
