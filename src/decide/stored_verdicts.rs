//! What checks have said of backups and the bucket does not have yet: until it does, a restore without the cluster
//! takes a set for unconfirmed that counts, or for one that was never demoted. A short look stores it. Pure.

use std::time::Duration;

use super::agent_settings::of_cron_job;
use super::job_end::job_failed;
use super::last_backups::is_in_present_bucket;
use super::looks::{age_of, newest_report, plan_agent_job};
use super::not_begun::Task;
use super::ready::list;
use super::turn::look_must_wait;
use crate::api::{CATALOG_LIMIT, CatalogReport, DatabaseBackup, S3Storage, VerdictReport, names};
use crate::plan::Plan;
use crate::resources::{self, ValidBackup};
use crate::world::Observed;

/// How long a short look may take.
const LIMIT: Duration = Duration::from_mins(15);

/// The report that says what is stored: of the bucket of now.
fn reported<'a>(
    observed: &'a Observed,
    storage: &S3Storage,
) -> Option<(&'a DatabaseBackup, &'a CatalogReport)> {
    newest_report(observed).filter(|(backup, _)| is_in_present_bucket(backup, storage))
}

/// Whether a check has said something that the bucket does not have, as far as looks have reported it. Nothing is
/// known of what a look of an older version has stored; the next one says it.
pub fn is_any_missing(observed: &Observed, storage: &S3Storage) -> bool {
    let stored = match reported(observed, storage) {
        None => None,
        Some((_, report)) => match &report.verdicts {
            None => return false,
            Some(stored) => Some(stored),
        },
    };
    let mut judged: Vec<(&str, bool)> = list(&observed.backups)
        .iter()
        .filter(|backup| is_in_present_bucket(backup, storage))
        .filter_map(|backup| storable(observed, storage, backup))
        .collect();
    // As in the report, which has the newest only.
    judged.sort_unstable_by(|one, other| other.cmp(one));
    let stored: Vec<(&str, bool)> = stored.iter().flat_map(|one| one.sets()).collect();
    judged
        .iter()
        .take(CATALOG_LIMIT)
        .any(|verdict| !stored.contains(verdict))
}

/// The directory of a set that a check has said something about, and whether that has demoted it. The agent stores
/// it only where the status says which manifest it is about, and only in the directory of this database.
fn storable<'a>(
    observed: &Observed,
    storage: &S3Storage,
    backup: &'a DatabaseBackup,
) -> Option<(&'a str, bool)> {
    let status = backup.status.as_ref()?;
    status.bucket.as_ref()?;
    status.manifest_sha256.as_ref()?;
    if status.confirmed.is_none() && status.demoted.is_none() {
        return None;
    }
    let path = status.path.as_deref()?;
    let set = storage.set_of(observed.namespace_name(), observed.name(), path)?;
    Some((set, status.demoted.is_some()))
}

/// Creates the Job that stores what is missing, soon and not more often than the pace allows. No look runs.
pub fn plan_short_look(observed: &Observed, backup: &ValidBackup, plan: &mut Plan) {
    let Some((reported, report)) = reported(observed, &backup.storage) else {
        return;
    };
    let (Some(uid), Some(name)) = (&reported.metadata.uid, &reported.metadata.name) else {
        return;
    };
    let Some(wait) = time_left(observed, report.verdicts.as_ref()) else {
        return;
    };
    if !wait.is_zero() {
        plan.read_again_after(wait);
        return;
    }
    if look_must_wait(observed, plan) {
        return;
    }
    let mut request = resources::catalog_request(&observed.database, backup, name);
    request.verdicts_only = true;
    request.retention = None;
    request.sample_bytes = 0;
    request.deadline_seconds = request.deadline_seconds.min(LIMIT.as_secs());
    // Two tries of one pass have one name, which no other look has.
    let pause = observed.pace.catalog.verdicts.as_secs().max(1);
    let run = observed.server_time().as_second() / i64::try_from(pause).unwrap_or(i64::MAX);
    let job = resources::build_catalog_job(
        &observed.database,
        &names::catalog_job(uid, run),
        &request,
        &of_cron_job(observed, ""),
        observed.pace.margin,
    );
    plan_agent_job(observed, job, plan);
}

/// How long until the next short look may be made. None if that is not known.
fn time_left(observed: &Observed, stored: Option<&VerdictReport>) -> Option<Duration> {
    let pace = observed.pace.catalog;
    let looks = observed.jobs.known()?.iter();
    let looks = looks.filter(|job| Task::Catalog.is_of(job) && observed.is_ours(&job.metadata));
    let newest = looks.max_by_key(|job| job.metadata.creation_timestamp.as_ref().map(|at| at.0));
    let Some(newest) = newest else {
        // What deletes every ended Job must not get one after another.
        let age = stored.and_then(|stored| age_of(observed, &stored.time));
        return Some(age.map_or(Duration::ZERO, |age| pace.verdicts.saturating_sub(age)));
    };
    let pause = if job_failed(newest).is_some() {
        pace.retry
    } else {
        pace.verdicts
    };
    Some(pause.saturating_sub(observed.job_age(newest)?))
}
