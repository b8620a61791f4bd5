//! The backups' part of a plan: the CronJob, the first backup, and how fresh the newest good one
//! is. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::agent_settings::{of_cron_job, remember};
use super::area::{Area, Stall};
use super::asked_backups::plan_asked_backups;
use super::catalog::{self, plan_catalog, report_catalog};
use super::check_names;
use super::confirm_backups::plan_verdicts;
use super::copies::{self, plan_copies};
use super::dwindled_files;
use super::job_end::{job_ended, job_ended_at};
use super::judge::Judged;
use super::known_cluster::known_cluster;
use super::last_backups::{
    identifier, is_in_present_bucket, is_of_accepted, left_behind, never_succeeded, over_at,
    report, uncounted,
};
use super::late_backup;
use super::next_backup;
use super::not_begun::{self, Task};
use super::ready::list;
use super::sampled::{self, plan_reads};
use super::turn;
use super::unreported_backups::{plan_unreported, state};
use crate::api::{
    Backup, BackupDirectory, BackupState, CheckOutcome, ConditionStatus, ConditionType,
    DatabaseBackup, DesiredCondition, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{self, ValidBackup};
use crate::world::{AgentIdentity, Observed};

/// Annotation on the CronJob and the Job of the first backup: the digest of what the CronJob should
/// be, so that a pass that changes nothing writes nothing.
const TEMPLATE_ANNOTATION: &str = "holdfast.dev/template-digest";
/// How much longer than a check may take a backup waits for its verdict.
const CHECK_MARGIN: Duration = Duration::from_mins(1);
/// How long a check may take while the spec does not say so in a way that can be used.
const CHECK_TIMEOUT: Duration = Duration::from_mins(1);

/// Plans backups and says how fresh they are.
pub fn back_up(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
    plan: &mut Plan,
) -> Area {
    plan_unreported(observed, plan);
    plan_reads(observed, plan);
    plan_verdicts(observed, judged, plan);
    report(observed, judged, plan);
    report_catalog(observed, plan);
    turn::report_turn(observed, plan);
    let Some(asked) = &observed.database.spec.backup else {
        plan_no_cron_job(observed, plan);
        let message =
            "there is no spec.backup: if the volume is lost, the data is lost. Set it".to_owned();
        condition(
            plan,
            ConditionStatus::False,
            reasons::NO_BACKUP_CONFIGURED,
            message,
        );
        return Area::default();
    };
    let backup = match &judged.spec.backup {
        Ok(Some(backup)) => backup,
        Ok(None) => return Area::default(),
        Err(errors) => {
            plan_none_for_others(observed, asked, plan);
            let stall = Stall::invalid_spec(errors);
            condition(
                plan,
                ConditionStatus::False,
                stall.reason,
                stall.message.clone(),
            );
            return Area {
                stall: Some(stall),
                waiting_on: None,
            };
        }
    };
    if let Some(Some(present)) = observed.cron_job.known()
        && !observed.is_ours(&present.metadata)
    {
        let stall = name_taken(observed, present);
        condition(
            plan,
            ConditionStatus::False,
            stall.reason,
            stall.message.clone(),
        );
        return Area {
            stall: Some(stall),
            waiting_on: None,
        };
    }
    // Without the neighbours it is not known whose workload it is.
    let is_known = stall.is_none() && observed.neighbours.known().is_some();
    let cron_job = if is_known {
        desired_cron_job(observed, judged, backup)
    } else {
        None
    };
    match &cron_job {
        Some(cron_job) => plan_cron_job(observed, cron_job, plan),
        None => plan_none_for_others(observed, asked, plan),
    }
    if observed.database.spec.suspend {
        condition(
            plan,
            ConditionStatus::Unknown,
            reasons::SUSPENDED,
            "spec.suspend is true: no backups are taken; set it to false".to_owned(),
        );
        return Area::default();
    }
    plan.status.next_backup = backup.schedule.next_tick(&observed.now);
    if let Some(cron_job) = &cron_job {
        plan_first_backup(observed, judged, backup, cron_job, plan);
        plan_asked_backups(observed, cron_job, plan);
    }
    plan_catalog(observed, judged, backup, plan);
    plan_copies(observed, judged, backup, plan);
    let mut area = fresh(observed, judged, backup, plan);
    late_backup::plan_look(observed, backup, plan);
    let good = plan.status.last_good_backup.clone();
    if let Some(fresh) = plan.conditions.pop() {
        let has_ended = |job: &Job| job_ended(job).is_some();
        let said = not_begun::say(observed, Task::Backup, has_ended, fresh);
        if said.reason == reasons::AGENT_NOT_STARTED {
            area.waiting_on = area.waiting_on.map(|_| said.message.clone());
        }
        let said = late_backup::say(observed, good.as_ref(), said);
        let said = not_begun::say(observed, Task::Catalog, has_ended, said);
        plan.status.backup_obstacle = next_backup::find_obstacle(observed);
        let said = next_backup::say(plan.status.backup_obstacle.as_ref(), said);
        let said = not_begun::say(observed, Task::Copy, has_ended, said);
        let said = copies::say(observed, judged, backup, said);
        let said = catalog::say(observed, plan, said);
        let said = sampled::say(observed, said);
        let said = turn::say(plan, said);
        let said = dwindled_files::say(observed, said);
        plan.conditions.push(said);
    }
    area
}

fn condition(plan: &mut Plan, status: ConditionStatus, reason: &'static str, message: String) {
    plan.conditions.push(DesiredCondition {
        condition: ConditionType::BackupFresh,
        status,
        reason,
        message,
    });
}

fn name_taken(observed: &Observed, present: &CronJob) -> Stall {
    let (namespace, name) = (
        observed.namespace_name(),
        present.metadata.name.as_deref().unwrap_or_default(),
    );
    let message = format!(
        "CronJob {name} in namespace {namespace} was not created by Holdfast, which needs that \
         name. It is not changed, and no backup is taken. Rename or delete it: kubectl -n \
         {namespace} get cronjob {name} -o yaml"
    );
    Stall {
        reason: reasons::NAME_TAKEN,
        message,
    }
}

/// The CronJob as it should be.
pub fn desired_cron_job(
    observed: &Observed,
    judged: &Judged<'_>,
    backup: &ValidBackup,
) -> Option<CronJob> {
    let container =
        observed.database_container(observed.database.spec.workload.container.as_deref())?;
    let container_name = container.name.clone();
    let reference = match (observed.workload_found(), observed.pods_found()) {
        (Some(workload), _) => resources::WorkloadReference {
            kind: Some(workload.kind),
            name: workload.metadata.name.clone().unwrap_or_default(),
            selector: workload.selector.clone(),
            container: container_name,
            is_primary: false,
        },
        (None, found) => resources::WorkloadReference {
            kind: None,
            name: String::new(),
            selector: found?.primary_query()?,
            container: container_name,
            is_primary: found?.primary.is_some(),
        },
    };
    let check = judged.spec.verification.as_ref();
    let timeout = check.map_or(CHECK_TIMEOUT, |verification| verification.timeout);
    let check_limit = timeout + observed.pace.margin + CHECK_MARGIN;
    let mut request =
        resources::backup_request(&observed.database, backup, &reference, check_limit);
    request.kubernetes_cluster = known_cluster(observed);
    let noted = || resources::noted_request(observed.cron_job.known()?.as_ref()?)?.namespace_uid;
    let namespace = observed.namespace_uid().map(ToOwned::to_owned);
    request.namespace_uid = namespace.or_else(noted);
    // A set that does not say of which namespace it is could not be told from one of a later owner's.
    if request.namespace_uid.is_none() && observed.namespace.known().is_none() {
        return None;
    }
    let has_turns = observed.turn.is_some();
    request.turn_seconds = has_turns.then(|| resources::turn_limit(&backup.schedule));
    let settings = of_cron_job(observed, &container.image);
    let mut cron_job = resources::build_backup_cron_job(
        &observed.database,
        &backup.schedule,
        &request,
        find_node(observed, &request.directories),
        &settings,
    );
    remember(&mut cron_job, &settings.placement);
    let digest = check_names::short_digest(&serde_json::to_string(&cron_job).unwrap_or_default());
    cron_job
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(TEMPLATE_ANNOTATION.to_owned(), digest);
    Some(cron_job)
}

/// Where the claim of the first directory of the set is mounted; as long as no pod has it, where it was.
fn find_node<'a>(observed: &'a Observed, directories: &[BackupDirectory]) -> Option<&'a str> {
    let first = directories.first()?;
    let mut claims = list(&observed.file_claims).iter();
    let claim = claims.find(|claim| claim.claim == first.claim);
    let present = observed.cron_job.known().and_then(Option::as_ref);
    claim
        .and_then(|claim| claim.node.as_deref())
        .or_else(|| present.and_then(resources::noted_node))
}

