//! Checks of the rows: fewer than are wanted, or many fewer than there were. Only rows that were
//! counted are judged.

use crate::api::{CountKind, TableEvidence, TableRule, reasons};
use crate::wording;

use super::case::{Compared, Finding};
use super::tables::UNLISTED_FROM_ROWS;
use super::{Case, words};

/// Make sure that every table with `minRows` has that many rows, counted to the end.
pub(super) fn rows_below_minimum(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let mut finding = Finding::suspected(reasons::ROWS_BELOW_MINIMUM, String::new());
    let mut sentences = Vec::new();
    for (position, rule) in case.rules() {
        let (Some(minimum), Some(now)) = (rule.min_rows, case.found(rule)) else {
            continue;
        };
        if now.count != CountKind::Exact || now.rows >= minimum {
            continue;
        }
        let change = change(case, case.known_good(rule), now);
        sentences.push(format!(
            "{change} (spec.verification.tables[{position}].minRows is {})",
            wording::number(minimum)
        ));
        finding
            .tables
            .push((now.database.clone(), now.name.clone()));
    }
    finding.sentence = wording::list(&sentences);
    if sentences.is_empty() {
        None
    } else {
        Some(finding)
    }
}

/// Make sure that no table has lost a larger share of its rows than is allowed: of those that were
/// surely there, and what is left counted to the end.
pub(super) fn rows_dropped(case: &Case<'_>, earlier: &[Finding]) -> Option<Finding> {
    let mut finding = Finding::suspected(reasons::ROWS_DROPPED, String::new());
    let mut sentences = Vec::new();
    for table in case.compared() {
        let (Some(now), Some((percent, field))) = (table.now, allowed_drop(case, &table)) else {
            continue;
        };
        if !has_dropped(table.before, now, percent) {
            continue;
        }
        let key = (now.database.clone(), now.name.clone());
        if earlier.iter().any(|finding| finding.tables.contains(&key)) {
            continue;
        }
        sentences.push(format!(
            "{} ({field} allows a loss of {percent} %)",
            change(case, Some(table.before), now)
        ));
        finding.tables.push(key);
    }
    finding.sentence = wording::list(&sentences);
    if sentences.is_empty() {
        None
    } else {
        Some(finding)
    }
}

/// The largest loss that is allowed, in percent, and the field that says so.
pub(super) fn allowed_drop(case: &Case<'_>, table: &Compared<'_>) -> Option<(i32, String)> {
    let baseline = case.spec.verification.baseline.max_drop_percent();
    let of_all = || {
        baseline.map(|percent| {
            (
                percent,
                "spec.verification.baseline.maxDropPercent".to_owned(),
            )
        })
    };
    match table.rule {
        Some((_, TableRule { volatile: true, .. })) => None,
        Some((
            position,
            TableRule {
                max_drop_percent: Some(percent),
                ..
            },
        )) => Some((
            *percent,
            format!("spec.verification.tables[{position}].maxDropPercent"),
        )),
        Some(_) => of_all(),
        None if table.before.rows >= UNLISTED_FROM_ROWS => of_all(),
        None => None,
    }
}

/// Whether more is lost than that share: if it is of the rows that were surely there, it is of the
/// rows that there really were, too.
pub(super) fn has_dropped(before: &TableEvidence, now: &TableEvidence, percent: i32) -> bool {
    let had = i128::from(before.least_rows());
    let lost = had - i128::from(now.rows);
    now.count == CountKind::Exact && lost * 100 > had * i128::from(percent)
}

pub(super) fn change(
    case: &Case<'_>,
    before: Option<&TableEvidence>,
    now: &TableEvidence,
) -> String {
    let name = words::table(case, &now.database, &now.name);
    match before {
        Some(before) => format!(
            "{name}: {} -> {} rows",
            words::rows(before),
            words::rows(now)
        ),
        None => format!("{name} has {}", wording::count(now.rows, "row")),
    }
}
