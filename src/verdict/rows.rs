//! Checks of the rows: fewer than are wanted, or many fewer than there were. Only rows that were
//! counted are judged.

use crate::api::{CountKind, Finding, RowLimit, TableChange, TableEvidence};

use super::input::{Input, TablePair};
use super::limits::{allowed_drop, change_of, has_dropped, limit_of_all};
use super::moved::moved;
use super::unlisted::{Kind, resets};

/// Make sure that every table with `minRows` has that many rows, counted completely.
pub(super) fn rows_below_minimum(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let below = input.rules().filter_map(|(position, rule)| {
        let (minimum, now) = (rule.min_rows?, input.found(rule)?);
        let limit = RowLimit {
            field: format!("spec.verification.tables[{position}].minRows"),
            value: minimum,
        };
        (now.count == CountKind::Exact && now.rows < minimum)
            .then(|| change_of(input.known_good(rule), now, limit))
    });
    let tables: Vec<TableChange> = below.collect();
    (!tables.is_empty()).then_some(Finding::RowsBelowMinimum {
        tables,
        left_out: 0,
    })
}

/// Make sure that no table has lost a larger share of its rows than is allowed: of those that were
/// surely there, and what is left counted completely. What earlier checks found is left out.
pub(super) fn rows_dropped(input: &Input<'_>, earlier: &[Finding]) -> Option<Finding> {
    let is_new = |now: &TableEvidence| {
        !earlier
            .iter()
            .flat_map(Finding::tables)
            .any(|other| (&other.database, &other.name) == (&now.database, &now.name))
    };
    let is_lost = |table: &TablePair<'_>| {
        let Some((now, limit)) = table.now.zip(allowed_drop(input, table)) else {
            return false;
        };
        table.is_listed()
            && has_dropped(table.before, now, limit.value)
            && !has_moved(input, table, limit.value)
    };
    let dropped = input
        .table_pairs()
        .into_iter()
        .filter(is_lost)
        .chain(resets(input, earlier, Kind::Emptied))
        .chain(resets(input, earlier, Kind::Reduced))
        .filter_map(|table| {
            let limit = allowed_drop(input, &table).or_else(|| limit_of_all(input))?;
            let now = table.now?;
            is_new(now).then(|| change_of(Some(table.before), now, limit))
        });
    let tables: Vec<TableChange> = dropped.collect();
    (!tables.is_empty()).then_some(Finding::RowsDropped {
        tables,
        left_out: 0,
    })
}

/// Whether the rows of a listed table are in a partition that was detached, or in its archive: then
/// they are not lost, unless its own rule says how many it must keep.
fn has_moved(input: &Input<'_>, table: &TablePair<'_>, percent: i64) -> bool {
    let has_own_limit = table
        .rule
        .is_some_and(|(_, rule)| rule.max_drop_percent.is_some());
    let rows = table.now.map_or(0, |now| now.rows);
    let Some((baseline, evidence)) = input.baseline.zip(input.evidence) else {
        return false;
    };
    if has_own_limit || rows == 0 {
        return false;
    }
    let had = i128::from(table.before.least_rows());
    let elsewhere = moved(baseline.evidence, evidence, table.before, true);
    let lost = had - i128::from(rows) - elsewhere;
    lost * 100 <= had * i128::from(percent)
}
