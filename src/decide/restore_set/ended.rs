//! A restore whose agent has reported its end: failed, or done; and the check of what took the place of
//! the present database. Pure.

use std::time::Duration;

use super::super::build_check::{build_check, target};
use super::super::check_names;
use super::super::judge::{Judged, concluded, has_outcome};
use super::super::ready::list;
use super::super::restored::is_what_was_restored;
use super::super::running::{has_known_volumes, primary, running};
use super::other_set::offer_another;
use super::said;
use super::set_decision::SetDecision;
use crate::api::{
    CheckOutcome, CheckTrigger, CheckVerdict, DatabaseCheck, DatabaseRestore, RestorePhase,
    RestoreReport, RestoreState, RestoreTarget, place,
};
use crate::plan::Step;
use crate::world::Observed;

/// Decides by the report.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
    report: &RestoreReport,
) -> SetDecision {
    let before = restore.status.clone().unwrap_or_default();
    let failed =
        |message: String| SetDecision::over(observed, &before, RestoreState::Failed, message);
    if let Some(failure) = &report.failure {
        let next = if report.blames_the_set() {
            offer_another(restore, observed, judged)
        } else {
            String::new()
        };
        return failed(format!(
            "{} ({}){next}",
            said::quoted(&failure.message),
            said::quoted(&failure.reason)
        ));
    }
    if report.phase != Some(RestorePhase::Done) {
        return failed(format!(
            "the agent ended before it was done, and says nothing of why: {}",
            said::progress(&before)
        ));
    }
    let outcome = said::outcome(restore, report);
    let last_words = report
        .message
        .as_deref()
        .map_or_else(String::new, |words| format!(". {}", said::quoted(words)));
    if restore.spec.into != RestoreTarget::Replace {
        let message = format!("{outcome}{last_words}");
        return SetDecision::over(observed, &before, RestoreState::Complete, message);
    }
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    match verdict_on(observed, uid, report) {
        Some((check, verdict)) => {
            let name = check.metadata.name.as_deref().unwrap_or_default();
            match verdict.outcome {
                CheckOutcome::Verified => SetDecision::over(
                    observed,
                    &before,
                    RestoreState::Complete,
                    format!(
                        "{outcome}; check {name} has verified the data{last_words}{}",
                        files_left(restore, observed)
                    ),
                ),
                CheckOutcome::Suspected => failed(format!(
                    "{outcome}; check {name} does not accept it: {}{last_words}",
                    said::quoted(&verdict.message)
                )),
                CheckOutcome::Unverifiable => {
                    let why = format!(
                        "check {name} could not verify it: {}",
                        said::quoted(&verdict.message)
                    );
                    verify(restore, observed, judged, format!("{outcome}; {why}"))
                }
            }
        }
        None => verify(
            restore,
            observed,
            judged,
            format!("{outcome}; the check of it has not ended yet"),
        ),
    }
}

/// What the set has beside databases, and the command for it.
fn files_left(restore: &DatabaseRestore, observed: &Observed) -> String {
    let backup = observed.database.spec.backup.as_ref();
    let directories = backup.map_or(&[][..], |backup| &backup.directories);
    if directories.is_empty() {
        return String::new();
    }
    let places: Vec<String> = directories
        .iter()
        .map(|one| place(&one.claim, &one.path))
        .collect();
    let status = restore.status.as_ref();
    let set = status.and_then(|status| status.set.as_ref());
    let how = match set.filter(|_| restore.spec.from.set.is_none()) {
        Some(set) => format!(
            "kubectl holdfast restore {} -n {} --backup {} --files-only",
            observed.name(),
            observed.namespace_name(),
            set.backup
        ),
        None => "a DatabaseRestore with the same from and spec.files for each".to_owned(),
    };
    format!(
        ". FILES ARE NOT RESTORED YET ({}): {how}",
        crate::wording::list(&places)
    )
}

/// What the checks say of the restored data: a good one of whatever trigger, else the newest that was made
/// for this restore.
fn verdict_on<'a>(
    observed: &'a Observed,
    uid: &str,
    report: &RestoreReport,
) -> Option<(&'a DatabaseCheck, &'a CheckVerdict)> {
    let verdict = |check: &'a DatabaseCheck| {
        let status = check.status.as_ref()?;
        Some((check, status.verdict.as_ref()?))
    };
    let all = list(&observed.checks);
    let good = all.iter().filter_map(verdict).find(|(check, verdict)| {
        let evidence = check.evidence();
        verdict.outcome == CheckOutcome::Verified
            && !verdict.partial
            && evidence.is_some_and(|evidence| is_what_was_restored(report, evidence))
    });
    good.or_else(|| {
        let of_this = of_restore(observed, uid).filter_map(verdict);
        of_this
            .filter(|(_, verdict)| !verdict.partial)
            .max_by_key(|(check, _)| attempt(check))
    })
}

/// The checks that were made for this restore.
fn of_restore<'a>(observed: &'a Observed, uid: &str) -> impl Iterator<Item = &'a DatabaseCheck> {
    let first = check_names::restore_check(observed.name(), uid, 0);
    let all = list(&observed.checks).iter();
    all.filter(move |check| {
        let name = check.metadata.name.as_deref().unwrap_or_default();
        check.spec.trigger == CheckTrigger::Restore && name.starts_with(&first)
    })
}

fn attempt(check: &DatabaseCheck) -> i32 {
    check
        .spec
        .target
        .as_ref()
        .map_or(0, |target| target.attempt)
}

/// Waits for the check, and creates it where none is under way.
fn verify(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
    message: String,
) -> SetDecision {
    let before = restore.status.clone().unwrap_or_default();
    let mut decision = SetDecision::says(&before, RestoreState::Verifying, message);
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let made: Vec<&DatabaseCheck> = of_restore(observed, uid).collect();
    if observed.checks.known().is_none() || made.iter().any(|check| !has_outcome(check)) {
        return decision;
    }
    let running = running(observed);
    let start = primary(judged, &running).filter(|start| has_known_volumes(observed, start));
    let Some(start) = start else {
        let said = decision.status.message.unwrap_or_default();
        decision.status.message = Some(format!(
            "{said}; it is made when a pod runs Postgres and its volumes are known"
        ));
        return decision;
    };
    let last = made.iter().max_by_key(|check| attempt(check));
    let next = last.map_or(0, |last| attempt(last).saturating_add(1));
    let waits = last.and_then(|last| concluded(last)).is_some_and(|ended| {
        let pause = observed.pace.retry.after(made.len());
        let passed = observed.now.0.duration_since(ended.0);
        Duration::try_from(passed).is_ok_and(|passed| passed < pause)
    });
    if !waits {
        let name = check_names::restore_check(observed.name(), uid, next);
        let target = target(observed, judged, start, next);
        let check = build_check(observed, name, CheckTrigger::Restore, target);
        decision.plan.steps.push(Step::CreateCheck(Box::new(check)));
    }
    decision
}
