//! What is read before a database is recovered: which claim belongs to which volume, and what of it
//! exists.

use k8s_openapi::api::core::v1::PersistentVolumeSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{ClaimFact, Fact, PodFact, TwinFact, VolumeFound, World};
use crate::api::{DatabaseLedgerStatus, ProtectedDatabase, ProtectedDatabaseSpec, VolumeStorage};
use crate::guard;

/// What one pass sees of a database that is to be recovered; the ProtectedDatabase itself may be
/// gone.
#[derive(Clone, Debug)]
pub struct ObservedRecovery {
    /// The ProtectedDatabase, if it exists.
    pub database: Fact<Option<ProtectedDatabase>>,
    /// The claims that the database needs, and the volume that belongs to each.
    pub bindings: Fact<Vec<ClaimBinding>>,
    /// What is known of it.
    pub world: World,
}

/// A claim that the database needs, and the volume that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredClaim {
    /// Name of the claim.
    pub claim: String,
    /// Name of the volume.
    pub volume: String,
    /// Where the database's container had it mounted at the last good check; none if it did not.
    pub mount_path: Option<String>,
    /// The claim as it can be created again.
    pub claim_manifest: Value,
    /// The volume as it can be created again, if it is remembered.
    pub volume_manifest: Option<Value>,
}

/// One claim, as desired and as it is.
#[derive(Clone, Debug)]
pub struct ClaimBinding {
    /// What belongs together.
    pub desired: DesiredClaim,
    /// The claim of that name, if it exists.
    pub claim: Option<ClaimFact>,
    /// The volume that is desired, if it exists.
    pub volume: Option<VolumeFound>,
    /// The volume that the claim is bound to instead, if it exists.
    pub other_volume: Option<VolumeFound>,
    /// Whether the volume is bound to, or reserved for, another claim that exists.
    pub held_by_other: bool,
    /// Another volume object for the same storage, looked for when the desired one is gone.
    pub same_storage: Option<String>,
    /// The other volume objects for the storage of the desired one, while that exists, but not the one
    /// that the claim names.
    pub twins: Vec<TwinFact>,
    /// The pods that mount the claim and have not ended.
    pub pods: Vec<PodFact>,
}

impl ClaimBinding {
    /// The volume that the claim names.
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.claim.as_ref()?.volume_name.as_deref()
    }

    /// The volume that the claim is bound to, the desired one or another.
    #[must_use]
    pub fn bound_volume(&self) -> Option<&VolumeFound> {
        match self.bound_to() {
            Some(bound) if bound == self.desired.volume => self.volume.as_ref(),
            Some(_) => self.other_volume.as_ref(),
            None => None,
        }
    }

    /// Whether the volume is bound to this very claim.
    #[must_use]
    pub fn holds_volume(&self) -> bool {
        let holder = self.volume.as_ref().and_then(VolumeFound::claim_uid);
        holder.is_some() && holder == self.claim.as_ref().and_then(ClaimFact::uid)
    }

    /// The storage that had the data, as the manifest of its volume says.
    #[must_use]
    pub fn desired_storage(&self) -> Option<VolumeStorage> {
        let spec = self.desired.volume_manifest.as_ref()?.get("spec")?.clone();
        let spec: PersistentVolumeSpec = serde_json::from_value(spec).ok()?;
        Some(VolumeStorage::of(&spec))
    }

    /// The storage that had the data, and that of the volume which has its name, where they differ.
    #[must_use]
    pub fn other_storage(&self) -> Option<(VolumeStorage, &VolumeStorage)> {
        let (desired, present) = (self.desired_storage()?, &self.volume.as_ref()?.storage);
        (desired.is_same(present) == Some(false)).then_some((desired, present))
    }

    /// Whether the claim exists, is Bound to the storage that had the data, and nobody has deleted it:
    /// to the desired volume, or to another object for the same storage.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        let Some(claim) = &self.claim else {
            return false;
        };
        let has_data = if self.bound_to() == Some(self.desired.volume.as_str()) {
            self.holds_volume() && self.other_storage().is_none()
        } else {
            self.is_on_same_storage()
        };
        claim.is_live() && claim.phase == "Bound" && has_data
    }

    /// Whether the claim is bound to another volume object for the storage that had the data.
    fn is_on_same_storage(&self) -> bool {
        let (Some(other), Some(desired)) = (&self.other_volume, self.desired_storage()) else {
            return false;
        };
        let claim = self.claim.as_ref().and_then(ClaimFact::uid);
        claim.is_some()
            && other.claim_uid() == claim
            && other.metadata.deletion_timestamp.is_none()
            && desired.is_same(&other.storage) == Some(true)
    }
}

impl ObservedRecovery {
    /// The spec of the ProtectedDatabase; if it is gone, as the ledger remembers it.
    #[must_use]
    pub fn spec(&self) -> Option<ProtectedDatabaseSpec> {
        if let Some(database) = self.database.known()?.as_ref() {
            return Some(database.spec.clone());
        }
        let manifest = &self.remembered()?.database_manifest;
        serde_json::from_value(manifest.get("spec")?.clone()).ok()
    }

