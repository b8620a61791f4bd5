//! Reading volumes: those behind claims, and those whose claim is gone. Nothing is judged here.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::api::{ClaimStatus, DeletionGuard, ProtectedDatabase, names};
use crate::guard;
use crate::world::Fact;
use crate::world::{ClaimFact, KeptVolume, VolumeFact, VolumeFound};

/// The most volumes without a claim that one database is followed for, so that its status stays
/// bounded.
const KEPT_LIMIT: usize = 32;

/// Reads the volume that a claim names. Anybody may write any volume's name into a claim: one that
/// says it is another claim's, or nobody's, is not this one's yet.
pub async fn fetch_volume_of(client: &Client, claim: &PersistentVolumeClaim) -> VolumeFact {
    let Some(name) = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_name.clone())
        .filter(|name| !name.is_empty())
    else {
        return VolumeFact::NotBound;
    };
    let api: Api<PersistentVolume> = Api::all(client.clone());
    match api.get_opt(&name).await {
        Ok(None) => VolumeFact::Gone(name),
        Ok(Some(volume)) if names_claim(&volume, claim) => {
            VolumeFact::Found(Box::new(found(volume)))
        }
        Ok(Some(_)) => VolumeFact::NotBound,
        Err(error) => {
            VolumeFact::Unknown(format!("could not read PersistentVolume {name}: {error}"))
        }
    }
}

/// Whether a volume is bound to this very claim, or reserved for one of its name.
fn names_claim(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let reference = volume
        .spec
        .as_ref()
        .and_then(|spec| spec.claim_ref.as_ref());
    reference.is_some_and(|reference| {
        let is_uid = reference
            .uid
            .as_deref()
            .is_none_or(|uid| uid.is_empty() || Some(uid) == claim.metadata.uid.as_deref());
        reference.namespace == claim.metadata.namespace
            && reference.name == claim.metadata.name
            && is_uid
    })
}

/// Reads one volume, whosever it is.
async fn fetch_volume(client: &Client, name: String) -> VolumeFact {
    let api: Api<PersistentVolume> = Api::all(client.clone());
    match api.get_opt(&name).await {
        Ok(None) => VolumeFact::Gone(name),
        Ok(Some(volume)) => VolumeFact::Found(Box::new(found(volume))),
        Err(error) => {
            VolumeFact::Unknown(format!("could not read PersistentVolume {name}: {error}"))
        }
    }
}

fn found(volume: PersistentVolume) -> VolumeFound {
    let manifest = guard::build_volume_manifest(&volume);
    let spec = volume.spec.unwrap_or_default();
    VolumeFound {
        reclaim_policy: spec
            .persistent_volume_reclaim_policy
            .clone()
            .unwrap_or_else(|| guard::RETAIN.to_owned()),
        handle: guard::volume_handle(&spec),
        claim_uid: spec.claim_ref.and_then(|reference| reference.uid),
        metadata: volume.metadata,
        manifest,
    }
}

/// Reads the volumes whose claim is gone: those that the status remembers, and on the way out every
/// one that carries the mark.
pub async fn fetch_kept_volumes(
    client: &Client,
    database: &ProtectedDatabase,
    claims: &[ClaimFact],
) -> Fact<Vec<KeptVolume>> {
    let owner = names::protected_by(
        &database.namespace().unwrap_or_default(),
        &database.name_any(),
    );
    let is_bound = |name: &str| {
        claims.iter().any(|claim| match &claim.volume {
            VolumeFact::Found(volume) => volume.metadata.name.as_deref() == Some(name),
            VolumeFact::Gone(volume) => volume == name,
            VolumeFact::NotBound | VolumeFact::Unknown(_) => false,
        })
    };
    let remembered = database.status.iter().flat_map(|status| &status.claims);
    let mut kept = Vec::new();
    for claim in remembered
        .filter(|claim| !claim.volume.is_empty() && !is_bound(&claim.volume))
        .take(KEPT_LIMIT)
    {
        match fetch_volume(client, claim.volume.clone()).await {
            VolumeFact::Unknown(why) => return Fact::Unknown(why),
            VolumeFact::Found(volume) if is_still_ours(&volume, claim, &owner) => {
                kept.push(KeptVolume {
                    claim: claim.name.clone(),
                    claim_uid: claim.uid.clone(),
                    volume: *volume,
                });
            }
            VolumeFact::Found(_) | VolumeFact::Gone(_) | VolumeFact::NotBound => {}
        }
    }
    let leaving = database.metadata.deletion_timestamp.is_some()
        || database.spec.guard.deletion == DeletionGuard::Off;
    if !leaving {
        return Fact::Known(kept);
    }
    let api: Api<PersistentVolume> = Api::all(client.clone());
    let marked = ListParams::default().labels(&format!(
        "{}={}",
        names::PROTECTED_LABEL,
        guard::PROTECTED_VALUE
    ));
    Fact::from_read("the guarded volumes", api.list(&marked).await).map(|list| {
        for volume in list.items {
            let is_known = is_bound(&volume.name_any())
                || kept
                    .iter()
                    .any(|kept| kept.volume.metadata.uid == volume.metadata.uid);
            if !is_known && guard::marked_owner(&volume.metadata) == Some(owner.as_str()) {
                let reference = volume
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.claim_ref.clone())
                    .unwrap_or_default();
                kept.push(KeptVolume {
                    claim: reference.name.unwrap_or_default(),
                    claim_uid: reference.uid.unwrap_or_default(),
                    volume: found(volume),
                });
            }
        }
        kept
    })
}

/// Whether a remembered volume carries our mark, or none and still the claim that we remember: then
/// it has only lost the mark.
fn is_still_ours(volume: &VolumeFound, claim: &ClaimStatus, owner: &str) -> bool {
    match guard::marked_owner(&volume.metadata) {
        Some(marked) => marked == owner,
        None => volume.claim_uid.as_deref() == Some(claim.uid.as_str()),
    }
}
