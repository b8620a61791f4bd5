//! Tests of what can be accepted and declared.
#![allow(
    clippy::unwrap_used,
    reason = "a sample that can't be built is a fault of the test"
)]

use super::*;
use crate::plugin::accept::sample::{check, database};

fn now() -> Timestamp {
    "2026-02-01T12:00:00.5Z".parse().unwrap()
}

#[test]
fn only_a_judged_check_of_this_database_with_evidence_of_a_primary_is_accepted() {
    assert_eq!(refuse_check("knowledge", &check()), None);
    let refused = |change: fn(&mut DatabaseCheck)| {
        let mut check = check();
        change(&mut check);
        refuse_check("knowledge", &check).unwrap()
    };
    assert!(
        refused(|check| check.spec.database = "jobs".to_owned()).contains("ProtectedDatabase jobs")
    );
    assert!(refused(|check| check.status = None).contains("no evidence"));
    assert!(
        refused(|check| check.status.as_mut().unwrap().evidence = None).contains("no evidence")
    );
    assert!(
        refused(|check| check
            .status
            .as_mut()
            .unwrap()
            .evidence
            .as_mut()
            .unwrap()
            .identity
            .in_recovery = true)
        .contains("replica")
    );
    assert!(
        refused(|check| check.status.as_mut().unwrap().verdict = None)
            .contains("not judged it yet")
    );
    let verified = |check: &mut DatabaseCheck| {
        check
            .status
            .as_mut()
            .unwrap()
            .verdict
            .as_mut()
            .unwrap()
            .outcome = CheckOutcome::Verified;
    };
    assert!(refused(verified).contains("nothing to accept"));
}

#[test]
fn a_declaration_begins_with_the_newest_good_check_and_ends_in_whole_seconds() {
    let declared = declare(&database("False"), Duration::from_hours(2), now()).unwrap();
    assert_eq!(
        declared.to_string(),
        "knowledge-1a2b3c/2026-02-01T14:00:00Z"
    );
    assert_eq!(
        declared.to_string().parse(),
        Ok(declared),
        "the operator reads what is written"
    );
}

#[test]
fn a_reset_that_is_there_is_not_declared_afterwards() {
    let why = declare(&database("True"), Duration::from_hours(2), now()).unwrap_err();
    assert!(
        why.contains("looks reset already (TablesEmptied)")
            && why.contains("CHECK is knowledge-9z8y7x"),
        "{why}"
    );
    let mut unchecked = database("False");
    unchecked.status.as_mut().unwrap().baseline = None;
    assert!(
        declare(&unchecked, Duration::from_hours(2), now())
            .unwrap_err()
            .contains("nothing to be compared with")
    );
    assert!(declare(&database("False"), Duration::MAX, now()).is_err());
}
