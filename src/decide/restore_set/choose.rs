//! Which backup set a `DatabaseRestore` restores: chosen once, and only one that counts, unless its user
//! has named it and said so. Pure.

use super::super::judge::Judged;
use super::super::last_backups::{identifier, is_in_present_bucket, is_of_accepted};
use super::super::ready::list;
use super::set_decision::known;
use crate::api::{
    BackupState, DatabaseBackup, DatabaseRestore, RestoreFrom, RestoreTarget, RestoredSet,
    S3Storage, SetSource,
};
use crate::world::Observed;

/// What becomes of the choice.
pub enum Choice {
    /// That one.
    Set(RestoredSet),
    /// None yet; the message says what there is and what to do.
    Waits(String),
    /// None, ever.
    Refused(String),
}

/// Chooses the set.
pub fn choose(
    restore: &DatabaseRestore,
    observed: &Observed,
    judged: &Judged<'_>,
    storage: &S3Storage,
) -> Result<Choice, String> {
    let which = restore.spec.from.which();
    if let Some(RestoreFrom::Set(set)) = which {
        return Ok(placed(set, storage));
    }
    known(&observed.backups)?;
    let found = match which {
        Some(RestoreFrom::Backup(name)) => named(restore, observed, name),
        Some(RestoreFrom::LatestGood) => newest(restore, observed, judged, storage),
        Some(RestoreFrom::Volume(_) | RestoreFrom::Set(_)) | None => {
            Err(Choice::Refused("spec.from names no backup".to_owned()))
        }
    };
    let backup = match found {
        Ok(backup) => backup,
        Err(choice) => return Ok(choice),
    };
    Ok(match set_of(backup) {
        None => Choice::Refused(format!(
            "DatabaseBackup {} does not say where its set is, or which manifest it has, as those of older \
             versions. Fetch it, and use pg_restore: holdfast backup fetch --help",
            name_of(backup)
        )),
        Some(_) if !is_in_present_bucket(backup, storage) => Choice::Waits(elsewhere(backup)),
        Some(set) => Choice::Set(set),
    })
}

/// A set by its place. What is there is known to its agent alone, which refuses what does not count unless
/// its user has said so.
fn placed(set: &SetSource, storage: &S3Storage) -> Choice {
    if !storage.contains(&set.path) {
        return Choice::Waits(format!(
            "spec.from.set.path {} is not below the prefix of spec.backup.storage, which is `{}`. Set \
             spec.backup.storage.s3.prefix to the one that the set is below, or copy the set",
            set.path, storage.prefix
        ));
    }
    Choice::Set(RestoredSet {
        backup: set.name().to_owned(),
        bucket: storage.bucket.clone(),
        path: set.path.clone(),
        manifest_sha256: set.manifest_sha256.clone(),
    })
}

/// The newest that counts, by the API server's clock. One that a drill or a restore could not restore is passed over,
/// except for another drill.
fn newest<'a>(
    restore: &DatabaseRestore,
    observed: &'a Observed,
    judged: &Judged<'_>,
    storage: &S3Storage,
) -> Result<&'a DatabaseBackup, Choice> {
    let is_drill = restore.spec.into == RestoreTarget::Scratch;
    let counting = list(&observed.backups).iter().filter(|backup| {
        backup.counts()
            && is_of_accepted(observed, judged, identifier(backup))
            && is_in_present_bucket(backup, storage)
            && (is_drill || backup.disproved_by().is_none())
    });
    counting
        .max_by_key(|backup| backup.made())
        .ok_or_else(|| Choice::Waits(none_counts(observed, judged, storage)))
}

fn named<'a>(
    restore: &DatabaseRestore,
    observed: &'a Observed,
    name: &str,
) -> Result<&'a DatabaseBackup, Choice> {
    let mut backups = list(&observed.backups).iter();
    let Some(backup) = backups.find(|backup| backup.metadata.name.as_deref() == Some(name)) else {
        return Err(Choice::Refused(format!(
            "spec.from.backup: there is no DatabaseBackup {name} of database {}. What there is: {}",
            observed.name(),
            list_command(observed)
        )));
    };
    let status = backup.status.clone().unwrap_or_default();
    match status.state {
        None | Some(BackupState::Running) => {
            return Err(Choice::Waits(format!(
                "DatabaseBackup {name} is still being taken"
            )));
        }
        Some(BackupState::Failed) => {
            return Err(Choice::Refused(format!(
                "DatabaseBackup {name} failed and has no set: {}",
                status.message.unwrap_or_default()
            )));
        }
        Some(BackupState::Complete | BackupState::Suspect) => {}
    }
    if restore.spec.accept_suspect == Some(true) {
        return Ok(backup);
    }
    match why_not(backup) {
        None => Ok(backup),
        Some(why) => Err(Choice::Refused(format!(
            "DatabaseBackup {name} does not count as good: {why}. Nothing was changed. To restore it \
             anyway, create another DatabaseRestore with acceptSuspect: true, or: kubectl holdfast restore \
             {} -n {} --backup {name} --accept-suspect",
            observed.name(),
            observed.namespace_name()
        ))),
    }
}

