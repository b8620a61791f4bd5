//! What retention says of the sets in the bucket, with the cluster's word laid over them. Nothing is removed
//! here.

use std::collections::BTreeSet;
use std::future::Future;

use jiff::Timestamp;

use super::catalog_facts::{ClusterView, lower, rules_of};
use crate::api::{
    CATALOG_LIMIT, CATALOG_TEXT_LIMIT, CatalogReport, CatalogRequest, PlannedSet, SetRemark,
};
use crate::postgres::line_within;
use crate::store::{
    CatalogSet, Decision, Held, LONGEST_BACKUP, RetentionInput, S3Store, SetFacts, SetOwner,
    StoreError, Why, database_folder, decide_retention, fetch_catalog,
};

/// Where it is known what the cluster says, and where the report goes.
pub trait CatalogSource: Sync {
    /// What the cluster says now. What could not be read holds everything.
    fn fetch_view(&self) -> impl Future<Output = ClusterView> + Send;
    /// Writes the report as far as it is.
    fn note(&self, report: &CatalogReport) -> impl Future<Output = Result<(), String>> + Send;
}

/// One look.
pub struct Look<'a, Source> {
    pub store: &'a S3Store,
    pub request: &'a CatalogRequest,
    pub source: &'a Source,
    /// Where the sets of the database are.
    pub directory: String,
    pub owner: SetOwner,
}

/// Whether each set goes, and why, in the order of the sets.
pub type Planned = Vec<(bool, Why)>;

impl<'a, Source: CatalogSource> Look<'a, Source> {
    pub fn new(store: &'a S3Store, request: &'a CatalogRequest, source: &'a Source) -> Self {
        let storage = &request.storage;
        Self {
            store,
            request,
            source,
            directory: database_folder(&storage.prefix, &request.namespace, &request.database),
            owner: SetOwner {
                database_uid: request.database_uid.clone(),
                kubernetes_cluster: request.kubernetes_cluster.clone(),
            },
        }
    }

    /// Reads every set. What the cluster says was read before: a set that is complete by then is listed.
    pub async fn fetch_sets(&self, view: &ClusterView) -> Result<Vec<CatalogSet>, StoreError> {
        let prefix = &self.request.storage.prefix;
        let (namespace, database) = (&self.request.namespace, &self.request.database);
        let mut sets = fetch_catalog(self.store, prefix, namespace, database).await?;
        lower(&mut sets, view);
        Ok(sets)
    }

    /// Whether each set goes, and why.
    pub fn plan(
        &self,
        sets: &[CatalogSet],
        view: &ClusterView,
        begun: &BTreeSet<String>,
        now: Option<Timestamp>,
    ) -> Planned {
        let retention = self.request.retention.as_ref();
        let known = view.known();
        let input = RetentionInput {
            rules: retention.map(rules_of).unwrap_or_default(),
            owner: &self.owner,
            held: view
                .held
                .or(retention.is_none().then_some(Held::NoRetention)),
            newest_confirmed: view.newest_confirmed.as_deref(),
            newest_proven: view.newest_proven.as_deref(),
            known: Some(&known),
            running: &view.running,
            begun,
            longest_backup: LONGEST_BACKUP,
            now,
        };
        let facts: Vec<SetFacts> = sets.iter().map(|set| set.facts.clone()).collect();
        let decisions = decide_retention(&input, &facts);
        let outcome = |decision: Decision<'_>| {
            let path = &decision.set.path;
            if decision.removed && view.restoring.contains(path) {
                return (false, Why::Restoring);
            }
            if decision.removed && view.fullest.as_ref() == Some(path) {
                return (false, Why::MoreFiles);
            }
            (decision.removed, decision.why)
        };
        decisions.into_iter().map(outcome).collect()
    }

    /// What is reported of each set: first those that go, then the newest. Without rules there is no plan.
    pub fn lines(&self, sets: &[CatalogSet], planned: &Planned) -> Vec<PlannedSet> {
        if self.request.retention.is_none() {
            return Vec::new();
        }
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
}

/// Why nothing at all goes, if so.
pub fn held_by(planned: &Planned) -> Option<Held> {
    planned.iter().find_map(|(_, why)| match why {
        Why::Held(held) => Some(*held),
        _ => None,
    })
}

/// A remark of a size that a report has space for.
pub fn remark(path: String, why: &str) -> SetRemark {
    SetRemark {
        path,
        why: line_within(why, CATALOG_TEXT_LIMIT - 20),
        is_gone: false,
    }
}

/// A count as a report has it.
pub fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
