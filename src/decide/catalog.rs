//! The sets in the bucket: when they are checked, which backups go because retention has removed their
//! sets, and what is reported of damaged ones. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;

use super::agent_settings::of_cron_job;
use super::job_end::{job_ended, job_failed};
use super::judge::Judged;
use super::known_cluster::known_cluster;
use super::last_backups::{identifier, is_in_present_bucket, is_of_accepted};
use super::not_begun::Task;
use super::ready::list;
use super::turn::look_must_wait;
use super::unreported_backups::state;
use crate::api::{
    BackupState, CatalogReport, CatalogSummary, ConditionStatus, DatabaseBackup, DesiredCondition,
    SetRemark, names, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{self, ValidBackup};
use crate::world::{AgentIdentity, Observed};

/// The backup with the newest report about the sets, and the report. Which is the newest the API server's
/// clock says: each is made for the newest confirmed backup of its time.
pub fn newest_report(observed: &Observed) -> Option<(&DatabaseBackup, &CatalogReport)> {
    list(&observed.backups)
        .iter()
        .filter_map(|backup| Some((backup, backup.status.as_ref()?.catalog.as_ref()?)))
        .max_by_key(|(backup, _)| backup.made())
}

fn path(backup: &DatabaseBackup) -> Option<&str> {
    backup.status.as_ref()?.path.as_deref()
}

/// Reports the newest look, and deletes the backups whose sets it has removed.
pub fn report_catalog(observed: &Observed, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    let before = before.and_then(|status| status.catalog.clone());
    let before_complete = before.as_ref().and_then(|look| look.last_complete.clone());
    let Some((reported, report)) = newest_report(observed) else {
        // What can't be read stays as it was.
        plan.status.catalog = before.filter(|_| observed.backups.known().is_none());
        return;
    };
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let settled = report.damaged.len() - damaged(observed, report).count();
    plan.status.catalog = Some(CatalogSummary {
        backup: reported.metadata.name.clone().unwrap_or_default(),
        time: report.completion_time.clone(),
        last_complete: report
            .completion_time
            .clone()
            .filter(|_| report.failure.is_none())
            .or(before_complete),
        sets: report.sets,
        confirmed: report.confirmed,
        stored_bytes: report.stored_bytes,
        damaged: report.damaged_count.saturating_sub(count(settled)).max(0),
        left: count(report.left.len()),
        held: report.held.clone(),
        failure: report.failure.clone(),
    });
    for backup in removed(observed, reported, report) {
        plan.steps
            .push(Step::DeleteBackup(Box::new(backup.metadata.clone())));
    }
}

/// The backups whose sets are removed: only older ones than that which has the report, of the same bucket.
fn removed<'a>(
    observed: &'a Observed,
    reported: &'a DatabaseBackup,
    report: &'a CatalogReport,
) -> impl Iterator<Item = &'a DatabaseBackup> {
    let place = |backup: &DatabaseBackup| {
        let status = backup.status.clone().unwrap_or_default();
        (status.bucket, status.endpoint)
    };
    list(&observed.backups).iter().filter(move |backup| {
        let is_removed =
            path(backup).is_some_and(|path| report.removed.iter().any(|one| one == path));
        let has_ended = matches!(
            state(backup),
            Some(BackupState::Complete | BackupState::Suspect)
        );
        is_removed
            && has_ended
            && backup.made() < reported.made()
            && place(backup) == place(reported)
            && backup.metadata.deletion_timestamp.is_none()
    })
}

