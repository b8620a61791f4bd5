//! Check of the tables: whether those that were there are there.

use crate::api::{Finding, RowCount, TableChange};

use super::input::{Input, TablePair, is_absent};
use super::unlisted::{Kind, resets};

/// Make sure that every table that the last good check found still exists: those with rules, and of
/// the others so many that it is no migration.
pub(super) fn tables_missing(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    // An agent that could not look everywhere says nothing about what it did not see.
    if input.failure.is_some() {
        return None;
    }
    let is_gone = |table: &TablePair<'_>| {
        table.is_listed() && table.now.is_none() && is_absent(evidence, table)
    };
    let tables: Vec<TableChange> = input
        .table_pairs()
        .into_iter()
        .filter(is_gone)
        .chain(resets(input, earlier, Kind::Missing))
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
