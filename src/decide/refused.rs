//! What the API server refuses to write, as a quota, an admission policy or a webhook of others makes it:
//! what is written in its place, or said in the conditions that wait for it, so that they quote the API
//! server and the next try has a pause. Pure.

use super::check_jobs;
use super::files;
use super::judge::judge_checks;
use super::not_begun::{Task, WAITING};
use super::ready::list;
use super::unreported_backups::build_failed_backup;
use crate::api::{ConditionStatus, ConditionType, names, reasons};
use crate::guard;
use crate::plan::{Plan, Step};
use crate::wording::quoted_line;
use crate::world::Observed;

/// What agents tell of.
const AWAIT_AGENTS: [ConditionType; 3] = [
    ConditionType::DataVerified,
    ConditionType::FilesMatch,
    ConditionType::BackupFresh,
];
/// What to do about a webhook or a policy that changes what the operator writes.
const EXCLUDE: &str = "exclude from it what the operator of Holdfast writes, or what has the label \
    app.kubernetes.io/managed-by=holdfast";
/// The most characters of an answer that are quoted: others write these texts.
const QUOTED: usize = 500;

/// What is written because a step was refused, with the API server's words: the report that its agent
/// would have written. Nothing for a CronJob, which is no try that could be reported.
#[must_use]
pub fn report_refused(observed: &Observed, step: &Step, words: &str) -> Vec<Step> {
    let Step::CreateJob(job) = step else {
        return Vec::new();
    };
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let why = say(&format!("Job {name}"), words);
    let found = |task: Task| task.is_of(job);
    if found(Task::Check) {
        let message = format!(
            "{why}, and nothing was checked. The check is repeated; {}",
            try_it(observed)
        );
        check_jobs::report_refused(observed, &judge_checks(observed), name, message)
            .into_iter()
            .collect()
    } else if found(Task::Files) {
        let checks = list(&observed.checks).iter();
        let rules = || observed.database.spec.verification.files.iter().enumerate();
        let of_job = |uid: &str, place| names::files_job(uid, place) == name;
        let mut refused = checks.flat_map(|check| {
            let uid = check.metadata.uid.as_deref().unwrap_or_default();
            rules()
                .filter(move |(place, _)| of_job(uid, *place))
                .map(move |rule| (check, rule))
        });
        let refused = refused.next();
        refused
            .map(|(check, (place, rule))| {
                let message = format!(
                    "spec.verification.files[{place}]: {why}, so nothing is known about the files; {}",
                    try_it(observed)
                );
                let reason = reasons::AGENT_NOT_STARTED;
                files::fail_files(observed, check, (place, rule), reason, message)
            })
            .into_iter()
            .collect()
    } else if found(Task::Catalog) || found(Task::Copy) {
        Vec::new()
    } else {
        let message = format!("{why}, and no backup was taken; {}", try_it(observed));
        vec![
            Step::CreateBackup(Box::new(build_failed_backup(observed, name))),
            Step::FailBackup {
                name: name.to_owned(),
                reason: reasons::AGENT_NOT_STARTED,
                message,
            },
        ]
    }
}

