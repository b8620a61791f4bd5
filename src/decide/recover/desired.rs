//! Which claims a database needs, and which volume belongs to each: by the last good check, else by
//! what the ledger remembers.

use serde_json::{Value, json};

use super::known::known;
use crate::api::names::NAMESPACE_UID_ANNOTATION;
use crate::api::{DatabaseLedgerStatus, MountedVolume, RememberedVolume, is_same_handle};
use crate::guard;
use crate::plan::Blocker;
use crate::plan::patches::claim_reference;
use crate::world::{DesiredClaim, ObservedRecovery, VolumeFound};

/// What is remembered of the volumes.
struct Memory {
    status: DatabaseLedgerStatus,
    good: Vec<MountedVolume>,
}

/// The claims that are desired. With `volume`, a name and what exists of it, only the claim that
/// this volume belongs to.
///
/// # Errors
/// What was read does not say what to recover.
pub fn desired_claims(
    observed: &ObservedRecovery,
    volume: Option<(&str, Option<&VolumeFound>)>,
) -> Result<Vec<DesiredClaim>, Blocker> {
    let memory = memory(observed, volume.is_some())?;
    let remembered = &memory.status.volumes;
    if let Some((name, found)) = volume {
        let known = remembered
            .iter()
            .find(|remembered| remembered.volume == name);
        let desired = match known {
            Some(remembered) => build(remembered, &memory.good),
            None => from_volume(name, found, &memory, &observed.world.namespace_name)?,
        };
        return Ok(vec![desired]);
    }
    let extra_claims = observed
        .spec()
        .map(|spec| spec.extra_claims)
        .unwrap_or_default();
    known(&observed.world.workload)?;
    let workload = observed.world.workload_found();
    let is_needed = |claim: &str| {
        memory.good.iter().any(|mounted| mounted.claim == claim)
            || extra_claims.iter().any(|extra| extra == claim)
            || workload.is_none_or(|workload| workload.mounts_claim(claim))
    };
    let claims = remembered
        .iter()
        .map(|remembered| remembered.claim.as_str());
    let mut claims: Vec<&str> = claims.filter(|claim| is_needed(claim)).collect();
    claims.sort_unstable();
    claims.dedup();
    let desired = claims
        .into_iter()
        .map(|claim| choose_volume(observed, claim, &memory));
    desired.collect()
}

/// What the ledger remembers. Without a ledger, only a volume that the user names can be recovered.
fn memory(observed: &ObservedRecovery, volume_is_named: bool) -> Result<Memory, Blocker> {
    let world = &observed.world;
    let (namespace, name) = (&world.namespace_name, &world.name);
    if let Some(other) = &world.other_namespace {
        return Err(Blocker::new(other.describe()));
    }
    let database_exists = known(&observed.database)?.is_some();
    let status = match known(&world.ledger)? {
        Some(fact) => fact.ledger.status.clone().unwrap_or_default(),
        None if volume_is_named && database_exists => DatabaseLedgerStatus::default(),
        None => {
            return Err(Blocker::new(format!(
                "nothing is remembered of database {name} in namespace {namespace}: DatabaseLedger \
                 {} does not exist. See what is remembered: kubectl get dbledger",
                crate::api::names::ledger(namespace, name)
            )));
        }
    };
    let baseline = status.baseline.as_ref();
    let good = baseline
        .map(|baseline| baseline.volumes.clone())
        .unwrap_or_default();
    Ok(Memory { status, good })
}

