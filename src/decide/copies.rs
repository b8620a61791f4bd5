//! The copies of backups in further buckets: which set is copied next, and how far behind a copy is. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;

use super::agent_settings::of_cron_job;
use super::check_names::short_digest;
use super::job_end::{job_ended, job_failed};
use super::judge::Judged;
use super::last_backups::{is_in_present_bucket, over_at};
use super::looks::plan_agent_job;
use super::not_begun::Task;
use super::ready::list;
use crate::api::{
    BackupCopyStatus, BackupState, CopiedVerdict, DatabaseBackup, DesiredCondition, names,
};
use crate::plan::Plan;
use crate::resources::{self, ValidBackup, ValidCopy};
use crate::world::Observed;

/// How long a backup is waited for to be confirmed before it is copied: then its copy says so at once.
const CONFIRMED_WITHIN: Duration = Duration::from_mins(10);
/// How long a set may wait for its copy before `BackupFresh` says so.
const LATE: Duration = Duration::from_hours(1);
/// Two Jobs of one backup and copy that are created within this time would have one name.
const ONE_NAME: i64 = 10;

/// What one copy lacks of a backup, in the order in which it gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lacks {
    /// That a check has demoted it: whoever has only the copy would restore it.
    Demotion,
    /// The set.
    Set,
    /// That a check has confirmed it.
    Confirmation,
}

/// Creates the Job of each copy that lacks something: one at a time, the newest set first, and what has failed
/// after all others.
pub fn plan_copies(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
    plan: &mut Plan,
) {
    for copy in &backup.copies {
        plan_copy(observed, judged, backup, copy, plan);
    }
}

fn plan_copy(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
    copy: &ValidCopy,
    plan: &mut Plan,
) {
    let Some(jobs) = observed.jobs.known() else {
        return;
    };
    let of_copy: Vec<&Job> = jobs
        .iter()
        .filter(|job| is_of_copy(job, copy) && observed.is_ours(&job.metadata))
        .collect();
    if of_copy.iter().any(|job| job_ended(job).is_none()) {
        return;
    }
    let mut lacking = lacking(observed, backup, copy);
    lacking.retain(|(backup, lacks)| {
        let wait = confirmation_left(observed, judged, backup);
        if *lacks != Lacks::Set || wait.is_zero() {
            return true;
        }
        plan.read_again_after(wait);
        false
    });
    let Some((of, lacks)) = lacking.into_iter().next() else {
        return;
    };
    // One that failed is not begun again at once, whatever the set: it is the bucket that refuses.
    let newest = of_copy.iter().max_by_key(|job| created(job));
    if let Some(failed) = newest.filter(|job| job_failed(job).is_some()) {
        let age = observed.job_age(failed).unwrap_or_default();
        let wait = observed.pace.catalog.retry.saturating_sub(age);
        if !wait.is_zero() {
            plan.read_again_after(wait);
            return;
        }
    }
    let request = resources::copy_request(&observed.database, backup, copy, of);
    let (Some(mut request), Some(uid)) = (request, of.metadata.uid.as_deref()) else {
        return;
    };
    request.is_complete = lacks != Lacks::Set;
    let run = observed.server_time().as_second() / ONE_NAME;
    let name = format!("{}{run}", jobs_of(uid, copy));
    if jobs
        .iter()
        .any(|job| job.metadata.name.as_ref() == Some(&name))
    {
        plan.read_again_after(Duration::from_secs(ONE_NAME.unsigned_abs()));
        return;
    }
    let job = resources::build_copy_job(
        &observed.database,
        &name,
        &request,
        &of_cron_job(observed, ""),
        observed.pace.margin,
    );
    plan_agent_job(observed, job, plan);
}

fn created(job: &Job) -> Option<Timestamp> {
    let created = job.metadata.creation_timestamp.as_ref();
    created.map(|created| created.0)
}

fn jobs_of(backup_uid: &str, copy: &ValidCopy) -> String {
    names::copy_jobs(backup_uid, &short_digest(&copy.name))
}

/// Whether a Job makes this copy, of whatever backup.
fn is_of_copy(job: &Job, copy: &ValidCopy) -> bool {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    Task::Copy.is_of(job) && name.contains(&format!("-{}-", short_digest(&copy.name)))
}

/// What the status of a backup says of a copy, if that is where it would go now.
fn status_of<'a>(backup: &'a DatabaseBackup, copy: &ValidCopy) -> Option<&'a BackupCopyStatus> {
    let mut all = backup.status.iter().flat_map(|status| &status.copies);
    all.find(|one| one.name == copy.name && one.is_in(&copy.storage))
}

