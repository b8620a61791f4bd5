//! Checks whose agent still counts large tables: a reset that shows already is not kept back until
//! they are counted. Pure.

use super::judge::{Judged, JudgedCheck, ended};
use super::ready::list;
use crate::api::{CheckOutcome, CheckVerdict, DatabaseCheck};
use crate::world::Observed;

/// Whether the agent has reported its first part and nothing more.
fn is_first_part(check: &DatabaseCheck) -> bool {
    let is_judged = check
        .status
        .as_ref()
        .is_some_and(|status| status.verdict.is_some());
    !is_judged
        && ended(check).is_none()
        && check.evidence().is_some_and(|evidence| evidence.partial)
}

/// Judges first parts, and takes those that look reset for checks that have ended. They are judged
/// again when the agent has.
pub(super) fn judge_first_parts<'a>(observed: &'a Observed, judged: &mut Judged<'a>) {
    for check in list(&observed.checks)
        .iter()
        .filter(|check| is_first_part(check))
    {
        let (Some(name), Some(made)) = (
            check.metadata.name.as_deref(),
            check.metadata.creation_timestamp.as_ref(),
        ) else {
            continue;
        };
        let verdict = judged.judge_now(observed, check);
        if verdict.outcome != CheckOutcome::Suspected {
            continue;
        }
        let unwritten = CheckVerdict {
            outcome: verdict.outcome,
            reason: verdict.reason.to_owned(),
            message: verdict.message.clone(),
            findings: verdict.findings.clone(),
            baseline: judged
                .known_good
                .as_ref()
                .map(|known| known.name.to_owned()),
            declared_by: None,
            partial: true,
        };
        judged.unwritten.push((name, unwritten));
        let found = JudgedCheck {
            check,
            ended: made,
            verdict,
        };
        judged.verdicts.insert(name, found);
    }
}