fn plan_cron_job(observed: &Observed, desired: &CronJob, plan: &mut Plan) {
    let Some(present) = observed.cron_job.known() else {
        return;
    };
    if present
        .as_ref()
        .is_some_and(|present| is_as_desired(present, desired))
    {
        return;
    }
    if observed.agent_identity.known() == Some(&AgentIdentity::Missing)
        && !plan.steps.contains(&Step::EnsureAgentIdentity)
    {
        plan.steps.push(Step::EnsureAgentIdentity);
    }
    plan.steps
        .push(Step::ApplyCronJob(Box::new(desired.clone())));
}

/// Whether a CronJob is what it should be: by the digest, which the operator's own writes carry,
/// and by the fields that users change by hand.
fn is_as_desired(present: &CronJob, desired: &CronJob) -> bool {
    let by_hand = |cron_job: &CronJob| {
        let spec = &cron_job.spec;
        (
            spec.schedule.clone(),
            spec.time_zone.clone(),
            spec.suspend,
            spec.concurrency_policy.clone(),
        )
    };
    template_digest(&present.metadata) == template_digest(&desired.metadata)
        && by_hand(present) == by_hand(desired)
}

fn plan_no_cron_job(observed: &Observed, plan: &mut Plan) {
    if let Some(Some(present)) = observed.cron_job.known()
        && observed.is_ours(&present.metadata)
    {
        plan.steps
            .push(Step::DeleteCronJob(Box::new(present.metadata.clone())));
    }
}

