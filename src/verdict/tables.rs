//! Check of the tables: whether those that were there are there.

use crate::api::{Evidence, Finding, RowCount, TableChange};

use super::input::{Input, TablePair};

/// Unlisted tables that had fewer rows than this at the last good check come and go without a
/// finding.
pub(super) const UNLISTED_FROM_ROWS: i64 = 100;

/// Make sure that every table that the last good check found still exists: those with rules, and
/// unless the baseline is off every other one that had 100 rows.
pub(super) fn tables_missing(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    // An agent that could not look everywhere says nothing about what it did not see.
    if input.failure.is_some() {
        return None;
    }
    let gone = input
        .table_pairs()
        .into_iter()
        .filter(|table| table.now.is_none() && is_missed(input, evidence, table));
    let tables: Vec<TableChange> = gone
        .map(|table| TableChange {
            database: table.before.database.clone(),
            name: table.before.name.clone(),
            before: Some(RowCount::from(table.before)),
            now: None,
            limit: None,
        })
        .collect();
    (!tables.is_empty()).then_some(Finding::TablesMissing {
        tables,
        left_out: 0,
    })
}

fn is_missed(input: &Input<'_>, evidence: &Evidence, table: &TablePair<'_>) -> bool {
    let wanted = match table.rule {
        Some((_, rule)) => !rule.volatile,
        None => {
            input
                .spec
                .verification
                .baseline
                .max_drop_percent()
                .is_some()
                && table.before.rows >= UNLISTED_FROM_ROWS
        }
    };
    wanted && is_absent(evidence, table)
}

/// Whether a table that is not in the evidence does not exist: it may be one of more tables than
/// the evidence holds, or have become part of another one.
fn is_absent(evidence: &Evidence, table: &TablePair<'_>) -> bool {
    match &evidence.missing_tables {
        Some(absent) => absent.iter().any(|absent| {
            absent.name == table.before.name && absent.database == table.before.database
        }),
        None => {
            table.rule.is_some()
                || usize::try_from(evidence.table_count)
                    .is_ok_and(|count| count <= evidence.tables.len())
        }
    }
}
