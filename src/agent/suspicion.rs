//! Whether the data looks reset while it is backed up: such a set is kept, and never counts as
//! good.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::api::{
    CheckOutcome, ConditionStatus, ConditionType, CountKind, DatabaseCheck, Evidence,
    ProtectedDatabase, find_condition,
};
use crate::verdict::carry_counts;

use super::kubernetes::{self, Tries};
use super::set_verdict::KnownGood;

/// How long to wait before it is read again whether a check has ended.
const PAUSE: Duration = Duration::from_secs(1);

/// Where it is known whether the data looks reset.
pub trait SuspicionSource: Sync {
    /// Why the data of the cluster with this identifier is suspect, if it is.
    fn fetch_suspicion(
        &self,
        system_identifier: &str,
    ) -> impl Future<Output = Option<String>> + Send;
    /// What is expected of the data, or why that is not known.
    fn fetch_known_good(&self) -> impl Future<Output = Result<KnownGood, String>> + Send;
}

/// The `ProtectedDatabase` that is backed up.
#[derive(Clone)]
pub struct ProtectedDatabaseSuspicion {
    api: Api<ProtectedDatabase>,
    checks: Api<DatabaseCheck>,
    name: String,
    uid: String,
    unchecked: Option<String>,
    tries: Tries,
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
            checks: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            uid: uid.to_owned(),
            unchecked: None,
            tries: Tries::SHORT,
        }
    }

    /// Asks for so long: what can't be read makes a set Suspect.
    #[must_use]
    pub fn asking(self, tries: Tries) -> Self {
        Self { tries, ..self }
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

/// The most earlier checks that are read for the last counts of what the last good one only estimated.
const EARLIER_CHECKS: usize = 20;

impl SuspicionSource for ProtectedDatabaseSuspicion {
    async fn fetch_suspicion(&self, system_identifier: &str) -> Option<String> {
        match self.fetch_database().await {
            Ok(database) => {
                suspicion_of(&database, system_identifier).or_else(|| self.unchecked.clone())
            }
            // Not knowing is not good: the set is kept, and does not count.
            Err(why) => Some(why),
        }
    }

    async fn fetch_known_good(&self) -> Result<KnownGood, String> {
        let database = self.fetch_database().await?;
        let status = database.status.clone().unwrap_or_default();
        let baseline = match &status.baseline {
            Some(baseline) => Some((
                baseline.check.clone(),
                self.fetch_evidence(&baseline.check).await?,
            )),
            None => None,
        };
        Ok(KnownGood {
            unverified: unverified(&database),
            spec: database.spec,
            baseline,
        })
    }
}

impl ProtectedDatabaseSuspicion {
    /// The object, if it is still the one that is backed up.
    async fn fetch_database(&self) -> Result<ProtectedDatabase, String> {
        let what = format!("read the ProtectedDatabase {}", self.name);
        match kubernetes::persist_for(self.tries, &what, || self.api.get_opt(&self.name)).await {
            Ok(Some(database)) if database.metadata.uid.as_deref() == Some(self.uid.as_str()) => {
                Ok(database)
            }
            Ok(_) => Err(format!(
                "its ProtectedDatabase {} was deleted meanwhile, so it is not known whether the data \
                 is good. If there is a new one of that name, it gets backups of its own",
                self.name
            )),
            Err(error) => Err(format!(
                "whether the data looked reset could not be read: {error:#}"
            )),
        }
    }

    /// What a good check has found, with the last counts of what it only estimated.
    async fn fetch_evidence(&self, name: &str) -> Result<Evidence, String> {
        let newest = self.fetch_check(name).await?;
        let mut found = Vec::new();
        let mut next = earlier(&newest);
        found.extend(evidence_of(newest));
        while let (Some(name), true) = (
            next.take(),
            found.last().is_some_and(has_estimates) && found.len() < EARLIER_CHECKS,
        ) {
            // What was pruned is not known any more.
            let Ok(check) = self.fetch_check(&name).await else {
                break;
            };
            next = earlier(&check);
            found.extend(evidence_of(check));
        }
        carry_all(found).ok_or_else(|| {
            format!("DatabaseCheck {name}, the last good check, has no evidence any more")
        })
    }

    async fn fetch_check(&self, name: &str) -> Result<DatabaseCheck, String> {
        let what = format!("read the DatabaseCheck {name}");
        kubernetes::persist_for(self.tries, &what, || self.checks.get(name))
            .await
            .map_err(|error| {
                format!("DatabaseCheck {name}, the last good check, could not be read: {error:#}")
            })
    }
}

/// The good check that a check was compared with.
fn earlier(check: &DatabaseCheck) -> Option<String> {
    check.status.as_ref()?.verdict.as_ref()?.baseline.clone()
}

fn evidence_of(check: DatabaseCheck) -> Option<Evidence> {
    check.status?.evidence
}

fn has_estimates(evidence: &Evidence) -> bool {
    let mut tables = evidence.tables.iter();
    tables.any(|table| table.count == CountKind::Estimated)
}

/// Joins what checks have found, the newest first.
fn carry_all(found: Vec<Evidence>) -> Option<Evidence> {
    let carried = found.into_iter().rev();
    carried.reduce(|before, now| carry_counts(&before, &now))
}

/// Why the data of the container that runs now is not verified, if it is not.
fn unverified(database: &ProtectedDatabase) -> Option<String> {
    let conditions = database.status.as_ref().map(|status| &status.conditions);
    let found =
        conditions.and_then(|conditions| find_condition(conditions, ConditionType::DataVerified));
    match found {
        Some(found) if found.status == ConditionStatus::True.as_str() => None,
        Some(found) => Some(format!(
            "DataVerified was {} ({}): {}",
            found.status, found.reason, found.message
        )),
        None => Some("DataVerified was not set".to_owned()),
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
#[path = "suspicion_tests.rs"]
mod tests;
