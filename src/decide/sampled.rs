//! The sets that were read whole: what is noted of each, and which are damaged. Pure.

use super::catalog::worsen;
use super::looks::newest_report;
use super::ready::list;
use crate::api::{
    BackupDemotion, BackupState, BackupVerdict, DatabaseBackup, DesiredCondition, SetRead, reasons,
};
use crate::plan::{Plan, Step};
use crate::world::Observed;

/// Notes in each backup when its set was read, and demotes those that are damaged.
pub fn plan_reads(observed: &Observed, plan: &mut Plan) {
    let Some((reported, report)) = newest_report(observed) else {
        return;
    };
    for read in report.sample.iter().flat_map(|sample| &sample.read) {
        let mut backups = list(&observed.backups).iter();
        let Some(backup) = backups.find(|backup| is_of(backup, read, reported)) else {
            continue;
        };
        let Some(name) = backup.metadata.name.clone() else {
            continue;
        };
        if read.found.damage.is_some() && backup.may_be_damaged() {
            plan.steps.push(Step::JudgeBackup {
                name: name.clone(),
                verdict: BackupVerdict::Demoted(BackupDemotion {
                    reason: reasons::SET_DAMAGED.to_owned(),
                    check: read.found.job.clone(),
                    time: read.found.time.clone(),
                }),
            });
        }
        if backup.is_news(&read.found) {
            plan.steps.push(Step::NoteRead {
                name,
                read: read.found.clone(),
            });
        }
    }
}

/// Whether it is the backup whose set was read: in the bucket of the look.
fn is_of(backup: &DatabaseBackup, read: &SetRead, reported: &DatabaseBackup) -> bool {
    let (Some(status), Some(look)) = (&backup.status, &reported.status) else {
        return false;
    };
    matches!(
        status.state,
        Some(BackupState::Complete | BackupState::Suspect)
    ) && status.path.as_ref() == Some(&read.path)
        && (&status.bucket, &status.endpoint) == (&look.bucket, &look.endpoint)
}

/// Says which sets are damaged, and which could not be read for certain. There may be a fresh backup
/// nevertheless; but where one is damaged others may be.
pub fn say(observed: &Observed, condition: DesiredCondition) -> DesiredCondition {
    let condition = say_unread(observed, condition);
    let is_damaged = |backup: &&DatabaseBackup| {
        let demoted = backup
            .status
            .as_ref()
            .and_then(|status| status.demoted.as_ref());
        demoted.is_some_and(BackupDemotion::is_damage)
    };
    let damaged: Vec<&DatabaseBackup> = list(&observed.backups).iter().filter(is_damaged).collect();
    let newest = damaged.iter().max_by_key(|backup| backup.made());
    let Some(status) = newest.and_then(|backup| backup.status.as_ref()) else {
        return condition;
    };
    let name = newest.and_then(|backup| backup.metadata.name.as_deref());
    let more = match damaged.len() {
        0 | 1 => String::new(),
        count => format!(" ({} more)", count - 1),
    };
    let read = status.last_read.as_ref();
    let what = read
        .and_then(|read| read.damage.as_deref())
        .unwrap_or("objects have other bytes than were stored");
    let mut copies = status.copies.iter().filter(|copy| copy.is_complete());
    let copy = copies.next().map_or_else(String::new, |copy| {
        format!(
            ". Its copy {}, in bucket {}, is not concerned",
            copy.name, copy.bucket
        )
    });
    let said = format!(
        "the backup set {} is damaged{more} and does not count any more: {what}. Do not restore from \
         it{copy}. See what is wrong with the storage; then delete what is left of the set, and its \
         DatabaseBackup: kubectl -n {} delete dbbackup {}",
        status.path.as_deref().unwrap_or_default(),
        observed.namespace_name(),
        name.unwrap_or_default(),
    );
    worsen(condition, reasons::SET_DAMAGED, &said)
}

/// What could not be read says nothing about the backups; that it could not is worth a look.
fn say_unread(observed: &Observed, mut condition: DesiredCondition) -> DesiredCondition {
    let report = newest_report(observed).map(|(_, report)| report);
    let sample = report.and_then(|report| report.sample.as_ref());
    let mut unread = sample.into_iter().flat_map(|sample| &sample.unread);
    let Some(first) = unread.next() else {
        return condition;
    };
    let more = match unread.count() {
        0 => String::new(),
        count => format!(" ({count} more)"),
    };
    condition.add(&format!(
        "whether the backup set {} is whole is not known{more}: {}",
        first.path, first.why
    ));
    condition
}
