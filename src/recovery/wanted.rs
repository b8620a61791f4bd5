//! Which claims a database needs, and which volume belongs to each: by the last good check, else by
//! what the ledger remembers. Pure.

use k8s_openapi::api::core::v1::PersistentVolume;
use serde_json::Value;

use super::patches::reference;
use super::{Obstacle, Wanted, WorkloadState};
use crate::api::{DatabaseLedger, MountedVolume, RememberedVolume};
use crate::guard;

/// The claims that are wanted. With `volume` only the claim that this volume belongs to.
pub fn choose(
    ledger: &DatabaseLedger,
    extra_claims: &[String],
    workload: Option<&WorkloadState>,
    volume: Option<&str>,
    loose: Option<&PersistentVolume>,
) -> Result<Vec<Wanted>, Obstacle> {
    let status = ledger.status.clone().unwrap_or_default();
    let good = status
        .baseline
        .as_ref()
        .map(|baseline| baseline.volumes.as_slice())
        .unwrap_or_default();
    if let Some(volume) = volume {
        let remembered = status
            .volumes
            .iter()
            .find(|remembered| remembered.volume == volume);
        let wanted = match remembered {
            Some(remembered) => build(remembered, good),
            None => from_volume(volume, loose, &status.volumes, good, &ledger.spec.namespace)?,
        };
        return Ok(vec![wanted]);
    }
    let mut names: Vec<&str> = status
        .volumes
        .iter()
        .map(|remembered| remembered.claim.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let is_needed = |claim: &str| {
        good.iter().any(|mounted| mounted.claim == claim)
            || extra_claims.iter().any(|extra| extra == claim)
            || workload.is_none_or(|workload| workload.mounts_claim(claim))
    };
    names
        .into_iter()
        .filter(|claim| is_needed(claim))
        .map(|claim| choose_volume(claim, &status.volumes, good, ledger))
        .collect()
}

fn choose_volume(
    claim: &str,
    remembered: &[RememberedVolume],
    good: &[MountedVolume],
    ledger: &DatabaseLedger,
) -> Result<Wanted, Obstacle> {
    let candidates: Vec<&RememberedVolume> = remembered
        .iter()
        .filter(|remembered| remembered.claim == claim)
        .collect();
    let by_check = good.iter().find(|mounted| mounted.claim == claim);
    let chosen = match (by_check, candidates.as_slice()) {
        (Some(mounted), _) => candidates
            .iter()
            .find(|candidate| candidate.volume == mounted.volume),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    chosen.map(|remembered| build(remembered, good)).ok_or_else(|| {
        let volumes = candidates.iter().map(|candidate| candidate.volume.as_str()).collect::<Vec<_>>();
        Obstacle::new(format!(
            "claim {claim} has had several volumes, {}, and no good check says which one has the \
             data. Look at them (kubectl get pv {}), then name one: kubectl holdfast recover {} -n \
             {} --volume {}",
            volumes.join(" and "),
            volumes.join(" "),
            ledger.spec.database,
            ledger.spec.namespace,
            volumes.first().unwrap_or(&"VOLUME")
        ))
    })
}

fn build(remembered: &RememberedVolume, good: &[MountedVolume]) -> Wanted {
    Wanted {
        claim: remembered.claim.clone(),
        volume: remembered.volume.clone(),
        mount_path: mount_path(&remembered.claim, good),
        claim_manifest: remembered.claim_manifest.clone(),
        volume_manifest: Some(remembered.volume_manifest.clone()),
    }
}

fn mount_path(claim: &str, good: &[MountedVolume]) -> Option<String> {
    good.iter()
        .find(|mounted| mounted.claim == claim)
        .map(|mounted| mounted.mount_path.clone())
}

/// A volume that the ledger does not know: it goes to the claim that it was bound to last.
fn from_volume(
    volume: &str,
    loose: Option<&PersistentVolume>,
    remembered: &[RememberedVolume],
    good: &[MountedVolume],
    namespace: &str,
) -> Result<Wanted, Obstacle> {
    let Some(found) = loose else {
        return Err(Obstacle::new(format!(
            "there is no PersistentVolume {volume}, and the ledger does not remember it. See what \
             there is: kubectl get pv"
        )));
    };
    let spec = found.spec.clone().unwrap_or_default();
    let holder = spec.claim_ref.clone().unwrap_or_default();
    let (Some(claim), Some(_)) = (
        holder.name,
        holder.namespace.filter(|place| place == namespace),
    ) else {
        return Err(Obstacle::new(format!(
            "PersistentVolume {volume} did not belong to a claim of namespace {namespace}, so it \
             is not known whose place it would take. If it is the right one, reserve it first: \
             kubectl patch pv {volume} --type=merge -p \
             '{{\"spec\":{{\"claimRef\":{{\"namespace\":\"{namespace}\",\"name\":\"CLAIM\"}}}}}}'"
        )));
    };
    let claim_manifest = remembered.iter().find(|remembered| remembered.claim == claim).map_or_else(
        || {
            serde_json::json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim, "namespace": namespace},
                "spec": {
                    "accessModes": spec.access_modes, "volumeMode": spec.volume_mode,
                    "storageClassName": spec.storage_class_name.unwrap_or_default(),
                    "resources": {"requests": {"storage": spec.capacity.and_then(|capacity| capacity.get("storage").cloned())}},
                },
            })
        },
        |remembered| remembered.claim_manifest.clone(),
    );
    Ok(Wanted {
        mount_path: mount_path(&claim, good),
        claim,
        volume: volume.to_owned(),
        claim_manifest,
        volume_manifest: Some(guard::build_volume_manifest(found)),
    })
}

/// The claim as it is to be made: on its volume, and guarded from its first moment on.
pub fn claim_to_create(wanted: &Wanted, owner: &str) -> Value {
    let mut manifest = guard::with_marks(wanted.claim_manifest.clone(), owner);
    manifest["spec"]["volumeName"] = wanted.volume.as_str().into();
    manifest
}

/// The volume as it is to be made: on Retain, guarded, and for its claim alone. `claim_uid` is that
/// of the claim that lost it.
pub fn volume_to_create(
    manifest: &Value,
    wanted: &Wanted,
    namespace: &str,
    claim_uid: Option<&str>,
    owner: &str,
) -> Value {
    let mut manifest = guard::with_marks(manifest.clone(), owner);
    manifest["spec"]["persistentVolumeReclaimPolicy"] = guard::RETAIN.into();
    manifest["spec"]["claimRef"] = reference(namespace, &wanted.claim, claim_uid);
    manifest
}
