//! Whether the data looks reset while it is backed up: such a set is kept, and never counts as
//! good.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::api::{
    AgentFailure, CheckOutcome, ConditionStatus, ConditionType, ProtectedDatabase, find_condition,
    reasons,
};

use super::kubernetes;

/// How long to wait before it is read again whether a check has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Where it is known whether the data looks reset.
pub trait SuspicionSource: Sync {
    /// Why the data of the cluster with this identifier is suspect, if it is. An error means that
    /// there is nothing to back up any more.
    fn fetch_suspicion(
        &self,
        system_identifier: &str,
    ) -> impl Future<Output = Result<Option<String>, AgentFailure>> + Send;
}

/// The `ProtectedDatabase` that is backed up.
#[derive(Clone)]
pub struct ProtectedDatabaseSuspicion {
    api: Api<ProtectedDatabase>,
    name: String,
    uid: String,
    unchecked: Option<String>,
}

/// What has come of the check that the operator makes when a backup begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It found the data good.
    Verified,
    /// It found a reset; the condition says which.
    Reset,
    /// There is no outcome yet, or none that says anything: the text says which.
    Awaited(String),
}

impl ProtectedDatabaseSuspicion {
    /// Asks the object with this name and UID.
    #[must_use]
    pub fn new(client: &Client, namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            uid: uid.to_owned(),
            unchecked: None,
        }
    }

    /// Waits until a check that was made since the backup began has said something about the data.
    /// What nobody has verified by then does not count as good.
    pub async fn wait_for_check(&mut self, since: &Time, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let read = timeout(kubernetes::REQUEST_LIMIT, self.api.get_opt(&self.name)).await;
            let awaited = match read {
                Ok(Ok(Some(database))) => match look_since(&database, since) {
                    Look::Verified | Look::Reset => return,
                    Look::Awaited(why) => why,
                },
                // The read that follows says that it is gone.
                Ok(Ok(None)) => return,
                Ok(Err(error)) => format!("the ProtectedDatabase could not be read: {error}"),
                Err(_) => "the API server did not answer".to_owned(),
            };
            if Instant::now() + PAUSE >= end {
                self.unchecked = Some(format!(
                    "no check has verified the data since this backup began: {awaited}"
                ));
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

/// What has come of the check that the operator makes when a backup begins.
#[must_use]
pub fn look_since(database: &ProtectedDatabase, since: &Time) -> Look {
    let status = database.status.clone().unwrap_or_default();
    let is_since = |made: Option<&Time>| made.is_some_and(|made| made.0 >= since.0);
    if let Some(baseline) = &status.baseline
        && is_since(baseline.made.as_ref())
    {
        return Look::Verified;
    }
    let newest = status
        .last_check
        .filter(|check| is_since(check.made.as_ref()));
    match newest {
        Some(check) if check.outcome == CheckOutcome::Suspected => Look::Reset,
        Some(check) => Look::Awaited(format!(
            "DatabaseCheck {} could not ({})",
            check.name, check.reason
        )),
        None => Look::Awaited("the operator has made none".to_owned()),
    }
}

impl SuspicionSource for ProtectedDatabaseSuspicion {
    async fn fetch_suspicion(
        &self,
        system_identifier: &str,
    ) -> Result<Option<String>, AgentFailure> {
        let what = format!("read the ProtectedDatabase {}", self.name);
        match kubernetes::persist(&what, || self.api.get_opt(&self.name)).await {
            Ok(Some(database)) if database.metadata.uid.as_deref() == Some(self.uid.as_str()) => {
                let suspicion = suspicion_of(&database, system_identifier);
                Ok(suspicion.or_else(|| self.unchecked.clone()))
            }
            Ok(_) => Err(AgentFailure {
                reason: reasons::JOB_FAILED.to_owned(),
                message: format!(
                    "the ProtectedDatabase {} was deleted during this backup, so it is not known \
                     whether its data is good. If there is a new one of that name, it gets backups \
                     of its own",
                    self.name
                ),
            }),
            // Not knowing is not good: the set is kept, and does not count.
            Err(error) => Ok(Some(format!(
                "whether the data looked reset could not be read: {error:#}"
            ))),
        }
    }
}

/// Judges by the conditions, and by the identity, which may show a reset before the next check
/// does.
#[must_use]
pub fn suspicion_of(database: &ProtectedDatabase, system_identifier: &str) -> Option<String> {
    let unverified = || {
        Some(
            "no check has verified the data yet, so it is not known whether the data is good"
                .to_owned(),
        )
    };
    let Some(status) = &database.status else {
        return unverified();
    };
    match find_condition(&status.conditions, ConditionType::DataReset) {
        Some(reset) if reset.status == ConditionStatus::True.as_str() => {
            return Some(format!(
                "the data looked reset ({}): {}",
                reset.reason, reset.message
            ));
        }
        Some(reset) if reset.status == ConditionStatus::False.as_str() => {}
        _ => return unverified(),
    }
    let baseline = status
        .baseline
        .as_ref()
        .filter(|baseline| baseline.system_identifier != system_identifier)?;
    Some(format!(
        "the database cluster has the system identifier {system_identifier}, and the last known \
         good one (check {}) had {}: initdb has run, or another volume is mounted",
        baseline.check, baseline.system_identifier
    ))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test ends at the first thing that is not as it should be"
    )]

    use super::*;

    fn database(reset: Option<&str>, identifier: &str) -> ProtectedDatabase {
        let conditions: Vec<serde_json::Value> = reset
            .iter()
            .map(|status| {
                serde_json::json!({"type": "DataReset", "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "d"},
            "spec": {"workload": {"name": "w"}, "connection": {"database": "d", "credentialsSecret": {"name": "s"}}},
            "status": {
                "conditions": conditions,
                "baseline": {"check": "c", "time": "2026-01-01T00:00:00Z", "systemIdentifier": identifier},
            },
        }))
        .unwrap()
    }

    #[test]
    fn only_a_check_that_was_made_since_the_backup_began_says_that_the_data_is_verified() {
        let time = |text: &str| Time(text.parse().unwrap());
        let begun = time("2026-02-01T03:00:00Z");
        let look = |baseline: &str, newest: Option<(&str, &str)>| {
            let mut database = database(Some("False"), "7");
            let status = database.status.as_mut().unwrap();
            status.baseline.as_mut().unwrap().made = Some(time(baseline));
            status.last_check = newest.map(|(made, outcome)| {
                serde_json::from_value(serde_json::json!({
                    "name": "c", "time": made, "made": made, "outcome": outcome, "reason": "R",
                }))
                .unwrap()
            });
            look_since(&database, &begun)
        };
        let (before, after) = ("2026-02-01T02:59:59Z", "2026-02-01T03:00:00Z");
        assert_eq!(look(after, None), Look::Verified);
        assert_eq!(look(before, Some((after, "Suspected"))), Look::Reset);
        for newest in [
            None,
            Some((before, "Verified")),
            Some((before, "Suspected")),
        ] {
            assert!(
                matches!(look(before, newest), Look::Awaited(_)),
                "{newest:?}"
            );
        }
        let unverifiable = look(before, Some((after, "Unverifiable")));
        assert_eq!(
            unverifiable,
            Look::Awaited("DatabaseCheck c could not (R)".to_owned())
        );
        let old: ProtectedDatabase = database(Some("False"), "7");
        assert!(
            matches!(look_since(&old, &begun), Look::Awaited(_)),
            "an older operator does not say when a check was made"
        );
    }

    #[test]
    fn only_verified_data_of_the_known_cluster_is_not_suspect() {
        assert_eq!(suspicion_of(&database(Some("False"), "7"), "7"), None);
        assert!(suspicion_of(&database(Some("False"), "7"), "8").is_some());
        for status in [Some("True"), Some("Unknown"), None] {
            assert!(
                suspicion_of(&database(status, "7"), "7").is_some(),
                "{status:?}"
            );
        }
        let mut unseen = database(Some("False"), "7");
        unseen.status = None;
        assert!(suspicion_of(&unseen, "7").is_some());
    }
}