/// Why a backup that was taken does not count; none if it does.
#[must_use]
pub fn why_not(backup: &DatabaseBackup) -> Option<String> {
    let status = backup.status.as_ref()?;
    if status.state == Some(BackupState::Suspect) {
        let reason = status.reason.as_deref().unwrap_or("no reason given");
        return Some(format!("its own rows looked reset ({reason})"));
    }
    if let Some(demoted) = &status.demoted {
        return Some(demoted.describe());
    }
    let is_unconfirmed = status.confirmed.is_none();
    is_unconfirmed.then(|| "no good check has found its data since it was taken".to_owned())
}

/// Says that no backup counts, and what there is instead.
fn none_counts(observed: &Observed, judged: &Judged<'_>, storage: &S3Storage) -> String {
    let (name, namespace) = (observed.name(), observed.namespace_name());
    let taken: Vec<&DatabaseBackup> = list(&observed.backups)
        .iter()
        .filter(|backup| {
            let state = backup.status.as_ref().and_then(|status| status.state);
            matches!(state, Some(BackupState::Complete | BackupState::Suspect))
        })
        .collect();
    let newest = taken.iter().max_by_key(|backup| backup.made());
    let Some(newest) = newest else {
        return format!(
            "no backup of database {name} counts, because none was taken. If a volume with the data is \
             still there: kubectl holdfast recover {name} -n {namespace}. If the bucket has sets of a cluster \
             that is gone: kubectl holdfast adopt --help"
        );
    };
    let disproved = newest
        .disproved_by()
        .map(|drill| format!("DatabaseRestore {} could not restore it", drill.restore));
    let why = why_not(newest).or(disproved).unwrap_or_else(|| {
        if is_in_present_bucket(newest, storage) {
            let of = if is_of_accepted(observed, judged, identifier(newest)) {
                "this one"
            } else {
                "another one than the last good check has seen"
            };
            let cluster = identifier(newest).unwrap_or("unknown");
            format!("it is of the database cluster with system identifier {cluster}, {of}")
        } else {
            elsewhere(newest)
        }
    });
    let chosen = name_of(newest);
    format!(
        "no backup of database {name} counts. There are {}, the newest is {chosen}: {why}. See them: {}. To \
         restore one of them anyway: kubectl holdfast restore {name} -n {namespace} --backup {chosen} \
         --accept-suspect",
        taken.len(),
        list_command(observed)
    )
}

fn list_command(observed: &Observed) -> String {
    format!(
        "kubectl holdfast backups {} -n {}",
        observed.name(),
        observed.namespace_name()
    )
}

/// Says that a backup is in another bucket.
fn elsewhere(backup: &DatabaseBackup) -> String {
    let status = backup.status.clone().unwrap_or_default();
    format!(
        "DatabaseBackup {} is at {} in bucket {} of {}, where spec.backup.storage does not lead. Point it \
         there, or fetch the set and use pg_restore: holdfast backup fetch --help",
        name_of(backup),
        status.path.unwrap_or_default(),
        status.bucket.unwrap_or_default(),
        status.endpoint.unwrap_or_else(|| "Amazon S3".to_owned())
    )
}

fn set_of(backup: &DatabaseBackup) -> Option<RestoredSet> {
    let status = backup.status.as_ref()?;
    Some(RestoredSet {
        backup: name_of(backup).to_owned(),
        bucket: status.bucket.clone()?,
        path: status.path.clone()?,
        manifest_sha256: status.manifest_sha256.clone()?,
    })
}

fn name_of(backup: &DatabaseBackup) -> &str {
    backup.metadata.name.as_deref().unwrap_or_default()
}
