//! Reads a sample of the sets whole, each in its turn, and compares them with the digests of their manifests.
//! What can't be read, or is read differently twice, is not known and demotes nothing; and no look demotes more
//! than one set, because what damages two at once is more often the storage, or the path to it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::{Instant, timeout_at};

use super::catalog_facts::ClusterView;
use super::catalog_plan::{CatalogSource, Look, remark};
use crate::api::{
    AgentFailure, BackupDemotion, BackupRead, BackupVerdict, CATALOG_LIMIT, CatalogReport,
    DAMAGED_LIMIT, SampleReport, SetRead, reasons,
};
use crate::postgres::line_within;
use crate::store::{
    CatalogSet, Manifest, SampleCandidate, SetContents, Standing, StoredVerdict, WholeRead,
    choose_sample, read_whole, store_verdict,
};

/// How long after a sample the next one is taken: looks are a day apart, or an hour after a failure.
const PACE: SignedDuration = SignedDuration::from_hours(20);
/// The most characters of the damage of a set.
const DAMAGE_LIMIT: usize = 600;

impl<Source: CatalogSource> Look<'_, Source> {
    /// Reads the sets whose turn it is, until that has taken `limit`. Whether one of the sets is known to be
    /// damaged, and its backup does not say so yet: then nothing is removed.
    pub async fn sample(
        &self,
        report: &mut CatalogReport,
        sets: &[CatalogSet],
        view: &ClusterView,
        limit: Duration,
    ) -> bool {
        let now = Timestamp::now();
        let is_due = report.sample.as_ref().is_none_or(|last| {
            let age = now.duration_since(last.time.0);
            // A time that is to come is of a clock that was wrong.
            age >= PACE || age.is_negative()
        });
        let pending = |read: &SetRead| {
            let mut taken = view.taken.iter();
            let backup = taken.find(|backup| backup.path == read.path);
            read.found.damage.is_some()
                && backup.is_some_and(|backup| {
                    !matches!(backup.verdict, Some(BackupVerdict::Demoted(_)))
                })
        };
        if is_due && self.request.sample_bytes > 0 {
            let last = report.sample.take();
            let (credit, unread, mut read) = last.map_or_else(Default::default, |last| {
                (last.credit_bytes, last.unread, last.read)
            });
            read.retain(pending);
            let mut candidates = self.candidates(sets, view, now);
            // What could not be read is tried after all others, so that it stands in the way of none.
            for candidate in &mut candidates {
                if unread.iter().any(|unread| unread.path == candidate.path) {
                    candidate.known_whole_at = now;
                }
            }
            let credit = u64::try_from(credit).unwrap_or(0);
            let chosen = choose_sample(candidates, self.request.sample_bytes, credit);
            // In the report as far as it is: the look may be stopped while it reads.
            let sample = report.sample.insert(SampleReport {
                time: Time(now),
                credit_bytes: i64::try_from(chosen.credit).unwrap_or(i64::MAX),
                read,
                unread: Vec::new(),
            });
            let ends_at = Instant::now() + limit;
            let job = &report.job;
            let failure = self
                .read_all(sample, job, sets, &chosen.paths, ends_at)
                .await;
            report.failure = report.failure.take().or(failure);
        }
        let mut known = report.sample.iter().flat_map(|sample| &sample.read);
        known.any(pending)
    }

    /// The sets that may be read: this database's own, as the cluster knows them, with nothing missing.
    fn candidates(
        &self,
        sets: &[CatalogSet],
        view: &ClusterView,
        now: Timestamp,
    ) -> Vec<SampleCandidate> {
        let readable = sets.iter().filter_map(|set| {
            let SetContents::Set(record) = &set.facts.contents else {
                return None;
            };
            let counts = matches!(record.standing, Standing::Confirmed | Standing::Unconfirmed);
            let is_meant = view.taken.iter().any(|backup| {
                backup.path == set.facts.path
                    && backup.manifest_sha256.as_ref() == Some(&record.manifest_sha256)
            });
            let (manifest, _) = set.manifest.as_ref()?;
            (counts && is_meant && set.faults.is_empty() && record.owner.has(&self.owner))
                .then_some((set, manifest))
        });
        readable
            .map(|(set, manifest)| {
                let path = set.facts.path.clone();
                let read = view.reads.get(&path).copied().filter(|read| *read <= now);
                let stored = set.facts.stored_at.unwrap_or(Timestamp::UNIX_EPOCH);
                SampleCandidate {
                    bytes: bytes_of(manifest),
                    known_whole_at: read.unwrap_or(stored),
                    is_new: read.is_none() && view.newest_confirmed.as_ref() == Some(&path),
                    path,
                }
            })
            .collect()
    }

    /// Reads the chosen sets. Why one of them could not be read, if so.
    async fn read_all(
        &self,
        sample: &mut SampleReport,
        job: &str,
        sets: &[CatalogSet],
        chosen: &[String],
        ends_at: Instant,
    ) -> Option<AgentFailure> {
        let (mut failure, mut has_demoted) = (None, false);
        for path in chosen {
            let found = sets.iter().find(|set| set.facts.path == *path);
            let Some((manifest, sha256)) = found.and_then(|set| set.manifest.as_ref()) else {
                continue;
            };
            let reading = read_whole(self.store, path, manifest, sha256);
            let read = timeout_at(ends_at, reading).await;
            let why = match read {
                Ok(Ok(WholeRead::AsStored)) => {
                    tracing::info!(path, "read whole, and as it was stored");
                    note_read(sample, job, path, None);
                    continue;
                }
                Ok(Ok(WholeRead::Damaged(damage))) if !has_demoted => {
                    has_demoted = true;
                    tracing::error!(path, "a set is damaged: {damage}");
                    let damage = line_within(&damage, DAMAGE_LIMIT - 20);
                    let read = note_read(sample, job, path, Some(damage));
                    self.demote(path, sha256, &read).await;
                    continue;
                }
                Ok(Ok(WholeRead::Damaged(damage))) => {
                    format!("another set is damaged, too, so it is read again tomorrow: {damage}")
                }
                Ok(Ok(WholeRead::Unsteady(why))) => why,
                Ok(Err(error)) => {
                    let why = format!("it could not be read: {error}");
                    failure.get_or_insert(AgentFailure::from(error));
                    why
                }
                Err(_) => {
                    // It is saved for again, and not begun again tomorrow.
                    sample.credit_bytes = 0;
                    "it could not be read completely in half of spec.backup.deadline".to_owned()
                }
            };
            tracing::warn!(path, "whether it is whole is not known: {why}");
            if sample.unread.len() < DAMAGED_LIMIT {
                sample.unread.push(remark(path.clone(), &why));
            }
        }
        failure
    }

    /// Says beside the manifest what the operator will say in the cluster.
    async fn demote(&self, path: &str, manifest_sha256: &str, read: &BackupRead) {
        let demotion = BackupVerdict::Demoted(BackupDemotion {
            reason: reasons::SET_DAMAGED.to_owned(),
            check: read.job.clone(),
            time: read.time.clone(),
        });
        let verdict = StoredVerdict::new(&demotion, manifest_sha256);
        if let Err(error) = store_verdict(self.store, path, &verdict).await {
            tracing::warn!(
                path,
                "that it is damaged could not be stored beside it: {error}"
            );
        }
    }
}

/// Notes that a set was read whole.
fn note_read(
    sample: &mut SampleReport,
    job: &str,
    path: &str,
    damage: Option<String>,
) -> BackupRead {
    let now = Timestamp::now().as_second();
    let found = BackupRead {
        // To the second, as the API server keeps it.
        time: Time(Timestamp::from_second(now).unwrap_or_default()),
        job: job.to_owned(),
        damage,
    };
    // One that is damaged is never left out for want of space.
    if sample.read.len() == CATALOG_LIMIT && found.damage.is_some() {
        let mut all = sample.read.iter();
        if let Some(whole) = all.position(|read| read.found.damage.is_none()) {
            sample.read.remove(whole);
        }
    }
    if sample.read.len() < CATALOG_LIMIT {
        sample.read.push(SetRead {
            path: path.to_owned(),
            found: found.clone(),
        });
    }
    found
}

fn bytes_of(manifest: &Manifest) -> u64 {
    let sizes = manifest.objects.iter().map(|object| object.size);
    sizes.fold(0, u64::saturating_add)
}
