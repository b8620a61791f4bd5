//! A look at all sets of a database in its bucket: stores what checks have said, compares each set with its
//! manifest, reads some of them whole, and removes those that no rule keeps. What it removes it decides from
//! what it reads itself.

use std::time::Duration;

use jiff::Timestamp;

use super::MountedFiles;
use super::catalog_facts::{ClusterView, Damaged, find_damaged, lower};
use super::catalog_plan::{CatalogSource, Look, count, remark};
use crate::api::{
    AgentFailure, CATALOG_LIMIT, CatalogReport, CatalogRequest, DAMAGED_LIMIT, SetRemark,
};
use crate::store::{
    CatalogSet, Held, ObjectStore as _, Rehearsed, S3Store, SetContents, SetPath, StoreError,
    StoreErrorKind, StoreLimits, database_folder, fetch_set, set_suffix,
};

/// Looks at all sets, and removes what may go. What was found, and done, is in the report, also when
/// it ends early.
pub async fn look_at_sets(
    store: &S3Store,
    request: &CatalogRequest,
    source: &impl CatalogSource,
    report: &mut CatalogReport,
) {
    report.removes = request.removes;
    report.removing.clone_from(&request.removing);
    let look = Look::new(store, request, source);
    if let Err(failure) = look.run(report).await {
        report.failure = Some(failure);
    }
    report.left.truncate(CATALOG_LIMIT);
}

/// Why the next backup would fail, if the storage refuses what it will do. That it can't be reached now says
/// nothing of then.
fn obstacle_of(error: &StoreError) -> Option<AgentFailure> {
    let is_about_now = matches!(
        error.kind,
        StoreErrorKind::Unreachable | StoreErrorKind::Busy
    );
    (!is_about_now).then(|| error.clone().into())
}

/// Notes why the next backup would fail, unless the look has a key of its own: what the storage answers to
/// that says nothing of the backups' one.
pub fn note_obstacle(
    request: &CatalogRequest,
    report: &mut CatalogReport,
    error: Option<&StoreError>,
) {
    if request.backup_storage.is_none() {
        report.obstacle = error.and_then(obstacle_of);
    }
}

/// Tries with the backups' own credentials what the next one will do, where the look has others.
pub async fn rehearse_backup(
    request: &CatalogRequest,
    files: &MountedFiles,
    limits: StoreLimits,
    report: &mut CatalogReport,
) {
    let Some(storage) = &request.backup_storage else {
        return;
    };
    let tried = async {
        let store = files.open_store(storage, &request.namespace, limits)?;
        store.check_bucket().await?;
        rehearse(&store, request).await.map(drop)
    };
    report.obstacle = tried.await.err().as_ref().and_then(obstacle_of);
}

/// Begins an upload and aborts it, as a backup does first.
async fn rehearse(store: &S3Store, request: &CatalogRequest) -> Result<Rehearsed, StoreError> {
    let (prefix, begun) = (&request.storage.prefix, Timestamp::now());
    let (namespace, database) = (&request.namespace, &request.database);
    let seed = format!("catalog/{}", begun.as_nanosecond());
    let suffix = set_suffix(&request.database_uid, &seed);
    let path = SetPath::new(prefix, namespace, database, begun, suffix);
    let directory = database_folder(prefix, namespace, database);
    store.rehearse(&directory, &path).await
}