/// Says in the plan's conditions that a step was refused which no object reports. A condition that does
/// not wait for it keeps its status and reason: a backup that is fresh is fresh nevertheless.
pub fn say_refused(observed: &Observed, step: &Step, words: &str, plan: &mut Plan) {
    let cannot = |words: &str| say(&format!("to {}", step.describe()), words);
    let (why, told): (String, &[ConditionType]) = match step {
        Step::ApplyCronJob(cron_job) => {
            let name = cron_job.metadata.name.as_deref().unwrap_or_default();
            let why = say(&format!("CronJob {name}"), words);
            (why, &[ConditionType::BackupFresh])
        }
        Step::CreateJob(job) if Task::Catalog.is_of(job) || Task::Copy.is_of(job) => {
            let why = format!("{}; {}", cannot(words), try_it(observed));
            (why, &[ConditionType::BackupFresh])
        }
        // The set is gone as it should be, and the backups are as fresh as they were.
        Step::DeleteBackup(_) | Step::DeleteFailedBackup(_) => {
            (cannot(words), &[ConditionType::BackupFresh])
        }
        Step::CreateDrill(_) | Step::DeleteDrill(_) => {
            (cannot(words), &[ConditionType::RestoreProven])
        }
        Step::EnsureAgentIdentity => {
            let why = format!("{}; {}", cannot(words), try_it(observed));
            (why, &AWAIT_AGENTS)
        }
        Step::CreateCheck(_) => {
            let why = format!("{}; {}", cannot(words), try_it(observed));
            (why, &[ConditionType::DataVerified])
        }
        step if step.marks_an_object_of_others() => (cannot(words), &[ConditionType::Guarded]),
        _ => return,
    };
    for condition in &mut plan.conditions {
        if !told.contains(&condition.condition) {
            continue;
        }
        let waits = match step {
            Step::ApplyCronJob(_) => condition.status == ConditionStatus::False,
            Step::DeleteBackup(_)
            | Step::DeleteFailedBackup(_)
            | Step::CreateDrill(_)
            | Step::DeleteDrill(_) => false,
            step if step.marks_an_object_of_others() => condition.reason == reasons::GUARDING,
            _ => WAITING.contains(&condition.reason),
        };
        // Whoever has no backup configured reads nothing of what one would need.
        if !waits && *step == Step::EnsureAgentIdentity {
            continue;
        }
        condition.add(&why);
        if waits {
            condition.reason = if condition.condition == ConditionType::Guarded {
                reasons::MARK_REFUSED
            } else {
                reasons::AGENT_NOT_STARTED
            };
        }
    }
}

/// Says in the plan's conditions that a write had no effect: it was answered well, and what is read
/// afterwards is as it was before.
pub fn say_without_effect(step: &Step, plan: &mut Plan) {
    say_of_write(step, plan, |what| {
        format!(
            "something changes {what} back as soon as it is written, such as an admission webhook or policy \
             of others ({EXCLUDE})"
        )
    });
}

/// Says in the plan's conditions that a write was taken back each time, so that the next one has a pause.
pub fn say_taken_back(step: &Step, times: u32, plan: &mut Plan) {
    say_of_write(step, plan, |what| {
        format!(
            "something takes {what} back again and again, such as another operator or a GitOps tool: it was \
             written {times} times in a row, and is written again after a pause of up to a minute ({EXCLUDE})"
        )
    });
}

/// Adds words about a write to the condition that depends on it.
fn say_of_write(step: &Step, plan: &mut Plan, words: impl FnOnce(&str) -> String) {
    let (told, what) = match step {
        Step::ApplyCronJob(cron_job) => {
            let name = cron_job.metadata.name.as_deref().unwrap_or_default();
            (ConditionType::BackupFresh, format!("CronJob {name}"))
        }
        Step::DeleteCronJob(_) => {
            let what = format!("what Holdfast does ({})", step.describe());
            (ConditionType::BackupFresh, what)
        }
        Step::EnsureAgentIdentity | Step::DeleteRoleBinding(_) => {
            let what = "the agents' service account and role binding";
            (ConditionType::DataVerified, what.to_owned())
        }
        step if step.marks_an_object_of_others()
            || matches!(step, Step::MarkDatabase(_) | Step::MarkLedger(_)) =>
        {
            let what = format!("what Holdfast writes ({})", step.describe());
            (ConditionType::Guarded, what)
        }
        _ => return,
    };
    let mut conditions = plan.conditions.iter_mut();
    let Some(condition) = conditions.find(|found| found.condition == told) else {
        return;
    };
    condition.add(&words(&what));
    if condition.reason == reasons::GUARDING {
        condition.reason = reasons::MARK_REFUSED;
    }
}

fn say(what: &str, words: &str) -> String {
    let said = quoted_line(words, QUOTED);
    let added = if words.contains(guard::OPERATOR_FENCE_POLICY) {
        format!(" (an admission webhook or policy of others has added that; {EXCLUDE})")
    } else {
        String::new()
    };
    format!(
        "the API server refuses {what}: {}{added}",
        said.trim_end_matches('.')
    )
}

fn try_it(observed: &Observed) -> String {
    format!(
        "whether it would be admitted now: kubectl holdfast check -n {}",
        observed.namespace_name()
    )
}
