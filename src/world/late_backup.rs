//! A backup that the CronJob controller should have begun by now: when, and why not, in the words of
//! Kubernetes. There is no Job that could say it.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::agents::cron_job_warning;
use super::{Fact, Reader};
use crate::api::ProtectedDatabase;
use crate::resources::{Schedule, backup_schedule};

/// How long the CronJob controller has to create a Job, in seconds.
const LATE_AFTER: i64 = 20;
/// The most ticks that are read: a schedule may have one in each minute, and all that matters is the
/// last one.
const TICKS: usize = 2_000;

/// A backup that has not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateBackup {
    /// When its Job should have been created.
    pub due: Time,
    /// Whether the CronJob is suspended, although the spec does not say so.
    pub is_suspended: bool,
    /// Why not, if an event says so.
    pub why: Fact<Option<String>>,
}

/// The last tick for which there should be a Job, if there is none.
fn missed_tick(cron_job: &CronJob, schedule: &Schedule, now: i64) -> Option<Time> {
    let status = cron_job.status.as_ref();
    // One that still runs keeps the next from beginning.
    if status.is_some_and(|status| status.active.iter().flatten().next().is_some()) {
        return None;
    }
    let last = status.and_then(|status| status.last_schedule_time.clone());
    // What was suspended, or had another schedule, missed nothing.
    let changed = cron_job
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|change| change.subresource.is_none())
        .filter_map(|change| change.time.clone());
    let since = changed
        .chain(last)
        .chain(cron_job.creation_timestamp())
        .max_by_key(|time| time.0)?;
    let mut missed = None;
    let mut after = since;
    for _ in 0..TICKS {
        let Some(tick) = schedule.next_tick(&after) else {
            break;
        };
        if tick.0.as_second().saturating_add(LATE_AFTER) > now {
            break;
        }
        missed = Some(tick.clone());
        after = tick;
    }
    missed
}

/// When a Job of the next tick is late.
#[must_use]
pub fn late_at(schedule: &Schedule, now: &Time) -> Option<i64> {
    let next = schedule.next_tick(now)?;
    Some(next.0.as_second().saturating_add(LATE_AFTER))
}

/// The last tick for which there should be a Job of a database's CronJob, by a clock.
pub(super) fn missed(
    database: &ProtectedDatabase,
    cron_job: &Fact<Option<CronJob>>,
    now: i64,
) -> Option<Time> {
    let cron_job = cron_job.known()?.as_ref()?;
    if database.spec.suspend {
        return None;
    }
    missed_tick(cron_job, &backup_schedule(database)?, now)
}

impl Reader {
    /// Reads why a backup has not begun, if it should have by the clock of the API server. Events are read
    /// only then.
    pub(super) async fn late_backup(
        &self,
        database: &ProtectedDatabase,
        cron_job: &Fact<Option<CronJob>>,
        clock_ahead: &Fact<i64>,
    ) -> Option<LateBackup> {
        let now = Timestamp::now().as_second() - clock_ahead.known()?;
        let due = missed(database, cron_job, now)?;
        let found = cron_job.known()?.as_ref()?;
        let events = self.events_of(&found.metadata).await;
        let since = due.0.as_second().saturating_sub(LATE_AFTER);
        let why = events.map(|events| cron_job_warning(&found.metadata, &events, since, now));
        Some(LateBackup {
            due,
            is_suspended: found.spec.suspend == Some(true),
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a sample that can't be built is a fault of the test"
    )]

    use serde_json::{Value, json};

    use super::*;

    fn missed(change: &Value, now: &str) -> Option<String> {
        let mut cron_job = json!({
            "metadata": {
                "name": "knowledge-backup", "creationTimestamp": "2026-02-01T00:00:00Z",
                "managedFields": [
                    {"manager": "holdfast", "operation": "Apply", "time": "2026-02-01T00:00:00Z"},
                    {"manager": "kube-controller-manager", "operation": "Update",
                     "subresource": "status", "time": "2026-02-05T03:00:00Z"},
                ],
            },
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {}},
            "status": {"lastScheduleTime": "2026-02-05T03:00:00Z"},
        });
        json_patch::merge(&mut cron_job, change);
        let cron_job: CronJob = serde_json::from_value(cron_job).unwrap();
        let schedule = Schedule::parse("0 3 * * *", None).unwrap();
        let now: Timestamp = now.parse().unwrap();
        missed_tick(&cron_job, &schedule, now.as_second()).map(|tick| tick.0.to_string())
    }

    #[test]
    fn a_backup_is_late_when_its_tick_has_passed_and_nothing_was_made() {
        let at = |now: &str| missed(&json!({}), now);
        assert_eq!(at("2026-02-06T02:59:59Z"), None);
        assert_eq!(at("2026-02-06T03:00:19Z"), None, "it is on its way");
        let late = Some("2026-02-06T03:00:00Z".to_owned());
        assert_eq!(at("2026-02-06T03:00:20Z"), late);
        assert_eq!(at("2026-02-06T23:00:00Z"), late);
        let next = Some("2026-02-07T03:00:00Z".to_owned());
        assert_eq!(at("2026-02-07T03:05:00Z"), next);
        let never = json!({"status": null});
        let first = Some("2026-02-01T03:00:00Z".to_owned());
        assert_eq!(missed(&never, "2026-02-01T03:01:00Z"), first);
    }

    #[test]
    fn what_could_not_begin_was_not_missed() {
        let now = "2026-02-06T03:05:00Z";
        let made = json!({"status": {"lastScheduleTime": "2026-02-06T03:00:00Z"}});
        assert_eq!(missed(&made, now), None);
        let runs = json!({"status": {"active": [{"name": "knowledge-backup-1"}]}});
        assert_eq!(missed(&runs, now), None);
        let changed = json!({"metadata": {"managedFields": [
            {"manager": "holdfast", "operation": "Apply", "time": "2026-02-06T03:02:00Z"},
        ]}});
        assert_eq!(missed(&changed, now), None);
    }
}