/// When a backup could last not be copied, or its verdict not be stored, also where nobody has said so. No Job
/// of the copy runs.
fn failed_at(backup: &DatabaseBackup, copy: &ValidCopy) -> Option<Timestamp> {
    let status = status_of(backup, copy)?;
    (!status.is_complete() || status.reason.is_some()).then_some(status.time.0)
}

/// The backups of which a copy lacks something: first what was never tried, the newest set first; then what
/// failed, in turn. So one that can't be copied holds up no other, and no verdict.
fn lacking<'a>(
    observed: &'a Observed,
    backup: &ValidBackup,
    copy: &ValidCopy,
) -> Vec<(&'a DatabaseBackup, Lacks)> {
    let mut all: Vec<(&DatabaseBackup, Lacks)> = list(&observed.backups)
        .iter()
        .filter(|one| is_in_present_bucket(one, &backup.storage))
        .filter(|one| one.metadata.deletion_timestamp.is_none())
        .filter_map(|one| Some((one, lacks(one, copy)?)))
        .collect();
    all.sort_by_key(|(one, lacks)| (failed_at(one, copy), *lacks, std::cmp::Reverse(one.made())));
    all
}

/// What a copy lacks of a backup. One that a check has demoted is not copied, nor one that is damaged.
fn lacks(backup: &DatabaseBackup, copy: &ValidCopy) -> Option<Lacks> {
    let status = backup.status.as_ref()?;
    let is_taken = status.state == Some(BackupState::Complete)
        && status.path.is_some()
        && status.manifest_sha256.is_some();
    if !is_taken {
        return None;
    }
    let found = status_of(backup, copy).filter(|found| found.is_complete());
    let Some(found) = found else {
        return status.demoted.is_none().then_some(Lacks::Set);
    };
    let (verdict, lacks) = match (&status.demoted, &status.confirmed) {
        (Some(by), _) if !by.is_damage() => (CopiedVerdict::Demoted, Lacks::Demotion),
        (None, Some(_)) => (CopiedVerdict::Confirmed, Lacks::Confirmation),
        // Nothing new can be read of a damaged set.
        (Some(_), _) | (None, None) => return None,
    };
    (found.verdict != Some(verdict)).then_some(lacks)
}

/// How long it is waited for that a backup is confirmed before it is copied.
fn confirmation_left(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &DatabaseBackup,
) -> Duration {
    if !backup.has_no_verdict() {
        return Duration::ZERO;
    }
    CONFIRMED_WITHIN.saturating_sub(age(observed, judged, backup))
}

/// How long ago a backup was over.
fn age(observed: &Observed, judged: &Judged<'_>, backup: &DatabaseBackup) -> Duration {
    let over = over_at(backup, judged);
    let age = over.map(|over| observed.server_time().duration_since(over));
    age.and_then(|age| Duration::try_from(age).ok())
        .unwrap_or_default()
}

/// Says which copies are behind. The backups themselves are as fresh as they were.
pub fn say(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
    mut condition: DesiredCondition,
) -> DesiredCondition {
    for copy in &backup.copies {
        let lacking = lacking(observed, backup, copy);
        let demoted = lacking
            .iter()
            .find(|(of, lacks)| *lacks == Lacks::Demotion && failed_at(of, copy).is_some());
        if let Some((of, _)) = demoted {
            condition.add(&format!(
                "the copy {} does not say yet that {} is demoted: do not restore that one from it",
                copy.name,
                of.metadata.name.as_deref().unwrap_or_default()
            ));
        }
        let behind: Vec<&DatabaseBackup> = lacking
            .into_iter()
            .filter(|(_, lacks)| *lacks == Lacks::Set)
            .map(|(backup, _)| backup)
            .collect();
        let oldest = behind
            .iter()
            .filter_map(|backup| over_at(backup, judged))
            .min();
        let Some(since) = oldest else { continue };
        let mut statuses = behind.iter().filter_map(|backup| status_of(backup, copy));
        let failure = statuses.find(|status| status.reason.is_some());
        let is_late = behind
            .iter()
            .any(|backup| age(observed, judged, backup) >= LATE);
        if failure.is_none() && !is_late {
            continue;
        }
        let count = match behind.len() {
            1 => "1 set".to_owned(),
            count => format!("{count} sets"),
        };
        let why = failure.map_or_else(String::new, |status| {
            let message = status.message.as_deref().unwrap_or_default();
            let reason = status.reason.as_deref().unwrap_or_default();
            format!(" ({reason}): {}", message.trim_end_matches('.'))
        });
        condition.add(&format!(
            "the copy {} is {count} behind since {since}{why}",
            copy.name
        ));
    }
    condition
}
