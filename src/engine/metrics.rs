//! Counters and gauges for Prometheus. Labels are bounded by the number of databases.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::backup_metrics::{BackupMetrics, DatabaseLabels};
use super::drill_metrics::DrillMetrics;
use crate::api::{
    ConditionStatus, ConditionType, ProtectedDatabaseStatus, find_condition, reasons,
};

/// The conditions that are shown as gauges.
fn shown() -> impl Iterator<Item = ConditionType> {
    let all = ConditionType::ALL.iter().copied();
    all.filter(|type_| type_.row().is_metric)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    name: String,
    condition: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResetLabels {
    namespace: String,
    name: String,
    reason: &'static str,
}

/// The reason that is shown of each database that looks reset, by namespace and name: the series of
/// the reason before must go.
type ShownResets = BTreeMap<(String, String), &'static str>;

/// The operator's metrics.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    passes: Counter,
    failures: Counter,
    steps: Counter,
    repaired_policies: Counter,
    repaired_definitions: Counter,
    alerts_sent: Counter,
    webhook_failures: Counter,
    conditions: Family<ConditionLabels, Gauge>,
    resets: Family<ResetLabels, Gauge>,
    shown_resets: Arc<Mutex<ShownResets>>,
    backups: BackupMetrics,
    drills: DrillMetrics,
    last_check: Family<DatabaseLabels, Gauge<f64, AtomicU64>>,
    verified_until: Family<DatabaseLabels, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("holdfast");
        let (passes, failures, steps) =
            (Counter::default(), Counter::default(), Counter::default());
        let (repaired_policies, repaired_definitions) = (Counter::default(), Counter::default());
        let (alerts_sent, webhook_failures) = (Counter::default(), Counter::default());
        registry.register(
            "webhook_sent",
            "Alerts that the webhook has accepted, repetitions included",
            alerts_sent.clone(),
        );
        registry.register(
            "webhook_failures",
            "Requests to the webhook that failed, and failed reads of its URL when the operator \
             started",
            webhook_failures.clone(),
        );
        let resets = Family::<ResetLabels, Gauge>::default();
        registry.register(
            "data_reset",
            "1 for a ProtectedDatabase whose data looks reset, with the reason; absent for all \
             others",
            resets.clone(),
        );
        registry.register(
            "guard_policies_repaired",
            "Admission policies that somebody deleted or edited and that the operator restored",
            repaired_policies.clone(),
        );
        registry.register(
            "guard_definitions_repaired",
            "CustomResourceDefinitions that somebody deleted or edited and that the operator \
             restored",
            repaired_definitions.clone(),
        );
        let conditions = Family::<ConditionLabels, Gauge>::default();
        let last_check = Family::<DatabaseLabels, Gauge<f64, AtomicU64>>::default();
        registry.register("passes", "Passes of the controller", passes.clone());
        registry.register("pass_failures", "Passes that ended early", failures.clone());
        registry.register("steps", "Writes that were begun", steps.clone());
        registry.register(
            "database_condition",
            "Conditions of a ProtectedDatabase: 1 is True, 0 is False, -1 is Unknown; BackupFresh \
             is absent if the spec has no backup, RestoreProven while nobody has asked for a drill",
            conditions.clone(),
        );
        let backups = BackupMetrics::register(&mut registry);
        let drills = DrillMetrics::register(&mut registry);
        registry.register(
            "last_check_timestamp_seconds",
            "When the newest check ended, in seconds since 1970",
            last_check.clone(),
        );
        let verified_until = Family::<DatabaseLabels, Gauge<f64, AtomicU64>>::default();
        registry.register(
            "verified_until_timestamp_seconds",
            "Until when the last good check counts, in seconds since 1970; absent while the data is \
             not verified for another reason",
            verified_until.clone(),
        );
        let registry = Arc::new(registry);
        Self {
            registry,
            passes,
            failures,
            steps,
            repaired_policies,
            repaired_definitions,
            alerts_sent,
            webhook_failures,
            conditions,
            resets,
            shown_resets: Arc::default(),
            backups,
            drills,
            last_check,
            verified_until,
        }
    }
}

impl Metrics {
    /// Counts a pass that began.
    pub fn count_pass(&self) {
        self.passes.inc();
    }

    /// Counts a policy of the guard that was restored.
    pub fn count_repaired_policy(&self) {
        self.repaired_policies.inc();
    }

    /// Counts a definition that was restored.
    pub fn count_repaired_definition(&self) {
        self.repaired_definitions.inc();
    }

    /// Counts a pass that ended early.
    pub fn count_failure(&self) {
        self.failures.inc();
    }

    /// Counts a write that was begun.
    pub fn count_step(&self) {
        self.steps.inc();
    }

    /// Counts alerts that the webhook has accepted.
    pub fn count_alerts_sent(&self, alerts: usize) {
        self.alerts_sent.inc_by(alerts as u64);
    }

    /// Counts a request to the webhook that failed.
    pub fn count_webhook_failure(&self) {
        self.webhook_failures.inc();
    }

    /// Shows what was reported of a database.
    pub fn observe_database(&self, namespace: &str, name: &str, status: &ProtectedDatabaseStatus) {
        for condition in shown() {
            let labels = ConditionLabels {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                condition: condition.as_str(),
            };
            let found = find_condition(&status.conditions, condition);
            if !condition.is_asked_for_by_status(found) {
                self.conditions.remove(&labels);
                continue;
            }
            let value = match found.map(|found| found.status.as_str()) {
                Some("True") => 1,
                Some("False") => 0,
                _ => -1,
            };
            self.conditions.get_or_create(&labels).set(value);
        }
        let reset = find_condition(&status.conditions, ConditionType::DataReset);
        let reset = reset.filter(|reset| reset.status == ConditionStatus::True.as_str());
        self.show_reset(
            namespace,
            name,
            reset.map(|reset| reasons::known(&reset.reason)),
        );
        let labels = DatabaseLabels {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.backups.observe(&labels, status);
        self.drills.observe(&labels, status);
        if let Some(check) = &status.last_check {
            self.last_check
                .get_or_create(&labels)
                .set(check.time.0.as_duration().as_secs_f64());
        }
        match &status.verified_until {
            Some(until) => {
                self.verified_until
                    .get_or_create(&labels)
                    .set(until.0.as_duration().as_secs_f64());
            }
            None => {
                self.verified_until.remove(&labels);
            }
        }
    }

    fn show_reset(&self, namespace: &str, name: &str, reason: Option<&'static str>) {
        let labels = |reason| ResetLabels {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            reason,
        };
        let mut shown = self
            .shown_resets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        let before = match reason {
            Some(reason) => shown.insert(key, reason),
            None => shown.remove(&key),
        };
        if let Some(before) = before.filter(|before| reason != Some(*before)) {
            self.resets.remove(&labels(before));
        }
        if let Some(reason) = reason {
            self.resets.get_or_create(&labels(reason)).set(1);
        }
    }

    /// Forgets a database that is gone.
    pub fn forget_database(&self, namespace: &str, name: &str) {
        for condition in shown() {
            self.conditions.remove(&ConditionLabels {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                condition: condition.as_str(),
            });
        }
        self.show_reset(namespace, name, None);
        let labels = DatabaseLabels {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.backups.forget(&labels);
        self.drills.forget(&labels);
        self.last_check.remove(&labels);
        self.verified_until.remove(&labels);
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
#[path = "metrics_tests.rs"]
mod tests;
