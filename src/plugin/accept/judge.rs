//! Whether a check can be accepted, and whether a change can be declared. The operator judges the
//! same; this is to say so at once. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::{
    CheckOutcome, ConditionStatus, ConditionType, DatabaseCheck, DeclaredChange, ProtectedDatabase,
    find_condition,
};

/// Why a check can't be accepted; `None` when it can.
pub fn refuse_check(database: &str, check: &DatabaseCheck) -> Option<String> {
    let status = check.status.as_ref();
    let evidence = status.and_then(|status| status.evidence.as_ref());
    if check.spec.database != database {
        return Some(format!(
            "it is a check of ProtectedDatabase {}, not of {database}",
            check.spec.database
        ));
    }
    match (evidence, status.and_then(|status| status.verdict.as_ref())) {
        (None, _) => {
            Some("it has no evidence: it has not ended yet, or could not read the data".to_owned())
        }
        (Some(evidence), _) if evidence.identity.in_recovery => Some(
            "it ran against a replica, or against a server that was still in recovery. That \
                proves nothing about the primary"
                .to_owned(),
        ),
        (Some(_), None) => {
            Some("the operator has not judged it yet; wait a few seconds".to_owned())
        }
        (Some(_), Some(verdict)) if verdict.outcome == CheckOutcome::Verified => {
            Some("it is Verified already, so there is nothing to accept".to_owned())
        }
        (Some(_), Some(_)) => None,
    }
}

/// The declaration of a change that begins now, or why there can be none.
pub fn declare(
    database: &ProtectedDatabase,
    duration: Duration,
    now: Timestamp,
) -> Result<DeclaredChange, String> {
    let status = database.status.clone().unwrap_or_default();
    let until = SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok());
    let until = until.ok_or("the end is too far in the future")?;
    let reset = find_condition(&status.conditions, ConditionType::DataReset)
        .filter(|reset| reset.status == ConditionStatus::True.as_str());
    if let Some(reset) = reset {
        let check = status
            .last_check
            .map_or_else(|| "CHECK".to_owned(), |check| check.name);
        return Err(format!(
            "the data looks reset already ({}), and only a change that is still to come can be \
             declared. If the data is as you want it, accept the check: CHECK is {check}",
            reset.reason
        ));
    }
    let since = status.baseline.ok_or(
        "no check has found the data good yet, so the next change has nothing to be compared \
        with",
    )?;
    // Whole seconds: that is how people read and write it.
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    Ok(DeclaredChange {
        since: since.check,
        until,
    })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
