//! What would be lost with a claim, written on the claim itself: the API server shows it when it
//! refuses a deletion, also while the operator is down. Pure.

use super::judge::Judged;
use crate::guard::{self, MarkState, Marks};
use crate::plan::{Plan, Step};
use crate::wording::count;
use crate::world::Observed;

/// Plans to note the rows of the last good check, and the last good backup, on the claims that the
/// database runs on.
pub fn note_losses(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let Some(loss) = describe(observed, judged, plan) else {
        return;
    };
    let owner = observed.owner();
    for claim in observed
        .claims
        .known()
        .into_iter()
        .flatten()
        .filter(|claim| claim.origin.pod)
    {
        let Some(metadata) = &claim.metadata else {
            continue;
        };
        let is_ours = guard::mark_state(metadata, &owner, Marks::Held) == MarkState::Ours;
        if is_ours
            && metadata.deletion_timestamp.is_none()
            && guard::loss_summary(metadata) != Some(loss.as_str())
        {
            plan.steps.push(Step::NoteLoss {
                metadata: Box::new(metadata.clone()),
                loss: loss.clone(),
            });
        }
    }
}

fn describe(observed: &Observed, judged: &Judged<'_>, plan: &Plan) -> Option<String> {
    let check = judged.baseline?;
    let status = check.status.as_ref()?;
    let evidence = status.evidence.as_ref()?;
    let backup = match &plan.status.last_good_backup {
        Some(backup) => format!(
            "the last good backup is {} of {}",
            backup.name, backup.time.0
        ),
        None => "there is no good backup".to_owned(),
    };
    let name = &observed.database.spec.connection.database;
    // A name that could read like something else is left out.
    let database = if guard::is_plain_database_name(name) {
        format!("database {name}")
    } else {
        "a database".to_owned()
    };
    Some(format!(
        "{database} with {} in {}, seen at {}; {backup}",
        count(evidence.total_rows, "row"),
        count(evidence.table_count, "table"),
        evidence.observed_at.0
    ))
}
