//! Check of tables that have lost everything: some of them, or all but what an application seeds.

use crate::api::{CountKind, Evidence, Finding};

use super::habits::{is_staging, is_used_up};
use super::input::{Input, TablePair};
use super::limits::{allowed_drop, change_of, has_dropped, limit_of_all};
use super::unlisted::{Kind, resets};

/// More rows than this in the whole database are more than a seed.
const SEED_LIMIT: i64 = 1_000;
/// A table that has kept a larger share of its rows than one in so many has not been seeded again.
const SEED_SHARE: i64 = 20;

/// Make sure that no table has lost all its rows, and that not all of them have lost all but a few;
/// both numbers counted completely. Tables whose rules allow that are left out.
pub(super) fn tables_emptied(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    let watched: Vec<TablePair<'_>> = input
        .table_pairs()
        .into_iter()
        .filter(|table| is_watched(input, table))
        .collect();
    if let Some(seed) = seed_only(input, evidence, &watched) {
        return Some(seed);
    }
    let is_emptied = |table: &TablePair<'_>| {
        let limit = allowed_drop(input, table);
        let now = table.now.filter(|now| now.rows == 0);
        table.is_listed()
            && now
                .zip(limit)
                .is_some_and(|(now, limit)| has_dropped(table.before, now, limit.value))
    };
    let emptied = watched
        .into_iter()
        .filter(is_emptied)
        .chain(resets(input, earlier, Kind::Emptied))
        .filter_map(|table| {
            let limit = allowed_drop(input, &table).or_else(|| limit_of_all(input))?;
            Some(change_of(Some(table.before), table.now?, limit))
        });
    let tables: Vec<_> = emptied.collect();
    (!tables.is_empty()).then_some(Finding::TablesEmptied {
        tables,
        left_out: 0,
    })
}

/// Whether a table had rows, and must not lose all of them.
fn is_watched(input: &Input<'_>, table: &TablePair<'_>) -> bool {
    let name = table.before.name.as_str();
    let is_usual = table.rule.is_none() && (is_staging(name) || is_used_up(name));
    table.before.least_rows() > 0
        && !is_usual
        && allowed_drop(input, table).is_some_and(|limit| limit.value < 100)
}

/// Of all tables that are watched hardly anything is left, and of the whole database no more than a
/// seed.
fn seed_only(input: &Input<'_>, evidence: &Evidence, watched: &[TablePair<'_>]) -> Option<Finding> {
    let is_counted = evidence
        .tables
        .iter()
        .all(|table| table.count == CountKind::Exact);
    let left = evidence
        .tables
        .iter()
        .map(|table| table.rows)
        .fold(0, i64::saturating_add);
    let had = watched
        .iter()
        .map(|table| table.before.least_rows())
        .fold(0, i64::saturating_add);
    let is_fresh = |table: &TablePair<'_>| {
        table
            .now
            .is_none_or(|now| now.rows.saturating_mul(SEED_SHARE) <= table.before.least_rows())
    };
    // One table that was emptied beside others that kept what they had is no seed.
    let others_kept = || {
        input
            .table_pairs()
            .iter()
            .any(|table| table.now.is_some_and(|now| now.rows > 0) && !is_fresh(table))
    };
    let is_seed = is_counted
        && !watched.is_empty()
        && (watched.len() > 1 || !others_kept())
        && (1..=SEED_LIMIT).contains(&left)
        && had > left
        && watched.iter().all(is_fresh);
    let with_rows = evidence
        .tables
        .iter()
        .filter(|table| table.rows > 0)
        .count();
    is_seed.then(|| Finding::SeedRowsOnly {
        rows: left,
        table_count: i64::try_from(with_rows).unwrap_or(i64::MAX),
    })
}