/// Creates the Job that looks at the sets, when it is due.
pub fn plan_catalog(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
    plan: &mut Plan,
) {
    let newest = list(&observed.backups)
        .iter()
        .filter(|one| {
            one.counts()
                && is_of_accepted(observed, judged, identifier(one))
                && is_in_present_bucket(one, &backup.storage)
        })
        .max_by_key(|one| one.made());
    let Some(newest) = newest else { return };
    let Some(wait) = time_left(observed) else {
        return;
    };
    if !wait.is_zero() {
        plan.read_again_after(wait);
        return;
    }
    if look_must_wait(observed, plan) {
        return;
    }
    let (Some(uid), Some(name)) = (&newest.metadata.uid, &newest.metadata.name) else {
        return;
    };
    let last = newest_report(observed).map(|(_, report)| report);
    let of_newest = newest
        .status
        .as_ref()
        .and_then(|status| status.catalog.as_ref());
    let mut request = resources::catalog_request(&observed.database, backup, name);
    // Rules that were set or changed, also by an upgrade, are planned by one look and carried out by the
    // next: there is a day to read the plan.
    let is_planned = last.is_some_and(|last| last.rules == request.retention);
    request.removes =
        request.retention.is_some() && is_planned && !of_newest.is_some_and(has_removed);
    request.removing = last.map(|last| last.removing.clone()).unwrap_or_default();
    request.kubernetes_cluster = known_cluster(observed);
    // Two tries of one pass have one name.
    let pace = observed.pace.catalog;
    let run = observed.server_time().as_second()
        / i64::try_from(pace.retry.min(pace.interval).as_secs().max(1)).unwrap_or(i64::MAX);
    let job = resources::build_catalog_job(
        &observed.database,
        &names::catalog_job(uid, run),
        &request,
        &of_cron_job(observed, ""),
        observed.pace.margin,
    );
    plan_agent_job(observed, job, plan);
}

/// Creates the Job of an agent that works on the bucket, and what it needs in the namespace.
pub fn plan_agent_job(observed: &Observed, job: Job, plan: &mut Plan) {
    if observed.agent_identity.known() == Some(&AgentIdentity::Missing)
        && !plan.steps.contains(&Step::EnsureAgentIdentity)
    {
        plan.steps.push(Step::EnsureAgentIdentity);
    }
    plan.steps.push(Step::CreateJob(Box::new(job)));
}

/// Whether a look has removed all that it was to remove.
fn has_removed(report: &CatalogReport) -> bool {
    report.removes
        && report.completion_time.is_some()
        && report.failure.is_none()
        && report.held.is_none()
        && report.removing.is_empty()
}

/// How long until the next look is due. None while one runs, or that is not known.
fn time_left(observed: &Observed) -> Option<Duration> {
    let pace = observed.pace.catalog;
    let jobs = observed.jobs.known()?.iter();
    let looks: Vec<&Job> = jobs
        .filter(|job| Task::Catalog.is_of(job) && observed.is_ours(&job.metadata))
        .collect();
    if looks.iter().any(|job| job_ended(job).is_none()) {
        return None;
    }
    let report = newest_report(observed).map(|(_, report)| report);
    // What held it may be over soon, unless it is not over after a day.
    let now = observed.server_time();
    let is_held = |report: &&CatalogReport| {
        let since = report.held_since.as_ref();
        let is_recent = since.is_none_or(|since| {
            let held = Duration::try_from(now.duration_since(since.0));
            held.is_ok_and(|held| held < pace.interval)
        });
        report.removes && report.held.is_some() && is_recent
    };
    let was_held = |job: &Job| {
        let held = report.filter(is_held);
        held.is_some_and(|report| job.metadata.name.as_ref() == Some(&report.job))
    };
    let left = |job: &&Job| {
        let pause = if job_failed(job).is_some() || was_held(job) {
            pace.retry
        } else {
            pace.interval
        };
        Some(pause.saturating_sub(observed.job_age(job)?))
    };
    if !looks.is_empty() {
        let newest = looks
            .iter()
            .max_by_key(|job| job.metadata.creation_timestamp.as_ref().map(|time| time.0));
        return newest.and_then(left);
    }
    // Who deletes the Job wants another look; what deletes every ended Job must not get one after another.
    if let Some(report) = report {
        let ended = report.completion_time.as_ref();
        let age = ended.and_then(|ended| Duration::try_from(now.duration_since(ended.0)).ok());
        let pause = age.map(|age| (pace.retry / 60).saturating_sub(age));
        return Some(pause.unwrap_or_default());
    }
    let counting = list(&observed.backups).iter().filter(|one| one.counts());
    let counting: Vec<Timestamp> = counting.filter_map(DatabaseBackup::made).collect();
    // With the second one there may be something to remove.
    if counting.len() > 1 {
        return Some(Duration::ZERO);
    }
    let first = counting.into_iter().min()?;
    let age = observed.server_time().duration_since(first);
    Some(
        pace.first
            .saturating_sub(Duration::try_from(age).unwrap_or_default()),
    )
}