/// A CronJob that can't be corrected now goes on as it is, unless encryption is asked for, and its backups
/// would not be for these recipients: nothing is uploaded that others could read.
fn plan_none_for_others(observed: &Observed, asked: &Backup, plan: &mut Plan) {
    let (Some(encryption), Some(Some(present))) = (&asked.encryption, observed.cron_job.known())
    else {
        return;
    };
    let of = |keys: &[String]| keys.iter().cloned().collect::<BTreeSet<String>>();
    let noted = resources::noted_request(present).map(|noted| of(&noted.age_recipients));
    // A spec without a recipient asks for encryption as well.
    let is_for_these =
        noted.is_some_and(|noted| !noted.is_empty() && noted == of(&encryption.age_recipients));
    if !is_for_these {
        plan_no_cron_job(observed, plan);
    }
}

/// The first backup is taken as soon as the data is verified, not at the first tick of the
/// schedule: the first of a database cluster, and the first in a bucket.
fn plan_first_backup(
    observed: &Observed,
    judged: &Judged<'_>,
    asked: &ValidBackup,
    desired: &CronJob,
    plan: &mut Plan,
) {
    let verified = judged
        .newest_definitive()
        .is_some_and(|newest| newest.verdict.outcome == CheckOutcome::Verified);
    let (Some(backups), Some(jobs), Some(Some(present))) = (
        observed.backups.known(),
        observed.jobs.known(),
        observed.cron_job.known(),
    ) else {
        return;
    };
    let settled = |backup: &DatabaseBackup| match state(backup) {
        Some(BackupState::Running) => true,
        // One that was demoted may hold nothing, and is none.
        Some(BackupState::Complete) => {
            let status = backup.status.as_ref();
            status.is_some_and(|status| status.demoted.is_none())
                && is_of_accepted(observed, judged, identifier(backup))
                && is_in_present_bucket(backup, &asked.storage)
        }
        _ => false,
    };
    let running = jobs
        .iter()
        .any(|job| not_begun::uses_the_database(job) && job_ended(job).is_none());
    if !verified || running || backups.iter().any(settled) {
        return;
    }
    // A Job counts too: one that ended without a DatabaseBackup, or whose DatabaseBackup was
    // deleted, still has its name.
    let names = backups
        .iter()
        .map(|backup| &backup.metadata.name)
        .chain(jobs.iter().map(|job| &job.metadata.name));
    let tried =
        check_names::next_first_backup(observed.name(), names.flatten().map(String::as_str));
    let reports = backups.iter().filter_map(|backup| over_at(backup, judged));
    let last = reports
        .chain(
            jobs.iter()
                .filter(|job| Task::Backup.is_of(job))
                .filter_map(job_ended_at)
                .map(|time| time.0),
        )
        .max();
    if let (Some(ended), true) = (last, tried > 0) {
        let pause = observed.pace.first_backup.after(tried).as_secs();
        let due = ended
            .as_second()
            .saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
        let wait = due - observed.now.0.as_second();
        if wait > 0 && !changed_since(jobs, desired) {
            let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(1));
            plan.again_after = Some(plan.again_after.map_or(wait, |again| again.min(wait)));
            return;
        }
    }
    let mut owner = desired.clone();
    owner.metadata.uid.clone_from(&present.metadata.uid);
    let name = check_names::first_backup(observed.name(), tried);
    if turn::first_must_wait(observed, &name, plan) {
        return;
    }
    let mut job = resources::build_first_backup_job(&owner, &name);
    if let Some(digest) = template_digest(&desired.metadata) {
        job.metadata
            .annotations
            .get_or_insert_default()
            .insert(TEMPLATE_ANNOTATION.to_owned(), digest.to_owned());
    }
    plan.steps.push(Step::CreateJob(Box::new(job)));
}

