//! Whether the data looks reset while it is backed up: such a set is kept, and never counts as
//! good.

use std::future::Future;

use kube::{Api, Client};

use crate::api::{
    AgentFailure, ConditionStatus, ConditionType, ProtectedDatabase, find_condition, reasons,
};

use super::kubernetes;

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
}

impl ProtectedDatabaseSuspicion {
    /// Asks the object with this name and UID.
    #[must_use]
    pub fn new(client: &Client, namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
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
                Ok(suspicion_of(&database, system_identifier))
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