impl<Source: CatalogSource> Look<'_, Source> {
    async fn run(&self, report: &mut CatalogReport) -> Result<(), AgentFailure> {
        if let Err(error) = self.store.check_bucket().await {
            note_obstacle(self.request, report, Some(&error));
            return Err(error.into());
        }
        let now = match self.rehearse().await {
            Ok(now) => {
                note_obstacle(self.request, report, None);
                now
            }
            // What is there can be compared nevertheless.
            Err(error) => {
                note_obstacle(self.request, report, Some(&error));
                report.failure = Some(error.into());
                None
            }
        };
        let mut view = self.source.fetch_view().await;
        let job = report.job.clone();
        self.store_verdicts(report, &view, &job, false).await;
        let mut sets = self.fetch_sets(&view).await?;
        self.describe(report, &sets, &view).await;
        self.take_over(report, &sets);
        // The other half is for the rest.
        let limit = Duration::from_secs(self.request.deadline_seconds) / 2;
        if self.sample(report, &sets, &view, limit).await {
            view.held = view.held.or(Some(Held::SetDamaged));
        }
        self.decide(report, &mut sets, &view, now).await
    }

    /// Begins an upload and aborts it, as the next backup will. Returns the time by the storage's clock.
    async fn rehearse(&self) -> Result<Option<Timestamp>, StoreError> {
        let rehearsed = rehearse(self.store, self.request).await?;
        let uid = &self.request.database_uid;
        // A backup may run: only those that are older than any backup may take.
        for upload in rehearsed.left_over(&self.directory, uid, false) {
            if let Err(error) = self.store.abort(&upload).await {
                tracing::warn!(key = upload.key, "an old upload is left: {error}");
            }
        }
        Ok(rehearsed.now)
    }

    async fn describe(&self, report: &mut CatalogReport, sets: &[CatalogSet], view: &ClusterView) {
        let known = view.known();
        let confirmed = sets.iter().filter(|set| {
            let record = set.facts.confirmed();
            let is_known = known.contains(&set.facts.path);
            is_known && record.is_some_and(|record| self.owner.has(&record.owner))
        });
        report.confirmed = count(confirmed.count());
        report.sets = count(sets.len());
        let bytes: u64 = sets.iter().map(|set| set.stored_bytes).sum();
        report.stored_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let ours = [report.removing.clone(), report.removed.clone()].concat();
        let damaged = find_damaged(sets, view, &self.owner, &ours);
        let (expired, damaged): (Vec<_>, Vec<_>) =
            damaged.into_iter().partition(|damaged| damaged.is_expired);
        report.expired_count = count(expired.len());
        let remark_of = |damaged: Damaged| SetRemark {
            is_gone: damaged.is_gone,
            ..remark(damaged.path, &damaged.why)
        };
        let expired = expired.into_iter().take(DAMAGED_LIMIT);
        report.expired = expired.map(remark_of).collect();
        report.damaged = Vec::new();
        report.damaged_count = count(damaged.len());
        for damaged in damaged {
            if report.damaged.len() == DAMAGED_LIMIT {
                break;
            }
            if self.is_whole(&damaged, view).await {
                report.damaged_count -= 1;
                continue;
            }
            report.damaged.push(remark_of(damaged));
        }
    }

    /// Whether a set that seemed damaged is whole when it is read again: a listing may be behind.
    async fn is_whole(&self, damaged: &Damaged, view: &ClusterView) -> bool {
        let Ok(set) = fetch_set(self.store, &damaged.path).await else {
            return false;
        };
        let mut sets = [set];
        lower(&mut sets, view);
        sets[0].faults.is_empty() && matches!(sets[0].facts.contents, SetContents::Set(_))
    }

    /// What has become of what an earlier run began to remove: what nothing is left of is removed, and
    /// what still has its manifest was not begun.
    fn take_over(&self, report: &mut CatalogReport, sets: &[CatalogSet]) {
        let is_there = |path: &String| sets.iter().any(|set| set.facts.path == *path);
        report.removed.retain(|path| !is_there(path));
        for path in std::mem::take(&mut report.removing) {
            match sets.iter().find(|set| set.facts.path == path) {
                // Never another database's, whoever has noted it.
                None if path.starts_with(&self.directory) && !report.removed.contains(&path) => {
                    report.removed.push(path);
                }
                Some(set) if set.facts.contents == SetContents::Unfinished => {
                    report.removing.push(path);
                }
                _ => {}
            }
        }
    }
}
