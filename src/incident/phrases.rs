//! The words that every format shares. Pure.

use super::model::{CheckEntry, DataState, EntryKind, TableDifferences};
use crate::api::{CountKind, RowCount};
use crate::wording::{count, date, number};

/// Stands for the check where none has found the data good.
pub(super) const NO_BASELINE: &str =
    "nothing: no check has found the data good yet, or none could be read";
/// Stands for the check where none has a definite verdict.
pub(super) const NOTHING_FOUND: &str = "nothing: no check that still exists has a definite verdict";

/// The state of the data, in a few words.
pub(super) const fn headline(state: DataState) -> &'static str {
    match state {
        DataState::Reset => "THE DATA LOOKS RESET",
        DataState::Good => "the data is what was last known good",
        DataState::Unknown => "NOT KNOWN whether the data is good",
    }
}

/// A check in one line, or `none` if there is no check.
pub(super) fn describe_check(check: Option<&CheckEntry>, none: &str) -> String {
    let Some(check) = check else {
        return none.to_owned();
    };
    let rows = check
        .rows
        .map(|rows| format!(": {}", count(rows, "row")))
        .unwrap_or_default();
    let tables = check
        .tables
        .map(|tables| format!(" in {}", count(tables, "table")))
        .unwrap_or_default();
    format!("{} of {}{rows}{tables}", check.source, date(&check.time))
}

/// Stands for the tables where none is listed.
pub(super) const fn no_tables(tables: &TableDifferences) -> &'static str {
    if tables.is_known {
        "none: the check found no loss"
    } else {
        "not known: no check that could be read lists what it found in the tables"
    }
}

/// A kind of timeline entry in one word.
pub(super) const fn say_kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Created => "created",
        EntryKind::Template => "update",
        EntryKind::Start => "start",
        EntryKind::Volume => "volume",
        EntryKind::Check => "check",
        EntryKind::Backup => "backup",
        EntryKind::Restore => "restore",
        EntryKind::Condition => "condition",
        EntryKind::Event => "event",
        EntryKind::Node => "node",
    }
}

/// A number of rows, as short as in a column.
pub(super) fn say_rows(counted: RowCount) -> String {
    let rows = number(counted.rows);
    match counted.count {
        CountKind::Exact => rows,
        CountKind::LowerBound => format!("at least {rows}"),
        CountKind::Estimated => format!("about {rows}"),
    }
}

/// How a number of rows was read.
pub(super) const fn say_count(counted: RowCount) -> &'static str {
    match counted.count {
        CountKind::Exact => "counted",
        CountKind::LowerBound => "counted up to there",
        CountKind::Estimated => "estimated",
    }
}

/// One side of a difference.
pub(super) fn say_side(counted: Option<RowCount>) -> String {
    counted.map_or_else(|| "does not exist".to_owned(), say_rows)
}

/// The share that is gone, in percent with one digit behind the point, never rounded up to all of
/// it.
pub(super) fn share_gone(before: i64, now: i64) -> Option<String> {
    if before <= 0 || now >= before {
        return None;
    }
    let per_mille = i128::from(before - now) * 1_000 / i128::from(before);
    Some(if now == 0 {
        "100 %".to_owned()
    } else {
        format!("{}.{} %", per_mille / 10, per_mille % 10)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_everything() {
        assert_eq!(share_gone(26_422, 28).as_deref(), Some("99.8 %"));
        assert_eq!(share_gone(1_000_000, 1).as_deref(), Some("99.9 %"));
        assert_eq!(share_gone(5_000, 0).as_deref(), Some("100 %"));
        assert_eq!(
            [
                share_gone(5, 5),
                share_gone(5, 6),
                share_gone(0, 0),
                share_gone(-1, -2)
            ],
            [const { None }; 4]
        );
    }
}
