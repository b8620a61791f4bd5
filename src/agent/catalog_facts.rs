//! What the cluster knows of the sets in a bucket, laid over what the bucket says: of the two the worse
//! counts. And which sets are damaged. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{
    BackupState, BackupVerdict, CatalogReport, CatalogRequest, ConditionStatus, ConditionType,
    DatabaseBackup, DatabaseRestore, ProtectedDatabase, Retention, find_condition,
};
use crate::store::{
    CatalogSet, Held, RetentionRules, SetContents, SetOwner, Standing, database_folder,
};

/// What the cluster says of a database and its backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// Why nothing may be removed.
    pub held: Option<Held>,
    /// The directories of the backups that run.
    pub running: BTreeSet<String>,
    /// The directories of the sets that restores read which have not ended.
    pub restoring: BTreeSet<String>,
    /// The backups that were taken, of this bucket.
    pub taken: Vec<KnownBackup>,
    /// The directory of the newest one that counts.
    pub newest_confirmed: Option<String>,
    /// The directory of the newest one that counts and that a drill has proven.
    pub newest_proven: Option<String>,
    /// The directory of the newest one that counts and has more than twice as many files as the newest of
    /// all: they may be in no other set.
    pub fullest: Option<String>,
    /// When sets were last read whole, by their directories.
    pub reads: BTreeMap<String, Timestamp>,
    /// What the last look has reported.
    pub last: Option<CatalogReport>,
}

impl ClusterView {
    /// The directories of the sets that were taken.
    #[must_use]
    pub fn known(&self) -> BTreeSet<String> {
        let paths = self.taken.iter().map(|backup| backup.path.clone());
        paths.collect()
    }

    /// Whether the other says anything else about the backups.
    #[must_use]
    pub fn says_else_than(&self, other: &Self) -> bool {
        self.taken != other.taken
            || self.newest_confirmed != other.newest_confirmed
            || self.newest_proven != other.newest_proven
            || self.fullest != other.fullest
            || self.running != other.running
            || self.restoring != other.restoring
    }
}

/// A backup that was taken, as its object says.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownBackup {
    /// Its directory.
    pub path: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Option<String>,
    /// What a later check has said of it.
    pub verdict: Option<BackupVerdict>,
}

/// Reads what the cluster says. `database` is what has the name now; `now` is this node's time, which only
/// ever makes sets stay.
#[must_use]
pub fn build_view(
    database: Option<&ProtectedDatabase>,
    (backups, restores): (&[DatabaseBackup], &[DatabaseRestore]),
    request: &CatalogRequest,
    now: Timestamp,
) -> ClusterView {
    let mut view = ClusterView {
        held: held_by(database, request, now),
        restoring: read_by(restores, backups, request),
        ..ClusterView::default()
    };
    let directory = database_folder(
        &request.storage.prefix,
        &request.namespace,
        &request.database,
    );
    let (mut newest, mut proven, mut of_files) = (None, None, Vec::new());
    let mut newest_suspect = None;
    let mut last = None;
    for backup in backups {
        let Some(status) = &backup.status else {
            continue;
        };
        if let Some(report) = &status.catalog {
            let made = backup.made();
            if last.as_ref().is_none_or(|(before, _)| made > *before) {
                last = Some((made, report));
            }
        }
        let path = status.path.as_deref().filter(|path| {
            let set = path.strip_prefix(&directory);
            set.is_some_and(|set| !set.is_empty() && !set.contains('/') && !set.starts_with('.'))
        });
        let (Some(path), true) = (path, is_in_bucket(backup, request)) else {
            continue;
        };
        match status.state {
            None | Some(BackupState::Running) => {
                view.running.insert(path.to_owned());
            }
            Some(BackupState::Failed) => {}
            Some(BackupState::Complete | BackupState::Suspect) => {
                if let Some(read) = &status.last_read {
                    view.reads.insert(path.to_owned(), read.time.0);
                }
                let made = backup.made();
                if status.state == Some(BackupState::Suspect) {
                    newest_suspect = newest_suspect.max(made);
                }
                if backup.counts() {
                    newest = newest.max(made.map(|made| (made, path.to_owned())));
                }
                if backup.is_proven() {
                    proven = proven.max(made.map(|made| (made, path.to_owned())));
                }
                if let (Some(files), Some(made)) = (status.files, made) {
                    of_files.push((made, files, backup.counts(), path.to_owned()));
                }
                let demoted = status.demoted.clone().map(BackupVerdict::Demoted);
                let confirmed = status.confirmed.clone().map(BackupVerdict::Confirmed);
                view.taken.push(KnownBackup {
                    path: path.to_owned(),
                    manifest_sha256: status.manifest_sha256.clone(),
                    verdict: demoted.or(confirmed),
                });
            }
        }
    }
    let counts_since = newest.as_ref().map(|(made, _)| *made);
    if newest_suspect.is_some() && newest_suspect >= counts_since {
        view.held = view.held.or(Some(Held::SuspectStands));
    }
    view.newest_confirmed = newest.map(|(_, path)| path);
    view.newest_proven = proven.map(|(_, path)| path);
    view.fullest = find_fullest(of_files);
    view.last = last.map(|(_, report)| report.clone());
    // What the operator has not noted yet.
    let sample = view.last.iter().filter_map(|last| last.sample.as_ref());
    for read in sample.flat_map(|sample| &sample.read) {
        let known = view.reads.entry(read.path.clone());
        let known = known.or_insert(read.found.time.0);
        *known = read.found.time.0.max(*known);
    }
    view
}

