//! Check of tables that have lost everything: some of them, or all but what an application seeds.

use crate::api::{CountKind, Evidence, reasons};
use crate::wording;

use super::Case;
use super::case::{Compared, Finding};
use super::rows::{allowed_drop, change, has_dropped};

/// More rows than this in the whole database are no seed any more.
const SEED_LIMIT: i64 = 1_000;
/// A table that has kept a larger share of its rows than one in so many has not been seeded anew.
const SEED_SHARE: i64 = 20;

/// Make sure that no table has lost all its rows, and that not all of them have lost all but a few;
/// both numbers counted to the end. Tables whose rules allow that are left out.
pub(super) fn tables_emptied(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = case.evidence?;
    let watched: Vec<Compared<'_>> = case
        .compared()
        .into_iter()
        .filter(|table| is_watched(case, table))
        .collect();
    if let Some(sentence) = seed_only(case, evidence, &watched) {
        return Some(Finding::suspected(reasons::SEED_ROWS_ONLY, sentence));
    }
    let mut finding = Finding::suspected(reasons::TABLES_EMPTIED, String::new());
    let mut told = Vec::new();
    let mut emptied = 0;
    for table in &watched {
        let Some(now) = table.now.filter(|now| now.rows == 0) else {
            continue;
        };
        let Some((percent, field)) = allowed_drop(case, table)
            .filter(|(percent, _)| has_dropped(table.before, now, *percent))
        else {
            continue;
        };
        emptied += 1;
        // A table with a minimum is told by the check of minima.
        if table
            .rule
            .is_none_or(|(_, rule)| rule.min_rows.unwrap_or(0) <= 0)
        {
            told.push(format!(
                "{} ({field} allows a loss of {percent} %)",
                change(case, Some(table.before), now)
            ));
            finding
                .tables
                .push((now.database.clone(), now.name.clone()));
        }
    }
    let tables = if emptied == 1 {
        "1 table that had rows is empty".to_owned()
    } else {
        format!("{emptied} tables that had rows are empty")
    };
    finding.sentence = match (emptied, told.is_empty()) {
        (0, _) => return None,
        (_, true) => tables,
        (_, false) => format!("{tables}: {}", wording::list(&told)),
    };
    Some(finding)
}

/// Whether a table had rows, and must not lose all of them.
fn is_watched(case: &Case<'_>, table: &Compared<'_>) -> bool {
    table.before.least_rows() > 0
        && allowed_drop(case, table).is_some_and(|(percent, _)| percent < 100)
}

/// What is said when of all tables that are watched hardly anything is left, and of the whole
/// database no more than a seed.
fn seed_only(case: &Case<'_>, evidence: &Evidence, watched: &[Compared<'_>]) -> Option<String> {
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
    let is_fresh = |table: &Compared<'_>| {
        table
            .now
            .is_none_or(|now| now.rows.saturating_mul(SEED_SHARE) <= table.before.least_rows())
    };
    // One table that was emptied beside others that kept what they had is no seed.
    let others_kept = || {
        case.compared()
            .iter()
            .any(|table| table.now.is_some_and(|now| now.rows > 0) && !is_fresh(table))
    };
    let is_seed = is_counted
        && !watched.is_empty()
        && (watched.len() > 1 || !others_kept())
        && (1..=SEED_LIMIT).contains(&left)
        && had > left
        && watched.iter().all(is_fresh);
    let small = i64::try_from(
        evidence
            .tables
            .iter()
            .filter(|table| table.rows > 0)
            .count(),
    )
    .unwrap_or(i64::MAX);
    is_seed.then(|| {
        format!(
            "{} in {} are all that is left, as many as an application seeds",
            wording::count(left, "row"),
            wording::count(small, "table")
        )
    })
}
