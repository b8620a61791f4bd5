//! Golden tests of what `restore` says before, on the way and at the end.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};

use super::super::files::{WantedFiles, build_restores, describe_files};
use super::super::question::{Wanted, choose, describe};
use super::*;
use crate::api::{DatabaseBackup, ProtectedDatabase, RestoreTarget};

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn database(status: &Value) -> ProtectedDatabase {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "u-db"},
        "spec": {
            "workload": {"name": "pg"},
            "connection": {"database": "knowledge_os", "credentialsSecret": {"name": "auth"}},
        },
        "status": status,
    }))
}

fn backup(name: &str, state: &str, more: &Value) -> DatabaseBackup {
    let mut status = json!({
        "state": state, "rows": 26_422, "tables": 2,
        "snapshot": {"time": "2026-02-01T03:00:00Z", "timeline": 1, "walPosition": "0/1"},
    });
    for (key, value) in more.as_object().unwrap() {
        status[key] = value.clone();
    }
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": {"name": name}, "spec": {"database": "knowledge"}, "status": status,
    }))
}

fn check() -> DatabaseCheck {
    from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseCheck", "metadata": {"name": "knowledge-2"},
        "spec": {"database": "knowledge"},
        "status": {"evidence": {
            "identity": {
                "systemIdentifier": "7", "initializedAt": "2026-01-19T12:34:56Z", "timeline": 1,
                "walPosition": "0/1", "nextTransactionId": "1", "serverVersion": "15.18",
                "postmasterStartedAt": "2026-02-01T08:59:58Z", "inRecovery": false,
            },
            "tables": [{"database": "knowledge_os", "name": "public.experts", "oid": 1, "rows": 85, "count": "Exact"}],
            "tableCount": 2, "totalRows": 85, "observedAt": "2026-02-01T09:00:04Z",
        }},
    }))
}

/// All of a backup.
const fn all(into: RestoreTarget) -> Wanted<'static> {
    Wanted { into, tables: &[] }
}

