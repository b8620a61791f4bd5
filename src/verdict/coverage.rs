//! How much was counted: what was not is never called verified.

use std::fmt::Write as _;

use crate::api::{CountKind, Coverage, Evidence, Finding, NotCountedReason};
use crate::wording::{count, escaped, list, number};

use super::input::Input;

/// Make sure that of every database with tables at least one was counted, and that the role may read
/// most of its rows.
pub(super) fn nothing_counted(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    // Where only tables with rules are asked for, those are judged one by one.
    input.spec.verification.baseline.max_drop_percent()?;
    let coverage: Vec<Coverage> = input
        .spec
        .connection
        .databases()
        .filter_map(|name| coverage_of(evidence, name))
        .filter(|coverage| is_unseen(input, coverage))
        .collect();
    (!coverage.is_empty()).then_some(Finding::NothingCounted { coverage })
}

/// Whether nothing is known of the rows: no table was counted, or the role may read only a few of the
/// tables or of the rows, and no rule asks for one that it may read.
fn is_unseen(input: &Input<'_>, coverage: &Coverage) -> bool {
    if coverage.table_count <= 0 {
        return false;
    }
    let closed = || {
        coverage.not_counted.iter().filter(|group| {
            matches!(
                group.reason,
                NotCountedReason::NotReadable | NotCountedReason::RowSecurity
            )
        })
    };
    let closed_tables: i64 = closed()
        .map(|group| group.table_count)
        .fold(0, i64::saturating_add);
    // The largest of them are named: the rows of the others are missing in this sum, not in that of
    // the database.
    let closed_rows: i64 = closed()
        .flat_map(|group| &group.tables)
        .filter_map(|name| input.evidence?.table(&coverage.database, name))
        .map(|table| table.rows)
        .fold(0, i64::saturating_add);
    let has_counted_rule = input.rules().any(|(_, rule)| {
        input.database_of(rule) == coverage.database
            && input
                .found(rule)
                .is_some_and(|table| table.count != CountKind::Estimated)
    });
    let is_mostly_closed = closed_tables.saturating_mul(2) > coverage.table_count
        || closed_rows.saturating_mul(2) > coverage.estimated_rows && closed_rows > 0;
    coverage.counted_tables <= 0 && !has_probed(input, coverage)
        || is_mostly_closed && !has_counted_rule
}

/// Whether a count began in one of its tables: then the role may read them.
fn has_probed(input: &Input<'_>, coverage: &Coverage) -> bool {
    input.evidence.is_some_and(|evidence| {
        evidence
            .tables
            .iter()
            .any(|table| table.database == coverage.database && table.least_rows() > 0)
    })
}

/// Make sure that all tables were counted, and if not, say how many were.
pub(super) fn partly_counted(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    let coverage: Vec<Coverage> = input
        .spec
        .connection
        .databases()
        .filter_map(|name| coverage_of(evidence, name))
        .filter(|coverage| coverage.counted_tables < coverage.table_count)
        .collect();
    (!coverage.is_empty()).then_some(Finding::PartlyCounted { coverage })
}

/// How much of a database was counted: as the agent says, or as its tables do.
fn coverage_of(evidence: &Evidence, database: &str) -> Option<Coverage> {
    if let Some(coverage) = evidence
        .coverage
        .iter()
        .find(|coverage| coverage.database == database)
    {
        return Some(coverage.clone());
    }
    let tables = || {
        evidence
            .tables
            .iter()
            .filter(move |table| table.database == database)
    };
    let counted = || tables().filter(|table| table.count != CountKind::Estimated);
    let number = |tables: usize| i64::try_from(tables).unwrap_or(i64::MAX);
    let is_only = tables().count() == evidence.tables.len();
    let listed = number(tables().count());
    let table_count = if is_only {
        listed.max(evidence.table_count)
    } else {
        listed
    };
    (listed > 0).then(|| Coverage {
        database: database.to_owned(),
        table_count,
        counted_tables: number(counted().count()),
        counted_rows: counted()
            .map(|table| table.rows)
            .fold(0, i64::saturating_add),
        // Of tables that are not listed nothing is known.
        estimated_rows: if table_count > listed {
            0
        } else {
            tables()
                .map(|table| table.rows)
                .fold(0, i64::saturating_add)
        },
        not_counted: Vec::new(),
    })
}

/// How much was counted of all databases, as a sentence; none if there are no tables.
#[must_use]
pub fn describe_coverage(evidence: &Evidence, main_database: Option<&str>) -> Option<String> {
    let coverage: Vec<Coverage> = evidence
        .databases
        .iter()
        .filter_map(|database| coverage_of(evidence, &database.name))
        .collect();
    (!coverage.is_empty()).then(|| say_coverage(&coverage, main_database))
}

/// How much was counted of some databases, as part of a sentence; databases other than the main one
/// are named.
pub(super) fn say_coverage(coverage: &[Coverage], main_database: Option<&str>) -> String {
    let said: Vec<String> = coverage
        .iter()
        .map(|of| {
            let place = if main_database == Some(of.database.as_str()) {
                String::new()
            } else {
                format!(" of database {}", escaped(&of.database))
            };
            let share = if of.estimated_rows > 0 {
                format!(
                    ", {} % of the rows",
                    share(of.counted_rows, of.estimated_rows)
                )
            } else {
                String::new()
            };
            let mut said = format!(
                "counted {} of {}{place}{share}",
                number(of.counted_tables),
                count(of.table_count, "table"),
            );
            let why: Vec<String> = of
                .not_counted
                .iter()
                .map(|group| {
                    let names: Vec<String> = group
                        .tables
                        .iter()
                        .take(3)
                        .map(|name| escaped(name))
                        .collect();
                    let names = if names.is_empty() {
                        String::new()
                    } else {
                        format!(", such as {}", list(&names))
                    };
                    format!(
                        "{} {}{names}",
                        number(group.table_count),
                        say_reason(group.reason)
                    )
                })
                .collect();
            if !why.is_empty() {
                let _ = write!(said, " (not counted: {})", why.join("; "));
            }
            said
        })
        .collect();
    said.join(", ")
}

/// A share in percent with one digit, and never 100 or 0 for less or more than that.
fn share(part: i64, whole: i64) -> String {
    let (part, whole) = (i128::from(part.max(0)), i128::from(whole.max(part).max(1)));
    let tenths = part * 1_000 / whole;
    match (tenths, part) {
        (0, 0) => "0".to_owned(),
        (0, _) => "less than 0.1".to_owned(),
        (1_000, _) => "100".to_owned(),
        (tenths, _) => format!("{}.{}", tenths / 10, tenths % 10),
    }
}

const fn say_reason(reason: NotCountedReason) -> &'static str {
    match reason {
        NotCountedReason::Budget => "beyond spec.verification.countingBudget",
        NotCountedReason::NotReadable => "not readable for the role",
        NotCountedReason::RowSecurity => "with row security",
        NotCountedReason::StoredElsewhere => "whose rows an extension keeps elsewhere",
        NotCountedReason::Locked => "locked",
        NotCountedReason::Failed => "that failed",
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        let shares = [
            (0, 9),
            (1, 100_000),
            (4, 1_000),
            (999, 1_000),
            (9, 9),
            (9, 3),
            (0, 0),
        ];
        assert_eq!(
            shares.map(|(part, whole)| share(part, whole)),
            ["0", "less than 0.1", "0.4", "99.9", "100", "100", "0"]
        );
    }
}
