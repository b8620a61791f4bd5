//! A dry run whose agent has reported its end: what stands against the restore, or that nothing does. Pure.

use super::said;
use super::set_decision::SetDecision;
use crate::api::{DatabaseRestore, RestorePhase, RestoreReport, RestoreState};
use crate::wording::count;
use crate::world::Observed;

/// What was made and changed.
const NOTHING: &str = "Nothing was made or changed";

/// Decides by the report.
pub fn decide(
    restore: &DatabaseRestore,
    observed: &Observed,
    report: &RestoreReport,
) -> SetDecision {
    let before = restore.status.clone().unwrap_or_default();
    let (state, said) = judge(report);
    let backup = before.set.as_ref().map_or("", |set| set.backup.as_str());
    let message = format!("dry run of backup {backup}: {said}. {NOTHING}");
    SetDecision::over(observed, &before, state, message)
}

fn judge(report: &RestoreReport) -> (RestoreState, String) {
    if let Some(failure) = &report.failure {
        let why = said::quoted(&failure.message);
        let reason = said::quoted(&failure.reason);
        return (
            RestoreState::Failed,
            format!("it is not known whether it can be restored: {why} ({reason})"),
        );
    }
    if !report.problems.is_empty() {
        let number = i64::try_from(report.problems.len()).unwrap_or(i64::MAX);
        let problems = said::quoted(&report.problems.join("; "));
        let number = count(number, "problem");
        return (
            RestoreState::Failed,
            format!("a restore would be refused, {number}: {problems}"),
        );
    }
    if report.phase != Some(RestorePhase::Done) {
        let why = "the agent ended before it was done, and says nothing of why".to_owned();
        return (RestoreState::Failed, why);
    }
    let warnings = match report.warnings.len() {
        0 => String::new(),
        number => format!(
            "; {} in status.report.warnings",
            count(i64::try_from(number).unwrap_or(i64::MAX), "warning")
        ),
    };
    (
        RestoreState::Complete,
        format!("nothing stands against a restore{warnings}"),
    )
}
