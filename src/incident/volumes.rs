//! Which volumes hold or held the data, since when they are there, and whether they still are.
//! Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::looks::{Account, volumes_of};
use super::{Asked, Gathered, Line, VolumeRole, VolumeTold};
use crate::api::MountedVolume;
use crate::guard;
use crate::world::Fact;

/// The most volumes that are told about.
pub(super) const VOLUME_LIMIT: usize = 40;

/// A volume as anything names it.
#[derive(Default)]
struct Named {
    claim: String,
    handle: String,
    created_at: Option<Time>,
    roles: Vec<VolumeRole>,
}

/// Names of all volumes with a claim that they are, or were, mounted by: what must be read.
#[must_use]
pub fn name_volumes(gathered: &Gathered) -> Vec<(String, String)> {
    collect(&Account::open(gathered))
        .into_iter()
        .take(VOLUME_LIMIT)
        .map(|(volume, named)| (volume, named.claim))
        .collect()
}

/// Everything about every volume; those with the data first.
pub(super) fn tell_volumes(account: &Account<'_>) -> Vec<VolumeTold> {
    let mut told: Vec<VolumeTold> = collect(account)
        .into_iter()
        .take(VOLUME_LIMIT)
        .map(|(volume, named)| tell(account, &volume, named))
        .collect();
    told.sort_by_key(|volume| volume.roles.first().map(|role| *role as u8));
    told
}

fn collect(account: &Account<'_>) -> BTreeMap<String, Named> {
    let mut all = BTreeMap::new();
    let looks = [
        (&account.expected, VolumeRole::Expected),
        (&account.found, VolumeRole::Found),
    ];
    for (seen, role) in looks {
        let Some(seen) = seen else { continue };
        for volume in seen.volumes {
            add_mounted(&mut all, volume, role);
        }
    }
    for claim in account
        .status()
        .into_iter()
        .flat_map(|status| &status.claims)
    {
        add(
            &mut all,
            &claim.volume,
            &claim.name,
            &claim.volume_handle,
            None,
            VolumeRole::Guarded,
        );
    }
    let ledger = account
        .gathered
        .ledger
        .known()
        .and_then(Option::as_ref)
        .and_then(|ledger| ledger.status.as_ref());
    for volume in ledger.into_iter().flat_map(|status| &status.volumes) {
        add(
            &mut all,
            &volume.volume,
            &volume.claim,
            &volume.volume_handle,
            None,
            VolumeRole::Remembered,
        );
    }
    for volume in account.checks.iter().flat_map(|check| volumes_of(check)) {
        add_mounted(&mut all, volume, VolumeRole::Earlier);
    }
    all
}

fn add_mounted(all: &mut BTreeMap<String, Named>, volume: &MountedVolume, role: VolumeRole) {
    add(
        all,
        &volume.volume,
        &volume.claim,
        &volume.volume_handle,
        volume.created_at.as_ref(),
        role,
    );
}

fn add(
    all: &mut BTreeMap<String, Named>,
    volume: &str,
    claim: &str,
    handle: &str,
    created_at: Option<&Time>,
    role: VolumeRole,
) {
    if volume.is_empty() {
        return;
    }
    let named = all.entry(volume.to_owned()).or_default();
    if named.claim.is_empty() {
        claim.clone_into(&mut named.claim);
    }
    if named.handle.is_empty() {
        handle.clone_into(&mut named.handle);
    }
    named.created_at = named.created_at.take().or_else(|| created_at.cloned());
    if !named.roles.contains(&role) && (role != VolumeRole::Earlier || named.roles.is_empty()) {
        named.roles.push(role);
    }
}

fn tell(account: &Account<'_>, volume: &str, named: Named) -> VolumeTold {
    let gathered = account.gathered;
    let found = find(&gathered.volumes, volume);
    let object = found.and_then(Fact::known).and_then(Option::as_ref);
    let created_at = object
        .and_then(|object| object.metadata.creation_timestamp.clone())
        .or(named.created_at);
    let handle = object
        .and_then(|object| object.spec.as_ref())
        .map(guard::volume_handle)
        .filter(|handle| !handle.is_empty());
    VolumeTold {
        volume: volume.into(),
        handle: handle.unwrap_or(named.handle).into(),
        created_at,
        roles: named.roles,
        is_there: found.and_then(Fact::known).map(Option::is_some),
        state: describe(found, describe_volume),
        claim_state: describe(find(&gathered.claims, &named.claim), |claim| {
            describe_claim(claim, volume)
        }),
        claim: named.claim.into(),
    }
}

/// What was read of an object by its name.
pub(super) fn find<'a, T>(asked: &'a [Asked<T>], name: &str) -> Option<&'a Fact<Option<T>>> {
    asked
        .iter()
        .find(|asked| asked.name == name)
        .map(|asked| &asked.found)
}

fn describe<T>(found: Option<&Fact<Option<T>>>, words: impl Fn(&T) -> String) -> Line {
    match found {
        Some(Fact::Known(Some(object))) => words(object).into(),
        Some(Fact::Known(None)) => "GONE: there is no such object".into(),
        Some(Fact::Unknown(why)) => format!("not known: {why}").into(),
        None => "not known: it was not asked for".into(),
    }
}

fn describe_volume(volume: &PersistentVolume) -> String {
    let spec = volume.spec.clone().unwrap_or_default();
    let status = volume.status.clone().unwrap_or_default();
    let mut said = vec![status.phase.unwrap_or_else(|| "without a phase".to_owned())];
    if let Some(since) = status.last_phase_transition_time {
        said.push(format!("since {}", crate::wording::date(&since)));
    }
    if let Some(reference) = spec.claim_ref {
        said.push(format!(
            "tied to claim {}/{}",
            reference.namespace.unwrap_or_default(),
            reference.name.unwrap_or_default()
        ));
    }
    said.extend(
        spec.persistent_volume_reclaim_policy
            .map(|policy| format!("reclaim policy {policy}")),
    );
    said.extend(spec.capacity.and_then(|capacity| {
        capacity
            .get("storage")
            .map(|storage| format!("capacity {}", storage.0))
    }));
    if volume.metadata.deletion_timestamp.is_some() {
        said.push("BEING DELETED".to_owned());
    }
    said.join(", ")
}

fn describe_claim(claim: &PersistentVolumeClaim, volume: &str) -> String {
    let status = claim.status.clone().unwrap_or_default();
    let mut said = vec![status.phase.unwrap_or_else(|| "without a phase".to_owned())];
    match claim
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_name.as_deref())
        .filter(|bound| !bound.is_empty())
    {
        Some(bound) if bound == volume => {}
        Some(bound) => said.push(format!("to ANOTHER volume, {bound}")),
        None => said.push("to no volume".to_owned()),
    }
    said.extend(
        claim
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| format!("created {}", crate::wording::date(time))),
    );
    if claim.metadata.deletion_timestamp.is_some() {
        said.push("BEING DELETED".to_owned());
    }
    said.join(", ")
}
