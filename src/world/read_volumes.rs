//! Reads volumes: those behind claims, and those whose claim is gone.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::ListParams;

use super::namespace::{namespace_uids, volume_name};
use super::read_claims::is_leaving;
use super::{ClaimFact, Fact, KeptVolume, LedgerFact, Reader, VolumeFact, VolumeFound};
use crate::api::{ClaimStatus, ProtectedDatabase, VolumeStorage, names};
use crate::guard;

impl Reader {
    /// Reads the volume that a claim names. Anybody may write any volume's name into a claim: one
    /// that names another claim, or none, does not belong to this claim yet.
    pub(super) async fn volume_of(&self, claim: &PersistentVolumeClaim) -> VolumeFact {
        let spec = claim.spec.as_ref();
        let name = spec.and_then(|spec| spec.volume_name.as_deref());
        let Some(name) = volume_name(name) else {
            return VolumeFact::NotBound;
        };
        match self.get_cluster::<PersistentVolume>(&name).await {
            Fact::Known(None) => VolumeFact::Gone(name),
            Fact::Known(Some(volume)) if names_claim(&volume, claim) => {
                VolumeFact::Found(Box::new(VolumeFound::from(volume)))
            }
            Fact::Known(Some(_)) => VolumeFact::NotBound,
            Fact::Unknown(why) => VolumeFact::Unknown(why),
        }
    }

    /// Reads one volume, whosever it is.
    pub async fn volume(&self, name: &str) -> Fact<Option<VolumeFound>> {
        let volume = self.get_cluster::<PersistentVolume>(name).await;
        volume.map(|volume| volume.map(VolumeFound::from))
    }

    /// All volume objects of the cluster.
    pub(super) async fn all_volumes(&self) -> Fact<Vec<PersistentVolume>> {
        let list = self
            .cluster::<PersistentVolume>()
            .list(&ListParams::default())
            .await;
        Fact::from_read("the PersistentVolumes", list).map(|list| list.items)
    }

    /// Reads the volumes whose claim is gone: those that the status remembers, and during the
    /// release every one that carries the mark. None of another namespace that had the name.
    pub(super) async fn kept_volumes(
        &self,
        database: &ProtectedDatabase,
        claims: &[ClaimFact],
        (namespace, ledger): (&Fact<Option<ObjectMeta>>, &Fact<Option<LedgerFact>>),
    ) -> Fact<Vec<KeptVolume>> {
        let owner = names::protected_by(&self.namespace, &database.name_any());
        let uids = namespace_uids(namespace, ledger);
        let is_noted = |volume: &VolumeFound| {
            guard::noted_namespace(&volume.metadata).map(|noted| uids.contains(&noted))
        };
        let remembers = |volume: &VolumeFound| {
            let ledger = ledger.known().and_then(Option::as_ref);
            ledger.is_some_and(|fact| fact.remembers(volume.name()))
        };
        let is_bound = |name: &str| {
            claims.iter().any(|claim| match &claim.volume {
                VolumeFact::Found(volume) => volume.name() == name,
                VolumeFact::Gone(volume) => volume == name,
                VolumeFact::NotBound | VolumeFact::Unknown(_) => false,
            })
        };
        let remembered = database.status.iter().flat_map(|status| &status.claims);
        // Every one: what is not read here is forgotten. How many there can be is bounded by
        // `--kept-volume-limit`, above which no new claim is guarded.
        let unbound =
            remembered.filter(|claim| !claim.volume.is_empty() && !is_bound(&claim.volume));
        let mut kept = Vec::new();
        for claim in unbound {
            match self.volume(&claim.volume).await {
                Fact::Unknown(why) => return Fact::Unknown(why),
                Fact::Known(Some(volume))
                    if is_still_ours(&volume, claim, &owner)
                        && is_noted(&volume).unwrap_or_else(|| {
                            volume.claim_uid() == Some(claim.uid.as_str()) || remembers(&volume)
                        }) =>
                {
                    kept.push(KeptVolume {
                        claim: claim.name.clone(),
                        claim_uid: claim.uid.clone(),
                        volume,
                    });
                }
                Fact::Known(_) => {}
            }
        }
        if !is_leaving(database) {
            return Fact::Known(kept);
        }
        let marked = format!("{}={}", names::PROTECTED_LABEL, guard::PROTECTED_VALUE);
        let marked = ListParams::default().labels(&marked);
        let list = self.cluster::<PersistentVolume>().list(&marked).await;
        Fact::from_read("the guarded volumes", list).map(|list| {
            for volume in list.items.into_iter().map(VolumeFound::from) {
                let uid = &volume.metadata.uid;
                let is_known = is_bound(volume.name())
                    || kept.iter().any(|kept| kept.volume.metadata.uid == *uid);
                if !is_known
                    && guard::marked_owner(&volume.metadata) == Some(owner.as_str())
                    && is_noted(&volume).unwrap_or_else(|| remembers(&volume))
                {
                    let claim = volume.claim.clone().unwrap_or_default();
                    kept.push(KeptVolume {
                        claim: claim.name.unwrap_or_default(),
                        claim_uid: claim.uid.unwrap_or_default(),
                        volume,
                    });
                }
            }
            kept
        })
    }
}

/// Whether a volume is bound to this very claim, or reserved for one of its name.
fn names_claim(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let spec = volume.spec.as_ref();
    let reference = spec.and_then(|spec| spec.claim_ref.as_ref());
    reference.is_some_and(|reference| {
        let uid = reference.uid.as_deref().filter(|uid| !uid.is_empty());
        reference.namespace == claim.metadata.namespace
            && reference.name == claim.metadata.name
            && uid.is_none_or(|uid| Some(uid) == claim.metadata.uid.as_deref())
    })
}

impl From<PersistentVolume> for VolumeFound {
    fn from(volume: PersistentVolume) -> Self {
        let manifest = guard::build_volume_manifest(&volume);
        let (spec, status) = (
            volume.spec.unwrap_or_default(),
            volume.status.unwrap_or_default(),
        );
        let mut metadata = volume.metadata;
        let claim_namespace = spec.claim_ref.as_ref();
        let claim_namespace = claim_namespace.and_then(|claim| claim.namespace.as_deref());
        guard::forget_copied_marks(&mut metadata, claim_namespace);
        Self {
            reclaim_policy: spec
                .persistent_volume_reclaim_policy
                .clone()
                .unwrap_or_else(|| guard::RETAIN.to_owned()),
            storage: VolumeStorage::of(&spec),
            claim: spec.claim_ref,
            phase: status.phase.unwrap_or_default(),
            phase_since: status.last_phase_transition_time,
            metadata,
            manifest,
        }
    }
}

/// Whether a remembered volume carries our mark, or none and still the claim that we remember: then
/// it has only lost the mark.
fn is_still_ours(volume: &VolumeFound, claim: &ClaimStatus, owner: &str) -> bool {
    match guard::marked_owner(&volume.metadata) {
        Some(marked) => marked == owner,
        None => volume.claim_uid() == Some(claim.uid.as_str()),
    }
}
