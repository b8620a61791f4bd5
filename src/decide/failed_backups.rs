//! The objects of backups that failed: the newest are kept, older ones say nothing that these do not. Pure.

use super::ready::list;
use super::unreported_backups::state;
use crate::api::{BackupState, DatabaseBackup, FAILED_BACKUPS_KEPT};
use crate::plan::{Plan, Step};
use crate::world::Observed;

/// How many go in one pass: an older version may have left thousands.
const AT_ONCE: usize = 50;

/// Deletes the oldest that failed. One whose set may be complete stays until a newer one counts; so does one that
/// a user has created, as a tool that creates it again would ask for another backup with it.
pub fn plan_old_failures(observed: &Observed, plan: &mut Plan) {
    let Some(jobs) = observed.jobs.known() else {
        return;
    };
    let mut failed: Vec<&DatabaseBackup> = list(&observed.backups)
        .iter()
        .filter(|backup| state(backup) == Some(BackupState::Failed))
        .collect();
    failed.sort_by_key(|backup| backup.made());
    let newest_that_counts = list(&observed.backups)
        .iter()
        .filter(|backup| backup.counts())
        .filter_map(DatabaseBackup::made)
        .max();
    let older = failed.len().saturating_sub(FAILED_BACKUPS_KEPT);
    // Of one moment with the oldest that is kept: it is not known which is older.
    let kept = failed.get(older).and_then(|backup| backup.made());
    let says_nothing = |backup: &&&DatabaseBackup| {
        let has_set = backup
            .status
            .as_ref()
            .is_some_and(|status| status.path.is_some());
        let has_job = jobs
            .iter()
            .any(|job| job.metadata.name == backup.metadata.name);
        observed.is_ours(&backup.metadata)
            && backup.metadata.deletion_timestamp.is_none()
            && backup.made() < kept
            && !has_job
            && (!has_set || backup.made() < newest_that_counts)
    };
    let old = failed.iter().take(older).filter(says_nothing);
    let steps = old
        .take(AT_ONCE)
        .map(|backup| Step::DeleteFailedBackup(Box::new(backup.metadata.clone())));
    plan.steps.extend(steps);
}
