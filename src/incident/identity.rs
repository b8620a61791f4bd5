//! Identity of the cluster of data, server and volume: as expected beside as found. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::{Account, Seen};
use super::{Comparison, Line};
use crate::api::{Identity, MountedVolume};
use crate::verdict::is_same_volume;
use crate::wording::count;
use crate::wording::date;

/// What is written where nothing is known.
const NOT_SEEN: &str = "not seen";

/// A property of the identity: its name, how it is written, whether its difference is alarming.
type OfIdentity<'a> = (&'a str, fn(&Identity) -> String, bool);

/// Compares both looks, a property a row. With one look only, the other side says so.
pub(super) fn compare(account: &Account<'_>) -> Vec<Comparison> {
    let (expected, found) = (account.expected.as_ref(), account.found.as_ref());
    if expected.is_none() && found.is_none() {
        return Vec::new();
    }
    let row = |what: &str, of: &dyn Fn(&Seen<'_>) -> Option<String>, alarming: bool| Comparison {
        what: what.into(),
        expected: side(expected, of),
        found: side(found, of),
        alarming,
    };
    let identities = expected
        .zip(found)
        .and_then(|(expected, found)| identity(expected).zip(identity(found)));
    let differs = |of: &dyn Fn(&Identity) -> String| {
        identities.is_some_and(|(expected, found)| of(expected) != of(found))
    };
    let same_cluster = !differs(&|identity| identity.system_identifier.clone());
    let went_back = |of: &dyn Fn(&Identity) -> Option<u64>| {
        same_cluster
            && identities.is_some_and(|(expected, found)| {
                of(expected)
                    .zip(of(found))
                    .is_some_and(|(before, now)| now < before)
            })
    };
    let moved = has_moved(account);
    let mut rows = vec![
        row("check", &|seen| Some(seen.check.to_owned()), false),
        row("taken at", &|seen| Some(date(&seen.time)), false),
        row("verdict", &|seen| Some(verdict(seen)), false),
        row("rows", &rows_in_all, false),
        row(
            "volume of the data",
            &|seen| volume(seen, |volume| volume.volume.clone()),
            moved,
        ),
        row(
            "its claim",
            &|seen| volume(seen, |volume| volume.claim.clone()),
            false,
        ),
        row(
            "its handle",
            &|seen| volume(seen, |volume| volume.volume_handle.clone()),
            moved,
        ),
        row(
            "it was created",
            &|seen| seen.data_volume()?.created_at.as_ref().map(date),
            false,
        ),
    ];
    let of_identity: [OfIdentity<'_>; 7] = [
        (
            "system identifier",
            |identity| identity.system_identifier.clone(),
            !same_cluster,
        ),
        (
            "made by initdb",
            |identity| date(&identity.initialized_at),
            !same_cluster,
        ),
        (
            "timeline",
            |identity| identity.timeline.to_string(),
            went_back(&|identity| u64::try_from(identity.timeline).ok()),
        ),
        (
            "WAL position",
            |identity| identity.wal_position.clone(),
            went_back(&|identity| parse_position(&identity.wal_position)),
        ),
        (
            "next transaction",
            |identity| identity.next_transaction_id.clone(),
            went_back(&|id| id.next_transaction_id.parse().ok()),
        ),
        (
            "server version",
            |identity| identity.server_version.clone(),
            false,
        ),
        (
            "data directory",
            |identity| identity.data_directory.clone(),
            differs(&|identity| identity.data_directory.clone()),
        ),
    ];
    rows.extend(
        of_identity.map(|(what, of, alarming)| row(what, &|seen| identity(seen).map(of), alarming)),
    );
    rows.push(row(
        "server started",
        &|seen| identity(seen).map(|identity| date(&identity.postmaster_started_at)),
        false,
    ));
    rows
}

/// Whether the data is known to lie on another volume than it did, or on none.
pub(super) fn has_moved(account: &Account<'_>) -> bool {
    let (Some(expected), Some(found)) = (&account.expected, &account.found) else {
        return false;
    };
    match (expected.data_volume(), found.data_volume()) {
        (Some(before), Some(now)) => !is_same_volume(before, now),
        (Some(_), None) => {
            identity(found).is_some_and(|identity| !identity.data_directory.is_empty())
        }
        _ => false,
    }
}

/// When initdb made the cluster of a look, with its identifier.
pub(super) fn cluster_of(seen: &Seen<'_>) -> Option<(String, Time)> {
    identity(seen).map(|identity| {
        (
            identity.system_identifier.clone(),
            identity.initialized_at.clone(),
        )
    })
}

fn identity<'a>(seen: &Seen<'a>) -> Option<&'a Identity> {
    seen.evidence.map(|evidence| &evidence.identity)
}

fn side(seen: Option<&Seen<'_>>, of: &dyn Fn(&Seen<'_>) -> Option<String>) -> Line {
    seen.and_then(of)
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| NOT_SEEN.to_owned())
        .into()
}

fn verdict(seen: &Seen<'_>) -> String {
    match seen.verdict {
        Some(verdict) => format!("{:?} ({})", verdict.outcome, verdict.reason),
        None => "good when it was remembered".to_owned(),
    }
}

fn rows_in_all(seen: &Seen<'_>) -> Option<String> {
    let evidence = seen.evidence?;
    Some(format!(
        "{} in {}",
        count(evidence.total_rows, "row"),
        count(evidence.table_count, "table")
    ))
}

fn volume(seen: &Seen<'_>, of: impl Fn(&MountedVolume) -> String) -> Option<String> {
    seen.data_volume().map(of)
}

/// `0/1A2B3C8` as a number.
fn parse_position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(
        (u64::from_str_radix(high, 16).ok()? << 32) | u64::from(u32::from_str_radix(low, 16).ok()?),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_compare_as_numbers() {
        assert!(parse_position("1/0") > parse_position("0/FFFFFFFF"));
        assert_eq!(
            [
                parse_position("x"),
                parse_position("0/xyz"),
                parse_position("0/100000000")
            ],
            [None; 3]
        );
    }
}
