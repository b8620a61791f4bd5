//! The ordered chain: which check comes before which, and how their findings become one verdict.

use crate::api::{CheckOutcome, reasons};

use super::case::Finding;
use super::{Case, Verdict, emptied, history, identity, message, rows, tables, unverifiable};

/// A check of the chain: what it finds in a case, given what the ones before it found.
type Check = for<'case, 'data> fn(&'case Case<'data>, &[Finding]) -> Option<Finding>;

/// The chain. The first hit names the reason; later ones are still told.
pub(super) const CHAIN: [(&str, Check); 14] = [
    ("nothing_found", unverifiable::nothing_found),
    ("in_recovery", unverifiable::in_recovery),
    ("database_missing", identity::database_missing),
    ("cluster_changed", identity::cluster_changed),
    ("rolled_back", history::rolled_back),
    ("database_recreated", history::database_recreated),
    ("tables_missing", tables::tables_missing),
    ("tables_emptied", emptied::tables_emptied),
    ("rows_below_minimum", rows::rows_below_minimum),
    ("rows_dropped", rows::rows_dropped),
    ("incomplete", unverifiable::incomplete),
    ("database_not_found", unverifiable::database_not_found),
    ("table_not_found", unverifiable::table_not_found),
    ("not_counted", unverifiable::not_counted),
];

/// Judges one check. What can't be judged is Unverifiable, never a reset.
#[must_use]
pub fn judge(case: &Case<'_>) -> Verdict {
    judge_by(case, CHAIN.iter().map(|(_, check)| *check))
}

/// Judges by the given checks.
pub(super) fn judge_by(case: &Case<'_>, checks: impl Iterator<Item = Check>) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    for check in checks {
        match check(case, &findings) {
            Some(finding) if finding.outcome == CheckOutcome::Suspected => findings.push(finding),
            Some(finding) if findings.is_empty() => return unverifiable(finding),
            Some(_) | None => {}
        }
    }
    let Some(evidence) = case.evidence else {
        return unverifiable(unverifiable::no_report(case));
    };
    match findings.first() {
        None => Verdict {
            outcome: CheckOutcome::Verified,
            reason: reasons::VERIFIED,
            message: message::verified(case, evidence),
        },
        Some(first) => Verdict {
            outcome: CheckOutcome::Suspected,
            reason: first.reason,
            message: message::suspected(case, evidence, &findings),
        },
    }
}

fn unverifiable(finding: Finding) -> Verdict {
    Verdict {
        outcome: finding.outcome,
        reason: finding.reason,
        message: finding.sentence,
    }
}
