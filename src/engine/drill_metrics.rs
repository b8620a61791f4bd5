//! Gauges about the drills of each database. One is absent while what it shows is not known.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::backup_metrics::{DatabaseLabels, float};
use crate::api::{DrillTimes, ProtectedDatabaseStatus, RestoreState};

/// Which part of a restore a gauge is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabels {
    namespace: String,
    name: String,
    part: &'static str,
}

type Gauges = Family<DatabaseLabels, Gauge<f64, AtomicU64>>;

/// What a gauge shows, if it is known.
type Value = fn(&ProtectedDatabaseStatus) -> Option<f64>;

/// Name, meaning and value of each.
const SHOWN: [(&str, &str, Value); 4] = [
    (
        "last_drill_timestamp_seconds",
        "When the newest drill ended, in seconds since 1970; absent before the first",
        |status| {
            Some(
                status
                    .last_drill
                    .as_ref()?
                    .time
                    .0
                    .as_duration()
                    .as_secs_f64(),
            )
        },
    ),
    (
        "last_drill_failed",
        "1 if the newest drill has failed, else 0; absent before the first",
        |status| {
            let has_failed = status.last_drill.as_ref()?.state == RestoreState::Failed;
            Some(float(i64::from(has_failed)))
        },
    ),
    (
        "last_proven_backup_timestamp_seconds",
        "When the newest backup that a drill has proven was taken, in seconds since 1970; absent while none \
         is proven",
        |status| {
            let proven = status.last_proven.as_ref()?;
            Some(proven.backup_time.0.as_duration().as_secs_f64())
        },
    ),
    (
        "last_proof_timestamp_seconds",
        "When a drill has proven that backup, in seconds since 1970",
        |status| {
            Some(
                status
                    .last_proven
                    .as_ref()?
                    .time
                    .0
                    .as_duration()
                    .as_secs_f64(),
            )
        },
    ),
];

/// One gauge per row of [`SHOWN`], and how long the parts of the newest proof took.
#[derive(Clone)]
pub struct DrillMetrics {
    shown: Vec<Gauges>,
    parts: Family<PartLabels, Gauge<f64, AtomicU64>>,
}

impl DrillMetrics {
    /// Registers all gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let shown = SHOWN.map(|(name, help, _)| {
            let gauges = Gauges::default();
            registry.register(name, help, gauges.clone());
            gauges
        });
        let parts = Family::<PartLabels, Gauge<f64, AtomicU64>>::default();
        registry.register(
            "drill_duration_seconds",
            "How long each part of the restore took by which the newest proven backup was proven",
            parts.clone(),
        );
        Self {
            shown: shown.into(),
            parts,
        }
    }

    /// Shows what was reported of a database.
    pub fn observe(&self, labels: &DatabaseLabels, status: &ProtectedDatabaseStatus) {
        for (gauges, (_, _, value)) in self.shown.iter().zip(SHOWN) {
            match value(status) {
                Some(value) => {
                    gauges.get_or_create(labels).set(value);
                }
                None => {
                    gauges.remove(labels);
                }
            }
        }
        let times = status.last_proven.as_ref().map(|proven| proven.times);
        self.show_parts(labels, &times.unwrap_or_default());
    }

    fn show_parts(&self, labels: &DatabaseLabels, times: &DrillTimes) {
        for (part, seconds) in times.parts() {
            let labels = PartLabels {
                namespace: labels.namespace.clone(),
                name: labels.name.clone(),
                part,
            };
            match seconds {
                Some(seconds) => {
                    self.parts.get_or_create(&labels).set(float(seconds));
                }
                None => {
                    self.parts.remove(&labels);
                }
            }
        }
    }

    /// Forgets a database that is gone.
    pub fn forget(&self, labels: &DatabaseLabels) {
        for gauges in &self.shown {
            gauges.remove(labels);
        }
        self.show_parts(labels, &DrillTimes::default());
    }
}
