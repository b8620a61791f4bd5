//! Whether the report of a drill proves its backup: nothing that was asked may be missing in it. Pure.

use crate::api::{
    DatabaseBackup, DrillFailureClass, DrillReport, DrillRequest, RestorePhase, RestoreReport,
    RestoredDatabase, RestoredSet, reasons,
};
use crate::wording::quoted;

/// The longest text of an agent that is quoted.
const QUOTED: usize = 200;

/// Why a report without a failure proves nothing nevertheless; none if it does.
pub fn why_not_proven(
    report: &RestoreReport,
    asked: &DrillRequest,
    set: &RestoredSet,
    backup: Option<&DatabaseBackup>,
) -> Option<String> {
    if report.phase != Some(RestorePhase::Done) {
        return Some("the agent ended before it was done, and says nothing of why".to_owned());
    }
    let Some(drill) = &report.drill else {
        return Some("the report says nothing of what a drill looks at".to_owned());
    };
    of_rows(report)
        .or_else(|| of_definitions(drill))
        .or_else(|| of_queries(drill, asked))
        .or_else(|| of_freshness(drill, asked))
        .or_else(|| of_set(drill, set, backup))
}

fn of_rows(report: &RestoreReport) -> Option<String> {
    if report.databases.is_empty() {
        return Some("the report names no database".to_owned());
    }
    // Tables of an extension may have more rows there; of any other difference the agent says that it failed.
    let has_all = |found: &RestoredDatabase| {
        let counts = found.rows.zip(found.expected_rows);
        counts.is_some_and(|(rows, expected)| rows >= expected)
    };
    let mut databases = report.databases.iter();
    let other = databases.find(|database| !has_all(database))?;
    Some(format!(
        "the report does not say that database {} has all rows of the manifest",
        quoted(&other.name, QUOTED)
    ))
}

fn of_definitions(drill: &DrillReport) -> Option<String> {
    if let Some(class) = drill.class {
        return Some(format!("the report calls it {}", class.as_str()));
    }
    if let Some(index) = drill.invalid_indexes.first() {
        return Some(format!("index {} is not valid", quoted(index, QUOTED)));
    }
    if let Some(constraint) = drill.unvalidated_constraints.first() {
        return Some(format!(
            "constraint {} is not validated",
            quoted(constraint, QUOTED)
        ));
    }
    if drill.schema_matches == Some(false) {
        return Some("definitions are not those of the manifest".to_owned());
    }
    (drill.sequences_match == Some(false))
        .then(|| "sequences have not the values of the manifest".to_owned())
}

fn of_queries(drill: &DrillReport, asked: &DrillRequest) -> Option<String> {
    let has_passed = |name: &str| {
        let mut found = drill.queries.iter();
        found.any(|found| found.name == name && found.passed)
    };
    let mut asked = asked.queries.iter();
    let missed = asked.find(|query| !has_passed(&query.name))?;
    Some(format!(
        "spec.drill.queries: {} is not within its bounds, or was not asked",
        missed.name
    ))
}

fn of_freshness(drill: &DrillReport, asked: &DrillRequest) -> Option<String> {
    let mut columns = asked.freshness.iter();
    let missed = columns.find(|asked| {
        let mut found = drill.freshness.iter();
        !found.any(|found| {
            let is_there = asked
                .database
                .as_ref()
                .is_none_or(|name| *name == found.database);
            is_there && found.table == asked.table && found.column == asked.column && found.passed
        })
    })?;
    Some(format!(
        "spec.drill.freshness: the newest {} of {} is too old, or was not read",
        missed.column, missed.table
    ))
}

/// The set must be the one that its DatabaseBackup has now, and of the database cluster that it says.
fn of_set(
    drill: &DrillReport,
    set: &RestoredSet,
    backup: Option<&DatabaseBackup>,
) -> Option<String> {
    let Some(status) = backup.and_then(|backup| backup.status.as_ref()) else {
        return Some(format!(
            "DatabaseBackup {} does not exist any more",
            set.backup
        ));
    };
    if !is_of_set(set, backup) {
        return Some(format!(
            "DatabaseBackup {} is of another set by now",
            set.backup
        ));
    }
    let is_same =
        drill.system_identifier.is_some() && drill.system_identifier == status.system_identifier;
    (!is_same).then(|| {
        format!(
            "the set is of the database cluster with system identifier {}, and DatabaseBackup {} is of {}",
            quoted(drill.system_identifier.as_deref().unwrap_or("unknown"), QUOTED),
            set.backup,
            status.system_identifier.as_deref().unwrap_or("an unknown one")
        )
    })
}

/// Whether the set of a restore is that which a DatabaseBackup is of.
pub fn is_of_set(set: &RestoredSet, backup: Option<&DatabaseBackup>) -> bool {
    backup
        .and_then(|backup| backup.status.as_ref())
        .is_some_and(|status| {
            status.bucket.as_ref() == Some(&set.bucket)
                && status.path.as_ref() == Some(&set.path)
                && status.manifest_sha256.as_ref() == Some(&set.manifest_sha256)
        })
}

/// Whether a drill that failed says that its set can't be restored: not one that has not reached the set,
/// whose server did not start, that took too long, or whose agent says nothing. It has failed nevertheless.
pub fn disproves(report: Option<&RestoreReport>) -> bool {
    let Some(report) = report.filter(|report| report.completion_time.is_some()) else {
        return false;
    };
    let Some(failure) = &report.failure else {
        return false;
    };
    match report.drill.as_ref().and_then(|drill| drill.class) {
        None | Some(DrillFailureClass::Scratch) => false,
        Some(DrillFailureClass::Storage) => failure.reason == reasons::SET_CHANGED,
        // What Postgres does not take is of the set, also where nobody here has a name for it.
        Some(DrillFailureClass::Unknown) => {
            failure.reason == reasons::RESTORE_FAILED && failure.message.contains("ERROR:")
        }
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_postgres_does_not_take_is_of_the_set_and_what_ends_a_drill_before_is_not() {
        let refused = "pg_restore failed: could not execute query: ERROR:  something new";
        for (reason, class, message, is_of_set) in [
            ("RestoreFailed", "Unknown", refused, true),
            (
                "RestoreFailed",
                "Unknown",
                "the program pg_restore is not in the image",
                false,
            ),
            ("RestoreRefused", "Unknown", "no private key", false),
            ("Timeout", "Scratch", "it took too long", false),
            ("StorageUnreachable", "Storage", "no answer", false),
            ("SetChanged", "Storage", "other bytes", true),
            ("RestoreDiffers", "Data", "other rows", true),
        ] {
            let report = json!({
                "completionTime": "2026-02-01T09:27:00Z", "drill": {"class": class},
                "failure": {"reason": reason, "message": message},
            });
            let report: RestoreReport = serde_json::from_value(report).unwrap();
            assert_eq!(disproves(Some(&report)), is_of_set, "{reason}: {message}");
        }
    }
}