/// The newest set that counts and has more than twice as many files as the newest of all. Of each: when it was
/// made, its files, whether it counts, its directory.
fn find_fullest(mut sets: Vec<(Timestamp, i64, bool, String)>) -> Option<String> {
    sets.sort_unstable();
    let now = sets.last()?.1;
    let mut newest_first = sets.into_iter().rev();
    let found =
        newest_first.find(|(_, files, counts, _)| *counts && *files > now.saturating_mul(2));
    found.map(|(.., path)| path)
}

/// The directories of the sets that restores read, or are about to read, which have not ended. The newest
/// confirmed one, which a restore chooses by itself, never goes.
fn read_by(
    restores: &[DatabaseRestore],
    backups: &[DatabaseBackup],
    request: &CatalogRequest,
) -> BTreeSet<String> {
    let is_open =
        |restore: &&DatabaseRestore| restore.spec.database == request.database && restore.is_open();
    let path_of = |name: &String| {
        let mut named = backups.iter();
        let backup = named.find(|backup| backup.metadata.name.as_ref() == Some(name));
        backup?.status.as_ref()?.path.clone()
    };
    let mut paths = BTreeSet::new();
    for restore in restores.iter().filter(is_open) {
        let chosen = restore
            .status
            .as_ref()
            .and_then(|status| status.set.as_ref());
        paths.extend(chosen.map(|set| set.path.clone()));
        paths.extend(restore.spec.from.backup.as_ref().and_then(path_of));
        let named = restore.spec.from.set.as_ref();
        paths.extend(named.map(|set| set.path.clone()));
    }
    paths
}

/// What a report says before anything is read: what the last one said, so that a look that fails takes
/// nothing back. What was removed stays in it while its DatabaseBackup is there.
#[must_use]
pub fn begin_report(job: &str, request: &CatalogRequest, view: &ClusterView) -> CatalogReport {
    let known = view.known();
    let mut report = view.last.clone().unwrap_or_default();
    job.clone_into(&mut report.job);
    report.completion_time = None;
    report.failure = None;
    report.removing.clone_from(&request.removing);
    report.removed.retain(|path| known.contains(path));
    report.left = Vec::new();
    report.read_back = None;
    report
}

/// Why nothing may be removed, by the ProtectedDatabase.
fn held_by(
    database: Option<&ProtectedDatabase>,
    request: &CatalogRequest,
    now: Timestamp,
) -> Option<Held> {
    let is_meant = |database: &&ProtectedDatabase| {
        database.metadata.uid.as_deref() == Some(request.database_uid.as_str())
            && database.metadata.deletion_timestamp.is_none()
    };
    let Some(database) = database.filter(is_meant) else {
        return Some(Held::DatabaseGone);
    };
    let backup = database.spec.backup.as_ref();
    if backup.is_none_or(|backup| backup.retention != request.retention) {
        return Some(Held::RulesChanged);
    }
    if database.spec.suspend {
        return Some(Held::Suspended);
    }
    if backup.is_none_or(|backup| !backup.storage.s3.is_same_place(&request.storage)) {
        return Some(Held::StorageChanged);
    }
    let Some(status) = &database.status else {
        return Some(Held::DataNotVerified);
    };
    let says = |type_, status_: ConditionStatus| {
        let found = find_condition(&status.conditions, type_);
        found.is_some_and(|found| found.status == status_.as_str())
    };
    if says(ConditionType::DataReset, ConditionStatus::True) {
        return Some(Held::DataReset);
    }
    let is_verified = says(ConditionType::DataReset, ConditionStatus::False)
        && says(ConditionType::DataVerified, ConditionStatus::True);
    let is_over = status
        .verified_until
        .as_ref()
        .is_some_and(|until| until.0 <= now);
    (!is_verified || is_over).then_some(Held::DataNotVerified)
}

fn is_in_bucket(backup: &DatabaseBackup, request: &CatalogRequest) -> bool {
    let status = backup.status.as_ref();
    let place =
        status.and_then(|status| Some((status.bucket.as_deref()?, status.endpoint.as_deref())));
    place.is_some_and(|(bucket, endpoint)| request.storage.is_bucket(bucket, endpoint))
}

