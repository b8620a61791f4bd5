//! The turn of a backup, where an operator lets only so many run at once: what the operator says in the
//! status of a `ProtectedDatabase`, and the backup's agent waits for.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most backups that are named as being before another one.
pub const TURN_NAME_LIMIT: usize = 5;
/// A backup whose turn came sooner did not wait: the check that was made when it began is new enough.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// A backup that runs or is about to, while others do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupTurn {
    /// Name of the backup.
    pub backup: String,
    /// Since when it wants its turn.
    pub since: Time,
    /// When its turn came. Absent while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Time>,
    /// How many are before it: those that run, and those that have waited for longer.
    #[serde(default)]
    pub ahead: i64,
    /// The databases of the same namespace among them, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub ahead_names: Vec<String>,
    /// How many run at once at most.
    pub at_most: i64,
    /// When the operator has last looked. Where it looks no more, the backup begins without a turn.
    pub as_of: Time,
}

impl BackupTurn {
    /// Since when a check counts as one that was made for this backup, which began at `begun`. None while
    /// it waits: a check that is made then is too old when it begins.
    #[must_use]
    pub fn check_since(&self, begun: Time) -> Option<Time> {
        let given = self.given.as_ref()?;
        let waited = given.0.duration_since(self.since.0);
        Some(if waited > AT_ONCE {
            given.clone()
        } else {
            begun
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn a_check_from_before_a_long_wait_is_too_old() {
        let time = |text: &str| Time(format!("2026-02-01T{text}Z").parse().unwrap());
        let since = |given: Option<&str>| {
            let turn = BackupTurn {
                backup: "b".to_owned(),
                since: time("03:00:00"),
                given: given.map(time),
                ahead: 0,
                ahead_names: Vec::new(),
                at_most: 1,
                as_of: time("03:00:00"),
            };
            turn.check_since(time("02:59:00"))
        };
        assert_eq!(since(None), None);
        assert_eq!(since(Some("03:00:05")), Some(time("02:59:00")));
        assert_eq!(since(Some("03:20:00")), Some(time("03:20:00")));
    }
}
