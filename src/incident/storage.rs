//! Where the data is and was: volumes, since when they exist and whether they still do, and
//! the backups. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::facts::{Facts, Lookup};
use super::model::{BackupEntry, VolumeEntry, VolumeRole};
use super::safe_text::SafeText;
use super::selection::{Selection, volumes_of};
use crate::api::{BackupState, DatabaseBackup, MountedVolume, VolumeStorage};
use crate::world::Fact;

/// The most volumes that are listed.
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
pub fn name_volumes(facts: &Facts) -> Vec<(String, String)> {
    collect(&Selection::of(facts))
        .into_iter()
        .take(VOLUME_LIMIT)
        .map(|(volume, named)| (volume, named.claim))
        .collect()
}

/// Everything about every volume; those with the data first.
pub(super) fn list_volumes(selection: &Selection<'_>) -> Vec<VolumeEntry> {
    let mut listed: Vec<VolumeEntry> = collect(selection)
        .into_iter()
        .take(VOLUME_LIMIT)
        .map(|(volume, named)| volume_entry(selection, &volume, named))
        .collect();
    listed.sort_by_key(|volume| volume.roles.first().map(|role| *role as u8));
    listed
}

fn collect(selection: &Selection<'_>) -> BTreeMap<String, Named> {
    let mut all = BTreeMap::new();
    let checks = [
        (&selection.expected, VolumeRole::Expected),
        (&selection.found, VolumeRole::Found),
    ];
    for (check, role) in checks {
        let Some(check) = check else { continue };
        for volume in check.volumes {
            add_mounted(&mut all, volume, role);
        }
    }
    for claim in selection
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
    let ledger = selection
        .facts
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
    for volume in selection.checks.iter().flat_map(|check| volumes_of(check)) {
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

fn volume_entry(selection: &Selection<'_>, volume: &str, named: Named) -> VolumeEntry {
    let facts = selection.facts;
    let found = find(&facts.volumes, volume);
    let object = found.and_then(Fact::known).and_then(Option::as_ref);
    let created_at = object
        .and_then(|object| object.metadata.creation_timestamp.clone())
        .or(named.created_at);
    let handle = object
        .and_then(|object| object.spec.as_ref())
        .map(|spec| VolumeStorage::of(spec).handle().to_owned())
        .filter(|handle| !handle.is_empty());
    VolumeEntry {
        volume: volume.into(),
        handle: handle.unwrap_or(named.handle).into(),
        created_at,
        roles: named.roles,
        is_there: found.and_then(Fact::known).map(Option::is_some),
        state: describe(found, describe_volume),
        claim_state: describe(find(&facts.claims, &named.claim), |claim| {
            describe_claim(claim, volume)
        }),
        claim: named.claim.into(),
    }
}

/// What was read of an object by its name.
pub(super) fn find<'a, T>(asked: &'a [Lookup<T>], name: &str) -> Option<&'a Fact<Option<T>>> {
    asked
        .iter()
        .find(|asked| asked.name == name)
        .map(|asked| &asked.found)
}

fn describe<T>(found: Option<&Fact<Option<T>>>, words: impl Fn(&T) -> String) -> SafeText {
    match found {
        Some(Fact::Known(Some(object))) => words(object).into(),
        Some(Fact::Known(None)) => "GONE: the object does not exist".into(),
        Some(Fact::Unknown(why)) => format!("not known: {why}").into(),
        None => "not known: it was not read".into(),
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
            "for claim {}/{}",
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

/// The most backups that are listed.
const BACKUPS_LISTED: usize = 20;

/// The newest backups, oldest first.
pub(super) fn list_backups(selection: &Selection<'_>) -> Vec<BackupEntry> {
    let mut backups: Vec<&DatabaseBackup> = selection
        .facts
        .backups
        .known()
        .into_iter()
        .flatten()
        .collect();
    backups.sort_by_key(|backup| {
        (
            backup
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0),
            backup.metadata.name.clone(),
        )
    });
    let last_good = find_last_good(selection);
    let skipped = backups.len().saturating_sub(BACKUPS_LISTED);
    let is_listed = |(position, backup): &(usize, &DatabaseBackup)| {
        *position >= skipped || backup.metadata.name.as_deref() == last_good.as_deref()
    };
    let mut listed: Vec<BackupEntry> = backups
        .into_iter()
        .enumerate()
        .filter(is_listed)
        .map(|(_, backup)| {
            let status = backup.status.clone().unwrap_or_default();
            BackupEntry {
                name: backup.metadata.name.as_deref().unwrap_or_default().into(),
                time: status
                    .completion_time
                    .or(status.start_time)
                    .or_else(|| backup.metadata.creation_timestamp.clone()),
                state: status.state,
                rows: status.rows,
                path: status.path.unwrap_or_default().into(),
                message: status.message.unwrap_or_default().into(),
                last_good: backup.metadata.name.as_deref() == last_good.as_deref(),
            }
        })
        .collect();
    if !listed.iter().any(|backup| backup.last_good) {
        listed.extend(remembered(selection));
    }
    listed.sort_by_key(|backup| backup.time.as_ref().map(|time| time.0));
    listed
}

fn find_last_good(selection: &Selection<'_>) -> Option<String> {
    let said = selection
        .status()
        .and_then(|status| status.last_good_backup.as_ref())
        .map(|backup| backup.name.clone());
    said.or_else(|| ledger_backup(selection).map(|backup| backup.name.clone()))
}

/// The last good backup as the ledger remembers it: the object may be gone with its namespace, the
/// set in the bucket is not.
fn remembered(selection: &Selection<'_>) -> Option<BackupEntry> {
    let Some(backup) = ledger_backup(selection) else {
        return summarized(selection);
    };
    let endpoint = if backup.endpoint.is_empty() {
        String::new()
    } else {
        format!(" at {}", backup.endpoint)
    };
    Some(BackupEntry {
        name: backup.name.as_str().into(),
        time: Some(backup.time.clone()),
        state: Some(BackupState::Complete),
        rows: None,
        path: backup.path.as_str().into(),
        message: format!(
            "as the DatabaseLedger remembers it, in bucket {}{endpoint}",
            backup.bucket
        )
        .into(),
        last_good: true,
    })
}

/// The last good backup as the ProtectedDatabase reports it, where the object itself can't be read.
fn summarized(selection: &Selection<'_>) -> Option<BackupEntry> {
    let backup = selection.status()?.last_good_backup.as_ref()?;
    Some(BackupEntry {
        name: backup.name.as_str().into(),
        time: Some(backup.time.clone()),
        state: Some(backup.state),
        rows: None,
        path: SafeText::default(),
        message: "as the status of the ProtectedDatabase says".into(),
        last_good: true,
    })
}

fn ledger_backup<'a>(selection: &Selection<'a>) -> Option<&'a crate::api::RememberedBackup> {
    selection
        .facts
        .ledger
        .known()?
        .as_ref()?
        .status
        .as_ref()?
        .last_good_backup
        .as_ref()
}
