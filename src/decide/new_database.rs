//! Whether a database is new: nothing knows of an earlier state, and nothing is in it yet. Behind
//! the readiness gate its application could otherwise never make its first tables. Pure.

use super::judge::{Judged, JudgedCheck};
use super::known_good::KnownGood;
use crate::api::{CheckOutcome, DatabaseLedgerStatus, Evidence, names};
use crate::verdict::{databases_with_rows, has_no_rows};
use crate::world::Observed;

/// Whether what a check has looked at is a new database: it could not be verified only because there
/// is nothing, and neither ledger, status, bucket nor a guarded volume knows of more.
///
/// What could not be read is no reason to call anything new: what has a past is not taken for
/// new.
pub fn is_new(observed: &Observed, judged: &Judged<'_>, newest: &JudgedCheck<'_>) -> bool {
    has_found_nothing(newest) && !is_remembered(observed, judged)
}

/// Whether a check has looked everywhere and could verify nothing because there is nothing.
pub fn has_found_nothing(judged: &JudgedCheck<'_>) -> bool {
    let status = judged.check.status.as_ref();
    // The bucket is read by the check itself; that it could not be is the check's failure.
    let has_failed = status.is_none_or(|status| status.failure.is_some());
    // Backups of another cluster, or of another namespace, may be its past: a user must decide.
    let has_other_backups = status.is_some_and(|status| status.other_backups.is_some());
    judged.verdict.outcome == CheckOutcome::Unverifiable
        && !has_failed
        && !has_other_backups
        && judged
            .check
            .own_evidence()
            .is_some_and(|evidence| !evidence.identity.in_recovery && is_empty(evidence))
}

/// Whether all tables were counted and no database of the server has rows, as far as that is known.
/// An estimate of 0 says nothing: after a crash the statistics are gone.
fn is_empty(evidence: &Evidence) -> bool {
    evidence.total_rows == 0 && has_no_rows(evidence) && databases_with_rows(evidence).is_empty()
}

/// Whether anything knows of rows of this database, or may know.
fn is_remembered(observed: &Observed, judged: &Judged<'_>) -> bool {
    let known_rows = |known: &KnownGood<'_>| !is_empty(&known.evidence);
    if judged.known_good.as_ref().is_some_and(known_rows) {
        return true;
    }
    // Its check is gone, and nobody can say what it has seen.
    let has_lost_baseline = judged.known_good.is_none()
        && observed
            .database
            .status
            .as_ref()
            .is_some_and(|status| status.baseline.is_some());
    let (Some(ledger), Some(kept), Some(claims)) = (
        observed.ledger.known(),
        observed.kept_volumes.known(),
        observed.claims.known(),
    ) else {
        return true;
    };
    let ledger = ledger.as_ref().and_then(|fact| fact.ledger.status.as_ref());
    let has_other_volume = |ledger: &DatabaseLedgerStatus| {
        let is_here = |volume: &str| {
            claims
                .iter()
                .any(|claim| claim.volume_name.as_deref() == Some(volume))
        };
        ledger.volumes.iter().any(|volume| !is_here(&volume.volume))
    };
    if ledger.is_some_and(|ledger| ledger.last_good_backup.is_some() || has_other_volume(ledger)) {
        return true;
    }
    let is_noted = claims.iter().any(|claim| {
        let annotations = claim
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.annotations.as_ref());
        annotations.is_some_and(|all| all.contains_key(names::LOSS_SUMMARY_ANNOTATION))
    });
    // A database that was good while it had no rows has a note of it, too.
    has_lost_baseline || !kept.is_empty() || (is_noted && judged.known_good.is_none())
}