    /// What the ledger remembers.
    #[must_use]
    pub fn remembered(&self) -> Option<&DatabaseLedgerStatus> {
        self.world.ledger.known()?.as_ref()?.ledger.status.as_ref()
    }

    /// Whether the claim is the database's own: marked by it, named by its workload or its
    /// `extraClaims`, or in its ledger, by its UID where it exists. One that does not exist is its own
    /// too if the volume that it is to have carries the mark.
    #[must_use]
    pub fn owns_claim(&self, binding: &ClaimBinding) -> bool {
        let (name, owner) = (&binding.desired.claim, self.world.owner());
        let workload = self.world.workload_found();
        let is_named = workload.is_some_and(|workload| workload.mounts_claim(name))
            || self
                .spec()
                .is_some_and(|spec| spec.extra_claims.contains(name));
        let volumes = || {
            self.remembered()
                .into_iter()
                .flat_map(|status| &status.volumes)
        };
        let is_marked =
            |metadata: &ObjectMeta| guard::marked_owner(metadata) == Some(owner.as_str());
        let metadata = binding.claim.as_ref().map(|claim| claim.metadata.as_ref());
        is_named
            || if let Some(metadata) = metadata {
                metadata.is_some_and(|metadata| {
                    let uid = metadata.uid.as_deref();
                    let mut volumes = volumes().map(|volume| volume.claim_uid.as_str());
                    is_marked(metadata) || volumes.any(|claim| Some(claim) == uid)
                })
            } else {
                let volume = binding.volume.as_ref();
                volumes().any(|volume| volume.claim == *name)
                    || volume.is_some_and(|volume| is_marked(&volume.metadata))
            }
    }

    /// A pod that writes to the files of a claim through another volume object: the volume and the pod.
    /// Which directory of the storage is the claim's, the workload says. Its own pods it stops itself.
    #[must_use]
    pub fn writer_beside<'a>(
        &self,
        binding: &'a ClaimBinding,
    ) -> Fact<Option<(&'a TwinFact, &'a PodFact)>> {
        let workload = self.world.workload_found();
        let directories = workload.map_or_else(
            || vec![""],
            |workload| workload.directories_of(&binding.desired.claim),
        );
        for twin in &binding.twins {
            match twin.writers(&directories) {
                Fact::Known(writers) => {
                    let own = self.world.pods.known().map_or(&[][..], Vec::as_slice);
                    let is_own = |pod: &PodFact| own.iter().any(|own| own.uid == pod.uid);
                    if let Some(pod) = writers.into_iter().find(|pod| !is_own(pod)) {
                        return Fact::Known(Some((twin, pod)));
                    }
                }
                Fact::Unknown(why) => return Fact::Unknown(why),
            }
        }
        Fact::Known(None)
    }

    /// Whether a volume is of this namespace and not of one that had the name before: by the UID that
    /// is noted on it, else because the ledger remembers it, or because it is bound to the claim.
    #[must_use]
    pub fn is_of_namespace(&self, binding: &ClaimBinding, volume: &VolumeFound) -> bool {
        if let Some(noted) = guard::noted_namespace(&volume.metadata) {
            return self.world.namespace_uids().contains(&noted);
        }
        let ledger = self.world.ledger.known().and_then(Option::as_ref);
        let claim = binding.claim.as_ref().and_then(ClaimFact::uid);
        ledger.is_some_and(|fact| fact.remembers(volume.name()))
            || (claim.is_some() && volume.claim_uid() == claim)
    }

    /// The pods that mount a claim and that the workload does not control. All of them where it is
    /// not known which ones it controls.
    #[must_use]
    pub fn other_pods<'a>(&self, binding: &'a ClaimBinding) -> Vec<&'a PodFact> {
        let own = self.world.pods.known().map_or(&[][..], Vec::as_slice);
        let is_own = |pod: &PodFact| own.iter().any(|own| own.uid == pod.uid);
        binding.pods.iter().filter(|pod| !is_own(pod)).collect()
    }

    /// The bindings; none if they are not known.
    #[must_use]
    pub fn known_bindings(&self) -> &[ClaimBinding] {
        self.bindings.known().map_or(&[], Vec::as_slice)
    }

    /// Whether every claim is known to be where it belongs, or as it was before anything was done to
    /// it: Bound to a volume that says so too, and deleted by nobody.
    #[must_use]
    pub fn is_undisturbed(&self) -> bool {
        let is_as_it_was = |binding: &ClaimBinding| {
            let claim = binding.claim.as_ref();
            let claim = claim.filter(|claim| claim.is_live() && claim.phase == "Bound");
            let holder = binding.bound_volume().and_then(VolumeFound::claim_uid);
            holder.is_some() && holder == claim.and_then(ClaimFact::uid)
        };
        let bindings = self.bindings.known();
        bindings.is_some_and(|bindings| bindings.iter().all(is_as_it_was))
    }

    /// Whether every claim is known to be where it belongs.
    #[must_use]
    pub fn all_bound(&self) -> bool {
        let bindings = self.bindings.known();
        bindings.is_some_and(|bindings| bindings.iter().all(ClaimBinding::is_bound))
    }
}
