//! Tests of the series that come and go with what is reported.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::json;

use super::*;

fn status(type_: &str, value: &str, reason: &str) -> ProtectedDatabaseStatus {
    let condition = json!({"type": type_, "status": value, "reason": reason, "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z"});
    serde_json::from_value(json!({"conditions": [condition]})).unwrap()
}

fn series(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.encode().unwrap();
    text.lines()
        .filter(|line| line.starts_with(&format!("holdfast_{name}{{")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_reset_is_one_series_with_its_reason_and_goes_when_it_is_over() {
    let metrics = Metrics::default();
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("DataReset", "False", "Verified"),
    );
    assert!(series(&metrics, "data_reset").is_empty());
    metrics.observe_database("atra", "other", &status("DataReset", "True", "RolledBack"));
    let other = "holdfast_data_reset{namespace=\"atra\",name=\"other\",reason=\"RolledBack\"} 1";
    for reason in ["RowsDropped", "RowsDropped", "TablesEmptied"] {
        metrics.observe_database("atra", "knowledge", &status("DataReset", "True", reason));
        let mut found = series(&metrics, "data_reset");
        found.sort();
        assert_eq!(
            found,
            [
                format!(
                    "holdfast_data_reset{{namespace=\"atra\",name=\"knowledge\",reason=\"{reason}\"}} 1"
                ),
                other.to_owned()
            ]
        );
    }
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("DataReset", "False", "Verified"),
    );
    assert_eq!(series(&metrics, "data_reset"), [other]);
    metrics.forget_database("atra", "other");
    assert!(series(&metrics, "data_reset").is_empty());
}

#[test]
fn a_reason_that_is_not_documented_makes_no_series_of_its_own() {
    let metrics = Metrics::default();
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("DataReset", "True", "Invented1"),
    );
    assert_eq!(
        series(&metrics, "data_reset"),
        ["holdfast_data_reset{namespace=\"atra\",name=\"knowledge\",reason=\"QueryFailed\"} 1"]
    );
}

#[test]
fn a_database_that_asks_for_no_backup_is_not_shown_to_lack_one() {
    let metrics = Metrics::default();
    let shown = |metrics: &Metrics| {
        series(metrics, "database_condition")
            .iter()
            .any(|line| line.contains("BackupFresh"))
    };
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("BackupFresh", "False", "BackupOverdue"),
    );
    assert!(shown(&metrics));
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("BackupFresh", "False", "NoBackupConfigured"),
    );
    assert!(!shown(&metrics));
}

#[test]
fn nothing_is_shown_of_files_that_nobody_asks_about() {
    let metrics = Metrics::default();
    metrics.observe_database(
        "atra",
        "knowledge",
        &status("FilesMatch", "Unknown", "FilesNotChecked"),
    );
    assert!(
        metrics
            .encode()
            .unwrap()
            .contains(r#"condition="FilesMatch"} -1"#),
        "{}",
        metrics.encode().unwrap()
    );
    metrics.observe_database("atra", "knowledge", &ProtectedDatabaseStatus::default());
    assert!(
        !metrics.encode().unwrap().contains("FilesMatch"),
        "{}",
        metrics.encode().unwrap()
    );
}

#[test]
fn what_a_drill_has_proven_is_shown_by_parts_and_goes_with_it() {
    let metrics = Metrics::default();
    let proven = json!({
        "lastDrill": {"restore": "d", "restoreUid": "u", "backup": "b", "time": "1970-01-01T00:02:00Z",
            "state": "Complete", "message": ""},
        "lastProven": {"backup": "b", "backupTime": "1970-01-01T00:01:00Z", "bucket": "b", "path": "p",
            "manifestSha256": "aa", "systemIdentifier": "7", "restore": "d", "time": "1970-01-01T00:02:00Z",
            "times": {"downloadSeconds": 3, "verifySeconds": 2}},
    });
    metrics.observe_database(
        "atra",
        "knowledge",
        &serde_json::from_value(proven).unwrap(),
    );
    let mut parts = series(&metrics, "drill_duration_seconds");
    parts.sort();
    let labels = "namespace=\"atra\",name=\"knowledge\"";
    assert_eq!(
        parts,
        [
            format!("holdfast_drill_duration_seconds{{{labels},part=\"download\"}} 3.0"),
            format!("holdfast_drill_duration_seconds{{{labels},part=\"verify\"}} 2.0"),
        ]
    );
    let shown = |name: &str| series(&metrics, name).join("");
    assert!(shown("last_proven_backup_timestamp_seconds").ends_with(" 60.0"));
    assert!(shown("last_proof_timestamp_seconds").ends_with(" 120.0"));
    assert!(shown("last_drill_failed").ends_with(" 0.0"));
    metrics.observe_database("atra", "knowledge", &ProtectedDatabaseStatus::default());
    for name in [
        "drill_duration_seconds",
        "last_proof_timestamp_seconds",
        "last_drill_failed",
    ] {
        assert_eq!(shown(name), "", "{name}");
    }
}

#[test]
fn a_failed_and_a_suspect_backup_and_none_at_all_are_three_things() {
    let shown = |state: &str, reason: &str, good: Option<&str>| {
        let metrics = Metrics::default();
        let mut of = serde_json::to_value(status("BackupFresh", "False", reason)).unwrap();
        let backup = json!({"name": "b", "time": "2026-02-01T09:00:00Z", "state": state});
        if let Some(field) = good {
            of[field] = backup.clone();
        }
        of["lastBackup"] = backup;
        let of = serde_json::from_value(of).unwrap();
        metrics.observe_database("atra", "knowledge", &of);
        let names = [
            "last_backup_failed",
            "last_backup_suspect",
            "no_good_backup",
        ];
        names.map(|name| {
            let series = series(&metrics, name).join("");
            let value = series.rsplit(' ').next().unwrap_or_default();
            value.to_owned()
        })
    };
    let overdue = "BackupOverdue";
    assert_eq!(shown("Failed", overdue, None), ["1.0", "0.0", "1.0"]);
    assert_eq!(shown("Suspect", overdue, None), ["0.0", "1.0", "1.0"]);
    for field in ["lastGoodBackup", "lastConfirmedBackup"] {
        assert_eq!(
            shown("Complete", overdue, Some(field)),
            ["0.0", "0.0", "0.0"]
        );
    }
    let unasked = shown("Complete", "NoBackupConfigured", None);
    assert_eq!(unasked, ["0.0", "0.0", ""]);
}

#[test]
fn the_series_of_conditions_follow_the_table() {
    let metrics = Metrics::default();
    let conditions: Vec<_> = ConditionType::ALL
        .iter()
        .map(|type_| json!({"type": type_.as_str(), "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z"}))
        .collect();
    let status = serde_json::from_value(json!({"conditions": conditions})).unwrap();
    metrics.observe_database("atra", "knowledge", &status);
    let shown = series(&metrics, "database_condition");
    for type_ in ConditionType::ALL {
        let label = format!("condition=\"{}\"", type_.as_str());
        let is_shown = shown.iter().any(|series| series.contains(&label));
        assert_eq!(is_shown, type_.row().is_metric, "{type_:?}");
    }
}
