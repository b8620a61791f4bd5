//! Looking for the files that rows refer to: after a check one Job per rule, once, and what all of
//! them say together. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use super::agent_settings::beside_pod;
use super::area::Stall;
use super::job_end::{agent_ended, job_ended};
use super::judge::{Judged, JudgedCheck, is_of, order};
use super::not_begun;
use super::ready::list;
use super::running::Running;
use crate::api::{
    AgentFailure, CheckOutcome, CheckTrigger, CheckedFiles, ConditionStatus, ConditionType,
    DatabaseCheck, DesiredCondition, FileRule, names, reasons,
};
use crate::plan::{Plan, Step};
use crate::resources::{self, ValidVerification};
use crate::verdict::{FileCheck, FilesInput, judge_files};
use crate::world::Observed;

/// How many rules of a database are checked at the same time: each needs a connection to the
/// server.
const AT_ONCE: usize = 4;
/// How long after the end of a Job its report may still be on its way into what is read, in
/// seconds: checks and Jobs are read side by side.
const REPORT_SECONDS: i64 = 30;

/// Plans the Jobs for the newest check of the primary's start that was not Unverifiable.
pub fn plan_files(
    observed: &Observed,
    verification: &ValidVerification,
    judged: &Judged<'_>,
    primary: &Running<'_>,
    plan: &mut Plan,
) {
    let of_start = judged.verdicts.values().filter(|judged| {
        is_of(judged.check, &primary.pod.uid, &primary.container.id)
            && judged.verdict.outcome != CheckOutcome::Unverifiable
            && judged.check.spec.trigger != CheckTrigger::Backup
    });
    let newest = of_start.max_by_key(|judged| order(judged.check));
    let (Some(newest), Some(places)) = (
        newest.filter(|newest| is_asked(observed, newest)),
        observed.file_claims.known(),
    ) else {
        return;
    };
    let check = newest.check;
    let is_files_job = |job: &&Job| {
        job.metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(names::TASK_LABEL))
            .is_some_and(|task| task == "files")
    };
    let mut under_way = list(&observed.jobs)
        .iter()
        .filter(is_files_job)
        .filter(|job| job_ended(job).is_none())
        .count();
    for (place, rule) in observed
        .database
        .spec
        .verification
        .files
        .iter()
        .enumerate()
        .filter(|(place, _)| result_of(check, *place).is_none())
    {
        let name = names::files_job(check.metadata.uid.as_deref().unwrap_or_default(), place);
        match list(&observed.jobs)
            .iter()
            .find(|job| job.metadata.name.as_ref() == Some(&name))
        {
            Some(job) => plan_end(observed, check, (place, rule), job, plan),
            None if under_way >= AT_ONCE => {}
            None => {
                let Some(found) = places.iter().find(|found| found.claim == rule.claim) else {
                    continue;
                };
                let step = build_job(
                    observed,
                    verification,
                    check,
                    place,
                    primary,
                    found.node.as_deref(),
                );
                under_way += usize::from(step.is_some());
                plan.steps.extend(step);
            }
        }
    }
}

/// Whether a check is one that files are looked for after: it found evidence, and asked for what
/// the spec asks for now. A backup that begins does not wait for files.
fn is_asked(observed: &Observed, judged: &JudgedCheck<'_>) -> bool {
    let generation = observed.database.metadata.generation.unwrap_or_default();
    let is_current = judged
        .check
        .spec
        .target
        .as_ref()
        .is_some_and(|target| target.database_generation >= generation);
    let can_say = judged.verdict.outcome != CheckOutcome::Unverifiable;
    is_current
        && judged.check.evidence().is_some()
        && can_say
        && !matches!(
            judged.check.spec.trigger,
            CheckTrigger::Restore | CheckTrigger::Backup
        )
}

fn result_of(check: &DatabaseCheck, place: usize) -> Option<&CheckedFiles> {
    check
        .status
        .as_ref()?
        .files
        .iter()
        .find(|files| usize::try_from(files.rule) == Ok(place))
}

/// The Job that looks for the files of one rule.
pub fn build_job(
    observed: &Observed,
    verification: &ValidVerification,
    check: &DatabaseCheck,
    place: usize,
    primary: &Running<'_>,
    node: Option<&str>,
) -> Option<Step> {
    let address = primary.pod.address.as_deref()?;
    let settings = beside_pod(observed, primary.pod, &primary.container.image);
    let request =
        resources::files_request(&observed.database, verification, check, place, address)?;
    Some(Step::CreateJob(Box::new(resources::build_files_job(
        &observed.database,
        check,
        &request,
        node,
        &settings,
        observed.pace.margin,
    ))))
}

