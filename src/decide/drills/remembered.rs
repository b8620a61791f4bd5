//! What is remembered of drills that have ended, so that it stays when their objects are deleted: on the
//! backup, and in the status of the database. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::judge::Judged;
use super::super::last_backups::backup_of_name;
use super::super::ready::list;
use super::super::restore_set::{disproves, is_of_set};
use super::select::{counting, counts_now, newest_proven};
use crate::api::{
    BackupDrill, DatabaseBackup, DatabaseRestore, DrillReport, DrillSummary, DrillTimes,
    ProvenBackup, RestoreReport, RestoreState, RestoreTarget, RestoredSet,
};
use crate::plan::{Plan, Step};
use crate::wording::quoted_line;
use crate::world::Observed;

/// The most characters of a message that is remembered.
const MESSAGE: usize = 900;
/// How much of what could not be restored is remembered, and the most characters of each.
const NAMED: usize = 4;
const WHAT: usize = 250;

/// A drill that has run and ended.
struct Ended<'a> {
    restore: &'a DatabaseRestore,
    name: &'a str,
    set: &'a RestoredSet,
    time: &'a Time,
    state: RestoreState,
}

/// The drills that have run and ended. One that was refused before it had its Job was none.
fn ended(observed: &Observed) -> impl Iterator<Item = Ended<'_>> {
    all_ended(observed).filter(Ended::is_drill)
}

/// The same with restores.
fn all_ended(observed: &Observed) -> impl Iterator<Item = Ended<'_>> {
    let all = list(&observed.restores).iter();
    all.filter_map(|restore| {
        let status = restore.status.as_ref()?;
        status.job.as_ref()?;
        Some(Ended {
            restore,
            name: restore.metadata.name.as_deref()?,
            set: status.set.as_ref()?,
            time: status.completion_time.as_ref()?,
            state: status.state.filter(|state| state.is_final())?,
        })
    })
}

impl Ended<'_> {
    fn is_drill(&self) -> bool {
        self.restore.spec.into == RestoreTarget::Scratch
    }

    /// Whether it says of its set that it can be restored, or that it can't. A restore never says that it can:
    /// it looks at less. One of files says nothing of the databases, which a drill restores.
    fn says_whether(&self) -> bool {
        let report = self.restore.status.as_ref();
        let report = report.and_then(|status| status.report.as_ref());
        if !self.is_drill() {
            let blames = report.is_some_and(RestoreReport::blames_the_set);
            let is_of_rows = !self.restore.is_of_files();
            return self.state == RestoreState::Failed && blames && is_of_rows;
        }
        self.state == RestoreState::Complete || disproves(report)
    }
}

fn found<'a>(drill: &Ended<'a>) -> Option<&'a DrillReport> {
    drill
        .restore
        .status
        .as_ref()?
        .report
        .as_ref()?
        .drill
        .as_ref()
}

fn times(drill: &Ended<'_>) -> DrillTimes {
    found(drill).map(|found| found.times).unwrap_or_default()
}

/// What its manifest does not say, or says in the words of another version.
fn unchecked(drill: &Ended<'_>) -> Vec<String> {
    let Some(found) = found(drill) else {
        return Vec::new();
    };
    let compared = [
        ("definitions", found.schema_matches),
        ("sequences", found.sequences_match),
    ];
    let missing = compared
        .into_iter()
        .filter(|(_, matches)| matches.is_none());
    missing.map(|(what, _)| what.to_owned()).collect()
}

/// What a restore leaves out and names, the first few.
fn not_restored(drill: &Ended<'_>) -> Vec<String> {
    let report = drill.restore.status.as_ref();
    let report = report.and_then(|status| status.report.as_ref());
    let databases = report.map_or(&[][..], |report| &report.databases);
    let all: Vec<&String> = databases.iter().flat_map(|one| &one.not_restored).collect();
    let more = all.len().saturating_sub(NAMED);
    let mut named: Vec<String> = all
        .into_iter()
        .take(NAMED)
        .map(|what| quoted_line(what, WHAT))
        .collect();
    if more > 0 {
        named.push(format!("{more} more in the report of {}", drill.name));
    }
    named
}

