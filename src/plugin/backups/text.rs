//! What `backup` and `backups` print. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::api::{
    BackupDemotion, BackupState, CATALOG_LIMIT, CatalogReport, DatabaseBackup, SampleReport,
};
use crate::wording::{ago, build_table, escaped, number};

/// One line per backup, the newest last.
pub fn build_backup_table(backups: &[DatabaseBackup], database: &str, now: Timestamp) -> String {
    if backups.is_empty() {
        return format!(
            "There is no backup of {database}. To take one: kubectl holdfast backup {database}\n"
        );
    }
    let has_files = backups.iter().any(|backup| files(backup).is_some());
    let row = |backup: &DatabaseBackup| {
        let mut row = row(backup, now);
        if has_files {
            row.insert(4, files(backup).map_or_else(|| "-".to_owned(), number));
        }
        row
    };
    let rows: Vec<Vec<String>> = backups.iter().map(row).collect();
    let mut heads = vec![
        "STATE",
        "CONFIRMED BY",
        "TAKEN",
        "ROWS",
        "BYTES",
        "READ",
        "PROVEN",
        "COPIES",
        "BACKUP",
    ];
    if has_files {
        heads.insert(4, "FILES");
    }
    build_table(&heads, &rows)
}

/// How many files of directories a backup has, if it has directories.
fn files(backup: &DatabaseBackup) -> Option<i64> {
    backup.status.as_ref()?.files
}

/// What the newest drill has shown, or a restore that has failed because of the set.
fn proven(backup: &DatabaseBackup, now: Timestamp) -> Option<String> {
    let drill = backup.status.as_ref()?.drill.as_ref()?;
    if !drill.passed {
        return Some("could not be restored".to_owned());
    }
    let proven = format!("proven {}", ago(Some(&drill.time), now));
    backup.is_proven().then_some(proven)
}

fn row(backup: &DatabaseBackup, now: Timestamp) -> Vec<String> {
    let nothing = || "-".to_owned();
    let status = backup.status.as_ref();
    let taken = status.and_then(|status| {
        let snapshot = status.snapshot.as_ref().map(|snapshot| &snapshot.time);
        snapshot.or(status.completion_time.as_ref())
    });
    let confirmed = status.and_then(|status| status.confirmed.as_ref());
    vec![
        state(backup).to_owned(),
        confirmed.map_or_else(nothing, |by| escaped(&by.check)),
        taken.map_or_else(nothing, |time| time.0.to_string()),
        status
            .and_then(|status| status.rows)
            .map_or_else(nothing, number),
        status
            .and_then(|status| status.stored_bytes)
            .map_or_else(nothing, number),
        status
            .and_then(|status| status.last_read.as_ref())
            .map_or_else(nothing, |read| read.time.0.to_string()),
        proven(backup, now).unwrap_or_else(nothing),
        copies(backup).unwrap_or_else(nothing),
        backup.metadata.name.clone().unwrap_or_default(),
    ]
}

