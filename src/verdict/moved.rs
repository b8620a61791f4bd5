//! Rows that are in another table than they were, and tables that are only a copy or a part of one
//! that is kept.

use crate::api::{CountKind, Evidence, TableEvidence};

use super::habits::{is_archive, is_leftover_of, is_related};
use super::same_table::is_put_away;

/// How many rows a table had: of one that was counted in part, about.
pub(super) fn rows_had(before: &TableEvidence) -> i128 {
    match before.count {
        CountKind::Estimated if before.lower_bound.is_none() => 0,
        _ => i128::from(before.rows.max(before.least_rows())),
    }
}

/// Rows that were surely moved, into a new table or an archive of that name: a partition that was
/// detached, a copy that took the name. A listed table is wanted under its own name: what it was
/// renamed to is no archive of it.
pub(super) fn moved(
    known: &Evidence,
    evidence: &Evidence,
    before: &TableEvidence,
    is_listed: bool,
) -> i128 {
    // A table that is only in another schema, with nothing left in its own, has moved nowhere that
    // the application looks. Neither has one that was put away with most of the others.
    let is_left = evidence.table(&before.database, &before.name).is_some();
    let counts_itself = !is_listed && is_left && !is_put_away(known, evidence, before);
    evidence
        .tables
        .iter()
        .filter(|other| other.database == before.database && other.name != before.name)
        .filter(|other| counts_itself || other.oid != before.oid || before.oid == 0)
        .filter(|other| is_related(&before.name, &other.name))
        .map(|other| match known.table(&other.database, &other.name) {
            Some(known) if is_archive(&other.name) => {
                i128::from(other.least_rows()) - i128::from(known.least_rows())
            }
            Some(_) => 0,
            // What has only another name had its rows before.
            None => {
                let is_new = !known.tables.iter().any(|known| {
                    known.oid == other.oid
                        && known.oid != 0
                        && known.database == other.database
                        && known.name != before.name
                });
                if is_new {
                    i128::from(other.least_rows())
                } else {
                    0
                }
            }
        })
        .map(|rows| rows.max(0))
        .sum()
}

/// Whether a table was only a part or an old copy of one that is still there: a partition that was
/// detached, what a swap left behind. The one that is kept must have at least half as many rows, or
/// the copy was what there was.
pub(super) fn is_leftover(evidence: &Evidence, before: &TableEvidence) -> bool {
    evidence.tables.iter().any(|kept| {
        kept.database == before.database
            && is_leftover_of(&before.name, &kept.name)
            && rows_had(kept) > 0
            && rows_had(kept) * 2 >= rows_had(before)
    })
}
