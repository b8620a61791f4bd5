//! A look at all sets of a database in its bucket: stores what checks have said, compares each set with its
//! manifest, and removes those that no rule keeps. What it removes it decides from what it reads itself.

use std::collections::BTreeSet;
use std::future::Future;

use jiff::Timestamp;

use super::catalog_facts::{ClusterView, Damaged, find_damaged, lower, rules_of};
use crate::api::{
    AgentFailure, CATALOG_LIMIT, CATALOG_TEXT_LIMIT, CatalogReport, CatalogRequest, DAMAGED_LIMIT,
    PlannedSet, SetRemark, reasons,
};
use crate::postgres::line_within;
use crate::store::{
    CatalogSet, Decision, Held, LONGEST_BACKUP, ObjectStore as _, RetentionInput, S3Store,
    SetContents, SetFacts, SetOwner, SetPath, StoredVerdict, Why, database_folder,
    decide_retention, fetch_catalog, fetch_lock, fetch_set, remove_set, set_suffix, store_verdict,
};

/// Where it is known what the cluster says, and where the report goes.
pub trait CatalogSource: Sync {
    /// What the cluster says now. What could not be read holds everything.
    fn fetch_view(&self) -> impl Future<Output = ClusterView> + Send;
    /// Writes the report as far as it is.
    fn note(&self, report: &CatalogReport) -> impl Future<Output = Result<(), String>> + Send;
}

/// One look.
struct Look<'a, Source> {
    store: &'a S3Store,
    request: &'a CatalogRequest,
    source: &'a Source,
    directory: String,
    owner: SetOwner,
}

/// Looks at all sets, and removes what may go. What was found, and done, is in the report, also when
/// it ends early.
pub async fn look_at_sets(
    store: &S3Store,
    request: &CatalogRequest,
    source: &impl CatalogSource,
    report: &mut CatalogReport,
) {
    let storage = &request.storage;
    let look = Look {
        store,
        request,
        source,
        directory: database_folder(&storage.prefix, &request.namespace, &request.database),
        owner: SetOwner {
            database_uid: request.database_uid.clone(),
            kubernetes_cluster: request.kubernetes_cluster.clone(),
        },
    };
    report.removes = request.removes;
    report.removing.clone_from(&request.removing);
    if let Err(failure) = look.run(report).await {
        report.failure = Some(failure);
    }
    report.left.truncate(CATALOG_LIMIT);
}