/// The copies that are there; those that are not yet in brackets.
fn copies(backup: &DatabaseBackup) -> Option<String> {
    let all = backup.status.iter().flat_map(|status| &status.copies);
    let names: Vec<String> = all
        .map(|copy| {
            let name = escaped(&copy.name);
            if copy.is_complete() {
                name
            } else {
                format!("({name})")
            }
        })
        .collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// What retention said at the last look at the bucket: one line per set, those that go first.
pub fn build_plan(report: Option<&CatalogReport>, database: &str) -> String {
    let Some(report) = report else {
        return format!(
            "Nobody has looked at the sets of {database} in the bucket yet. That is done an hour after \
             the first confirmed backup, and then once a day.\n"
        );
    };
    let mut text = match &report.completion_time {
        Some(time) => format!("By the look of {}, Job {}.\n", time.0, report.job),
        None => format!("Job {} removes sets now, or was killed.\n", report.job),
    };
    if let Some(failure) = &report.failure {
        let _ = writeln!(
            text,
            "Not everything was read: {}",
            escaped(&failure.message)
        );
    }
    if let Some(held) = &report.held {
        let _ = writeln!(text, "Nothing is removed: {}", escaped(held));
    }
    let rows: Vec<Vec<String>> = report
        .plan
        .iter()
        .map(|line| {
            let what = if line.remove { "remove" } else { "keep" };
            vec![what.to_owned(), escaped(&line.set), escaped(&line.why)]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&build_table(&["PLAN", "SET", "WHY"], &rows));
    }
    if report.plan.len() >= CATALOG_LIMIT {
        let _ = writeln!(text, "Only the first {CATALOG_LIMIT} are listed.");
    }
    if let Some(read_back) = &report.read_back {
        let _ = writeln!(text, "Read back first: {}", escaped(read_back));
    }
    if report.postponed > 0 {
        let more = number(report.postponed);
        let _ = writeln!(
            text,
            "Left for later looks, as one removes only so many: {more}"
        );
    }
    for path in &report.removed {
        let _ = writeln!(text, "Removed: {}", escaped(path));
    }
    for left in &report.left {
        let _ = writeln!(
            text,
            "Left: {}: {}",
            escaped(&left.path),
            escaped(&left.why)
        );
    }
    for damaged in &report.damaged {
        let _ = writeln!(
            text,
            "Incomplete: {}: {}",
            escaped(&damaged.path),
            escaped(&damaged.why)
        );
    }
    if let Some(sample) = &report.sample {
        describe_sample(&mut text, sample);
    }
    text
}

/// What the last sample read whole.
fn describe_sample(text: &mut String, sample: &SampleReport) {
    for read in &sample.read {
        let what = read.found.damage.as_deref().unwrap_or("as it was stored");
        let _ = writeln!(
            text,
            "Read whole at {}: {}: {}",
            read.found.time.0,
            escaped(&read.path),
            escaped(what)
        );
    }
    for unread in &sample.unread {
        let _ = writeln!(
            text,
            "Not known to be whole: {}: {}",
            escaped(&unread.path),
            escaped(&unread.why)
        );
    }
}

/// What a backup is, in one word.
fn state(backup: &DatabaseBackup) -> &'static str {
    let Some(status) = &backup.status else {
        return "waiting";
    };
    match status.state {
        None => "waiting",
        Some(BackupState::Running) => "running",
        Some(BackupState::Failed) => "failed",
        Some(BackupState::Suspect) => "suspect",
        Some(BackupState::Complete)
            if status
                .demoted
                .as_ref()
                .is_some_and(BackupDemotion::is_damage) =>
        {
            "damaged"
        }
        Some(BackupState::Complete) if status.demoted.is_some() => "demoted",
        Some(BackupState::Complete) if status.confirmed.is_some() => "confirmed",
        Some(BackupState::Complete) => "unconfirmed",
    }
}

