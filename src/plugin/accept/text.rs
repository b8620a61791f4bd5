//! What the user reads before and after accepting. Pure.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::accepted;
use crate::api::{DatabaseCheck, DeclaredChange, ProtectedDatabase, TableEvidence};
use crate::postgres::{bounded_line, line_within};
use crate::wording::{date, moment};

/// How many tables are listed; the rest is a number.
const LISTED: usize = 20;
/// The longest message of a verdict that is shown, in bytes.
const MESSAGE_LIMIT: usize = 8_000;

/// The ProtectedDatabase that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReference {
    pub namespace: String,
    pub name: String,
    /// The context of the command line, as a flag with a blank before it.
    pub context_flag: String,
}

impl DatabaseReference {
    /// `ProtectedDatabase atra/knowledge`.
    pub fn title(&self) -> String {
        format!("ProtectedDatabase {}/{}", self.namespace, self.name)
    }

    /// `kubectl holdfast accept NAME …` with the words that follow the name.
    pub fn command(&self, words: &str) -> String {
        format!(
            "kubectl holdfast accept {}{words} -n {}{}",
            self.name, self.namespace, self.context_flag
        )
    }

    /// The command that shows the state.
    pub fn status_command(&self) -> String {
        format!(
            "kubectl holdfast status {} -n {}{}",
            self.name, self.namespace, self.context_flag
        )
    }
}

/// What would be accepted with a check.
pub fn describe_check(
    reference: &DatabaseReference,
    database: &ProtectedDatabase,
    check: &DatabaseCheck,
    now: Timestamp,
) -> String {
    let name = check.metadata.name.as_deref().unwrap_or_default();
    let status = check.status.clone().unwrap_or_default();
    let ended = status
        .completion_time
        .map(|time| format!(", {}", moment(&time, now)))
        .unwrap_or_default();
    let mut text = format!("{}, DatabaseCheck {name}{ended}\n", reference.title());
    if let Some(verdict) = &status.verdict {
        let _ = writeln!(
            text,
            "  {:?} ({}): {}",
            verdict.outcome,
            verdict.reason,
            line_within(&verdict.message, MESSAGE_LIMIT)
        );
    }
    text.push_str("\nWhat it found, and later checks will be compared with:\n");
    if let Some(evidence) = &status.evidence {
        let _ = writeln!(
            text,
            "  {} rows in {} tables",
            evidence.total_rows, evidence.table_count
        );
        list_tables(&mut text, &evidence.tables);
    }
    text.push_str(
        "\nWhat that means:\n  - earlier data is no longer reported as missing, and backups of the \
        data that is there now count as good\n",
    );
    let backup = database
        .status
        .as_ref()
        .and_then(|status| status.last_good_backup.as_ref());
    let _ = match backup {
        Some(backup) => {
            writeln!(
                text,
                "  - the last good backup of the earlier data is {}, {}",
                backup.name,
                moment(&backup.time, now)
            )
        }
        None => writeln!(text, "  - there is NO GOOD BACKUP of the earlier data"),
    };
    text
}

fn list_tables(text: &mut String, tables: &[TableEvidence]) {
    for table in tables.iter().take(LISTED) {
        let _ = writeln!(
            text,
            "  - {} in {}: {} ({:?})",
            bounded_line(&table.name),
            bounded_line(&table.database),
            table.rows,
            table.count
        );
    }
    if tables.len() > LISTED {
        let _ = writeln!(text, "  - and {} more tables", tables.len() - LISTED);
    }
}

/// What it means to declare the next change.
pub fn describe_declaration(
    reference: &DatabaseReference,
    declared: &DeclaredChange,
    now: Timestamp,
) -> String {
    format!(
        "{}: declare that the next change of its data is intended\n\nWhat that means:\n  - the \
         first check that would find the data reset, after DatabaseCheck {} and until {}, counts \
         as good\n  - it is for a change that keeps the rows, such as pg_upgrade or a migration: a \
         missing database, rows below a minimum, or less than half of all rows is still reported \
         as a reset\n  - it is for one change only\n",
        reference.title(),
        declared.since,
        moment(&Time(declared.until), now)
    )
}

/// What was done, and how it is undone.
pub fn describe_accepted(reference: &DatabaseReference, check: &str) -> String {
    format!(
        "Accepted: later checks are compared with what DatabaseCheck {check} has found.\n\nTo see \
         the state:\n\n  {}\n\nTo revoke it before the next check:\n\n  {}\n",
        reference.status_command(),
        reference.command(" --revoke")
    )
}

/// What was declared, and how it is undone.
pub fn describe_declared(reference: &DatabaseReference, declared: &DeclaredChange) -> String {
    format!(
        "Declared, until {}. Now make the change.\n\nTo revoke it:\n\n  {}\n",
        date(&Time(declared.until)),
        reference.command(" --revoke")
    )
}

/// What was removed.
pub fn describe_withdrawn(reference: &DatabaseReference, metadata: &ObjectMeta) -> String {
    let taken: Vec<String> = accepted(metadata)
        .iter()
        .map(|(annotation, value)| format!("{annotation}={}", bounded_line(value)))
        .collect();
    if taken.is_empty() {
        return format!(
            "{} accepts and declares nothing; nothing was changed.\n",
            reference.title()
        );
    }
    format!(
        "{}: removed: {}. A check that has become good by it stays good.\n",
        reference.title(),
        taken.join(", ")
    )
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
