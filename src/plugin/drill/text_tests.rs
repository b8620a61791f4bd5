//! Golden tests of what `drill` chooses and says.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::*;

fn database(of: &str) -> ProtectedDatabase {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-db"},
        "spec": {
            "workload": {"name": "pg"}, "drill": {"schedule": "@weekly", "of": of},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "auth"}},
        },
    }))
    .unwrap()
}

fn backup(name: &str, state: &str) -> DatabaseBackup {
    serde_json::from_value(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": {"name": name}, "spec": {"database": "knowledge"},
        "status": {"state": state, "confirmed": {"check": "c", "time": "2026-02-01T03:05:00Z"}},
    }))
    .unwrap()
}

#[test]
fn it_asks_for_what_counts_or_what_is_named() {
    let backups = [
        backup("a", "Complete"),
        backup("b", "Complete"),
        backup("c", "Suspect"),
    ];
    let ask = |of: Option<&str>, suspect: bool, by_spec: &str| {
        choose(&database(by_spec), &backups, (of, suspect), 7)
    };
    let backup = |source: Result<RestoreSource, String>| source.unwrap().backup;
    assert_eq!(ask(None, false, "Latest").unwrap().latest_good, Some(true));
    assert_eq!(backup(ask(None, false, "Oldest")).as_deref(), Some("a"));
    assert_eq!(
        backup(ask(Some("oldest"), false, "Latest")).as_deref(),
        Some("a")
    );
    assert!(
        ["a", "b"].contains(
            &backup(ask(Some("random"), false, "Latest"))
                .unwrap()
                .as_str()
        )
    );
    assert_eq!(
        backup(ask(Some("b"), false, "Latest")).as_deref(),
        Some("b")
    );
    assert_eq!(backup(ask(Some("c"), true, "Latest")).as_deref(), Some("c"));
    let refused = [
        ask(Some("c"), false, "Latest"),
        ask(Some("d"), false, "Latest"),
        ask(Some("latest"), true, "Latest"),
        choose(&database("Latest"), &[], (None, false), 7),
    ];
    let refused: Vec<String> = refused.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn the_end_reads() {
    let drill = |state: &str, report: &Value| -> DatabaseRestore {
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "knowledge-drill-20260201-050000"},
            "spec": {"database": "knowledge", "from": {"latestGood": true}, "into": "Scratch"},
            "status": {
                "state": state, "report": report,
                "set": {"backup": "knowledge-backup-1", "bucket": "b", "path": "p", "manifestSha256": "aa"},
            },
        }))
        .unwrap()
    };
    let good = json!({
        "databases": [{"name": "knowledge_os", "restoredAs": "knowledge_os", "expectedRows": 26_422,
            "rows": 26_422, "isIdentical": true}],
        "warnings": ["extension pg_stat_statements has no functions there"],
        "drill": {
            "schemaMatches": true, "sequencesMatch": true, "amcheck": "passed: 12 indexes",
            "queries": [{"name": "experts", "value": "85", "passed": true}],
            "freshness": [{"database": "knowledge_os", "table": "public.trends", "column": "made",
                "newest": "2026-02-01 02:58:00+00", "passed": true}],
            "times": {"scratchSeconds": 3, "downloadSeconds": 20, "dataSeconds": 310, "indexSeconds": 90,
                "analyzeSeconds": 4, "verifySeconds": 61},
        },
    });
    let bad = json!({
        "databases": [],
        "failure": {"reason": "SetChanged", "message": "m"},
        "drill": {"class": "Storage", "schemaMatches": false, "invalidIndexes": ["public.a"],
            "queries": [{"name": "experts", "passed": false}]},
    });
    let texts = [
        describe_drill(&drill("Complete", &good)),
        describe_drill(&drill("Failed", &bad)),
        describe_drill(&drill("Failed", &Value::Null)),
    ];
    insta::assert_snapshot!(texts.join("\n=====\n"));
}
