//! Checks of where the database cluster stands in its own history: whether it went back, and
//! whether a database was recreated in it.

use crate::api::{Finding, Identity};

use super::identity::{describe_loss, find_database};
use super::input::Input;
use super::volumes::{DataVolumes, cluster_state};

/// The object id of a database that only a backup names.
const UNKNOWN_OID: i64 = 0;

/// Make sure that the same cluster has not gone back: neither its write-ahead log nor its timeline
/// ever does by itself, not even in a crash, because only what was flushed to disk is compared.
pub(super) fn rolled_back(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (baseline, evidence) = (input.baseline?, input.evidence?);
    let (before, now) = (&baseline.evidence.identity, &evidence.identity);
    if before.system_identifier != now.system_identifier {
        return None;
    }
    let is_behind = wal_position(now)? < wal_position(before)? || now.timeline < before.timeline;
    let volumes = DataVolumes::compare(input, &baseline)?;
    is_behind.then(|| Finding::RolledBack {
        before: cluster_state(baseline.evidence, volumes.before),
        now: cluster_state(evidence, volumes.now),
    })
}

/// Make sure that no database was dropped and created again under its name: its object id would be
/// another one.
pub(super) fn database_recreated(input: &Input<'_>, _: &[Finding]) -> Option<Finding> {
    let (before, now) = (input.baseline?.evidence, input.evidence?);
    if before.identity.system_identifier != now.identity.system_identifier {
        return None;
    }
    let databases: Vec<_> = input
        .spec
        .connection
        .databases()
        .filter_map(|name| find_database(before, name).zip(find_database(now, name)))
        .filter(|(was, is)| was.oid != is.oid && was.oid != UNKNOWN_OID)
        .map(|(was, is)| describe_loss(before, was, Some(is.oid)))
        .collect();
    (!databases.is_empty()).then_some(Finding::DatabaseRecreated {
        databases,
        left_out: 0,
    })
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
