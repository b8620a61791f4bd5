//! Check of losses that each check allows, and all checks of a week together do not.

use crate::api::{BestCount, CountKind, Evidence, Finding, RowCount, TableChange};

use super::habits::is_usual;
use super::input::{Input, TablePair, has_all_tables, is_absent};
use super::limits::{allowed_drop, limit_of_all};
use super::moved::{is_leftover, moved, rows_had};

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

/// The tables without a rule that have dwindled or went one after the other, if that is most of the
/// database.
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
            .filter(|table| table.before.database == database && !comes_and_goes(input, table))
    };
    let rows = |table: &TablePair<'_>| {
        most_rows(best, table).map_or_else(|| rows_had(table.before), i128::from)
    };
    let gone = gone_before(input, best, database);
    let had_by_gone: i128 = gone.iter().map(|best| i128::from(best.rows)).sum();
    let had = compared().map(rows).sum::<i128>() + had_by_gone;
    let dwindled: Vec<(&TablePair<'_>, i64)> = compared()
        .filter(|table| table.rule.is_none())
        .filter_map(|table| {
            let is_gone = table.now.is_none();
            let most =
                most_rows(best, table).or_else(|| is_gone.then(|| table.before.least_rows()))?;
            Some((table, most))
        })
        .filter(|(table, most)| is_lost(input, table, *most, limit.value))
        .collect();
    // What only this check has lost is judged by the checks of its kind.
    let is_step = !gone.is_empty()
        || dwindled
            .iter()
            .any(|(table, _)| most_rows(best, table).is_some());
    let lost: i128 = dwindled
        .iter()
        .map(|(table, most)| lost_rows(input, table, *most).unwrap_or(0))
        .sum::<i128>()
        + had_by_gone;
    if !is_step || lost * 100 <= had * i128::from(limit.value) {
        return Vec::new();
    }
    let gone = gone.into_iter().map(|best| TableChange {
        database: best.database.clone(),
        name: best.name.clone(),
        before: Some(RowCount {
            rows: best.rows,
            count: CountKind::Exact,
        }),
        now: None,
        limit: Some(limit.clone()),
    });
    dwindled
        .into_iter()
        .map(|(table, most)| change(table, most, limit.clone()))
        .chain(gone)
        .collect()
}

/// Tables without a rule that were gone at the last good check already, and had rows within a week.
fn gone_before<'a>(input: &Input<'_>, best: &'a [BestCount], database: &str) -> Vec<&'a BestCount> {
    let (Some(baseline), Some(evidence)) = (input.baseline, input.evidence) else {
        return Vec::new();
    };
    // Where not all tables are listed, one that is not may be there.
    if input.failure.is_some() || !has_all_tables(evidence) {
        return Vec::new();
    }
    let has_rule = |best: &BestCount| {
        input
            .rules()
            .any(|(_, rule)| rule.name == best.name && input.database_of(rule) == best.database)
    };
    best.iter()
        .filter(|best| best.database == database && !has_rule(best) && !is_usual(&best.name))
        .filter(|best| {
            let is_in = |evidence: &Evidence| evidence.table(&best.database, &best.name).is_some();
            !is_in(baseline.evidence) && !is_in(evidence)
        })
        .collect()
}

/// Whether a table without a rule comes and goes by its name.
fn comes_and_goes(input: &Input<'_>, table: &TablePair<'_>) -> bool {
    let is_leftover = || {
        table.now.is_none()
            && input
                .evidence
                .is_some_and(|evidence| is_leftover(evidence, table.before))
    };
    table.rule.is_none() && (is_usual(&table.before.name) || is_leftover())
}

/// The most rows that a table had within a week, if it had more than at the last good check.
fn most_rows(best: &[BestCount], table: &TablePair<'_>) -> Option<i64> {
    best.iter()
        .find(|best| best.name == table.before.name && best.database == table.before.database)
        .map(|best| best.rows)
        .filter(|rows| *rows > table.before.least_rows())
}

fn is_lost(input: &Input<'_>, table: &TablePair<'_>, most: i64, percent: i64) -> bool {
    lost_rows(input, table, most)
        .is_some_and(|lost| lost * 100 > i128::from(most) * i128::from(percent))
}

/// How many of the most rows of a table are neither in it nor in another one; none if that is not
/// known.
fn lost_rows(input: &Input<'_>, table: &TablePair<'_>, most: i64) -> Option<i128> {
    let (known, evidence) = (input.baseline?.evidence, input.evidence?);
    let left = match table.now {
        Some(now) if now.count == CountKind::Exact => now.rows,
        None if input.failure.is_none() && is_absent(evidence, table) => 0,
        Some(_) | None => return None,
    };
    let elsewhere = moved(known, evidence, table.before, table.is_listed());
    Some(i128::from(most) - i128::from(left) - elsewhere)
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
