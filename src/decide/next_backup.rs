//! Whether the next backup would fail, seen before it is due: what the newest check and the newest look at
//! the bucket found. A good backup stays good. Pure.

use jiff::Timestamp;

use super::looks::newest_report;
use super::ready::list;
use super::unreported_backups::state;
use crate::api::{AgentFailure, BackupState, DatabaseBackup, DesiredCondition, claims_of, reasons};
use crate::world::Observed;

/// Why the next backup would fail. A backup that was taken since knows better.
pub fn find_obstacle(observed: &Observed) -> Option<AgentFailure> {
    let taken = list(&observed.backups)
        .iter()
        .filter(|backup| {
            matches!(
                state(backup),
                Some(BackupState::Complete | BackupState::Suspect)
            )
        })
        .filter_map(DatabaseBackup::made)
        .max();
    if let Some(missing) = missing_claim(observed) {
        return Some(missing);
    }
    let is_newer = |at: Timestamp| taken.is_none_or(|taken| at > taken);
    // Of a check that read nothing nothing is known.
    let asked = list(&observed.checks)
        .iter()
        .filter(|check| check.evidence().is_some_and(|evidence| !evidence.partial));
    let newest = asked.max_by_key(|check| check.made());
    let by_check = newest
        .filter(|check| check.made().is_some_and(is_newer))
        .and_then(|check| check.status.as_ref()?.backup_obstacle.clone());
    by_check.or_else(|| {
        let (_, report) = newest_report(observed)?;
        // By the clock of a node: it only says when a sentence ends.
        let ended = report.completion_time.as_ref()?.0;
        report.obstacle.clone().filter(|_| is_newer(ended))
    })
}

/// A claim of the directories that does not exist: the pod of a backup can't start without it.
fn missing_claim(observed: &Observed) -> Option<AgentFailure> {
    let backup = observed.database.spec.backup.as_ref()?;
    let present = observed.file_claims.known()?;
    let wanted = claims_of(&backup.directories);
    let is_there = |wanted: &str| present.iter().any(|claim| claim.claim == wanted);
    let missing = wanted.into_iter().find(|wanted| !is_there(wanted))?;
    Some(AgentFailure {
        reason: reasons::CLAIM_NOT_FOUND.to_owned(),
        message: format!(
            "claim {missing} of spec.backup.directories does not exist, and no backup can start without \
             it. Create it, or remove its directories from the spec"
        ),
    })
}

/// Adds to the condition that the next backup will fail, unless it says so already.
pub fn say(obstacle: Option<&AgentFailure>, mut condition: DesiredCondition) -> DesiredCondition {
    let Some(AgentFailure { reason, message }) = obstacle else {
        return condition;
    };
    if condition.message.contains(message.as_str()) {
        return condition;
    }
    condition.add(&format!("the next backup will fail ({reason}): {message}"));
    condition
}
