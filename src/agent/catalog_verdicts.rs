//! Stores beside the manifests what checks have said of sets, so that a restore without a cluster sees it: all of it
//! at each look, and soon after each new verdict what the bucket does not have yet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::catalog_facts::ClusterView;
use super::catalog_plan::{CatalogSource, Look};
use crate::api::{
    AgentFailure, BackupVerdict, CATALOG_LIMIT, CatalogReport, CatalogRequest, VerdictReport,
    reasons,
};
use crate::store::{Held, S3Store, StoreError, StoreErrorKind, StoredVerdict, store_verdict};

/// Stores what the bucket does not have yet, and does nothing else. Returns the report of the last look with what is
/// stored now, and why something could not be stored; without a report to add to there is none.
pub async fn store_new_verdicts(
    store: &S3Store,
    request: &CatalogRequest,
    source: &impl CatalogSource,
    job: &str,
) -> Result<(CatalogReport, Option<AgentFailure>), AgentFailure> {
    let view = source.fetch_view().await;
    let last = view.last.clone();
    let (Some(mut report), true) = (last, view.held != Some(Held::ClusterUnread)) else {
        return Err(AgentFailure {
            reason: reasons::READ_FAILED.to_owned(),
            message: "what the cluster says of the backups could not be read, so nothing was stored. It is \
                tried again"
                .to_owned(),
        });
    };
    let look = Look::new(store, request, source);
    let failure = look.store_verdicts(&mut report, &view, job, true).await;
    Ok((report, failure.map(AgentFailure::from)))
}

impl<Source: CatalogSource> Look<'_, Source> {
    /// Stores what checks have said; only what the last look has not reported, where the rest was looked for then.
    /// What is there by now is in the report. Returns why something could not be stored, if so.
    pub async fn store_verdicts(
        &self,
        report: &mut CatalogReport,
        view: &ClusterView,
        job: &str,
        only_new: bool,
    ) -> Option<StoreError> {
        let last = report.verdicts.take();
        let known: BTreeSet<(&str, bool)> = last
            .iter()
            .flat_map(VerdictReport::sets)
            .filter(|_| only_new)
            .collect();
        // Their names begin with the time.
        let mut taken: Vec<_> = view.taken.iter().collect();
        taken.sort_unstable_by(|one, other| other.path.cmp(&one.path));
        let mut stored = VerdictReport {
            job: job.to_owned(),
            time: Time(Timestamp::now()),
            confirmed: Vec::new(),
            demoted: Vec::new(),
        };
        let mut failure = None;
        for backup in taken {
            let (Some(verdict), Some(sha256)) = (&backup.verdict, &backup.manifest_sha256) else {
                continue;
            };
            let set = backup.path.rsplit('/').next().unwrap_or_default();
            let is_demoted = matches!(verdict, BackupVerdict::Demoted(_));
            if !known.contains(&(set, is_demoted)) {
                let verdict = StoredVerdict::new(verdict, sha256);
                match store_verdict(self.store, &backup.path, &verdict).await {
                    Ok(()) => {}
                    // Where there is no manifest there is nothing that a restore could take.
                    Err(error) if error.kind == StoreErrorKind::NotFound => {}
                    Err(error) => {
                        let path = &backup.path;
                        tracing::warn!(path, "the verdict on this backup was not stored: {error}");
                        failure.get_or_insert(error);
                        continue;
                    }
                }
            }
            let sets = if is_demoted {
                &mut stored.demoted
            } else {
                &mut stored.confirmed
            };
            sets.push(set.to_owned());
        }
        stored.confirmed.truncate(CATALOG_LIMIT);
        stored.demoted.truncate(CATALOG_LIMIT);
        report.verdicts = Some(stored);
        failure
    }
}
