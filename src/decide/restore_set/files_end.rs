//! A restore of files whose agent has reported its end: failed, or done; and the check that compares the rows
//! with the files again. Pure.

use super::super::build_check::{build_check, target};
use super::super::check_names;
use super::super::files::file_checks;
use super::super::judge::{Judged, order};
use super::super::ready::list;
use super::super::running::{has_known_volumes, primary, running};
use super::said;
use super::set_decision::SetDecision;
use crate::api::{
    CheckOutcome, CheckTrigger, DatabaseCheck, DatabaseRestore, RestorePhase, RestoreReport,
    RestoreState, RestoreTarget, place,
};
use crate::plan::Step;
use crate::verdict::{FilesInput, judge_files};
use crate::wording::{count, number};
use crate::world::Observed;

/// Decides by the report.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
    report: &RestoreReport,
) -> SetDecision {
    let before = restore.status.clone().unwrap_or_default();
    let over = |state, message: String| SetDecision::over(observed, &before, state, message);
    if let Some(failure) = &report.failure {
        let message = format!(
            "{} ({})",
            said::quoted(&failure.message),
            said::quoted(&failure.reason)
        );
        return over(RestoreState::Failed, message);
    }
    let Some(outcome) = outcome(restore, observed, report) else {
        let message = format!(
            "the agent ended before it was done, and says nothing of why: {}",
            said::progress(&before)
        );
        return over(RestoreState::Failed, message);
    };
    let complete = |more: &str| over(RestoreState::Complete, format!("{outcome}{more}"));
    let rules = &observed.database.spec.verification.files;
    let asked = restore.spec.files.as_ref();
    let is_compared = rules
        .iter()
        .any(|rule| asked.is_some_and(|asked| asked.claim == rule.claim));
    if restore.spec.into != RestoreTarget::Replace {
        return complete("");
    }
    if !is_compared {
        return complete(
            ". No rule of spec.verification.files is about that claim, so nothing compares them with the rows",
        );
    }
    match compared(restore, observed, judged) {
        Compared::By(message) => complete(&message),
        Compared::Waits => SetDecision::says(
            &before,
            RestoreState::Verifying,
            format!("{outcome}; the check that compares the rows with them has not ended yet"),
        ),
        Compared::NotAsked => {
            let running = running(observed);
            let start =
                primary(judged, &running).filter(|start| has_known_volumes(observed, start));
            let Some(start) = start else {
                return complete(&format!(
                    ". No pod runs Postgres, so the rows can't be compared with them now. Afterwards: kubectl \
                     holdfast check {} -n {}",
                    observed.name(),
                    observed.namespace_name()
                ));
            };
            let uid = restore.metadata.uid.as_deref().unwrap_or_default();
            let name = check_names::files_check(observed.name(), uid);
            let target = target(observed, judged, start, 0);
            let check = build_check(observed, name, CheckTrigger::Manual, target);
            let said = format!("{outcome}; a check compares the rows with them");
            let mut decision = SetDecision::says(&before, RestoreState::Verifying, said);
            decision.plan.steps.push(Step::CreateCheck(Box::new(check)));
            decision
        }
    }
}

/// What is known of how rows and files fit.
enum Compared {
    /// No check was asked for.
    NotAsked,
    /// It has not ended.
    Waits,
    /// What to say of it.
    By(String),
}

/// What the check says that was made for this restore, or any newer one.
fn compared(restore: &DatabaseRestore, observed: &Observed, judged: &Judged<'_>) -> Compared {
    if observed.checks.known().is_none() {
        return Compared::Waits;
    }
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let name = check_names::files_check(observed.name(), uid);
    let mut all = list(&observed.checks).iter();
    let Some(own) = all.find(|check| check.metadata.name.as_deref() == Some(name.as_str())) else {
        return Compared::NotAsked;
    };
    let since = |check: &DatabaseCheck| order(check) >= order(own);
    let newer = judged
        .verdicts
        .values()
        .filter(|judged| since(judged.check));
    let found =
        newer.filter_map(|judged| Some((judged.check, file_checks(observed, judged.check)?)));
    if let Some((check, checks)) = found.max_by_key(|(check, _)| order(check)) {
        let verdict = judge_files(&FilesInput {
            namespace: observed.namespace_name(),
            database: observed.name(),
            check: check.metadata.name.as_deref().unwrap_or_default(),
            checks,
        });
        let (status, reason) = (verdict.status.as_str(), verdict.reason);
        return Compared::By(format!(
            ". FilesMatch is {status} ({reason}): {}",
            verdict.message
        ));
    }
    match judged.verdicts.get(name.as_str()) {
        Some(judged) if judged.verdict.outcome == CheckOutcome::Unverifiable => {
            Compared::By(format!(
                ". Check {name} could not read the database, so the rows were not compared with them: {}",
                judged.verdict.message
            ))
        }
        _ => Compared::Waits,
    }
}

/// What was restored, side by side with the backup; none if the agent does not say that it is done.
fn outcome(
    restore: &DatabaseRestore,
    observed: &Observed,
    report: &RestoreReport,
) -> Option<String> {
    let files = report.files.as_ref()?;
    if report.phase != Some(RestorePhase::Done) || !files.is_identical {
        return None;
    }
    let status = restore.status.clone().unwrap_or_default();
    let backup = status.set.as_ref().map_or("", |set| set.backup.as_str());
    let what = place(&files.claim, &files.path);
    let mut said = format!(
        "the files of {what} of backup {backup} are restored: {} of {} there, {} of {} bytes",
        number(files.files.unwrap_or_default()),
        count(files.expected_files.unwrap_or_default(), "file"),
        number(files.bytes.unwrap_or_default()),
        number(files.expected_bytes.unwrap_or_default()),
    );
    let named = |path: &Option<String>| path.as_deref().map(said::quoted);
    let more = match (restore.spec.into, named(&files.kept_as)) {
        (RestoreTarget::Replace, Some(kept)) => {
            let before = files
                .files_before
                .map(|before| format!(" ({})", count(before, "file")));
            format!(
                "; what was there before{} is {kept} on the claim",
                before.unwrap_or_default()
            )
        }
        (RestoreTarget::Replace, None) => "; nothing was in their place".to_owned(),
        _ => format!(
            "; they are {} on the claim",
            named(&files.restored_as).unwrap_or_default()
        ),
    };
    said.push_str(&more);
    if restore.spec.into == RestoreTarget::Replace {
        said.push_str(&by_sub_path(observed, &files.claim));
    }
    for warning in report.warnings.iter().take(1) {
        said.push_str(". Note: ");
        said.push_str(&said::quoted(warning));
    }
    Some(said)
}

/// The pods that still see what was there before.
fn by_sub_path(observed: &Observed, claim: &str) -> String {
    let mut claims = list(&observed.file_claims).iter();
    let Some(found) = claims.find(|found| found.claim == claim) else {
        return String::new();
    };
    let pods: Vec<String> = found
        .pods
        .iter()
        .filter(|pod| {
            let mut mounts = pod.mounts.iter();
            !pod.ended && mounts.any(|mount| mount.claim == claim && !mount.sub_path.is_empty())
        })
        .map(|pod| pod.name.clone())
        .collect();
    if pods.is_empty() {
        return String::new();
    }
    format!(
        "; START THESE PODS AGAIN: they mount the claim by subPath, and see what was there before: {}",
        crate::wording::list(&pods)
    )
}
