//! The ordered chain: which check comes before which, and how their findings become one verdict.

use crate::api::{CheckOutcome, FINDING_LIMIT, Finding, reasons};
use crate::wording::escaped;

use super::input::{Input, Verdict};
use super::{
    answered, coverage, dwindled, emptied, first_look, history, identity, message, message_unread,
    notes, older, renames, rows, tables, unlisted, unread, unverifiable,
};

/// A check of the chain: what it finds, given what the ones before it found.
type Check = for<'input, 'data> fn(&'input Input<'data>, &[Finding]) -> Option<Finding>;

/// The chain. The first suspected reset names the reason; later ones are still said. What can't be
/// judged ends the chain, unless something is suspected already. Which database cluster a replica is of
/// comes before that it is one.
pub(super) const CHAIN: [(&str, Check); 27] = [
    ("other_cluster_unread", unread::other_cluster),
    ("other_volume_unread", unread::other_volume),
    ("other_directory_unread", unread::other_directory),
    ("role_changed_unread", unread::role_changed),
    ("database_missing_unread", unread::database_missing),
    ("nothing_found", unverifiable::nothing_found),
    ("database_missing", identity::database_missing),
    ("cluster_changed", identity::cluster_changed),
    ("in_recovery", unverifiable::in_recovery),
    ("rolled_back", history::rolled_back),
    ("database_recreated", history::database_recreated),
    ("older_data", older::older_data),
    ("tables_missing", tables::tables_missing),
    ("tables_emptied", emptied::tables_emptied),
    ("rows_below_minimum", rows::rows_below_minimum),
    ("rows_dropped", rows::rows_dropped),
    ("table_count_dropped", unlisted::table_count_dropped),
    ("rows_dwindled", dwindled::rows_dwindled),
    ("other_server", answered::other_server),
    ("incomplete", unverifiable::incomplete),
    ("database_not_found", unverifiable::database_not_found),
    ("table_not_found", unverifiable::table_not_found),
    ("nothing_counted", coverage::nothing_counted),
    ("not_counted", unverifiable::not_counted),
    ("others_backups", first_look::others_backups),
    ("more_rows_elsewhere", first_look::more_rows_elsewhere),
    ("no_rows", first_look::no_rows),
];

/// What is reported beside the verdict and never changes it.
pub(super) const NOTES: [(&str, Check); 8] = [
    ("looks_upgraded", notes::looks_upgraded),
    ("tables_changed", unlisted::tables_changed),
    ("other_databases_missing", notes::other_databases_missing),
    ("tables_renamed", renames::tables_renamed),
    ("volume_changed", notes::volume_changed),
    ("partly_counted", coverage::partly_counted),
    ("other_databases", notes::other_databases),
    ("superuser_role", notes::superuser_role),
];

/// Judges one check. What can't be judged is Unverifiable, never a reset.
#[must_use]
pub fn judge(input: &Input<'_>) -> Verdict {
    judge_by(input, CHAIN.iter().chain(&NOTES).map(|(_, check)| *check))
}

/// Judges by the given checks.
pub(super) fn judge_by(input: &Input<'_>, checks: impl Iterator<Item = Check>) -> Verdict {
    let mut findings: Vec<Finding> = Vec::new();
    for check in checks {
        let Some(finding) = check(input, &findings) else {
            continue;
        };
        match finding.outcome() {
            CheckOutcome::Suspected | CheckOutcome::Verified => findings.push(finding),
            CheckOutcome::Unverifiable if findings.is_empty() => {
                return unverifiable(input, finding);
            }
            // Of a replica nothing was counted.
            CheckOutcome::Unverifiable if finding == (Finding::InRecovery {}) => break,
            CheckOutcome::Unverifiable => {}
        }
    }
    let suspected = findings
        .iter()
        .find(|finding| finding.outcome() == CheckOutcome::Suspected);
    let (outcome, reason, message) = match (suspected, input.evidence) {
        (None, None) => return unverifiable(input, unverifiable::no_report(input)),
        (None, Some(evidence)) => (
            CheckOutcome::Verified,
            reasons::VERIFIED,
            message::verified(input, evidence, &findings),
        ),
        (Some(first), None) => (
            CheckOutcome::Suspected,
            first.reason(),
            message_unread::suspected(input, &findings),
        ),
        (Some(first), Some(evidence)) => (
            CheckOutcome::Suspected,
            first.reason(),
            message::suspected(input, evidence, &findings),
        ),
    };
    findings.truncate(FINDING_LIMIT);
    Verdict {
        outcome,
        reason,
        // Names come from a database, or from an agent in its image.
        message: escaped(&message),
        findings: findings.into_iter().map(Finding::bounded).collect(),
    }
}

fn unverifiable(input: &Input<'_>, finding: Finding) -> Verdict {
    Verdict {
        outcome: CheckOutcome::Unverifiable,
        reason: finding.reason(),
        message: escaped(&say_with_role(input, &finding)),
        findings: vec![finding.bounded()],
    }
}

/// A superuser role is reported also where nothing else can be.
fn say_with_role(input: &Input<'_>, finding: &Finding) -> String {
    let said = message::unverifiable(input, finding);
    match notes::superuser_role(input, &[]) {
        Some(note) => format!("{said}; {}", message::say_role(input, &note)),
        None => said,
    }
}
