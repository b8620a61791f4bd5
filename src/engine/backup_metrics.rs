//! Gauges about the backups of each database. One is absent while what it shows is not known.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::{BackupState, ConditionType, ProtectedDatabaseStatus, find_condition};

/// Which ProtectedDatabase a gauge is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DatabaseLabels {
    pub namespace: String,
    pub name: String,
}

type Gauges = Family<DatabaseLabels, Gauge<f64, AtomicU64>>;

/// One gauge per row of [`SHOWN`].
#[derive(Clone)]
pub struct BackupMetrics(Vec<Gauges>);

/// What a gauge shows, if it is known.
type Value = fn(&ProtectedDatabaseStatus) -> Option<f64>;

/// Name, meaning and value of each.
const SHOWN: [(&str, &str, Value); 14] = [
    (
        "last_good_backup_timestamp_seconds",
        "When the newest good backup was completed, in seconds since 1970; absent when there is none",
        |status| {
            let backup = status.last_good_backup.as_ref()?;
            Some(backup.time.0.as_duration().as_secs_f64())
        },
    ),
    (
        "last_confirmed_backup_timestamp_seconds",
        "When the newest confirmed backup was completed, in seconds since 1970; absent when there is none",
        |status| {
            let backup = status.last_confirmed_backup.as_ref()?;
            Some(backup.time.0.as_duration().as_secs_f64())
        },
    ),
    (
        "last_confirmed_backup_rows",
        "Rows in the newest confirmed backup",
        |status| Some(float(status.last_confirmed_backup.as_ref()?.rows?)),
    ),
    (
        "last_confirmed_backup_stored_bytes",
        "Bytes of the newest confirmed backup in the bucket",
        |status| Some(float(status.last_confirmed_backup.as_ref()?.stored_bytes?)),
    ),
    (
        "last_confirmed_backup_duration_seconds",
        "How long the newest confirmed backup took",
        |status| {
            Some(float(
                status.last_confirmed_backup.as_ref()?.duration_seconds?,
            ))
        },
    ),
    (
        "last_backup_failed",
        "1 if the newest backup is Failed, else 0; absent when there is none",
        |status| is_newest(status, BackupState::Failed),
    ),
    (
        "last_backup_suspect",
        "1 if the newest backup is Suspect, else 0; absent when there is none",
        |status| is_newest(status, BackupState::Suspect),
    ),
    (
        "no_good_backup",
        "1 while backups are asked for and none is good, else 0; absent where none are asked for",
        |status| {
            let fresh = find_condition(&status.conditions, ConditionType::BackupFresh)?;
            let is_asked_for = ConditionType::BackupFresh.is_asked_for_by_status(Some(fresh));
            let is_known =
                status.last_confirmed_backup.is_some() || status.last_good_backup.is_some();
            is_asked_for.then(|| float(i64::from(!is_known)))
        },
    ),
    (
        "next_backup_fails",
        "1 if the next backup is known to fail, else 0",
        |status| Some(float(i64::from(status.backup_obstacle.is_some()))),
    ),
    (
        "last_look_timestamp_seconds",
        "When the last look at the sets in the bucket ended that could read everything, in seconds since 1970",
        |status| {
            let look = status.catalog.as_ref()?.last_complete.as_ref()?;
            Some(look.0.as_duration().as_secs_f64())
        },
    ),
    (
        "backup_sets",
        "Sets and directories in the bucket at the last look; absent before the first",
        |status| Some(float(status.catalog.as_ref()?.sets)),
    ),
    (
        "backup_sets_confirmed",
        "Confirmed sets in the bucket at the last look",
        |status| Some(float(status.catalog.as_ref()?.confirmed)),
    ),
    (
        "backup_sets_damaged",
        "Sets that lack an object, or have one of another size, at the last look",
        |status| Some(float(status.catalog.as_ref()?.damaged)),
    ),
    (
        "backup_sets_stored_bytes",
        "Bytes of all sets in the bucket at the last look",
        |status| Some(float(status.catalog.as_ref()?.stored_bytes)),
    ),
];

/// 1 if the newest backup is in that state.
fn is_newest(status: &ProtectedDatabaseStatus, state: BackupState) -> Option<f64> {
    let newest = status.last_backup.as_ref()?;
    Some(float(i64::from(newest.state == state)))
}

/// A count as Prometheus has it.
#[allow(
    clippy::cast_precision_loss,
    reason = "from 2^53 on the last digits of a count are nobody's concern"
)]
pub(super) const fn float(value: i64) -> f64 {
    value as f64
}

impl BackupMetrics {
    /// Registers all gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let gauges = SHOWN.map(|(name, help, _)| {
            let gauges = Gauges::default();
            registry.register(name, help, gauges.clone());
            gauges
        });
        Self(gauges.into())
    }

    /// Shows what was reported of a database.
    pub fn observe(&self, labels: &DatabaseLabels, status: &ProtectedDatabaseStatus) {
        for (gauges, (_, _, value)) in self.0.iter().zip(SHOWN) {
            match value(status) {
                Some(value) => {
                    gauges.get_or_create(labels).set(value);
                }
                None => {
                    gauges.remove(labels);
                }
            }
        }
    }

    /// Forgets a database that is gone.
    pub fn forget(&self, labels: &DatabaseLabels) {
        for gauges in &self.0 {
            gauges.remove(labels);
        }
    }
}
