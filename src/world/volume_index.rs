//! The volumes of the cluster by what storage they are for, so that a pass finds those that would take
//! the files of a guarded volume along without a list of all. Fed by the watch of volumes; what is
//! found in it is read live before anything is done about it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::PersistentVolume;
use kube::ResourceExt;

use crate::api::VolumeStorage;
use crate::guard;

/// Every volume by its name, and the keys that lead to it.
#[derive(Debug, Default)]
pub struct VolumeIndex {
    entries: HashMap<String, Entry>,
    /// All volumes by the key of their storage.
    by_key: HashMap<String, BTreeSet<String>>,
    /// The guarded ones by the key of their storage, in order, so that those below a directory are
    /// next to each other.
    guarded: BTreeMap<String, BTreeSet<String>>,
    /// The volumes of claims that are gone, by the UID of the namespace that they are kept for.
    kept: HashMap<String, BTreeSet<String>>,
    /// What was seen in the list that is under way; none if none is.
    listing: Option<BTreeSet<String>>,
    is_complete: bool,
}

#[derive(Debug)]
struct Entry {
    storage: VolumeStorage,
    is_retained: bool,
    /// `NAMESPACE/NAME` of the database that has marked it.
    owner: Option<String>,
    /// UID of the namespace that it is kept for.
    kept_for: Option<String>,
}

impl VolumeIndex {
    /// Whether every volume of the cluster is in it.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// A list of all volumes begins.
    pub fn begin_list(&mut self) {
        self.listing = Some(BTreeSet::new());
    }

    /// The list has ended: what was not in it is gone. Returns the databases that it concerned.
    pub fn end_list(&mut self) -> BTreeSet<String> {
        let seen = self.listing.take().unwrap_or_default();
        let gone: Vec<String> = self
            .entries
            .keys()
            .filter(|name| !seen.contains(*name))
            .cloned()
            .collect();
        self.is_complete = true;
        gone.iter().flat_map(|name| self.forget(name)).collect()
    }

    /// Notes a volume as it is now. Returns the databases, `NAMESPACE/NAME`, whose guarded files it
    /// may take along, and its own.
    pub fn note(&mut self, volume: &PersistentVolume) -> BTreeSet<String> {
        let name = volume.name_any();
        let mut concerned = self.forget(&name);
        if let Some(seen) = &mut self.listing {
            seen.insert(name.clone());
        }
        let entry = Entry::of(volume);
        if let Some(key) = entry.storage.key() {
            let names = self.by_key.entry(key.clone()).or_default();
            names.insert(name.clone());
            if entry.owner.is_some() {
                let names = self.guarded.entry(key).or_default();
                names.insert(name.clone());
            }
        }
        if let Some(uid) = &entry.kept_for {
            let names = self.kept.entry(uid.clone()).or_default();
            names.insert(name.clone());
        }
        self.entries.insert(name.clone(), entry);
        concerned.extend(self.concerned_by(&name));
        concerned
    }

    /// Forgets a volume that is gone. Returns the databases that it concerned.
    pub fn forget(&mut self, name: &str) -> BTreeSet<String> {
        let concerned = self.concerned_by(name);
        let Some(entry) = self.entries.remove(name) else {
            return concerned;
        };
        if let Some(key) = entry.storage.key() {
            remove_from(&mut self.by_key, &key, name);
            if let Some(names) = self.guarded.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.guarded.remove(&key);
                }
            }
        }
        if let Some(uid) = entry.kept_for {
            remove_from(&mut self.kept, &uid, name);
        }
        concerned
    }

    /// The databases whose guarded files a volume may take along, and its own.
    fn concerned_by(&self, name: &str) -> BTreeSet<String> {
        let Some(entry) = self.entries.get(name) else {
            return BTreeSet::new();
        };
        let own = entry.storage.key();
        let exact = own.iter().filter_map(|key| self.guarded.get(key));
        let below = entry.storage.key_below();
        let below = below.iter().flat_map(|start| {
            let rest = self.guarded.range(start.clone()..);
            rest.take_while(move |(key, _)| key.starts_with(start))
                .map(|(_, names)| names)
        });
        let names = exact.chain(below).flatten();
        let others = names.filter_map(|name| self.entries.get(name));
        let taken = others.filter(|other| entry.storage.takes_along(&other.storage));
        let owners = taken.filter_map(|other| other.owner.clone());
        owners.chain(entry.owner.clone()).collect()
    }

    /// Names of the other volumes that would take the files of this storage along, those first that
    /// are not on Retain; at most `limit`, and how many there are.
    #[must_use]
    pub fn taking_along(
        &self,
        storage: &VolumeStorage,
        except: &str,
        limit: usize,
    ) -> (Vec<String>, usize) {
        let keys = storage.keys_above();
        let names = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let mut found: Vec<(bool, &String)> = names
            .filter(|name| *name != except)
            .filter_map(|name| Some((self.entries.get(name)?, name)))
            .filter(|(entry, _)| entry.storage.takes_along(storage))
            .map(|(entry, name)| (entry.is_retained, name))
            .collect();
        found.sort_unstable();
        let count = found.len();
        let names = found.into_iter().take(limit).map(|(_, name)| name.clone());
        (names.collect(), count)
    }

    /// The volumes on Retain whose claim is gone, that databases of these namespaces have kept.
    #[must_use]
    pub fn kept_for(&self, namespace_uids: &[&str]) -> Vec<String> {
        // The same UID may be there twice: as that of the namespace, and as what the ledger remembers.
        let kept = namespace_uids.iter().filter_map(|uid| self.kept.get(*uid));
        let kept: BTreeSet<&String> = kept.flatten().collect();
        kept.into_iter().cloned().collect()
    }
}

impl Entry {
    fn of(volume: &PersistentVolume) -> Self {
        let spec = volume.spec.as_ref();
        let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
        let is_retained = policy == Some(guard::RETAIN);
        let status = volume.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        let is_left = matches!(phase, Some("Released" | "Failed" | "Available"));
        let mut metadata = volume.metadata.clone();
        let claim = spec.and_then(|spec| spec.claim_ref.as_ref());
        let home = claim.and_then(|claim| claim.namespace.as_deref());
        guard::forget_copied_marks(&mut metadata, home);
        let kept_for = guard::kept_for_namespace(&metadata);
        Self {
            storage: spec.map(VolumeStorage::of).unwrap_or_default(),
            is_retained,
            owner: guard::marked_owner(&metadata).map(ToOwned::to_owned),
            kept_for: kept_for
                .filter(|_| is_retained && is_left)
                .map(ToOwned::to_owned),
        }
    }
}

/// Removes a name, and with the last one its key.
fn remove_from(map: &mut HashMap<String, BTreeSet<String>>, key: &str, name: &str) {
    if let Some(names) = map.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
#[path = "volume_index_tests.rs"]
mod tests;
