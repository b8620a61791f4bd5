//! Other volume objects for the storage of a Postgres' own: deleting one on Delete deletes its files, and
//! a server that uses one destroys them. What can't be read is reported as not known.

use k8s_openapi::api::core::v1::PersistentVolume;

use super::ClaimFound;
use crate::api::VolumeStorage;
use crate::decide::{TwinWords, list_writers, stop_command};
use crate::plugin::connect::Cluster;
use crate::plugin::error::ClusterRequest;
use crate::plugin::paging::fetch_cluster_pages;
use crate::world::{Fact, Reader, TwinFact, Twins, WatchedVolumes};

/// The volumes of the cluster by what storage they are for, as they were listed once.
#[derive(Debug, Default)]
pub struct VolumesSeen {
    volumes: WatchedVolumes,
    /// Why they could not be listed.
    unread: Option<String>,
}

/// What the volumes beside those of one Postgres mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TwinsJudged {
    pub findings: Vec<String>,
    /// Why something of it is not known.
    pub not_known: Vec<String>,
}

impl VolumesSeen {
    /// Lists the volumes of the cluster, and keeps a few words of each.
    pub async fn fetch(cluster: &Cluster) -> Self {
        let mut seen = Self::default();
        seen.volumes.index().begin_list();
        let listed = fetch_cluster_pages::<PersistentVolume>(cluster, async |page| {
            for volume in &page {
                seen.volumes.index().note(volume);
            }
        });
        match listed.await {
            Ok(()) => {
                seen.volumes.end_list();
            }
            Err(error) => {
                let context = cluster.context.as_deref();
                let request = ClusterRequest::list("persistentvolumes", None, context);
                seen.unread = Some(request.failed(error).to_string());
            }
        }
        seen
    }

    /// Reads those beside the volumes of these claims of a namespace, and judges them. `directories` says
    /// which of a claim the Postgres has.
    pub async fn judge(
        &self,
        cluster: &Cluster,
        namespace: &str,
        claims: &[ClaimFound],
        directories: impl Fn(&str) -> Vec<String>,
    ) -> TwinsJudged {
        let own: Vec<(&str, &VolumeStorage)> = claims
            .iter()
            .filter_map(|claim| Some((claim.volume.as_deref()?, &claim.storage)))
            .filter(|(_, storage)| !storage.handle().is_empty())
            .collect();
        if own.is_empty() {
            return TwinsJudged::default();
        }
        let reader = Reader::new(cluster.client.clone(), namespace);
        let twins = match &self.unread {
            Some(why) => Fact::Unknown(why.clone()),
            None => reader.twins_among(&self.volumes, &own).await,
        };
        match twins {
            Fact::Known(twins) => judge_twins(namespace, claims, &twins, directories),
            Fact::Unknown(why) => TwinsJudged {
                not_known: vec![format!(
                    "whether another PersistentVolume is for the same storage: {why}"
                )],
                ..TwinsJudged::default()
            },
        }
    }
}

/// Judges the volumes that were read beside those of these claims.
pub fn judge_twins(
    namespace: &str,
    claims: &[ClaimFound],
    twins: &Twins,
    directories: impl Fn(&str) -> Vec<String>,
) -> TwinsJudged {
    let mut judged = TwinsJudged::default();
    for twin in &twins.found {
        let mut own = claims.iter();
        let is_of = |claim: &&ClaimFound| claim.volume.as_deref() == Some(twin.of.as_str());
        let Some(claim) = own.find(is_of) else {
            continue;
        };
        let storage = &claim.storage;
        let words = TwinWords { twin, storage };
        judged.findings.extend(judge_deletion(&words));
        judge_use(
            namespace,
            (claim, &directories(&claim.name)),
            &words,
            &mut judged,
        );
    }
    if twins.more > 0 {
        judged.not_known.push(format!(
            "what {} more PersistentVolumes for the same storage mean: only the first {} were read; see \
             them with `kubectl get pv`",
            twins.more,
            twins.found.len()
        ));
    }
    judged
}

/// Whether its deletion would delete the files. Those of the Postgres itself are judged as its own.
fn judge_deletion(words: &TwinWords<'_>) -> Option<String> {
    let TwinFact {
        of, volume, is_own, ..
    } = words.twin;
    if *is_own || words.is_kept() {
        return None;
    }
    let name = volume.name();
    if words.is_going() {
        return Some(format!(
            "{}; take a backup now, and see both: kubectl get pv {name} {of}",
            words.say_going()
        ));
    }
    Some(format!(
        "{}, and its reclaim policy is {}: {}; a ProtectedDatabase sets it to Retain, or do it yourself: \
         kubectl patch pv {name} -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'",
        words.same_storage(),
        volume.reclaim_policy,
        words.would_delete()
    ))
}

/// Who writes to the files through it, or may at any time.
fn judge_use(
    namespace: &str,
    (own_claim, directories): (&ClaimFound, &[String]),
    words: &TwinWords<'_>,
    judged: &mut TwinsJudged,
) {
    let volume = &words.twin.volume;
    let claim = volume.claim.clone().unwrap_or_default();
    let (Some(home), Some(claim)) = (claim.namespace, claim.name) else {
        return;
    };
    if volume.phase != "Bound" || !words.is_same() {
        return;
    }
    let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
    let same = words.same_storage();
    let (name, of) = (volume.name(), &words.twin.of);
    let of_home = if home == namespace {
        String::new()
    } else {
        format!(" of namespace {home}")
    };
    match words.writers(&directories, Some(&own_claim.name)) {
        Fact::Unknown(why) => judged.not_known.push(format!(
            "who writes to the storage of PersistentVolume {of} through PersistentVolumeClaim \
             {claim}{of_home}: {why}"
        )),
        Fact::Known(writers) if !writers.is_empty() => judged.findings.push(format!(
            "{same}, and {}{of_home} may write to it through PersistentVolumeClaim {claim}: two servers on \
             the same files destroy them; stop what does not belong there: {}",
            list_writers(&writers),
            stop_command(&home, writers[0])
        )),
        // A claim of its own that nobody uses is one to scale up to.
        Fact::Known(_) if words.twin.is_own => {}
        Fact::Known(_) => judged.findings.push(format!(
            "{same}, and PersistentVolumeClaim {claim}{of_home} is bound to it: as soon as a pod uses that \
             claim, two servers may have the same files, which destroys them; see whose it is: kubectl get \
             pv {name} {of}"
        )),
    }
}

#[cfg(test)]
#[path = "twins_tests.rs"]
mod tests;
