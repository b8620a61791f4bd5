//! Checks of what no good check came before: whether this can be the database that is meant.

use crate::api::{CountKind, Evidence, Finding, OtherBackups, OtherDatabase};

use super::input::Input;

/// A backup elsewhere with fewer rows more than this says nothing.
const FAR_MORE_ROWS: i64 = 100;
/// A database whose rows are not known has some if it is larger than this. An empty one has about
/// 8 MB.
const EMPTY_BYTES: i64 = 16 * 1024 * 1024;

/// Make sure that the first check finds rows: what has none is not known to be the right database.
pub(super) fn no_rows(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    // With a baseline, rows were verified once, or a user accepted that there are none.
    (input.baseline.is_none() && is_empty(evidence)).then(|| Finding::NoRows {
        others: databases_with_rows(evidence),
    })
}

/// Whether all tables were counted, and have no rows.
fn is_empty(evidence: &Evidence) -> bool {
    evidence.total_rows <= 0
        && evidence
            .tables
            .iter()
            .all(|table| table.rows == 0 && table.count == CountKind::Exact)
}

/// Whether all tables that exist were counted, also those that are not listed, and none has rows.
#[must_use]
pub fn has_no_rows(evidence: &Evidence) -> bool {
    is_empty(evidence) && counted_tables(evidence) >= evidence.table_count
}

/// How many tables were counted: as the agent says, or as the tables do.
fn counted_tables(evidence: &Evidence) -> i64 {
    if evidence.coverage.is_empty() {
        return i64::try_from(evidence.tables.len()).unwrap_or(i64::MAX);
    }
    let counted = evidence.coverage.iter().map(|of| of.counted_tables);
    counted.fold(0, i64::saturating_add)
}

/// The databases of the server with rows that no check connects to.
#[must_use]
pub fn databases_with_rows(evidence: &Evidence) -> Vec<OtherDatabase> {
    evidence
        .other_databases
        .iter()
        .filter(|other| match other.estimated_rows {
            Some(rows) => rows > 0,
            None => other.size_bytes.is_some_and(|bytes| bytes > EMPTY_BYTES),
        })
        .cloned()
        .collect()
}

/// Whether so many rows elsewhere are far more than were found. The agent asks it, which has read both:
/// how many there are elsewhere is not reported.
#[must_use]
pub fn are_far_more(rows_elsewhere: i64, evidence: &Evidence) -> bool {
    let now = rows_now(evidence);
    let is_far_more = rows_elsewhere / 2 > now && rows_elsewhere - now >= FAR_MORE_ROWS;
    is_far_more || (now == 0 && rows_elsewhere > 0)
}

fn rows_now(evidence: &Evidence) -> i64 {
    let rows = evidence.tables.iter().map(|table| table.rows);
    rows.fold(0, i64::saturating_add)
}

/// Make sure that the bucket has no backup of the same database in another namespace with far more
/// rows.
pub(super) fn more_rows_elsewhere(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = input.evidence?;
    let is_there = input.other_backups == Some(OtherBackups::Elsewhere);
    (input.baseline.is_none() && is_there).then(|| Finding::MoreRowsElsewhere {
        rows_now: rows_now(evidence),
    })
}

/// Make sure that nobody else's backups are where this database has none: a cluster that is lost may
/// have left them, and what is here may be empty because of that.
pub(super) fn others_backups(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let whose = input.other_backups?;
    let is_here = whose != OtherBackups::Elsewhere;
    (input.baseline.is_none() && input.evidence.is_some() && is_here)
        .then_some(Finding::OthersBackups { whose })
}
