//! Tables that differ between what was expected and what was found. Pure.

use std::cmp::Reverse;

use super::looks::Account;
use super::{Line, RowsSeen, TableDifference, TablesTold};
use crate::api::{CountKind, Evidence, TableEvidence};
use crate::wording::{count, number};

/// The most tables that are listed.
const LISTED: usize = 60;
/// The most characters of a name.
const NAME_LIMIT: usize = 120;

/// Compares every table of both looks.
pub(super) fn compare_tables(account: &Account<'_>) -> TablesTold {
    let evidence = |seen: &Option<super::looks::Seen<'_>>| {
        seen.as_ref().and_then(|seen| seen.evidence.cloned())
    };
    let (Some(expected), Some(found)) = (evidence(&account.expected), evidence(&account.found))
    else {
        return TablesTold::default();
    };
    let main = account.spec().map(|spec| spec.connection.database.as_str());
    let name = |table: &TableEvidence| name_table(&table.database, &table.name, main);
    let mut different: Vec<TableDifference> = Vec::new();
    let mut same = 0;
    for before in &expected.tables {
        let now = found.table(&before.database, &before.name);
        if now.is_some_and(|now| (now.rows, now.count) == (before.rows, before.count)) {
            same += 1;
        } else if now.is_some() || is_surely_absent(&found, before) {
            different.push(difference(name(before), Some(before), now));
        }
    }
    let new = found.tables.iter().filter(|now| {
        expected.table(&now.database, &now.name).is_none() && is_surely_absent(&expected, now)
    });
    different.extend(new.map(|now| difference(name(now), None, Some(now))));
    different.sort_by_key(|difference| (!difference.lost, Reverse(lost_rows(difference))));
    let left_out = different.len().saturating_sub(LISTED);
    different.truncate(LISTED);
    TablesTold {
        compared: true,
        different,
        left_out,
        same,
    }
}

/// A table's name, with its database if that is not the main one.
pub(super) fn name_table(database: &str, name: &str, main: Option<&str>) -> Line {
    let name = Line::from(name).cut(NAME_LIMIT);
    if main == Some(database) {
        name
    } else {
        Line::from(format!(
            "{name} (database {})",
            Line::from(database).cut(NAME_LIMIT)
        ))
    }
}

/// A number of rows, with how it was read.
pub(super) fn say_rows(seen: RowsSeen) -> String {
    let rows = number(seen.rows);
    match seen.count {
        CountKind::Exact => rows,
        CountKind::LowerBound => format!("at least {rows}"),
        CountKind::Estimated => format!("about {rows}"),
    }
}

/// How a number of rows was read.
pub(super) fn say_count(seen: RowsSeen) -> &'static str {
    match seen.count {
        CountKind::Exact => "counted",
        CountKind::LowerBound => "counted up to there",
        CountKind::Estimated => "estimated",
    }
}

/// One side of a difference.
pub(super) fn say_side(seen: Option<RowsSeen>) -> String {
    seen.map_or_else(|| "not there".to_owned(), say_rows)
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

/// Evidence names 500 tables at most; one that it does not name is only surely not there when it
/// names all that there are.
fn is_surely_absent(evidence: &Evidence, table: &TableEvidence) -> bool {
    let names_all =
        usize::try_from(evidence.table_count).is_ok_and(|tables| tables <= evidence.tables.len());
    names_all
        || evidence
            .missing_tables
            .iter()
            .flatten()
            .any(|absent| absent.name == table.name && absent.database == table.database)
}

fn difference(
    table: Line,
    before: Option<&TableEvidence>,
    now: Option<&TableEvidence>,
) -> TableDifference {
    let seen = |table: &TableEvidence| RowsSeen {
        rows: table.rows,
        count: table.count,
    };
    let (expected, found) = (before.map(seen), now.map(seen));
    let (change, lost) = match (expected, found) {
        (Some(before), None) => (
            format!("the table is gone, with {}", count(before.rows, "row")),
            true,
        ),
        (None, _) => ("new".to_owned(), false),
        (Some(before), Some(now)) => match share_gone(before.rows, now.rows) {
            Some(share) => (
                format!("−{} ({share} gone)", count(before.rows - now.rows, "row")),
                true,
            ),
            None if now.rows == before.rows => ("as many, counted otherwise".to_owned(), false),
            None => (format!("+{}", count(now.rows - before.rows, "row")), false),
        },
    };
    TableDifference {
        table,
        expected,
        found,
        change: change.into(),
        lost,
    }
}

fn lost_rows(difference: &TableDifference) -> i64 {
    let rows = |seen: Option<RowsSeen>| seen.map_or(0, |seen| seen.rows);
    rows(difference.expected) - rows(difference.found)
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