/// Notes on each backup that counts what its newest drill has shown: proven, or not. A drill that says
/// nothing of the set, because it did not get as far, takes no proof away. So does a restore that has failed
/// because of the set: the next one takes another set, and a drill may prove this one again.
pub fn plan_notes(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    for backup in counting(observed, judged) {
        let of_it = all_ended(observed).filter(|drill| {
            backup.metadata.name.as_ref() == Some(&drill.set.backup)
                && is_of_set(drill.set, Some(backup))
                && drill.says_whether()
        });
        let Some(newest) = of_it.max_by_key(|drill| (drill.time.0, drill.name)) else {
            continue;
        };
        let before = backup
            .status
            .as_ref()
            .and_then(|status| status.drill.as_ref());
        if before.is_some_and(|before| before.time.0 >= newest.time.0) {
            continue;
        }
        let drill = BackupDrill {
            restore: newest.name.to_owned(),
            time: newest.time.clone(),
            passed: newest.state == RestoreState::Complete,
            times: times(&newest),
            unchecked: unchecked(&newest),
            not_restored: not_restored(&newest),
        };
        let name = backup.metadata.name.clone().unwrap_or_default();
        plan.steps.push(Step::NoteDrill { name, drill });
    }
}

/// Remembers the newest drill, and the newest backup that is proven. What can't be read stays as it was.
pub fn remember(observed: &Observed, judged: &Judged<'_>, plan: &mut Plan) {
    let before = observed.database.status.as_ref();
    let (last, proven, next) = before.map_or((None, None, None), |before| {
        (
            before.last_drill.clone(),
            before.last_proven.clone(),
            before.next_drill.clone(),
        )
    });
    plan.status.next_drill = next;
    if observed.restores.known().is_none() || observed.backups.known().is_none() {
        plan.status.last_drill = last;
        plan.status.last_proven = proven;
        return;
    }
    let newest = ended(observed)
        .filter(|drill| says_something(observed, judged, &drill.set.backup))
        .max_by_key(|drill| (drill.time.0, drill.name))
        .map(|drill| summary(&drill));
    // It stays, whatever has become of its backup since.
    plan.status.last_drill = match (newest, last) {
        (Some(newest), Some(last)) if last.time.0 > newest.time.0 => Some(last),
        (newest, last) => newest.or(last),
    };
    let mut counting = counting(observed, judged);
    // Its note is not read back yet; the message that it could not be restored must not call it proven.
    counting.retain(|backup| !is_being_disproved(plan, backup));
    plan.status.last_proven = newest_proven(&counting).and_then(proven_backup);
}

fn is_being_disproved(plan: &Plan, backup: &DatabaseBackup) -> bool {
    plan.steps.iter().any(|step| {
        matches!(step, Step::NoteDrill { name, drill } if backup.metadata.name.as_ref() == Some(name) && !drill.passed)
    })
}

/// Whether a drill that has ended says something of the backups: not if the one that it was of does not count.
/// One that retention has removed since did.
fn says_something(observed: &Observed, judged: &Judged<'_>, backup: &str) -> bool {
    let found = backup_of_name(observed, backup);
    found.is_none_or(|found| counts_now(observed, judged, found))
}

fn summary(drill: &Ended<'_>) -> DrillSummary {
    let status = drill.restore.status.as_ref();
    let report = status.and_then(|status| status.report.as_ref());
    let class = report.and_then(|report| report.drill.as_ref()?.class);
    let said = status.and_then(|status| status.message.as_deref());
    DrillSummary {
        restore: drill.name.to_owned(),
        restore_uid: drill.restore.metadata.uid.clone().unwrap_or_default(),
        backup: Some(drill.set.backup.clone()),
        time: drill.time.clone(),
        state: drill.state,
        class: class
            .filter(|_| drill.state == RestoreState::Failed)
            .map(|class| class.as_str().to_owned()),
        message: quoted_line(said.unwrap_or_default(), MESSAGE),
    }
}

fn proven_backup(backup: &DatabaseBackup) -> Option<ProvenBackup> {
    let status = backup.status.as_ref()?;
    let drill = status.drill.as_ref()?;
    Some(ProvenBackup {
        backup: backup.metadata.name.clone()?,
        backup_time: backup.metadata.creation_timestamp.clone()?,
        bucket: status.bucket.clone()?,
        endpoint: status.endpoint.clone(),
        path: status.path.clone()?,
        manifest_sha256: status.manifest_sha256.clone()?,
        system_identifier: status.system_identifier.clone()?,
        restore: drill.restore.clone(),
        time: drill.time.clone(),
        times: drill.times,
        unchecked: drill.unchecked.clone(),
        not_restored: drill.not_restored.clone(),
    })
}
