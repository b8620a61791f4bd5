//! Tests that the alerts are about what there is.
#![allow(
    clippy::unwrap_used,
    reason = "a test that can't go on should say where"
)]

use std::fs;
use std::path::Path;

use super::*;
use crate::engine::Metrics;

#[test]
fn every_alert_is_about_a_metric_that_there_is() {
    let metrics = Metrics::default();
    let reset = json!({"type": "DataReset", "status": "True", "reason": "RowsDropped", "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z"});
    let fresh = json!({"type": "BackupFresh", "status": "True", "reason": "BackupFresh", "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z"});
    let backup =
        json!({"name": "b", "time": "2026-02-01T09:00:00Z", "state": "Complete", "rows": 7});
    metrics.observe_database(
        "atra",
        "knowledge",
        &serde_json::from_value(json!({
            "conditions": [reset, fresh], "verifiedUntil": "2026-02-01T11:00:00Z", "lastBackup": backup,
            "lastConfirmedBackup": backup, "catalog": {
                "backup": "b", "damaged": 1, "lastComplete": "2026-02-01T09:00:00Z",
            },
        }))
        .unwrap(),
    );
    let offered = metrics.encode().unwrap();
    for alert in &ALERTS {
        let words = alert
            .expression
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let metric = words
            .into_iter()
            .find(|word| word.starts_with("holdfast_"))
            .unwrap();
        assert!(
            offered
                .lines()
                .any(|line| line.split(['{', ' ']).next() == Some(metric)),
            "{metric}: {offered}"
        );
    }
}

#[test]
fn every_runbook_is_a_section_of_the_page() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notice.md")).unwrap();
    for alert in &ALERTS {
        let (_, section) = alert.runbook.split_once('#').unwrap();
        assert_eq!(section, alert.name.to_ascii_lowercase());
        assert!(
            page.lines()
                .any(|line| line == format!("### {}", alert.name)),
            "{}",
            alert.name
        );
    }
}
