//! What `restore` says on the way and at the end: the counts side by side, and what to do with the database
//! that was kept. Pure.

use std::fmt::Write as _;

use super::files::build_files_table;
use crate::api::{DatabaseCheck, DatabaseRestore, RestoreReport, RestoreState};
use crate::wording::{build_table, count, escaped, number};

/// How many tables are shown.
const TABLES: usize = 20;

/// What a restore that is followed says now.
pub fn describe_progress(restore: &DatabaseRestore) -> String {
    let Some(status) = &restore.status else {
        return "Waiting for the operator.".to_owned();
    };
    let state = match status.state {
        None => "Waiting for the operator",
        Some(RestoreState::Running) => "Running",
        Some(RestoreState::Blocked) => "Blocked",
        Some(RestoreState::Verifying) => "Verifying",
        Some(RestoreState::Complete) => "Complete",
        Some(RestoreState::Failed) => "Failed",
    };
    match &status.message {
        Some(message) => format!("{state}: {}", escaped(message)),
        None => format!("{state}."),
    }
}

/// The counts side by side, what was kept, and the agent's last words with their commands.
pub fn describe_end(restore: &DatabaseRestore, check: Option<&DatabaseCheck>) -> String {
    let status = restore.status.clone().unwrap_or_default();
    let Some(report) = &status.report else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(files) = &report.files {
        let _ = write!(text, "\n{}", build_files_table(files));
    }
    if !report.databases.is_empty() {
        let _ = write!(text, "\n{}", databases(report));
    }
    if !report.tables.is_empty() && status.state == Some(RestoreState::Complete) {
        let _ = write!(text, "\n{}", tables(report, check));
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "Note: {}.", escaped(warning).trim_end_matches('.'));
    }
    if let Some(message) = &report.message {
        let _ = writeln!(text, "{}", escaped(message));
    }
    text
}

/// What a dry run has found: what would be restored, what would not, and all that stands against it.
pub fn describe_dry_run(restore: &DatabaseRestore) -> String {
    let status = restore.status.clone().unwrap_or_default();
    let report = status.report.unwrap_or_default();
    let mut text = String::new();
    if !report.databases.is_empty() {
        text.push_str("What would be restored:\n");
    }
    for database in &report.databases {
        let rows = count(database.expected_rows.unwrap_or_default(), "row");
        let tables = count(database.tables.unwrap_or_default(), "table");
        let name = escaped(&database.name);
        let _ = writeln!(text, "  - {name}: {rows} in {tables}");
    }
    let mut section = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            let _ = writeln!(text, "{title}");
        }
        for line in lines {
            let _ = writeln!(text, "  - {}", escaped(line).trim_end_matches('.'));
        }
    };
    section(
        "What would not be as it was, or needs your attention:",
        &report.warnings,
    );
    section("What stands against it:", &report.problems);
    let said = match (&report.failure, status.state) {
        (Some(failure), _) => format!(
            "It is NOT KNOWN whether it can be restored: {} ({})",
            escaped(&failure.message).trim_end_matches('.'),
            escaped(&failure.reason)
        ),
        (None, _) if !report.problems.is_empty() => {
            "It would be REFUSED, and nothing made".to_owned()
        }
        (None, Some(RestoreState::Complete)) => "Nothing stands against it".to_owned(),
        _ => format!(
            "It is NOT KNOWN whether it can be restored: {}",
            escaped(status.message.as_deref().unwrap_or("nobody says why"))
        ),
    };
    let _ = writeln!(
        text,
        "{}. Nothing was made or changed.",
        said.trim_end_matches('.')
    );
    text
}

fn databases(report: &RestoreReport) -> String {
    let cell = |rows: Option<i64>| rows.map_or_else(|| "-".to_owned(), number);
    let rows: Vec<Vec<String>> = report
        .databases
        .iter()
        .map(|database| {
            vec![
                escaped(&database.name),
                cell(database.expected_rows),
                cell(database.rows),
                if database.is_identical { "yes" } else { "no" }.to_owned(),
                database
                    .kept_as
                    .as_deref()
                    .map_or_else(|| "-".to_owned(), escaped),
            ]
        })
        .collect();
    build_table(
        &[
            "DATABASE",
            "ROWS IN THE BACKUP",
            "RESTORED",
            "SAME BYTES",
            "WHAT WAS THERE",
        ],
        &rows,
    )
}

fn tables(report: &RestoreReport, check: Option<&DatabaseCheck>) -> String {
    let evidence = check.and_then(DatabaseCheck::evidence);
    let rows: Vec<Vec<String>> = report
        .tables
        .iter()
        .take(TABLES)
        .map(|table| {
            let now = evidence.and_then(|found| found.table(&table.database, &table.name));
            vec![
                escaped(&table.name),
                number(table.rows),
                now.map_or_else(|| "-".to_owned(), |now| number(now.rows)),
            ]
        })
        .collect();
    let mut text = build_table(&["TABLE", "ROWS IN THE BACKUP", "NOW"], &rows);
    let more = report.tables.len().saturating_sub(TABLES);
    if more > 0 {
        let _ = writeln!(text, "and {more} more in status.report.tables");
    }
    text
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