/// A Job that ended without a report is noted once, in its check: a Job is deleted by itself after
/// a while, and would be created again.
fn plan_end(
    observed: &Observed,
    check: &DatabaseCheck,
    (place, rule): (usize, &FileRule),
    job: &Job,
    plan: &mut Plan,
) {
    let Some(why) = agent_ended(observed, job) else {
        if let Some(why) = not_begun::overdue(observed, job) {
            let message = format!(
                "spec.verification.files[{place}]: {why}, so nothing is known about the files. \
                 Whether its pod would be admitted: kubectl holdfast check -n {}",
                observed.namespace_name()
            );
            let reason = reasons::AGENT_NOT_STARTED;
            plan.steps
                .push(fail_files(observed, check, (place, rule), reason, message));
            plan.steps
                .push(Step::EndJob(Box::new(job.metadata.clone())));
        }
        return;
    };
    let conditions = job
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let ended = conditions
        .filter_map(|condition| condition.last_transition_time.as_ref())
        .map(|time| time.0.as_second())
        .max();
    let left = ended.map_or(0, |ended| {
        ended
            .saturating_add(REPORT_SECONDS)
            .saturating_sub(observed.now.0.as_second())
    });
    if left > 0 {
        plan.read_again_after(Duration::from_secs(u64::try_from(left).unwrap_or_default()));
        return;
    }
    let (namespace, name) = (
        observed.namespace_name(),
        job.metadata.name.as_deref().unwrap_or_default(),
    );
    let claim = &rule.claim;
    let words = not_begun::last_words(observed, job);
    let message = format!(
        "spec.verification.files[{place}]: the agent's Job {name} ended without a report \
         ({why}{words}), so nothing is known about the files. With DeadlineExceeded its pod most likely never \
         started, because claim {claim} can't be mounted beside the pod that has it now. See \
         kubectl -n {namespace} describe pvc {claim} and kubectl -n {namespace} describe job {name}"
    );
    let reason = not_begun::reason(observed, job);
    plan.steps
        .push(fail_files(observed, check, (place, rule), reason, message));
}

/// What is noted in the check in place of the report about one rule.
pub fn fail_files(
    observed: &Observed,
    check: &DatabaseCheck,
    (place, rule): (usize, &FileRule),
    reason: &str,
    message: String,
) -> Step {
    Step::FailFiles {
        check: check.metadata.name.clone().unwrap_or_default(),
        files: Box::new(CheckedFiles {
            rule: i32::try_from(place).unwrap_or(i32::MAX),
            claim: rule.claim.clone(),
            root: rule.root.clone(),
            completion_time: Some(observed.now.clone()),
            failure: Some(AgentFailure {
                reason: reason.to_owned(),
                message,
            }),
            ..CheckedFiles::default()
        }),
    }
}

/// Says whether the files exist, by the newest check whose Jobs have all ended. Without rules there
/// is nothing to report.
pub fn files_match(
    observed: &Observed,
    judged: &Judged<'_>,
    stall: Option<&Stall>,
) -> Option<DesiredCondition> {
    let spec = &observed.database.spec;
    if spec.verification.files.is_empty() {
        return None;
    }
    let condition = |status, reason, message: String| DesiredCondition {
        condition: ConditionType::FilesMatch,
        status,
        reason,
        message,
    };
    let unknown =
        |reason, message: String| Some(condition(ConditionStatus::Unknown, reason, message));
    if let Some(stall) = stall {
        return unknown(stall.reason, stall.message.clone());
    }
    if spec.suspend {
        return unknown(
            reasons::SUSPENDED,
            "spec.suspend is true: files are not looked for; set it to false".to_owned(),
        );
    }
    if let Some(why) = observed.checks.unknown().or(observed.file_claims.unknown()) {
        return unknown(reasons::READ_FAILED, why.to_owned());
    }
    let ended = judged
        .verdicts
        .values()
        .filter(|judged| is_asked(observed, judged));
    let ended =
        ended.filter_map(|judged| Some((judged.check, file_checks(observed, judged.check)?)));
    let Some((check, checks)) = ended.max_by_key(|(check, _)| order(check)) else {
        let message = "the files that rows name have not been checked under the present rules yet; \
            that follows the next check that verifies or suspects the data";
        return unknown(reasons::FILES_NOT_CHECKED, message.to_owned());
    };
    let input = FilesInput {
        namespace: observed.namespace_name(),
        database: observed.name(),
        check: check.metadata.name.as_deref().unwrap_or_default(),
        checks,
    };
    let verdict = judge_files(&input);
    Some(condition(verdict.status, verdict.reason, verdict.message))
}

/// The result of every rule for one check; `None` while some are not checked yet.
pub fn file_checks<'a>(
    observed: &'a Observed,
    check: &'a DatabaseCheck,
) -> Option<Vec<(&'a FileRule, FileCheck<'a>)>> {
    let rules = observed.database.spec.verification.files.iter().enumerate();
    rules
        .map(|(place, rule)| {
            let has_claim = list(&observed.file_claims)
                .iter()
                .any(|found| found.claim == rule.claim);
            match result_of(check, place) {
                Some(found) => Some((rule, FileCheck::Ended(found))),
                None if !has_claim => Some((rule, FileCheck::NoClaim)),
                None => None,
            }
        })
        .collect()
}
