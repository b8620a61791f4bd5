//! Other volume objects whose deletion would delete the files of a guarded one, and the volumes that
//! are kept without a claim.

use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use kube::Api;
use kube::api::ListParams;

use super::volume_index::VolumeIndex;
use super::watched_volumes::WatchedVolumes;
use super::{ClaimFact, Fact, KeptVolume, PodFact, Reader, RepairPause, VolumeFact, VolumeFound};
use crate::api::VolumeStorage;

/// The most of them that are read for one database in one pass, those that are not on Retain first.
const TWIN_LIMIT: usize = 32;

/// Another volume object whose deletion would delete the files of a guarded one: it is for the same
/// storage, or for a directory that contains it.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinFact {
    /// Name of the guarded volume.
    pub of: String,
    /// The other one, read live.
    pub volume: VolumeFound,
    /// Whether it is the database's own too, so that two of its claims have the same files.
    pub is_own: bool,
    /// Why it is not set to Retain at once, if something else takes that back again and again.
    pub pause: Option<RepairPause>,
    /// The pods on a node that have the claim to which it is bound, if it may be for the very storage.
    pub pods: Fact<Vec<PodFact>>,
}

impl TwinFact {
    /// The pods that may write to these directories of the storage.
    #[must_use]
    pub fn writers(&self, directories: &[&str]) -> Fact<Vec<&PodFact>> {
        let claim = self.volume.claim.as_ref();
        let claim = claim.and_then(|claim| claim.name.as_deref());
        let may_write = |pod: &&PodFact| {
            let mut directories = directories.iter();
            claim.is_some_and(|claim| {
                directories.any(|directory| pod.may_write_to(claim, directory))
            })
        };
        match &self.pods {
            Fact::Known(pods) => Fact::Known(pods.iter().filter(may_write).collect()),
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
        }
    }
}

/// Those of one database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Twins {
    /// Those that were read.
    pub found: Vec<TwinFact>,
    /// How many more there are.
    pub more: usize,
}

impl Reader {
    /// Reads the volumes that would take the files of the database's own along.
    pub(super) async fn twins(
        &self,
        volumes: &WatchedVolumes,
        claims: &Fact<Vec<ClaimFact>>,
        kept: &Fact<Vec<KeptVolume>>,
    ) -> Fact<Twins> {
        let own = own_volumes(claims, kept).into_iter();
        let own: Vec<(&str, &VolumeStorage)> = own.map(|own| (own.name(), &own.storage)).collect();
        self.twins_among(volumes, &own).await
    }

    /// Reads the volumes that would take the files of these along, each of which has a name and storage.
    /// The index says which those may be; only what is read live counts.
    pub async fn twins_among(
        &self,
        volumes: &WatchedVolumes,
        own: &[(&str, &VolumeStorage)],
    ) -> Fact<Twins> {
        let mut named: Vec<(&str, &VolumeStorage, String)> = Vec::new();
        let mut more = 0;
        {
            let index = volumes.index();
            if let Err(why) = must_be_complete(&index) {
                return Fact::Unknown(why);
            }
            for (of, storage) in own {
                let free = TWIN_LIMIT.saturating_sub(named.len());
                let (found, count) = index.taking_along(storage, of, free);
                more += count - found.len();
                named.extend(found.into_iter().map(|name| (*of, *storage, name)));
            }
        }
        let mut found = Vec::with_capacity(named.len());
        for (of, storage, name) in named {
            let twin = match self.volume(&name).await {
                Fact::Known(twin) => twin,
                Fact::Unknown(why) => return Fact::Unknown(why),
            };
            let Some(volume) = twin.filter(|twin| twin.storage.takes_along(storage)) else {
                continue;
            };
            // Of storage that only contains the guarded one nobody asks who writes to it.
            let pods = if volume.storage.is_same(storage) == Some(false) {
                Fact::Known(Vec::new())
            } else {
                self.pods_of_twin(&volume).await
            };
            found.push(TwinFact {
                of: of.to_owned(),
                is_own: own.iter().any(|(own, _)| *own == name),
                pause: volumes.retain_pause(&name),
                volume,
                pods,
            });
        }
        Fact::Known(Twins { found, more })
    }

