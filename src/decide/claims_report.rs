//! What the status says of claims and volumes: those that exist, and volumes whose claim is gone.
//! Pure.

use crate::api::ClaimStatus;
use crate::guard::{self, MarkState, Marks};
use crate::plan::Plan;
use crate::world::{Observed, VolumeFact};

/// Fills in `status.claims`.
pub fn report_claims(observed: &Observed, plan: &mut Plan) {
    let owner = observed.owner();
    let Some(claims) = observed.claims.known() else {
        // What was reported last stays: a failed read is no news.
        plan.status.claims = observed
            .database
            .status
            .as_ref()
            .map(|status| status.claims.clone())
            .unwrap_or_default();
        return;
    };
    let before = observed
        .database
        .status
        .iter()
        .flat_map(|status| &status.claims);
    let before: Vec<&ClaimStatus> = before.collect();
    plan.status.claims = claims
        .iter()
        .filter_map(|claim| {
            let metadata = claim.metadata.as_ref()?;
            let said = before
                .iter()
                .find(|said| said.name == claim.name && Some(&said.uid) == metadata.uid.as_ref());
            if let (VolumeFact::Unknown(_), Some(said)) = (&claim.volume, said) {
                return Some((*said).clone());
            }
            let ours =
                |metadata| guard::mark_state(metadata, &owner, Marks::Held) == MarkState::Ours;
            let (volume, handle, policy, guarded) = match &claim.volume {
                // What it is and where may be another owner's.
                VolumeFact::Found(volume) if observed.is_of_other_namespace(&volume.metadata) => {
                    (String::new(), String::new(), String::new(), false)
                }
                VolumeFact::Found(volume) => (
                    volume.metadata.name.clone().unwrap_or_default(),
                    volume.storage.handle().to_owned(),
                    volume.reclaim_policy.clone(),
                    ours(metadata)
                        && ours(&volume.metadata)
                        && volume.reclaim_policy == guard::RETAIN,
                ),
                VolumeFact::Gone(name) => (name.clone(), String::new(), String::new(), false),
                VolumeFact::NotBound | VolumeFact::Unknown(_) => {
                    (String::new(), String::new(), String::new(), false)
                }
            };
            Some(ClaimStatus {
                name: claim.name.clone(),
                uid: metadata.uid.clone().unwrap_or_default(),
                volume,
                volume_handle: handle,
                reclaim_policy: policy,
                guarded,
                mounted: claim.origin.pod,
                creation_time: metadata.creation_timestamp.clone(),
            })
        })
        .collect();
    report_kept_volumes(observed, &before, plan);
}

/// Adds the volumes whose claim is gone. What can't be read now stays as it was reported last.
fn report_kept_volumes(observed: &Observed, before: &[&ClaimStatus], plan: &mut Plan) {
    let owner = observed.owner();
    let is_said = |said: &ClaimStatus, plan: &Plan| {
        plan.status
            .claims
            .iter()
            .any(|claim| claim.volume == said.volume)
    };
    let Some(kept_volumes) = observed.kept_volumes.known() else {
        for said in before.iter().filter(|said| !said.volume.is_empty()) {
            if !is_said(said, plan) {
                plan.status.claims.push((*said).clone());
            }
        }
        return;
    };
    for kept in kept_volumes {
        let (metadata, volume) = (&kept.volume.metadata, &kept.volume);
        let name = metadata.name.clone().unwrap_or_default();
        plan.status.claims.push(ClaimStatus {
            creation_time: before
                .iter()
                .find(|said| said.volume == name)
                .and_then(|said| said.creation_time.clone()),
            name: kept.claim.clone(),
            uid: kept.claim_uid.clone(),
            volume: name,
            volume_handle: volume.storage.handle().to_owned(),
            reclaim_policy: volume.reclaim_policy.clone(),
            guarded: guard::mark_state(metadata, &owner, Marks::Held) == MarkState::Ours
                && volume.reclaim_policy == guard::RETAIN,
            mounted: false,
        });
    }
}
