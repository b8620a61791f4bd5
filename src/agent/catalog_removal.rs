//! Removes the sets that retention removes, one after the other, each decided once more right before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::catalog_facts::{ClusterView, lower};
use super::catalog_plan::{CatalogSource, Look, Planned, count, held_by, remark};
use crate::api::{AgentFailure, CATALOG_LIMIT, CatalogReport, reasons};
use crate::store::{CatalogSet, Held, Why, fetch_lock, fetch_set, read_back, remove_set};

/// What one run removes in any case; of many sets it is a tenth. A mistake in the rules is seen before it has
/// removed much.
const FEW: usize = 3;
/// What was stored within this time before the newest set may go in addition, so that retention keeps up.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Everything is read and decided again before every so many sets, and whenever the cluster says something
/// else than before.
const DECIDED_AGAIN: usize = 5;
/// The most bytes of the newest confirmed set that are read back before anything is removed.
const READ_BACK: u64 = 16 * 1024 * 1024 * 1024;

impl<Source: CatalogSource> Look<'_, Source> {
    /// Plans, and removes what goes if this look is one that removes.
    pub async fn decide(
        &self,
        report: &mut CatalogReport,
        sets: &mut [CatalogSet],
        view: &ClusterView,
        now: Option<Timestamp>,
    ) -> Result<(), AgentFailure> {
        let begun: BTreeSet<String> = report.removing.iter().cloned().collect();
        let first = self.plan(sets, view, &begun, now);
        let unknown_locks = self.fetch_locks(report, sets, &first).await;
        let planned = self.plan(sets, view, &begun, now);
        report.held = held_by(&planned).map(|held| held.to_string());
        report.plan = self.lines(sets, &planned);
        report.postponed = 0;
        // A plan that nobody could see, because everything was held, is none.
        if report.held.is_none() {
            report.rules.clone_from(&self.request.retention);
        }
        for (set, (_, why)) in sets.iter().zip(&planned) {
            if let Why::Locked(_) | Why::LeftWithoutRules = why {
                let path = set.facts.path.clone();
                report.left.push(remark(path, &why.to_string()));
            }
        }
        let chosen = sets
            .iter()
            .zip(&planned)
            .filter(|(set, (removed, _))| *removed && !unknown_locks.contains(&set.facts.path));
        let mut chosen: Vec<&CatalogSet> = chosen.map(|(set, _)| set).collect();
        // What was begun first, then the oldest.
        chosen.sort_by_key(|set| !begun.contains(&set.facts.path));
        let most = most_of(sets).max(begun.len());
        // No more than the report can list.
        let space = CATALOG_LIMIT.saturating_sub(report.removing.len() + report.removed.len());
        if !self.request.removes || chosen.is_empty() {
            return Ok(());
        }
        report.postponed = count(chosen.len().saturating_sub(most.min(space)));
        chosen.truncate(most.min(space));
        if let Err(fault) = self.read_back(report, view).await {
            let held = Held::NewestConfirmedUnread;
            report.held = Some(remark(String::new(), &format!("{held}: {fault}")).why);
            return Ok(());
        }
        self.remove(report, &chosen, view, now).await
    }

    /// Asks for the locks of the sets that would go. Returns those of which they are not known.
    async fn fetch_locks(
        &self,
        report: &mut CatalogReport,
        sets: &mut [CatalogSet],
        planned: &Planned,
    ) -> BTreeSet<String> {
        let mut unknown = BTreeSet::new();
        for (set, _) in sets.iter_mut().zip(planned).filter(|(_, plan)| plan.0) {
            let path = &set.facts.path;
            match fetch_lock(self.store, path).await {
                Ok(until) => set.facts.locked_until = until,
                Err(error) => {
                    let why = format!("whether it is locked is not known: {error}");
                    report.left.push(remark(path.clone(), &why));
                    unknown.insert(path.clone());
                }
            }
        }
        unknown
    }

    /// Reads the newest confirmed set back: whatever goes, goes because this one is there.
    async fn read_back(
        &self,
        report: &mut CatalogReport,
        view: &ClusterView,
    ) -> Result<(), String> {
        let path = view.newest_confirmed.clone().unwrap_or_default();
        let set = self.fetch_newest(view).await?;
        let Some((manifest, _)) = &set.manifest else {
            return Err("its manifest can't be read".to_owned());
        };
        let read = read_back(self.store, &path, manifest, READ_BACK).await;
        let read = read.map_err(|error| error.message)?;
        report.read_back = Some(if read.compared == read.stored {
            format!("all of {path}, {} bytes", read.stored)
        } else {
            format!(
                "{} of {} bytes of {path}, and the beginning of each larger object: no more than \
                 {READ_BACK} bytes are read",
                read.compared, read.stored
            )
        });
        if read.faults.is_empty() {
            return Ok(());
        }
        // A listing does not show it: it is reported like any other damage.
        let faults = read.faults.join("; ");
        report.damaged.retain(|damaged| damaged.path != path);
        report.damaged.insert(0, remark(path, &faults));
        report.damaged.truncate(crate::api::DAMAGED_LIMIT);
        report.damaged_count += 1;
        Err(faults)
    }

    /// The newest confirmed set, if it is that still and nothing of it is missing.
    async fn fetch_newest(&self, view: &ClusterView) -> Result<CatalogSet, String> {
        let path = view.newest_confirmed.as_deref().unwrap_or_default();
        let set = fetch_set(self.store, path).await;
        let mut set = [set.map_err(|error| error.message)?];
        lower(&mut set, view);
        let [set] = set;
        if set.facts.confirmed().is_some() && set.faults.is_empty() {
            Ok(set)
        } else {
            Err("it does not count any more".to_owned())
        }
    }

    /// Removes sets one after the other. That they are about to go is noted first: what of them is found
    /// half removed later is ours.
    async fn remove(
        &self,
        report: &mut CatalogReport,
        chosen: &[&CatalogSet],
        view: &ClusterView,
        now: Option<Timestamp>,
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
        let mut before = view.clone();
        let mut staying = BTreeMap::new();
        for (place, set) in chosen.iter().enumerate() {
            let path = &set.facts.path;
            let view = self.source.fetch_view().await;
            let mut judged = self.judge(&view).await;
            if judged.is_ok() && (place % DECIDED_AGAIN == 0 || view.says_else_than(&before)) {
                let again = self.decide_again(chosen, &view, &begun, now).await;
                judged = again.map(|again| staying = again);
            }
            before = view;
            if let Err(why) = judged {
                let held = format!("nothing is removed: {why}");
                let rest = chosen[place..].iter().map(|set| set.facts.path.clone());
                report.left.extend(rest.map(|path| remark(path, &held)));
                report.held = Some(remark(String::new(), &why).why);
                break;
            }
            if before.running.contains(path) {
                report
                    .left
                    .push(remark(path.clone(), "a backup of it runs"));
                continue;
            }
            if let Some(why) = staying.get(path) {
                report.left.push(remark(path.clone(), &why.to_string()));
                continue;
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

    /// Why nothing goes any more: a reset may have been found since, or the newest confirmed set have gone.
    async fn judge(&self, view: &ClusterView) -> Result<(), String> {
        if let Some(held) = view.held {
            return Err(held.to_string());
        }
        self.fetch_newest(view).await.map(drop).map_err(|why| {
            tracing::warn!("the newest confirmed set can't be read: {why}");
            Held::NewestConfirmedUnread.to_string()
        })
    }

    /// Decides about everything again, by what is in the bucket now. Returns those that stay after all.
    async fn decide_again(
        &self,
        chosen: &[&CatalogSet],
        view: &ClusterView,
        begun: &[String],
        now: Option<Timestamp>,
    ) -> Result<BTreeMap<String, Why>, String> {
        let sets = self.fetch_sets(view).await;
        let mut sets = sets.map_err(|error| error.message)?;
        // Right before each set is removed its locks are asked for again.
        for set in &mut sets {
            let known = chosen.iter().find(|one| one.facts.path == set.facts.path);
            set.facts.locked_until = known.and_then(|known| known.facts.locked_until);
        }
        let begun = begun.iter().cloned().collect();
        let planned = self.plan(&sets, view, &begun, now);
        if let Some(held) = held_by(&planned) {
            return Err(held.to_string());
        }
        let staying = sets.into_iter().zip(planned);
        Ok(staying
            .filter(|(_, (removed, _))| !removed)
            .map(|(set, (_, why))| (set.facts.path, why))
            .collect())
    }
}

/// How many sets one run may remove.
fn most_of(sets: &[CatalogSet]) -> usize {
    let stored = || sets.iter().filter_map(|set| set.facts.stored_at);
    let newest = stored().max();
    let is_new = |at: &Timestamp| newest.is_some_and(|newest| newest.duration_since(*at) < DAY);
    FEW.max(sets.len() / 10) + stored().filter(is_new).count()
}
