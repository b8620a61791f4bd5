//! Checks of the rows: fewer than are wanted, or many fewer than there were. Only rows that were
//! counted are judged.

use crate::api::{CountKind, Finding, RowCount, RowLimit, TableChange, TableEvidence, TableRule};

use super::input::{Input, TablePair};
use super::unlisted::{Kind, SMALL_TABLE_ROWS, moved, resets};

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
    if has_own_limit || rows == 0 {
        return false;
    }
    let had = i128::from(table.before.least_rows());
    let lost = had - i128::from(rows) - moved(input, table.before);
    lost * 100 <= had * i128::from(percent)
}

/// The largest loss that is allowed, in percent, and the field that says so.
pub(super) fn allowed_drop(input: &Input<'_>, table: &TablePair<'_>) -> Option<RowLimit> {
    let of_all = || limit_of_all(input);
    match table.rule {
        _ if table.is_volatile() => None,
        Some((
            position,
            TableRule {
                max_drop_percent: Some(percent),
                ..
            },
        )) => Some(RowLimit {
            field: format!("spec.verification.tables[{position}].maxDropPercent"),
            value: (*percent).into(),
        }),
        Some(_) => of_all(),
        None if table.before.rows >= SMALL_TABLE_ROWS => of_all(),
        None => None,
    }
}

/// The largest loss that is allowed of any table, in percent.
pub(super) fn limit_of_all(input: &Input<'_>) -> Option<RowLimit> {
    let percent = input.spec.verification.baseline.max_drop_percent()?;
    Some(RowLimit {
        field: "spec.verification.baseline.maxDropPercent".to_owned(),
        value: percent.into(),
    })
}

/// Whether more is lost than that share: if it is of the rows that were surely there, it is of the
/// rows that there really were, too.
pub(super) fn has_dropped(before: &TableEvidence, now: &TableEvidence, percent: i64) -> bool {
    let had = i128::from(before.least_rows());
    let lost = had - i128::from(now.rows);
    now.count == CountKind::Exact && lost * 100 > had * i128::from(percent)
}

pub(super) fn change_of(
    before: Option<&TableEvidence>,
    now: &TableEvidence,
    limit: RowLimit,
) -> TableChange {
    TableChange {
        database: now.database.clone(),
        name: now.name.clone(),
        before: before.map(RowCount::from),
        now: Some(RowCount::from(now)),
        limit: Some(limit),
    }
}