fn template_digest(metadata: &ObjectMeta) -> Option<&str> {
    metadata
        .annotations
        .as_ref()?
        .get(TEMPLATE_ANNOTATION)
        .map(String::as_str)
}

/// Whether a first backup would now differ from the newest that was tried: a user has corrected
/// something, so it is tried at once.
fn changed_since(jobs: &[Job], desired: &CronJob) -> bool {
    let tried = jobs
        .iter()
        .filter(|job| Task::Backup.is_of(job) && template_digest(&job.metadata).is_some());
    let newest =
        tried.max_by_key(|job| job.metadata.creation_timestamp.as_ref().map(|time| time.0));
    newest.is_some_and(|job| template_digest(&job.metadata) != template_digest(&desired.metadata))
}

fn fresh(observed: &Observed, judged: &Judged<'_>, backup: &ValidBackup, plan: &mut Plan) -> Area {
    let newest = list(&observed.backups).iter().max_by_key(|backup| {
        backup
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    });
    let said = newest.and_then(uncounted);
    let is_failing = said.is_some();
    let Some(good) = plan.status.last_good_backup.clone() else {
        if let Some(why) = observed.backups.unknown() {
            condition(
                plan,
                ConditionStatus::Unknown,
                reasons::READ_FAILED,
                why.to_owned(),
            );
            return Area::default();
        }
        let unconfirmed = list(&observed.backups)
            .iter()
            .find(|one| one.has_no_verdict());
        let (reason, message) = said.unwrap_or_else(|| match unconfirmed {
            Some(backup) => (
                reasons::BACKUP_NOT_CONFIRMED,
                format!(
                    "{} is complete and does not count yet: no good check was made after it",
                    backup.metadata.name.as_deref().unwrap_or_default()
                ),
            ),
            None => (reasons::NEVER_SUCCEEDED, never_succeeded(observed, judged)),
        });
        condition(plan, ConditionStatus::False, reason, message.clone());
        let waiting = (!is_failing).then(|| match unconfirmed {
            Some(_) => message,
            None => "the first backup has not been completed yet".to_owned(),
        });
        return Area {
            stall: None,
            waiting_on: waiting,
        };
    };
    let limit = backup.schedule.overdue_at(&good.time);
    let elsewhere = left_behind(observed, backup, &good.name);
    let failed = said
        .map(|(reason, message)| format!("; the newest one did not succeed ({reason}): {message}"))
        .unwrap_or_default();
    match limit {
        Some(limit) if limit.0 > observed.now.0 => {
            let message = format!(
                "the newest good backup is {}, completed at {}{elsewhere}{failed}",
                good.name, good.time.0
            );
            condition(plan, ConditionStatus::True, reasons::BACKUP_FRESH, message);
        }
        _ => {
            let message = format!(
                "the newest good backup is {}, completed at {}, which is older than two intervals \
                 of spec.backup.schedule{elsewhere}{failed}. See kubectl -n {} get dbbackup",
                good.name,
                good.time.0,
                observed.namespace_name()
            );
            condition(
                plan,
                ConditionStatus::False,
                reasons::BACKUP_OVERDUE,
                message,
            );
        }
    }
    Area::default()
}
