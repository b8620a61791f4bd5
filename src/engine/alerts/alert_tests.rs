//! Golden tests of the alerts that conditions make.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use serde_json::json;

use super::*;
use crate::install::generated_files;

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Condition {
    serde_json::from_value(json!({
        "type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-02-01T09:00:00Z",
    }))
    .unwrap()
}

fn found(condition: Condition) -> (&'static str, Finding) {
    // These two are over where nobody has asked for them.
    let of = [
        ("FilesMatch", "HoldfastFilesMissing"),
        ("RestoreProven", "HoldfastRestoreNotProven"),
    ];
    let type_ = condition.type_.clone();
    let mut alerts = find_alerts("atra", "knowledge", &[condition]).into_iter();
    let is_meant = |name: &str| of.iter().all(|(of, alert)| *alert != name || *of == type_);
    alerts
        .find(|(name, finding)| is_meant(name) && *finding != Finding::Held)
        .unwrap_or(("", Finding::Held))
}

#[test]
fn an_alert_about_files_is_over_when_nobody_asks_about_them_any_more() {
    let of_files = |conditions: &[Condition]| {
        find_alerts("atra", "knowledge", conditions)
            .into_iter()
            .find(|(name, _)| *name == "HoldfastFilesMissing")
            .map(|(_, finding)| finding)
    };
    assert_eq!(
        of_files(&[condition("DataReset", "False", "Verified", "")]),
        Some(Finding::Over)
    );
    assert_eq!(of_files(&[]), Some(Finding::Held), "nothing is known yet");
}

#[test]
fn every_alert_reads() {
    let conditions = [
        condition(
            "DataReset",
            "True",
            "VolumeReplaced",
            "another volume is mounted\nthan before: \u{1b}[31mpvc-2",
        ),
        condition(
            "Stalled",
            "True",
            "InvalidSpec",
            "spec.backup.schedule can't be read",
        ),
        condition(
            "BackupFresh",
            "False",
            "BackupOverdue",
            "the newest good backup is 3 days old",
        ),
        condition(
            "Guarded",
            "False",
            "PolicyMissing",
            "the policy holdfast-deletion-guard is missing",
        ),
        condition(
            "FilesMatch",
            "False",
            "FilesMissing",
            "3 files that rows name are missing on claim uploads",
        ),
        condition(
            "RestoreProven",
            "False",
            "DrillFailed",
            "drill knowledge-drill-1 could not restore backup knowledge-backup-1",
        ),
        condition(
            "DataVerified",
            "Unknown",
            "CheckOverdue",
            "the last good check is too old",
        ),
    ];
    let alerts: Vec<Alert> = find_alerts("atra", "knowledge", &conditions)
        .into_iter()
        .map(|(_, finding)| match finding {
            Finding::Firing(alert) => *alert,
            other => panic!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&alerts).unwrap());
}

#[test]
fn what_passes_by_itself_or_is_unknown_changes_nothing() {
    for (type_, status, reason) in [
        ("Guarded", "False", "Guarding"),
        ("Guarded", "False", "ClaimNotBound"),
        ("BackupFresh", "False", "NeverSucceeded"),
        ("BackupFresh", "Unknown", "Suspended"),
        ("DataReset", "Unknown", "NeverChecked"),
        ("Guarded", "Unknown", "ReadFailed"),
        ("Ready", "False", "NotReady"),
    ] {
        assert_eq!(
            found(condition(type_, status, reason, "")).1,
            Finding::Held,
            "{type_} {status} {reason}"
        );
    }
    assert!(
        find_alerts("atra", "knowledge", &[])
            .iter()
            .all(|(_, finding)| *finding == Finding::Held)
    );
}

#[test]
fn what_is_well_or_was_chosen_is_over() {
    for (type_, status, reason) in [
        ("DataReset", "False", "Verified"),
        ("Stalled", "False", "Settled"),
        ("Guarded", "True", "Guarded"),
        ("BackupFresh", "True", "BackupFresh"),
        ("BackupFresh", "False", "NoBackupConfigured"),
    ] {
        assert_eq!(
            found(condition(type_, status, reason, "")).1,
            Finding::Over,
            "{type_} {status} {reason}"
        );
    }
}

#[test]
fn a_word_and_a_text_of_somebody_else_are_bounded() {
    let (_, Finding::Firing(alert)) = found(condition(
        "DataReset",
        "True",
        "Whatever1",
        &"x".repeat(30_000),
    )) else {
        panic!("no alert")
    };
    assert_eq!(alert.labels.reason, reasons::QUERY_FAILED);
    assert_eq!(
        alert.annotations.description.len(),
        DESCRIPTION_LIMIT + "…".len()
    );
}

#[test]
fn every_runbook_is_a_section_that_exists() {
    let page = generated_files()
        .unwrap()
        .into_iter()
        .find(|(path, _)| path.ends_with("conditions.md"))
        .unwrap()
        .1;
    let sections: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|heading| format!("#{}", heading.to_ascii_lowercase()))
        .collect();
    for document in reasons::all() {
        let (_, Finding::Firing(alert)) = found(condition("Stalled", "True", document.reason, ""))
        else {
            continue;
        };
        let (_, section) = alert
            .annotations
            .runbook
            .split_at("docs/conditions.md".len());
        assert!(sections.iter().any(|known| known == section), "{section}");
    }
}

#[test]
fn that_nobody_looks_fires_and_any_other_not_knowing_leaves_it_as_it_was() {
    let said = |status, reason| found(condition("DataVerified", status, reason, "")).1;
    let Finding::Firing(alert) = said("Unknown", reasons::CHECK_OVERDUE) else {
        panic!("no alert")
    };
    assert_eq!(alert.labels.alertname, "HoldfastCheckOverdue");
    assert_eq!(said("Unknown", reasons::CHECKING), Finding::Held);
    assert_eq!(said("True", reasons::VERIFIED), Finding::Over);
    assert_eq!(
        said("False", reasons::ROWS_DROPPED),
        Finding::Over,
        "then HoldfastDataReset fires"
    );
}

#[test]
fn alerts_follow_the_table_of_conditions() {
    for type_ in ConditionType::ALL {
        let [abnormal, normal] = if type_.is_normal("True") {
            ["False", "True"]
        } else {
            ["True", "False"]
        };
        let said = |status| {
            let condition = condition(type_.as_str(), status, "QueryFailed", "");
            let alerts = find_alerts("atra", "knowledge", &[condition]);
            let expected = type_.row().alert?;
            let (_, finding) = alerts
                .into_iter()
                .find(|(name, _)| *name == expected.name)?;
            Some(finding)
        };
        let severity = match said(abnormal) {
            Some(Finding::Firing(alert)) => Some(alert.labels.severity),
            _ => None,
        };
        let expected = type_.row().alert.filter(|alert| alert.only_for.is_none());
        assert_eq!(severity, expected.map(|alert| alert.severity), "{type_:?}");
        let over = type_.row().alert.map(|_| Finding::Over);
        assert_eq!(said(normal), over, "{type_:?}");
    }
}
