//! Check of losses that each check allows, and all checks of a week together do not.

use crate::api::{BestCount, CountKind, Finding, RowCount, TableChange};

use super::habits::{is_pruned, is_staging, is_used_up};
use super::input::{Input, TablePair};
use super::limits::{allowed_drop, limit_of_all};
use super::unlisted::moved;

/// Make sure that no table with a rule, and not most rows of all others together, were lost step by
/// step since they were most within a week.
pub(super) fn rows_dwindled(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let best = input.baseline?.best;
    let is_new = |table: &TablePair<'_>| {
        !earlier.iter().flat_map(Finding::tables).any(|other| {
            (&other.database, &other.name) == (&table.before.database, &table.before.name)
        })
    };
    let pairs: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| !table.is_volatile())
        .collect();
    let listed = pairs
        .iter()
        .filter(|table| table.is_listed() && is_new(table))
        .filter_map(|table| {
            let limit = allowed_drop(input, table)?;
            let most = most_rows(best, table)?;
            is_lost(input, table, most, limit.value).then(|| change(table, most, limit))
        });
    let mut tables: Vec<TableChange> = listed.collect();
    for database in input.spec.connection.databases() {
        tables.extend(
            unlisted(input, best, database, &pairs)
                .into_iter()
                .filter(|change| {
                    let named = earlier.iter().flat_map(Finding::tables);
                    !named.into_iter().any(|other| {
                        (&other.database, &other.name) == (&change.database, &change.name)
                    })
                }),
        );
    }
    (!tables.is_empty()).then_some(Finding::RowsDwindled {
        tables,
        left_out: 0,
    })
}

/// The tables without a rule that have dwindled, if that is most of the database.
fn unlisted(
    input: &Input<'_>,
    best: &[BestCount],
    database: &str,
    pairs: &[TablePair<'_>],
) -> Vec<TableChange> {
    let Some(limit) = limit_of_all(input) else {
        return Vec::new();
    };
    let compared = || {
        pairs
            .iter()
            .filter(|table| table.before.database == database && !is_usual(table))
    };
    let rows =
        |table: &TablePair<'_>| most_rows(best, table).unwrap_or_else(|| table.before.least_rows());
    let had: i128 = compared().map(|table| i128::from(rows(table))).sum();
    let dwindled: Vec<(&TablePair<'_>, i64)> = compared()
        .filter(|table| table.rule.is_none())
        .filter_map(|table| Some((table, most_rows(best, table)?)))
        .filter(|(table, most)| is_lost(input, table, *most, limit.value))
        .collect();
    let lost: i128 = dwindled
        .iter()
        .map(|(table, most)| i128::from(*most) - i128::from(table.now.map_or(0, |now| now.rows)))
        .sum();
    if lost * 100 <= had * i128::from(limit.value) {
        return Vec::new();
    }
    dwindled
        .into_iter()
        .map(|(table, most)| change(table, most, limit.clone()))
        .collect()
}

fn is_usual(table: &TablePair<'_>) -> bool {
    let name = table.before.name.as_str();
    table.rule.is_none() && (is_staging(name) || is_used_up(name) || is_pruned(name))
}

/// The most rows that a table had within a week, if it had more than at the last good check.
fn most_rows(best: &[BestCount], table: &TablePair<'_>) -> Option<i64> {
    best.iter()
        .find(|best| best.name == table.before.name && best.database == table.before.database)
        .map(|best| best.rows)
        .filter(|rows| *rows > table.before.least_rows())
}

fn is_lost(input: &Input<'_>, table: &TablePair<'_>, most: i64, percent: i64) -> bool {
    let Some(now) = table.now.filter(|now| now.count == CountKind::Exact) else {
        return false;
    };
    let lost = i128::from(most) - i128::from(now.rows) - moved(input, table.before);
    lost * 100 > i128::from(most) * i128::from(percent)
}

fn change(table: &TablePair<'_>, most: i64, limit: crate::api::RowLimit) -> TableChange {
    TableChange {
        database: table.before.database.clone(),
        name: table.before.name.clone(),
        before: Some(RowCount {
            rows: most,
            count: CountKind::Exact,
        }),
        now: table.now.map(RowCount::from),
        limit: Some(limit),
    }
}
