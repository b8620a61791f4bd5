//! Checks of where the cluster of data stands in its own history: whether it went back, and whether
//! a database was made anew in it.

use crate::api::{Identity, reasons};
use crate::wording;

use super::Case;
use super::case::Finding;

/// Make sure that the same cluster has not gone back: neither its write-ahead log nor its timeline
/// ever does by itself, not even in a crash, because only what was flushed to disk is compared.
pub(super) fn rolled_back(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let (before, now) = (&case.baseline?.evidence.identity, &case.evidence?.identity);
    if before.system_identifier != now.system_identifier {
        return None;
    }
    let is_behind = wal_position(now)? < wal_position(before)? || now.timeline < before.timeline;
    is_behind.then(|| {
        let sentence = format!(
            "it is the known cluster of data, but an older state of it: its write-ahead log is at \
             {} on timeline {}, and was at {} on timeline {} at the last good check",
            now.wal_position, now.timeline, before.wal_position, before.timeline
        );
        Finding::suspected(reasons::ROLLED_BACK, sentence)
    })
}

/// The object id of a database that only a backup tells of.
const UNKNOWN_OID: i64 = 0;

/// Make sure that no database was dropped and created again under its name: its object id would be
/// another one.
pub(super) fn database_recreated(case: &Case<'_>, _: &[Finding]) -> Option<Finding> {
    let (before, now) = (case.baseline?.evidence, case.evidence?);
    if before.identity.system_identifier != now.identity.system_identifier {
        return None;
    }
    let oid = |evidence: &crate::api::Evidence, name: &str| {
        evidence
            .databases
            .iter()
            .find(|database| database.name == name)
            .map(|database| database.oid)
    };
    let made_anew: Vec<String> = case
        .spec
        .connection
        .databases()
        .filter_map(|name| {
            let (before, now) = (oid(before, name)?, oid(now, name)?);
            (before != now && before != UNKNOWN_OID).then(|| {
                format!(
                    "database \"{name}\" was dropped and created again (object id {before} -> \
                    {now})"
                )
            })
        })
        .collect();
    if made_anew.is_empty() {
        None
    } else {
        Some(Finding::suspected(
            reasons::DATABASE_RECREATED,
            wording::list(&made_anew),
        ))
    }
}

/// `16/B374D848`, two hexadecimal halves, as a number.
fn wal_position(identity: &Identity) -> Option<u64> {
    let (high, low) = identity.wal_position.split_once('/')?;
    let half = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some(half(high)? << 32 | half(low)?)
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;
    use crate::api::{CheckOutcome, reasons};

    fn judge(before: (&str, i64), now: (&str, i64)) -> (CheckOutcome, &'static str) {
        let sample = Sample::new()
            .before(|evidence| {
                (evidence.identity.wal_position, evidence.identity.timeline) =
                    (before.0.to_owned(), before.1);
            })
            .now(|evidence| {
                (evidence.identity.wal_position, evidence.identity.timeline) =
                    (now.0.to_owned(), now.1);
            });
        let verdict = sample.judge();
        (verdict.outcome, verdict.reason)
    }

    #[test]
    fn positions_are_numbers_and_not_texts() {
        let verified = (CheckOutcome::Verified, reasons::VERIFIED);
        let rolled_back = (CheckOutcome::Suspected, reasons::ROLLED_BACK);
        assert_eq!(judge(("0/FFFFFFFF", 1), ("1/0", 1)), verified);
        assert_eq!(judge(("9/0", 1), ("A/0", 1)), verified);
        assert_eq!(judge(("1/0", 1), ("0/FFFFFFFF", 1)), rolled_back);
        assert_eq!(judge(("1/0", 2), ("1/0", 1)), rolled_back);
        assert_eq!(
            judge(("1/0", 1), ("0/FFFFFFFF", 2)),
            rolled_back,
            "recovered to an earlier point in time"
        );
        assert_eq!(
            judge(("1/0", 1), ("1/1", 2)),
            verified,
            "a replica that had everything was promoted"
        );
        assert_eq!(
            judge(("", 1), ("0/1", 1)),
            verified,
            "nothing to compare with"
        );
    }
}