fn choose_volume(
    observed: &ObservedRecovery,
    claim: &str,
    memory: &Memory,
) -> Result<DesiredClaim, Blocker> {
    let candidates = memory.status.volumes.iter();
    let candidates: Vec<&RememberedVolume> = candidates
        .filter(|remembered| remembered.claim == claim)
        .collect();
    let by_check = memory.good.iter().find(|mounted| mounted.claim == claim);
    let chosen = match (by_check, candidates.as_slice()) {
        (Some(mounted), _) => {
            // By its storage first: a volume object of the name can be for another one by now.
            let is_of = |candidate: &RememberedVolume| {
                is_same_handle(&candidate.handle(), &mounted.volume_handle)
            };
            let is_named = |candidate: &RememberedVolume| candidate.volume == mounted.volume;
            let is_there = |candidate: &RememberedVolume| {
                let storage = candidate.storage();
                storage.is_none_or(|storage| storage.may_be_on(&mounted.node))
            };
            let mut named = candidates.iter().filter(|candidate| is_named(candidate));
            named
                .find(|candidate| is_of(candidate) != Some(false) && is_there(candidate))
                .or_else(|| {
                    candidates
                        .iter()
                        .find(|candidate| is_of(candidate) == Some(true))
                })
        }
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    chosen.map(|remembered| build(remembered, &memory.good)).ok_or_else(|| {
        let volumes: Vec<&str> =
            candidates.iter().map(|candidate| candidate.volume.as_str()).collect();
        Blocker::new(format!(
            "claim {claim} has had several volumes, {}, and no good check says which one has the \
             data. See them (kubectl get pv {}), then name one: kubectl holdfast recover {} -n {} \
             --volume {}",
            volumes.join(" and "),
            volumes.join(" "),
            observed.world.name,
            observed.world.namespace_name,
            volumes.first().unwrap_or(&"VOLUME")
        ))
    })
}

fn build(remembered: &RememberedVolume, good: &[MountedVolume]) -> DesiredClaim {
    DesiredClaim {
        claim: remembered.claim.clone(),
        volume: remembered.volume.clone(),
        mount_path: mount_path(&remembered.claim, good),
        claim_manifest: remembered.claim_manifest.clone(),
        volume_manifest: Some(remembered.volume_manifest.clone()),
    }
}

fn mount_path(claim: &str, good: &[MountedVolume]) -> Option<String> {
    let mounted = good.iter().find(|mounted| mounted.claim == claim)?;
    Some(mounted.mount_path.clone())
}

/// A volume that the ledger does not know: it goes to the claim that it was bound to last.
fn from_volume(
    volume: &str,
    found: Option<&VolumeFound>,
    memory: &Memory,
    namespace: &str,
) -> Result<DesiredClaim, Blocker> {
    let Some(found) = found else {
        return Err(Blocker::new(format!(
            "PersistentVolume {volume} does not exist, and the ledger does not remember it. See \
             what exists: kubectl get pv"
        )));
    };
    let holder = found.claim.clone().unwrap_or_default();
    let is_here = holder.namespace.as_deref() == Some(namespace);
    let Some(claim) = holder.name.filter(|_| is_here) else {
        return Err(Blocker::new(format!(
            "PersistentVolume {volume} did not belong to a claim of namespace {namespace}, so it \
             is not known which claim it is for. If it is the right one, reserve it first: kubectl \
             patch pv {volume} --type=merge -p '{{\"spec\":{{\"claimRef\":{{\"namespace\":\
             \"{namespace}\",\"name\":\"CLAIM\"}}}}}}'"
        )));
    };
    let mut remembered = memory.status.volumes.iter();
    let claim_manifest = remembered
        .find(|remembered| remembered.claim == claim)
        .map_or_else(
            || claim_manifest_for(&claim, namespace, &found.manifest["spec"]),
            |remembered| remembered.claim_manifest.clone(),
        );
    Ok(DesiredClaim {
        mount_path: mount_path(&claim, &memory.good),
        claim,
        volume: volume.to_owned(),
        claim_manifest,
        volume_manifest: Some(found.manifest.clone()),
    })
}

/// A claim that fits a volume.
fn claim_manifest_for(claim: &str, namespace: &str, volume: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim, "namespace": namespace},
        "spec": {
            "accessModes": volume["accessModes"], "volumeMode": volume["volumeMode"],
            "storageClassName": volume["storageClassName"].as_str().unwrap_or_default(),
            "resources": {"requests": {"storage": volume["capacity"]["storage"]}},
        },
    })
}

/// The claim as it is to be created: on its volume, and guarded from its first moment on.
pub fn build_claim(desired: &DesiredClaim, owner: &str) -> Value {
    let mut manifest = guard::with_marks(desired.claim_manifest.clone(), owner);
    manifest["spec"]["volumeName"] = desired.volume.as_str().into();
    manifest
}

/// The volume as it is to be created: on Retain, guarded, and for its claim alone. `claim_uid` is
/// that of the claim that lost it.
pub fn build_volume(
    manifest: &Value,
    desired: &DesiredClaim,
    namespace: &str,
    claim_uid: Option<&str>,
    (owner, namespace_uid): (&str, Option<&str>),
) -> Value {
    let mut manifest = guard::with_marks(manifest.clone(), owner);
    if let Some(uid) = namespace_uid {
        manifest["metadata"]["annotations"][NAMESPACE_UID_ANNOTATION] = uid.into();
    }
    manifest["spec"]["persistentVolumeReclaimPolicy"] = guard::RETAIN.into();
    manifest["spec"]["claimRef"] = claim_reference(namespace, &desired.claim, claim_uid);
    manifest
}
