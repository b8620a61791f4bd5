//! Files that the directories of backups had and have no more: the newest backup has far fewer than one that
//! counts. Rows say nothing about it. Retention keeps the newest such one. Pure.

use super::ready::list;
use crate::api::{DatabaseBackup, DesiredCondition};
use crate::wording::{count, number};
use crate::world::Observed;

/// Adds to the condition that the newest backup has less than half of the files that another one has.
pub fn say(observed: &Observed, mut condition: DesiredCondition) -> DesiredCondition {
    let wanted = observed.database.spec.backup.as_ref();
    if wanted.is_none_or(|backup| backup.directories.is_empty()) {
        return condition;
    }
    let files = |backup: &DatabaseBackup| backup.status.as_ref()?.files;
    let all = || {
        let all = list(&observed.backups).iter();
        all.filter_map(|backup| Some((backup, files(backup)?)))
    };
    let Some((newest, now)) = all().max_by_key(|(backup, _)| backup.made()) else {
        return condition;
    };
    let fuller = all()
        .filter(|(backup, files)| backup.counts() && *files > now.saturating_mul(2))
        .max_by_key(|(backup, _)| backup.made());
    let Some((fullest, before)) = fuller else {
        return condition;
    };
    let name = |backup: &DatabaseBackup| backup.metadata.name.clone().unwrap_or_default();
    condition.add(&format!(
        "{} has {} of spec.backup.directories, and {} has {}: see whether the claims still have \
         them. Retention keeps {} until a newer backup has half of its files",
        name(newest),
        count(now, "file"),
        name(fullest),
        number(before),
        name(fullest)
    ));
    condition
}
