//! Which backup is the newest, which is the newest that counts, and why the newest does not. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::judge::Judged;
use super::ready::list;
use super::unreported_backups::state;
use crate::api::{BackupState, BackupSummary, DatabaseBackup, S3Storage, reasons};
use crate::plan::Plan;
use crate::resources::ValidBackup;
use crate::world::Observed;

/// How long a backup is believed to have taken at most while the spec does not say it.
const LONGEST: Duration = Duration::from_hours(24);

/// When a backup was over, by the API server's clock: a duration is right on a node whose clock is
/// wrong, and none is longer than its deadline.
pub fn over_at(backup: &DatabaseBackup, judged: &Judged<'_>) -> Option<Timestamp> {
    let made = backup.made()?;
    let status = backup.status.as_ref()?;
    let spec = judged.spec.backup.as_ref().ok().and_then(Option::as_ref);
    let longest = spec.map_or(LONGEST, |spec| spec.deadline).as_secs();
    let longest = i64::try_from(longest).unwrap_or(i64::MAX);
    let took = status
        .duration_seconds
        .unwrap_or_default()
        .clamp(0, longest);
    made.checked_add(SignedDuration::from_secs(took)).ok()
}

fn summary(backup: &DatabaseBackup, judged: &Judged<'_>) -> Option<BackupSummary> {
    let status = backup.status.as_ref()?;
    Some(BackupSummary {
        name: backup.metadata.name.clone()?,
        time: Time(over_at(backup, judged)?),
        state: status.state?,
        rows: status.rows,
        stored_bytes: status.stored_bytes,
        duration_seconds: status.duration_seconds,
        system_identifier: status.system_identifier.clone(),
        restore_obstacles: status.restore_obstacles.clone(),
    })
}

/// The identifier of the database cluster that counts as good now, if that is known.
pub fn accepted<'a>(observed: &'a Observed, judged: &'a Judged<'_>) -> Option<&'a str> {
    let good = judged
        .known_good
        .as_ref()
        .map(|good| good.evidence.identity.system_identifier.as_str());
    let status = observed.database.status.as_ref();
    let remembered = status
        .and_then(|status| status.baseline.as_ref())
        .map(|baseline| baseline.system_identifier.as_str());
    good.or(remembered)
}

/// Whether a backup is not known to be of another database cluster than the one that counts as good
/// now: after another one was accepted, there is no backup of it yet.
pub fn is_of_accepted(
    observed: &Observed,
    judged: &Judged<'_>,
    system_identifier: Option<&str>,
) -> bool {
    match (system_identifier, accepted(observed, judged)) {
        (Some(of_backup), Some(accepted)) => of_backup == accepted,
        _ => true,
    }
}

/// Whether a backup is not known to be elsewhere than where spec.backup.storage leads to now.
pub fn is_in_present_bucket(backup: &DatabaseBackup, storage: &S3Storage) -> bool {
    let Some(status) = &backup.status else {
        return true;
    };
    let Some(bucket) = &status.bucket else {
        return true;
    };
    let path = status.path.as_deref();
    let is_below = path.is_none_or(|path| storage.contains(path));
    storage.is_bucket(bucket, status.endpoint.as_deref()) && is_below
}

/// Reports the newest backup and the newest that counts.
pub fn report(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    let all = list(&observed.backups);
    // By the API server's clock: that of a node may be wrong.
    let newest = |wanted: &dyn Fn(&DatabaseBackup) -> bool| {
        all.iter()
            .filter(|backup| wanted(backup))
            .filter_map(|backup| {
                let made = backup.made()?;
                Some((made, summary(backup, judged)?))
            })
            .max_by_key(|(made, _)| *made)
            .map(|(_, summary)| summary)
    };
    plan.status.last_backup =
        newest(&|_| true).or_else(|| before.and_then(|status| status.last_backup.clone()));
    let of_accepted = |identifier: Option<&str>| is_of_accepted(observed, judged, identifier);
    let confirmed = newest(&|backup| backup.counts() && of_accepted(identifier(backup)));
    // What is remembered stays, unless a reset has demoted it since, or another database cluster was
    // accepted.
    let stays = |good: &BackupSummary| {
        let found = backup_of_name(observed, &good.name);
        let status = found.and_then(|backup| backup.status.as_ref());
        let is_demoted = status.is_some_and(|status| status.demoted.is_some());
        // Its object may know what an older version did not remember.
        let remembered = good.system_identifier.as_deref();
        !is_demoted && of_accepted(remembered.or_else(|| found.and_then(identifier)))
    };
    let remembered = before.and_then(|status| status.last_good_backup.clone());
    plan.status.last_good_backup = confirmed.clone().or_else(|| remembered.filter(&stays));
    plan.status.last_confirmed_backup = confirmed.or_else(|| {
        let before = before.and_then(|status| status.last_confirmed_backup.clone());
        before.filter(|good| observed.backups.known().is_none() && stays(good))
    });
}

/// The backup of that name, if it still exists.
pub fn backup_of_name<'a>(observed: &'a Observed, name: &str) -> Option<&'a DatabaseBackup> {
    let mut all = list(&observed.backups).iter();
    all.find(|backup| backup.metadata.name.as_deref() == Some(name))
}

/// The identifier of the database cluster in a backup.
pub fn identifier(backup: &DatabaseBackup) -> Option<&str> {
    backup.status.as_ref()?.system_identifier.as_deref()
}

/// Why the newest backup does not count, if it was taken and does not.
pub fn uncounted(newest: &DatabaseBackup) -> Option<(&'static str, String)> {
    let (name, status) = (newest.metadata.name.as_deref()?, newest.status.as_ref()?);
    match state(newest)? {
        BackupState::Failed | BackupState::Suspect => Some((
            reasons::known(status.reason.as_deref()?),
            status.message.clone().unwrap_or_default(),
        )),
        BackupState::Complete => {
            let demoted = status.demoted.as_ref()?;
            let reason = if demoted.is_damage() {
                reasons::SET_DAMAGED
            } else {
                reasons::BACKUP_DEMOTED
            };
            Some((
                reason,
                format!("{name} does not count: {}", demoted.describe()),
            ))
        }
        BackupState::Running => None,
    }
}

/// Says that no backup counts, and of what database cluster those are that were taken.
pub fn never_succeeded(observed: &Observed, judged: &Judged<'_>) -> String {
    let mut of_other = list(&observed.backups)
        .iter()
        .filter(|backup| backup.counts() && !is_of_accepted(observed, judged, identifier(backup)));
    match of_other.next() {
        Some(other) => format!(
            "no backup of this database cluster has been completed yet: {} is of the one with system \
             identifier {}, which was there before; the first one starts after the next good check",
            other.metadata.name.as_deref().unwrap_or_default(),
            identifier(other).unwrap_or_default()
        ),
        None => "no backup has been completed yet; the first one starts after the first good check"
            .to_owned(),
    }
}

/// Says that a backup is in another bucket than spec.backup.storage names now.
pub fn left_behind(observed: &Observed, asked: &ValidBackup, name: &str) -> String {
    let found = backup_of_name(observed, name);
    let Some(found) = found.filter(|found| !is_in_present_bucket(found, &asked.storage)) else {
        return String::new();
    };
    let status = found.status.clone().unwrap_or_default();
    format!(
        ", at {} in bucket {} of {}, where spec.backup.storage does not lead any more",
        status.path.unwrap_or_default(),
        status.bucket.unwrap_or_default(),
        status.endpoint.unwrap_or_else(|| "Amazon S3".to_owned())
    )
}