impl<Source: CatalogSource> Look<'_, Source> {
    async fn run(&self, report: &mut CatalogReport) -> Result<(), AgentFailure> {
        self.store.check_bucket().await?;
        let now = match self.rehearse().await {
            Ok(now) => now,
            // What is there can be compared nevertheless.
            Err(failure) => {
                report.failure = Some(failure);
                None
            }
        };
        // Before the listing: a set that is complete by then is in it.
        let view = self.source.fetch_view().await;
        self.store_verdicts(&view).await;
        let storage = &self.request.storage;
        let (namespace, database) = (&self.request.namespace, &self.request.database);
        let mut sets = fetch_catalog(self.store, &storage.prefix, namespace, database).await?;
        lower(&mut sets, &view);
        self.describe(report, &sets, &view).await;
        self.take_over(report, &sets);
        self.decide(report, &mut sets, &view, now).await
    }

    /// Begins an upload and aborts it, as the next backup will. Returns the time by the storage's clock.
    async fn rehearse(&self) -> Result<Option<Timestamp>, AgentFailure> {
        let begun = Timestamp::now();
        let uid = &self.request.database_uid;
        let path = SetPath::new(
            &self.request.storage.prefix,
            &self.request.namespace,
            &self.request.database,
            begun,
            set_suffix(uid, &format!("catalog/{}", begun.as_nanosecond())),
        );
        let rehearsed = self.store.rehearse(&self.directory, &path).await?;
        // A backup may run: only those that are older than any backup may take.
        for upload in rehearsed.left_over(&self.directory, uid, false) {
            if let Err(error) = self.store.abort(&upload).await {
                tracing::warn!(key = upload.key, "an old upload is left: {error}");
            }
        }
        Ok(rehearsed.now)
    }

    async fn store_verdicts(&self, view: &ClusterView) {
        for backup in &view.taken {
            if let (Some(verdict), Some(sha256)) = (&backup.verdict, &backup.manifest_sha256) {
                let verdict = StoredVerdict::new(verdict, sha256);
                if let Err(error) = store_verdict(self.store, &backup.path, &verdict).await {
                    let path = &backup.path;
                    tracing::warn!(path, "the verdict on this backup was not stored: {error}");
                }
            }
        }
    }

    async fn describe(&self, report: &mut CatalogReport, sets: &[CatalogSet], view: &ClusterView) {
        let confirmed = sets.iter().filter(|set| {
            let record = set.facts.confirmed();
            record.is_some_and(|record| self.owner.has(&record.owner))
        });
        report.confirmed = count(confirmed.count());
        report.sets = count(sets.len());
        let bytes: u64 = sets.iter().map(|set| set.stored_bytes).sum();
        report.stored_bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let damaged = find_damaged(sets, view, &self.owner, &self.request.removing);
        report.damaged_count = count(damaged.len());
        for damaged in damaged {
            if report.damaged.len() == DAMAGED_LIMIT {
                break;
            }
            if self.is_whole(&damaged, view).await {
                report.damaged_count -= 1;
                continue;
            }
            report.damaged.push(SetRemark {
                is_gone: damaged.is_gone,
                ..remark(damaged.path, &damaged.why)
            });
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
        for path in std::mem::take(&mut report.removing) {
            match sets.iter().find(|set| set.facts.path == path) {
                // Never another database's, whoever has noted it.
                None if path.starts_with(&self.directory) => report.removed.push(path),
                Some(set) if set.facts.contents == SetContents::Unfinished => {
                    report.removing.push(path);
                }
                _ => {}
            }
        }
    }

    async fn decide(
        &self,
        report: &mut CatalogReport,
        sets: &mut [CatalogSet],
        view: &ClusterView,
        now: Option<Timestamp>,
    ) -> Result<(), AgentFailure> {
        let begun: BTreeSet<String> = report.removing.iter().cloned().collect();
        let first = self.plan(sets, view, &begun, now);
        let mut unknown_locks = BTreeSet::new();
        for (index, _) in first.iter().enumerate().filter(|(_, plan)| plan.0) {
            let path = sets[index].facts.path.clone();
            match fetch_lock(self.store, &path).await {
                Ok(until) => sets[index].facts.locked_until = until,
                Err(error) => {
                    let why = format!("whether it is locked is not known: {error}");
                    report.left.push(remark(path.clone(), &why));
                    unknown_locks.insert(path);
                }
            }
        }
        let planned = self.plan(sets, view, &begun, now);
        report.held = planned.iter().find_map(|(_, why)| match why {
            Why::Held(held) => Some(held.to_string()),
            _ => None,
        });
        report.plan = self.lines(sets, &planned);
        for (set, (_, why)) in sets.iter().zip(&planned) {
            if let Why::Locked(_) = why {
                let path = set.facts.path.clone();
                report.left.push(remark(path, &why.to_string()));
            }
        }
        let chosen = sets
            .iter()
            .zip(&planned)
            .filter(|(set, (removed, _))| *removed && !unknown_locks.contains(&set.facts.path));
        // No more than the report can list.
        let left = CATALOG_LIMIT.saturating_sub(report.removing.len() + report.removed.len());
        let chosen: Vec<&CatalogSet> = chosen.map(|(set, _)| set).take(left).collect();
        if !self.request.removes || chosen.is_empty() {
            return Ok(());
        }
        self.remove(report, &chosen, view).await
    }

    /// Whether each set goes, and why.
    fn plan(
        &self,
        sets: &[CatalogSet],
        view: &ClusterView,
        begun: &BTreeSet<String>,
        now: Option<Timestamp>,
    ) -> Vec<(bool, Why)> {
        let retention = self.request.retention.as_ref();
        let input = RetentionInput {
            rules: retention.map(rules_of).unwrap_or_default(),
            owner: &self.owner,
            held: view
                .held
                .or(retention.is_none().then_some(Held::NoRetention)),
            newest_confirmed: view.newest_confirmed.as_deref(),
            running: &view.running,
            begun,
            longest_backup: LONGEST_BACKUP,
            now,
        };
        let facts: Vec<SetFacts> = sets.iter().map(|set| set.facts.clone()).collect();
        let decisions = decide_retention(&input, &facts);
        let outcome = |decision: Decision<'_>| (decision.removed, decision.why);
        decisions.into_iter().map(outcome).collect()
    }

    /// What is reported of each set: first those that go, then the newest.
    fn lines(&self, sets: &[CatalogSet], planned: &[(bool, Why)]) -> Vec<PlannedSet> {
        let mut lines: Vec<PlannedSet> = sets
            .iter()
            .zip(planned)
            .rev()
            .map(|(set, (remove, why))| PlannedSet {
                set: set.facts.path.replacen(&self.directory, "", 1),
                remove: *remove,
                why: line_within(&why.to_string(), CATALOG_TEXT_LIMIT / 2),
            })
            .collect();
        lines.sort_by_key(|line| !line.remove);
        lines.truncate(CATALOG_LIMIT);
        lines
    }

    /// Removes sets one after the other. That they are about to go is noted first: what of them is found
    /// half removed later is ours.
    async fn remove(
        &self,
        report: &mut CatalogReport,
        chosen: &[&CatalogSet],
        view: &ClusterView,
    ) -> Result<(), AgentFailure> {
        let mut begun = report.removing.clone();
        for set in chosen {
            if !report.removing.contains(&set.facts.path) {
                report.removing.push(set.facts.path.clone());
            }
        }
        if let Err(why) = self.source.note(report).await {
            report.removing = begun;
            return Err(AgentFailure {
                reason: reasons::JOB_FAILED.to_owned(),
                message: format!("nothing was removed, because that could not be noted: {why}"),
            });
        }
        for (place, set) in chosen.iter().enumerate() {
            let path = &set.facts.path;
            if let Some(held) = self.is_held(view, path).await {
                let rest = chosen[place..].iter().map(|set| set.facts.path.clone());
                report.left.extend(rest.map(|path| remark(path, &held)));
                report.held = Some(held);
                break;
            }
            match remove_set(self.store, set).await {
                Ok(()) => {
                    tracing::info!(path, "removed, as retention says");
                    begun.retain(|begun| begun != path);
                    report.removed.push(path.clone());
                }
                Err(left) => {
                    tracing::warn!(path, begun = left.is_begun, "left: {}", left.why);
                    if left.is_begun && !begun.contains(path) {
                        begun.push(path.clone());
                    }
                    report.left.push(remark(path.clone(), &left.why));
                }
            }
        }
        report.removing = begun;
        Ok(())
    }

    /// Why a set may not be removed after all, asked right before: a reset may have been found since, a
    /// backup begun, or the newest confirmed set may have gone.
    async fn is_held(&self, before: &ClusterView, path: &str) -> Option<String> {
        let view = self.source.fetch_view().await;
        if let Some(held) = view.held {
            return Some(format!("nothing is removed: {held}"));
        }
        if view.running.contains(path) {
            return Some("a backup of it runs".to_owned());
        }
        let newest = before.newest_confirmed.as_deref().unwrap_or_default();
        let still = match fetch_set(self.store, newest).await {
            Ok(set) => set.facts.confirmed().is_some() && set.faults.is_empty(),
            Err(error) => {
                tracing::warn!("the newest confirmed set can't be read: {error}");
                false
            }
        };
        (!still).then(|| format!("nothing is removed: {}", Held::NewestConfirmedUnread))
    }
}

fn remark(path: String, why: &str) -> SetRemark {
    SetRemark {
        path,
        why: line_within(why, CATALOG_TEXT_LIMIT - 20),
        is_gone: false,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
