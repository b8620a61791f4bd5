//! Check of the tables: whether those that were there are there.

use crate::api::{Evidence, reasons};
use crate::wording;

use super::case::{Compared, Finding};
use super::{Case, words};

/// Unlisted tables that had fewer rows than this at the last good check come and go without a word.
pub(super) const UNLISTED_FROM_ROWS: i64 = 100;

/// Make sure that every table that the last good check found still exists: those with rules, and
/// unless the baseline is off every other one that had 100 rows.
pub(super) fn tables_missing(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let evidence = case.evidence?;
    // An agent that could not look everywhere says nothing about what it did not see.
    if case.failure.is_some() {
        return None;
    }
    let gone: Vec<Compared<'_>> = case
        .compared()
        .into_iter()
        .filter(|table| table.now.is_none() && is_missed(case, evidence, table))
        .collect();
    let tables: Vec<_> = gone
        .iter()
        .map(|table| (table.before.database.clone(), table.before.name.clone()))
        .collect();
    let names: Vec<String> = gone
        .iter()
        .map(|table| {
            let name = words::table(case, &table.before.database, &table.before.name);
            format!("{name} (had {} rows)", words::rows(table.before))
        })
        .collect();
    let sentence = match names.len() {
        0 => return None,
        1 => format!("table {} does not exist", wording::list(&names)),
        many => format!("{many} tables do not exist: {}", wording::list(&names)),
    };
    Some(Finding {
        tables,
        ..Finding::suspected(reasons::TABLES_MISSING, sentence)
    })
}

fn is_missed(case: &Case<'_>, evidence: &Evidence, table: &Compared<'_>) -> bool {
    let wanted = match table.rule {
        Some((_, rule)) => !rule.volatile,
        None => {
            case.spec.verification.baseline.max_drop_percent().is_some()
                && table.before.rows >= UNLISTED_FROM_ROWS
        }
    };
    wanted && is_absent(evidence, table)
}

/// Whether a table that is not in the evidence does not exist: it may be one of more tables than
/// there is room for, or have become part of another one.
fn is_absent(evidence: &Evidence, table: &Compared<'_>) -> bool {
    match &evidence.missing_tables {
        Some(absent) => absent.iter().any(|absent| {
            absent.name == table.before.name && absent.database == table.before.database
        }),
        None => {
            table.rule.is_some()
                || usize::try_from(evidence.table_count)
                    .is_ok_and(|count| count <= evidence.tables.len())
        }
    }
}