#[test]
fn what_it_says_reads() {
    let now = "2026-02-01T10:00:00Z".parse().unwrap();
    let by =
        json!({"check": "knowledge-1", "time": "2026-02-01T03:05:00Z", "reason": "TablesEmptied"});
    let backups = [
        backup("good", "Complete", &json!({"confirmed": by})),
        backup("demoted", "Complete", &json!({"demoted": by})),
        backup("suspect", "Suspect", &json!({"reason": "SeedRowsOnly"})),
        backup("failed", "Failed", &json!({})),
    ];
    let summary = json!({"name": "good", "time": "2026-02-01T03:00:00Z", "state": "Complete"});
    let reset = json!([{
        "type": "DataReset", "status": "True", "reason": "TablesEmptied", "message": "gone",
        "lastTransitionTime": "2026-02-01T09:00:00Z",
    }]);
    let known = database(&json!({"lastConfirmedBackup": summary, "conditions": reset}));
    let none = database(&json!({}));
    let mut text = String::new();
    for (database, named, accepts, into) in [
        (&known, None, false, RestoreTarget::Replace),
        (&known, Some("demoted"), true, RestoreTarget::Beside),
        (&known, Some("demoted"), false, RestoreTarget::Replace),
        (&known, Some("suspect"), false, RestoreTarget::Replace),
        (&known, Some("failed"), true, RestoreTarget::Replace),
        (&known, Some("\u{1b}[31m"), true, RestoreTarget::Replace),
        (&none, None, false, RestoreTarget::Replace),
    ] {
        let said = match choose(database, &backups, named, accepts) {
            Ok(chosen) => describe(database, Some(&check()), &chosen, all(into), now),
            Err(why) => format!("error: {why}\n"),
        };
        text.push_str(&said);
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

/// Whether it can be restored, as far as that is known, stands there before anybody is asked.
#[test]
fn what_a_drill_has_shown_reads() {
    let now = "2026-02-03T10:00:00Z".parse().unwrap();
    let by = json!({"check": "knowledge-1", "time": "2026-02-01T03:05:00Z", "reason": "None"});
    let of = |name: &str, drill: Value| {
        backup(name, "Complete", &json!({"confirmed": by, "drill": drill}))
    };
    let at = "2026-02-01T05:10:00Z";
    let view = "MATERIALIZED VIEW DATA public.sums: \"ERROR: relation 'orders' does not exist\"";
    let backups = [
        of(
            "proven",
            json!({"restore": "knowledge-drill-1", "time": at, "passed": true}),
        ),
        of(
            "without-a-view",
            json!({"restore": "knowledge-drill-2", "time": at, "passed": true, "notRestored": [view]}),
        ),
        of(
            "refuted",
            json!({"restore": "knowledge-drill-3", "time": at, "passed": false}),
        ),
    ];
    let mut text = String::new();
    for named in ["proven", "without-a-view", "refuted"] {
        let known = database(&json!({}));
        let chosen = choose(&known, &backups, Some(named), false).unwrap();
        let said = describe(&known, None, &chosen, all(RestoreTarget::Beside), now);
        let lines = said
            .lines()
            .skip_while(|line| !line.starts_with("What is restored"));
        let lines: Vec<&str> = lines
            .take_while(|line| !line.starts_with("What happens"))
            .collect();
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    insta::assert_snapshot!(text);
    // Without a name it is the newest that was not refuted.
    let summary = json!({"name": "refuted", "time": "2026-02-01T03:00:00Z", "state": "Complete"});
    let known = database(&json!({"lastConfirmedBackup": summary}));
    let chosen = choose(&known, &backups, None, false).unwrap();
    assert_ne!(chosen.backup.metadata.name.as_deref(), Some("refuted"));
}

#[test]
fn what_is_restored_of_it_is_said() {
    let by = json!({"check": "knowledge-1", "time": "2026-02-01T03:05:00Z", "reason": "None"});
    let backups = [backup("good", "Complete", &json!({"confirmed": by}))];
    let known = database(&json!({}));
    let chosen = choose(&known, &backups, Some("good"), false).unwrap();
    let tables = ["public.notes".to_owned(), "app.\u{1b}[31m".to_owned()];
    let wanted = Wanted {
        into: RestoreTarget::Beside,
        tables: &tables,
    };
    let now = "2026-02-01T10:00:00Z".parse().unwrap();
    let said = describe(&known, None, &chosen, wanted, now);
    assert!(
        said.contains("only public.notes, app.") && said.contains("foreign key"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_private_key_that_nobody_has_named_is_missed_before_it_is_asked() {
    let by =
        json!({"check": "knowledge-1", "time": "2026-02-01T03:05:00Z", "reason": "TablesEmptied"});
    let backups = [backup("good", "Complete", &json!({"confirmed": by}))];
    let now = "2026-02-01T10:00:00Z".parse().unwrap();
    let is_missed = |recipients: &[&str], restore: Value| {
        let mut known = serde_json::to_value(database(&json!({}))).unwrap();
        known["spec"]["backup"] = json!({
            "schedule": "0 3 * * *", "storage": {"s3": {"bucket": "b", "region": "r"}},
        });
        if !recipients.is_empty() {
            known["spec"]["backup"]["encryption"] = json!({"ageRecipients": recipients});
        }
        known["spec"]["restore"] = restore;
        let known: ProtectedDatabase = from(known);
        let chosen = choose(&known, &backups, Some("good"), false).unwrap();
        describe(&known, None, &chosen, all(RestoreTarget::Beside), now).contains("identitySecret")
    };
    let login = json!({"name": "login"});
    let with = json!({"credentialsSecret": login, "identitySecret": {"name": "n", "key": "k"}});
    let without = json!({"credentialsSecret": login});
    assert!(is_missed(&["age1x"], without.clone()));
    assert!(is_missed(&["age1x"], Value::Null));
    assert!(!is_missed(&["age1x"], with));
    assert!(!is_missed(&[], without));
}

#[test]
fn the_end_reads() {
    let restore = |status: Value| -> DatabaseRestore {
        from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "back"},
            "spec": {"database": "knowledge", "from": {"latestGood": true}, "into": "Replace"},
            "status": status,
        }))
    };
    let done = restore(json!({
        "state": "Complete", "message": "check knowledge-3 has verified the data",
        "report": {
            "phase": "Done", "message": "To drop what is kept: `DROP DATABASE x`", "warnings": ["role a has no password"],
            "databases": [{
                "name": "knowledge_os", "restoredAs": "knowledge_os_restore_1", "keptAs": "knowledge_os_before_restore_1",
                "expectedRows": 26_422, "rows": 26_422, "isIdentical": true,
            }],
            "tables": [
                {"database": "knowledge_os", "name": "public.knowledge_nodes", "rows": 26_337},
                {"database": "knowledge_os", "name": "public.experts", "rows": 85},
            ],
        },
    }));
    let failed = restore(json!({"state": "Failed", "message": "the bucket \u{1b}[31mis gone"}));
    let asked = restore(Value::Null);
    let mut text = String::new();
    for restore in [&asked, &failed, &done] {
        text.push_str(&describe_progress(restore));
        text.push('\n');
        text.push_str(&describe_end(restore, Some(&check())));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_dry_run_reads() {
    let restore = |state: &str, report: Value| -> DatabaseRestore {
        from(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "try"},
            "spec": {"database": "knowledge", "from": {"latestGood": true}, "into": "Replace", "dryRun": true},
            "status": {"state": state, "message": "its Job was deleted", "report": report},
        }))
    };
    let databases = json!([
        {"name": "knowledge_os", "restoredAs": "x", "expectedRows": 26_422, "tables": 2},
        {"name": "audit", "restoredAs": "y", "expectedRows": 1, "tables": 1},
    ]);
    let warnings = ["subscriptions of database \"audit\" are not restored: \"mirror\"."];
    let problems = [
        "only a superuser can create \u{1b}[31m",
        "roles are missing: \"keeper\"",
    ];
    let failure = json!({"reason": "AuthenticationFailed", "message": "the password is wrong."});
    let all = [
        restore("Complete", json!({"phase": "Done", "databases": databases})),
        restore(
            "Failed",
            json!({"phase": "Done", "databases": databases, "warnings": warnings, "problems": problems}),
        ),
        restore("Failed", json!({"failure": failure})),
        restore(
            "Failed",
            json!({"phase": "Hashing", "databases": databases}),
        ),
    ];
    let said = all.iter().map(describe_dry_run).collect::<Vec<_>>();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_it_says_of_files_reads() {
    let mut known = serde_json::to_value(database(&json!({}))).unwrap();
    known["spec"]["backup"] = json!({
        "schedule": "0 3 * * *", "storage": {"s3": {"bucket": "b", "region": "r"}},
        "directories": [{"claim": "uploads", "path": "images"}, {"claim": "receipts"}],
    });
    let known: ProtectedDatabase = from(known);
    let by = json!({"check": "knowledge-1", "time": "2026-02-01T03:05:00Z", "reason": "None"});
    let backups = [backup("good", "Complete", &json!({"confirmed": by}))];
    let chosen = choose(&known, &backups, Some("good"), false).unwrap();
    let mut text = String::new();
    for (into, accept_writers) in [
        (RestoreTarget::Replace, false),
        (RestoreTarget::Replace, true),
        (RestoreTarget::Beside, false),
    ] {
        let wanted = WantedFiles {
            into,
            accept_suspect: false,
            accept_writers,
        };
        text.push_str(&describe_files(&known, wanted));
        for restore in build_restores(&known, &chosen, wanted) {
            let spec = serde_json::to_string(&restore.spec).unwrap();
            text.push_str(&format!("{spec}\n"));
        }
        text.push('\n');
    }
    let done: DatabaseRestore = from(json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore", "metadata": {"name": "back"},
        "spec": {
            "database": "knowledge", "from": {"latestGood": true}, "into": "Replace",
            "files": {"claim": "uploads", "path": "images"},
        },
        "status": {"state": "Complete", "report": {
            "phase": "Done", "message": "directory images of claim uploads is restored",
            "warnings": ["the set is not complete: \u{1b}[31m"],
            "files": {
                "claim": "uploads", "path": "images", "restoredAs": "images",
                "keptAs": "images.before-restore-11111111", "filesBefore": 3, "expectedFiles": 1_204,
                "files": 1_204, "expectedBytes": 88_123_456, "bytes": 88_123_456, "isIdentical": true,
            },
        }},
    }));
    text.push_str(&describe_end(&done, None));
    insta::assert_snapshot!(text);
}