    /// The pods on a node that have the claim of a volume, whatever namespace that is in.
    async fn pods_of_twin(&self, volume: &VolumeFound) -> Fact<Vec<PodFact>> {
        let claim = volume.claim.clone().unwrap_or_default();
        let (Some(name), Some(namespace)) = (claim.name, claim.namespace) else {
            return Fact::Known(Vec::new());
        };
        if volume.phase != "Bound" {
            return Fact::Known(Vec::new());
        }
        // The namespace is not named: it may be another tenant's.
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let pods = pods.list(&ListParams::default()).await;
        let what = format!("the pods that may use PersistentVolume {}", volume.name());
        Fact::from_read(&what, pods.map_err(|error| say_without_names(&error))).map(|pods| {
            let pods = pods.items.iter().map(PodFact::from);
            pods.filter(|pod| pod.is_on_node() && pod.claims.contains(&name))
                .collect()
        })
    }

    /// Those of all volumes that are for the very storage of a claim's volume, with the pods that have
    /// them.
    pub(super) async fn twins_of(
        &self,
        of: &VolumeFound,
        except: Option<&str>,
        all: &[PersistentVolume],
    ) -> Vec<TwinFact> {
        let mut found = Vec::new();
        for volume in volumes_for(all, &of.storage) {
            let volume = VolumeFound::from(volume.clone());
            if volume.name() == of.name() || Some(volume.name()) == except {
                continue;
            }
            let pods = self.pods_of_twin(&volume).await;
            found.push(TwinFact {
                of: of.name().to_owned(),
                volume,
                is_own: false,
                pause: None,
                pods,
            });
        }
        found
    }
}

/// The volume objects for that storage.
pub(super) fn volumes_for<'a>(
    all: &'a [PersistentVolume],
    storage: &'a VolumeStorage,
) -> impl Iterator<Item = &'a PersistentVolume> {
    all.iter().filter(move |volume| {
        let spec = volume.spec.as_ref();
        spec.is_some_and(|spec| VolumeStorage::of(spec).is_same(storage) == Some(true))
    })
}

/// Why a read in another namespace failed, without a name of what is there.
fn say_without_names(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.code == 403 => "this is not permitted",
        _ => "the API server did not answer as expected",
    }
}

impl WatchedVolumes {
    /// The volumes on Retain whose claim is gone and that databases of these namespaces have kept.
    pub fn kept_in_namespace(&self, namespace_uids: &[&str]) -> Fact<Vec<String>> {
        let index = self.index();
        match must_be_complete(&index) {
            Ok(()) => Fact::Known(index.kept_for(namespace_uids)),
            Err(why) => Fact::Unknown(why),
        }
    }
}

fn must_be_complete(index: &VolumeIndex) -> Result<(), String> {
    if index.is_complete() {
        Ok(())
    } else {
        Err("could not list the PersistentVolumes yet".to_owned())
    }
}

/// The volumes of a database, with a claim or without.
pub(super) fn own_volumes<'a>(
    claims: &'a Fact<Vec<ClaimFact>>,
    kept: &'a Fact<Vec<KeptVolume>>,
) -> Vec<&'a VolumeFound> {
    let claims = claims.known().into_iter().flatten();
    let bound = claims.filter_map(|claim| match &claim.volume {
        VolumeFact::Found(volume) => Some(volume.as_ref()),
        VolumeFact::NotBound | VolumeFact::Gone(_) | VolumeFact::Unknown(_) => None,
    });
    let kept = kept.known().into_iter().flatten();
    bound.chain(kept.map(|kept| &kept.volume)).collect()
}
