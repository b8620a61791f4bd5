//! How many rows a table may lose, and whether it has lost more.

use crate::api::{CountKind, RowCount, RowLimit, TableChange, TableEvidence, TableRule};

use super::input::{Input, TablePair};

/// Unlisted tables with fewer rows than this are not missed for losing some.
pub(super) const SMALL_TABLE_ROWS: i64 = 100;

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