/// What a backup that is followed says of its state.
pub fn describe_state(backup: &DatabaseBackup) -> String {
    let said = backup
        .status
        .as_ref()
        .and_then(|status| status.message.as_deref())
        .map(escaped);
    let after = |what: &str| {
        said.as_ref()
            .map_or_else(|| what.to_owned(), |said| format!("{what}: {said}"))
    };
    match backup.status.as_ref().and_then(|status| status.state) {
        None => "Waiting for the operator to create its Job.".to_owned(),
        Some(BackupState::Running) => after("Running"),
        Some(BackupState::Complete) => {
            let complete = after("Complete");
            format!("{complete}. It counts once a good check has confirmed it")
        }
        Some(BackupState::Suspect) => after("Suspect, it does not count"),
        Some(BackupState::Failed) => after("Failed"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    fn backup(name: &str, status: &serde_json::Value) -> DatabaseBackup {
        serde_json::from_value(json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
            "metadata": {"name": name}, "spec": {"database": "knowledge"}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn the_plan_reads() {
        let mut report: CatalogReport = serde_json::from_value(json!({
            "job": "catalog-u-1", "completionTime": "2026-02-01T09:10:00Z", "removes": true,
            "plan": [
                {"set": "20260101T030000Z-00000001", "remove": true, "why": "no rule keeps it"},
                {"set": "20260201T030000Z-00000002", "why": "it is one of the last 7 confirmed"},
            ],
            "removed": ["prod/atra/knowledge/20260101T030000Z-00000001"],
            "left": [{"path": "prod/atra/knowledge/x", "why": "it is locked until tomorrow"}],
            "damaged": [{"path": "prod/atra/knowledge/y", "why": "`dump.pgc.zst` is missing"}],
            "sample": {
                "time": "2026-02-01T09:10:00Z",
                "read": [
                    {"path": "prod/atra/knowledge/z", "found": {"time": "2026-02-01T09:09:00Z", "job": "catalog-u-1"}},
                    {"path": "prod/atra/knowledge/w", "found": {
                        "time": "2026-02-01T09:09:30Z", "job": "catalog-u-1", "damage": "`dump.pgc.zst` has other bytes"}},
                ],
                "unread": [{"path": "prod/atra/knowledge/v", "why": "two reads of `dump.pgc.zst` differ"}],
            },
        }))
        .unwrap();
        let mut text = build_plan(Some(&report), "knowledge");
        report.held = Some("a reset of the data stands".to_owned());
        report.completion_time = None;
        (report.plan, report.removed) = Default::default();
        text.push_str(&build_plan(Some(&report), "knowledge"));
        text.push_str(&build_plan(None, "knowledge"));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_table_and_the_progress_read() {
        let by = json!({"check": "knowledge-2", "time": "2026-02-01T09:20:00Z", "reason": "TablesEmptied"});
        let of = |state: &str, more: serde_json::Value| {
            let mut status = json!({
                "state": state, "rows": 26_422, "storedBytes": 1_234_567, "completionTime": "2026-02-01T09:10:00Z",
                "message": "26422 rows of 2 tables are in the bucket `backups`",
            });
            for (key, value) in more.as_object().unwrap() {
                status[key] = value.clone();
            }
            status
        };
        let copy = |name: &str, state: &str| {
            json!({
                "name": name, "state": state, "time": "2026-02-01T09:20:00Z", "job": "copy-u-1", "bucket": "copies", "path": "p",
            })
        };
        let drill = |passed: bool| json!({"restore": "knowledge-drill-1", "time": "2026-02-01T10:00:00Z", "passed": passed});
        let now = "2026-02-03T10:00:00Z".parse().unwrap();
        let backups = [
            backup("a", &json!({})),
            backup("b", &json!({"state": "Running"})),
            backup("c", &of("Complete", json!({"files": 412}))),
            backup(
                "d",
                &of("Complete", json!({"confirmed": by, "drill": drill(true)})),
            ),
            backup(
                "i",
                &of("Complete", json!({"confirmed": by, "drill": drill(false)})),
            ),
            backup(
                "e",
                &of(
                    "Complete",
                    json!({"confirmed": by, "demoted": by, "drill": drill(true)}),
                ),
            ),
            backup(
                "h",
                &of(
                    "Complete",
                    json!({
                        "confirmed": by, "demoted": {"check": "catalog-u-1", "time": "2026-02-01T09:20:00Z", "reason": "SetDamaged"},
                        "lastRead": {"time": "2026-02-01T09:20:00Z", "job": "catalog-u-1", "damage": "`dump.pgc.zst` has other bytes"},
                        "copies": [copy("offsite", "Complete"), copy("near", "Failed")],
                    }),
                ),
            ),
            backup("f", &of("Suspect", json!({}))),
            backup(
                "g",
                &json!({"state": "Failed", "message": "the bucket \u{1b}[31mdoes not exist"}),
            ),
        ];
        let mut text = build_backup_table(&backups, "knowledge", now);
        text.push_str(&build_backup_table(&[], "knowledge", now));
        for backup in &backups {
            text.push_str(&describe_state(backup));
            text.push('\n');
        }
        insta::assert_snapshot!(text);
    }
}