/// The damaged sets of a report that are damaged still, as far as is known: of one that is gone, its
/// backup may have been deleted since, too.
fn damaged<'a>(
    observed: &'a Observed,
    report: &'a CatalogReport,
) -> impl Iterator<Item = &'a SetRemark> {
    let is_known = |remark: &SetRemark| {
        let mut backups = list(&observed.backups).iter();
        backups.any(|backup| path(backup) == Some(remark.path.as_str()))
    };
    report
        .damaged
        .iter()
        .filter(move |remark| !remark.is_gone || is_known(remark))
}

/// Says which sets a lifecycle rule of the bucket seems to have removed: as a whole, and the oldest. That is
/// what its owner wanted, and nothing is wrong with the others.
fn say_expired(
    observed: &Observed,
    report: &CatalogReport,
    mut condition: DesiredCondition,
) -> DesiredCondition {
    let name_of = |remark: &SetRemark| {
        let mut backups = list(&observed.backups).iter();
        let found = backups.find(|backup| path(backup) == Some(remark.path.as_str()));
        found.and_then(|backup| backup.metadata.name.clone())
    };
    let Some(name) = report.expired.iter().find_map(name_of) else {
        return condition;
    };
    let count = match report.expired_count {
        0 | 1 => "1 set".to_owned(),
        count => format!("{count} sets"),
    };
    condition.add(&format!(
        "{count} older than all others, such as that of DatabaseBackup {name}, are gone from the bucket, as \
         after a lifecycle rule of it. Delete what is left of them in the cluster: kubectl -n {} delete \
         dbbackup {name}",
        observed.namespace_name()
    ));
    condition
}

/// Says which sets are damaged. There may be a fresh backup nevertheless; but who loses one may lose the
/// others, too.
pub fn say(observed: &Observed, plan: &Plan, condition: DesiredCondition) -> DesiredCondition {
    let Some((_, report)) = newest_report(observed) else {
        return condition;
    };
    let condition = say_expired(observed, report, condition);
    let mut sets = damaged(observed, report);
    let Some(first) = sets.next() else {
        return condition;
    };
    let count = plan.status.catalog.as_ref().map_or(1, |look| look.damaged);
    let more = match count {
        0 | 1 => String::new(),
        count => format!(" ({} more)", count - 1),
    };
    let mut backups = list(&observed.backups).iter();
    let of_set = backups.find(|backup| path(backup) == Some(first.path.as_str()));
    let delete = of_set.map_or_else(String::new, |backup| {
        format!(
            ", and its DatabaseBackup: kubectl -n {} delete dbbackup {}",
            observed.namespace_name(),
            backup.metadata.name.as_deref().unwrap_or_default()
        )
    });
    let said = format!(
        "the backup set {} is incomplete{more}: {}. Do not restore from it. Find out who removes from \
         the bucket; then delete what is left of the set{delete}",
        first.path, first.why
    );
    worsen(condition, reasons::SET_INCOMPLETE, &said)
}

/// Says what is wrong with a set, whatever else is true. Backups that are fresh are so no more.
pub fn worsen(
    mut condition: DesiredCondition,
    reason: &'static str,
    said: &str,
) -> DesiredCondition {
    if condition.status == ConditionStatus::True {
        condition.status = ConditionStatus::False;
        condition.reason = reason;
        condition.message = format!("{said}. Apart from that, {}", condition.message);
    } else {
        condition.add(said);
    }
    condition
}
