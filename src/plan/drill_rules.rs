//! The rules about drills: the operator begins one only by itself, into a throwaway server, calls a backup
//! proven only by one that has ended so, and forgets none that nothing remembers. Pure.

use super::Step;
use super::scope::Scope;
use crate::api::{
    DatabaseBackup, DatabaseRestore, RestoreReport, RestoreState, RestoreTarget, RestoredSet, names,
};
use crate::world::Observed;

/// Make sure that the operator restores by itself only into a throwaway server, for the very database that
/// asks for it, and not beside another restore.
pub fn drills_are_begun_alone(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::CreateDrill(drill) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let spec = &drill.spec;
    if spec.into != RestoreTarget::Scratch
        || spec.accept_suspect.is_some()
        || !spec.tables.is_empty()
        || spec.files.is_some()
    {
        return Err("it is no drill of a backup that counts");
    }
    if spec.database != observed.name() || !is_owned(observed, drill) {
        return Err("it is not of this database");
    }
    let name = drill.metadata.name.as_deref().unwrap_or_default();
    if observed.database.spec.drill.is_none() || observed.database.spec.suspend {
        return Err("nobody asks for it");
    }
    let Some(restores) = observed.restores.known() else {
        return Err("it is not known which restores there are");
    };
    let is_there = |other: &DatabaseRestore| other.metadata.name.as_deref() == Some(name);
    let is_second = steps
        .iter()
        .enumerate()
        .any(|(place, step)| matches!(step, Step::CreateDrill(_)) && place != position);
    if is_second
        || restores
            .iter()
            .any(|other| other.is_open() || is_there(other))
    {
        return Err("another restore of this database is under way, or has its name");
    }
    Ok(())
}

/// Make sure that a backup is called proven only if it counts, by a drill of its very set that has ended so,
/// and that no older drill replaces a newer one. A restore only says that a set could not be restored.
pub fn backups_are_proven_by_drills(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::NoteDrill { name, drill } = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let mut backups = observed.backups.known().into_iter().flatten();
    let Some(backup) = backups.find(|one| one.metadata.name.as_ref() == Some(name)) else {
        return Err("it is not a backup that was read");
    };
    if !backup.counts() {
        return Err("the backup does not count");
    }
    let before = backup
        .status
        .as_ref()
        .and_then(|status| status.drill.as_ref());
    if before.is_some_and(|before| before.time.0 >= drill.time.0) {
        return Err("a newer drill has said something of it");
    }
    let mut restores = observed.restores.known().into_iter().flatten();
    let found = restores.find(|one| one.metadata.name.as_ref() == Some(&drill.restore));
    let is_drill = found.is_some_and(|one| one.spec.into == RestoreTarget::Scratch);
    let is_of_files = found.is_some_and(DatabaseRestore::is_of_files);
    let Some(status) = found.and_then(|one| one.status.as_ref()) else {
        return Err("it is by no drill that was read");
    };
    let report = status.report.as_ref();
    let blames = report.is_some_and(RestoreReport::blames_the_set);
    if is_of_files || !is_drill && (drill.passed || !blames) {
        return Err("it is by a restore, which has not failed because of the set");
    }
    let is_of_it = status.set.as_ref().is_some_and(|set| is_of(set, backup));
    if !is_of_it || status.job.is_none() || status.completion_time.as_ref() != Some(&drill.time) {
        return Err("the drill was of another set, or has not run");
    }
    let state = if drill.passed {
        RestoreState::Complete
    } else {
        RestoreState::Failed
    };
    if status.state == Some(state) {
        Ok(())
    } else {
        Err("the drill has not ended so")
    }
}

/// Make sure that only an ended drill is deleted, of this very database, and that what the newest one has said
/// is remembered.
pub fn only_old_drills_go(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::DeleteDrill(metadata) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let mut restores = observed.restores.known().into_iter().flatten();
    let is_read =
        |one: &&DatabaseRestore| metadata.uid.is_some() && one.metadata.uid == metadata.uid;
    let Some(drill) = restores.find(is_read) else {
        return Err("it is not a restore that was read");
    };
    if drill.spec.into != RestoreTarget::Scratch || !is_owned(observed, drill) {
        return Err("it is no drill of this database");
    }
    if drill.is_open() {
        return Err("it has not ended");
    }
    let ended = drill
        .status
        .as_ref()
        .and_then(|status| status.completion_time.as_ref());
    let Scope::Database { status, .. } = scope else {
        return Err("it belongs to the operator's pass for a database");
    };
    let has_run = drill
        .status
        .as_ref()
        .is_some_and(|status| status.job.is_some());
    let is_remembered = ended
        .zip(status.last_drill.as_ref())
        .is_some_and(|(ended, last)| last.time.0 >= ended.0);
    if has_run && !is_remembered {
        return Err("nothing remembers what it has shown");
    }
    Ok(())
}

/// Whether it goes with this very ProtectedDatabase.
fn is_owned(observed: &Observed, restore: &DatabaseRestore) -> bool {
    let uid = observed.database.metadata.uid.as_deref();
    let mut owners = restore.metadata.owner_references.iter().flatten();
    let is_named = owners.any(|owner| Some(owner.uid.as_str()) == uid);
    let name = restore.metadata.name.as_deref().unwrap_or_default();
    uid.is_some() && is_named && name.starts_with(&names::drill_prefix(observed.name()))
}

fn is_of(set: &RestoredSet, backup: &DatabaseBackup) -> bool {
    backup.status.as_ref().is_some_and(|status| {
        backup.metadata.name.as_ref() == Some(&set.backup)
            && status.bucket.as_ref() == Some(&set.bucket)
            && status.path.as_ref() == Some(&set.path)
            && status.manifest_sha256.as_ref() == Some(&set.manifest_sha256)
    })
}