/// The rules of the spec.
#[must_use]
pub fn rules_of(retention: &Retention) -> RetentionRules {
    let days = |value: Option<i32>| u32::try_from(value.unwrap_or(0)).unwrap_or(0);
    RetentionRules {
        last: usize::try_from(retention.keep_last.unwrap_or(1)).unwrap_or(1),
        days: days(retention.keep_days),
        weekly: days(retention.keep_weekly),
        monthly: days(retention.keep_monthly),
    }
}

/// Lowers the standing of sets of which the cluster knows worse than the bucket. Only of the newest confirmed
/// one the cluster's word does where the bucket has none: a full bucket can't take its verdict, and must not
/// keep full what retention would free. Then its manifest must be the very one, and nothing missing.
pub fn lower(sets: &mut [CatalogSet], view: &ClusterView) {
    let known: BTreeMap<&str, &KnownBackup> = view
        .taken
        .iter()
        .map(|backup| (backup.path.as_str(), backup))
        .collect();
    for set in sets {
        let Some(backup) = known.get(set.facts.path.as_str()) else {
            continue;
        };
        let found = set.manifest.as_ref().map(|(_, sha256)| sha256);
        let is_other = found
            .zip(backup.manifest_sha256.as_ref())
            .is_some_and(|(found, expected)| found != expected);
        if is_other {
            set.faults
                .push("its manifest is another one than was stored".to_owned());
        }
        let SetContents::Set(record) = &mut set.facts.contents else {
            continue;
        };
        record.standing = match (&backup.verdict, record.standing) {
            (_, Standing::Suspect) => Standing::Suspect,
            (Some(BackupVerdict::Demoted(_)), _) => Standing::Demoted,
            (_, standing) if is_other && standing != Standing::Demoted => Standing::Incomplete,
            (None, Standing::Confirmed) => Standing::Unconfirmed,
            (Some(BackupVerdict::Confirmed(_)), Standing::Unconfirmed)
                if view.newest_confirmed.as_ref() == Some(&backup.path)
                    && backup.manifest_sha256.as_ref() == Some(&record.manifest_sha256)
                    && set.faults.is_empty() =>
            {
                Standing::Confirmed
            }
            (_, standing) => standing,
        };
    }
}

/// A set that lacks something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its directory.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether nothing of it is there any more.
    pub is_gone: bool,
    /// Whether it is gone as a whole, and is older than every set that is there: a lifecycle rule of the
    /// bucket does that, and nothing is wrong with the others.
    pub is_expired: bool,
}

/// The sets that lack something, the newest first. Those of others, those whose removal was begun, and those
/// that only can't be read here, are none.
#[must_use]
pub fn find_damaged(
    sets: &[CatalogSet],
    view: &ClusterView,
    owner: &SetOwner,
    removing: &[String],
) -> Vec<Damaged> {
    let mut damaged: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let known = |path: &str| view.taken.iter().any(|backup| backup.path == path);
    let by_path: BTreeMap<&str, &CatalogSet> = sets
        .iter()
        .map(|set| (set.facts.path.as_str(), set))
        .collect();
    for backup in &view.taken {
        let found = by_path.get(backup.path.as_str());
        let what = match found.map(|set| &set.facts.contents) {
            None => "nothing of it is in the bucket any more".to_owned(),
            Some(SetContents::Unfinished) => "its manifest is missing".to_owned(),
            Some(SetContents::Unreadable(_)) if found.is_some_and(|set| set.is_out_of_reach) => {
                continue;
            }
            Some(SetContents::Unreadable(why)) => format!("its manifest can't be read: {why}"),
            Some(SetContents::Set(_)) => continue,
        };
        damaged.insert(backup.path.clone(), (what, found.is_none()));
    }
    for set in sets.iter().filter(|set| !set.faults.is_empty()) {
        let is_own = match &set.facts.contents {
            SetContents::Set(record) => record.owner.has(owner),
            SetContents::Unfinished | SetContents::Unreadable(_) => false,
        };
        if is_own || known(&set.facts.path) {
            damaged.insert(set.facts.path.clone(), (set.faults.join("; "), false));
        }
    }
    damaged.retain(|path, _| !removing.contains(path));
    let is_own = |set: &&CatalogSet| match &set.facts.contents {
        SetContents::Set(record) => record.owner.has(owner) && known(&set.facts.path),
        SetContents::Unfinished | SetContents::Unreadable(_) => false,
    };
    // Their names begin with the time.
    let own = sets.iter().filter(is_own).map(|set| &set.facts.path);
    let oldest = own.min();
    let newest_first = damaged.into_iter().rev();
    newest_first
        .map(|(path, (why, is_gone))| Damaged {
            is_expired: is_gone
                && oldest.is_some_and(|oldest| path < *oldest)
                && view.newest_confirmed.as_ref() != Some(&path),
            path,
            why,
            is_gone,
        })
        .collect()
}

#[cfg(test)]
#[path = "catalog_facts_tests.rs"]
mod tests;
