//! Counters and gauges for Prometheus. Labels are bounded by the number of databases.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::{ConditionType, ProtectedDatabaseStatus, find_condition};

/// The conditions that are shown as gauges.
const SHOWN: [ConditionType; 7] = [
    ConditionType::Ready,
    ConditionType::Stalled,
    ConditionType::Guarded,
    ConditionType::DataVerified,
    ConditionType::DataReset,
    ConditionType::FilesMatch,
    ConditionType::BackupFresh,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DatabaseLabels {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    name: String,
    condition: &'static str,
}

/// The operator's metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Counter,
    failures: Counter,
    steps: Counter,
    mended_policies: Counter,
    mended_definitions: Counter,
    conditions: Family<ConditionLabels, Gauge>,
    last_good_backup: Family<DatabaseLabels, Gauge<f64, AtomicU64>>,
    last_check: Family<DatabaseLabels, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("holdfast");
        let (passes, failures, steps) = (Counter::default(), Counter::default(), Counter::default());
        let (mended_policies, mended_definitions) = (Counter::default(), Counter::default());
        registry.register(
            "guard_policies_mended",
            "Admission policies that somebody had taken off or edited and that were put back",
            mended_policies.clone(),
        );
        registry.register(
            "guard_definitions_mended",
            "Definitions of our kinds that somebody had deleted or edited and that were put back",
            mended_definitions.clone(),
        );
        let conditions = Family::<ConditionLabels, Gauge>::default();
        let last_good_backup = Family::<DatabaseLabels, Gauge<f64, AtomicU64>>::default();
        let last_check = Family::<DatabaseLabels, Gauge<f64, AtomicU64>>::default();
        registry.register("passes", "Passes of the controller", passes.clone());
        registry.register("pass_failures", "Passes that ended early", failures.clone());
        registry.register("steps", "Writes that were begun", steps.clone());
        registry.register(
            "database_condition",
            "Conditions of a ProtectedDatabase: 1 is True, 0 is False, -1 is Unknown",
            conditions.clone(),
        );
        registry.register(
            "last_good_backup_timestamp_seconds",
            "When the newest good backup was completed, in seconds since 1970; absent when there is none",
            last_good_backup.clone(),
        );
        registry.register("last_check_timestamp_seconds", "When the newest check ended, in seconds since 1970", last_check.clone());
        let registry = Arc::new(registry);
        Self { registry, passes, failures, steps, mended_policies, mended_definitions, conditions, last_good_backup, last_check }
    }
}

impl Metrics {
    /// Counts a pass that began.
    pub fn count_pass(&self) {
        self.passes.inc();
    }

    /// Counts a policy of the guard that was put back.
    pub fn count_mended_policy(&self) {
        self.mended_policies.inc();
    }

    /// Counts a definition that was put back.
    pub fn count_mended_definition(&self) {
        self.mended_definitions.inc();
    }

    /// Counts a pass that ended early.
    pub fn count_failure(&self) {
        self.failures.inc();
    }

    /// Counts a write that was begun.
    pub fn count_step(&self) {
        self.steps.inc();
    }

    /// Shows what was reported of a database.
    pub fn observe_database(&self, namespace: &str, name: &str, status: &ProtectedDatabaseStatus) {
        for condition in SHOWN {
            let labels = ConditionLabels { namespace: namespace.to_owned(), name: name.to_owned(), condition: condition.as_str() };
            let value = match find_condition(&status.conditions, condition).map(|found| found.status.as_str()) {
                Some("True") => 1,
                Some("False") => 0,
                // Without rules about files nobody waits for an answer about them.
                None if condition == ConditionType::FilesMatch => {
                    self.conditions.remove(&labels);
                    continue;
                }
                _ => -1,
            };
            self.conditions.get_or_create(&labels).set(value);
        }
        let labels = DatabaseLabels { namespace: namespace.to_owned(), name: name.to_owned() };
        if let Some(backup) = &status.last_good_backup {
            self.last_good_backup.get_or_create(&labels).set(backup.time.0.as_duration().as_secs_f64());
        }
        if let Some(check) = &status.last_check {
            self.last_check.get_or_create(&labels).set(check.time.0.as_duration().as_secs_f64());
        }
    }

    /// Forgets a database that is gone.
    pub fn forget_database(&self, namespace: &str, name: &str) {
        for condition in SHOWN {
            self.conditions.remove(&ConditionLabels {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                condition: condition.as_str(),
            });
        }
        let labels = DatabaseLabels { namespace: namespace.to_owned(), name: name.to_owned() };
        self.last_good_backup.remove(&labels);
        self.last_check.remove(&labels);
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// The text could not be written.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

    use super::*;

    #[test]
    fn nothing_is_shown_of_files_that_nobody_asks_about() {
        let metrics = Metrics::default();
        let asked = serde_json::json!({"conditions": [{
            "type": "FilesMatch", "status": "Unknown", "reason": "FilesNotChecked", "message": "", "lastTransitionTime": "2026-02-01T09:00:00Z"}]});
        metrics.observe_database("atra", "knowledge", &serde_json::from_value(asked).unwrap());
        assert!(metrics.encode().unwrap().contains(r#"condition="FilesMatch"} -1"#), "{}", metrics.encode().unwrap());
        metrics.observe_database("atra", "knowledge", &ProtectedDatabaseStatus::default());
        assert!(!metrics.encode().unwrap().contains("FilesMatch"), "{}", metrics.encode().unwrap());
    }
}
