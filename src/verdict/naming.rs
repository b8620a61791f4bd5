//! Tables, rows and lists of them as parts of sentences.

use crate::api::{CountKind, RowCount, TableChange};
use crate::wording::{self, count, escaped, number};

/// `schema.table`, with its database if that is not the main one.
#[must_use]
pub fn name_table(database: &str, name: &str, main_database: Option<&str>) -> String {
    let name = escaped(name);
    if main_database == Some(database) {
        name
    } else {
        format!("{name} (database {})", escaped(database))
    }
}

/// A number of rows, with how sure it is.
#[must_use]
pub fn say_rows(counted: RowCount) -> String {
    let rows = number(counted.rows);
    match counted.count {
        CountKind::Exact => rows,
        CountKind::LowerBound => format!("at least {rows}"),
        CountKind::Estimated => format!("about {rows} (estimated)"),
    }
}

pub(super) fn say_change(table: &TableChange, main_database: Option<&str>) -> String {
    let name = name_table(&table.database, &table.name, main_database);
    match (table.before, table.now) {
        (Some(before), Some(now)) => {
            format!("{name}: {} -> {} rows", say_rows(before), say_rows(now))
        }
        (Some(before), None) => format!("{name} (had {} rows)", say_rows(before)),
        (None, Some(now)) => format!("{name} has {}", count(now.rows, "row")),
        (None, None) => name,
    }
}

pub(super) fn total<T>(items: &[T], left_out: i64) -> i64 {
    i64::try_from(items.len())
        .unwrap_or(i64::MAX)
        .saturating_add(left_out)
}

/// The first of the items, and how many more there are with those that a status left out.
pub(super) fn name_all(items: impl IntoIterator<Item = String>, left_out: i64) -> String {
    let items: Vec<String> = items.into_iter().collect();
    if left_out == 0 {
        return wording::list(&items);
    }
    let named = items.get(..NAMED.min(items.len())).unwrap_or_default();
    let more = total(&items, left_out).saturating_sub(total(named, 0));
    format!("{} and {} more", named.join(", "), number(more))
}

/// How many items are named where a status left some out.
const NAMED: usize = 8;
