//! Small pieces of text that several messages of a verdict share: rows, names of tables.

use super::Case;
use crate::api::{CountKind, TableEvidence};
use crate::wording::number;

/// The rows of a table, with how sure the number is.
pub(super) fn rows(table: &TableEvidence) -> String {
    let rows = number(table.rows);
    match table.count {
        CountKind::Exact => rows,
        CountKind::LowerBound => format!("at least {rows}"),
        CountKind::Estimated => format!("about {rows} (estimated)"),
    }
}

/// `schema.table`, with its database if that is not the main one.
pub(super) fn table(case: &Case<'_>, database: &str, name: &str) -> String {
    if database == case.spec.connection.database {
        name.to_owned()
    } else {
        format!("{name} (database {database})")
    }
}
