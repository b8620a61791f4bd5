//! What storage a `PersistentVolume` is for, however its object is called: which two are the same, and
//! whose files go with which. As text it is `volumeHandle` in statuses, checks and ledgers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::google_disk::GoogleDisk;
use super::storage_name::{Driver, one_form};

/// Kinds whose text ends with the hosts, or targets, that lead to the storage: `KIND:NAME@HOST,HOST`.
/// Any one that both have leads to the same storage.
const WITH_HOSTS: &[&str] = &["cephfs:", "fc:", "iscsi:", "quobyte:", "rbd:"];
/// Kinds of disks whose text may end with a partition, `DISK#1`, and of shares with a directory.
const WITH_PARTITIONS: &[&str] = &["azureFile:", "ebs.csi.aws.com/", "gce:"];

/// Labels of nodes with the values that each may have.
pub(super) type Place = BTreeMap<String, BTreeSet<String>>;

/// The storage of one `PersistentVolume`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeStorage {
    /// Its name as text; empty for a kind of storage that is not known here.
    pub(super) handle: String,
    /// Where it is, of storage whose name is something else elsewhere: the nodes that the
    /// `nodeAffinity` pins. Empty where that is not said.
    pub(super) places: Vec<Place>,
    /// Whether it is a directory, which is deleted with all that is below.
    pub(super) is_directory: bool,
    /// Whether it is a directory of a node.
    pub(super) is_of_node: bool,
}

impl VolumeStorage {
    /// Its name as text; empty for a kind of storage that is not known here.
    #[must_use]
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Whether it is files of one node: `hostPath` or `local`.
    #[must_use]
    pub const fn is_of_node(&self) -> bool {
        self.is_of_node
    }

    /// Whether it is a directory of a storage that may have others: its size is not its own.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// Whether both are the same storage. None if one of them is of a kind that is not known here, or
    /// names that may be of the same do not tell.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        let is_same = is_same_handle(&self.handle, &other.handle)?;
        Some(is_same && self.may_be_where(other))
    }

    /// Whether it can be on the node of that name; true also where it is not said where it is.
    #[must_use]
    pub fn may_be_on(&self, node: &str) -> bool {
        const NAMES: [&str; 2] = ["kubernetes.io/hostname", "metadata.name"];
        let allows = |place: &Place| {
            NAMES
                .iter()
                .all(|name| place.get(*name).is_none_or(|values| values.contains(node)))
        };
        node.is_empty() || self.places.is_empty() || self.places.iter().any(allows)
    }

    /// Whether the files of the other go when what this is for is deleted: the same disk, whatever its
    /// partition, or a directory that the other one is in.
    #[must_use]
    pub fn takes_along(&self, other: &Self) -> bool {
        let (own, others) = (Name::of(&self.handle), Name::of(&other.handle));
        let is_above = || self.is_directory && other.is_directory && others.is_below(&own);
        let is_in = || own.disk() == others.disk() || is_above();
        !self.handle.is_empty()
            && self.may_be_where(other)
            && ((own.may_be_reached_as(&others) && is_in()) || own.may_be(&others))
    }

    /// Whether nothing says if both are the same storage, so that each may take the files of the other
    /// along.
    #[must_use]
    pub fn may_be_same(&self, other: &Self) -> bool {
        let (own, others) = (Name::of(&self.handle), Name::of(&other.handle));
        self.may_be_where(other) && own.may_be(&others)
    }

    /// The key under which it is found by whoever looks for what it takes along.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        (!self.handle.is_empty()).then(|| Name::of(&self.handle).key())
    }

    /// The keys of all storage that may take this one along.
    #[must_use]
    pub fn keys_above(&self) -> Vec<String> {
        let Some(own) = self.key() else {
            return Vec::new();
        };
        let above = if self.is_directory {
            directories_above(&own)
        } else {
            Vec::new()
        };
        [own].into_iter().chain(above).collect()
    }

    /// What the keys of all storage below a directory begin with; none if it is no directory.
    #[must_use]
    pub fn key_below(&self) -> Option<String> {
        let key = self.key().filter(|_| self.is_directory)?;
        Some(format!("{}/", key.trim_end_matches('/')))
    }

    /// Whether a node can have both. What is not said may be anywhere.
    fn may_be_where(&self, other: &Self) -> bool {
        let is_open = self.places.is_empty() || other.places.is_empty();
        let meet = |one: &Place, other: &Place| {
            one.iter().all(|(label, values)| {
                let others = other.get(label);
                others.is_none_or(|others| !values.is_disjoint(others))
            })
        };
        let mut own = self.places.iter();
        is_open || own.any(|one| other.places.iter().any(|other| meet(one, other)))
    }
}

/// Whether two texts name the same storage. None if one is empty: an older version, or one that did
/// not know the kind, has not noted it. None too where they do not tell: a target may be reached by
/// other portals, a Secret says which account it is for, and an older version has noted the handle only.
#[must_use]
pub fn is_same_handle(one: &str, other: &str) -> Option<bool> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let of_handle = [one, other].map(Driver::of_text);
    let (one, other) = (Name::of(one), Name::of(other));
    if one.name == other.name && one.may_be_reached_as(&other) {
        return Some(true);
    }
    let is_noted_as = |driver: Option<Driver>, other: &Name| {
        driver.is_some_and(|driver| driver.names(&other.name))
    };
    let is_half_known = match of_handle {
        [Some(_), Some(_)] | [None, None] => false,
        [driver, None] => is_noted_as(driver, &other),
        [None, driver] => is_noted_as(driver, &one),
    };
    (!is_half_known && !one.may_be(&other)).then_some(false)
}

/// The parts of a text that names storage.
struct Name {
    /// In the one form that names it.
    name: String,
    /// What leads to it.
    hosts: BTreeSet<String>,
}

impl Name {
    fn of(handle: &str) -> Self {
        let has_hosts = WITH_HOSTS.iter().any(|kind| handle.starts_with(kind));
        let parts = handle.rsplit_once('@').filter(|_| has_hosts);
        let (name, hosts) = parts.unwrap_or((handle, ""));
        let hosts = hosts.split(',').filter(|host| !host.is_empty());
        Self {
            name: one_form(name),
            hosts: hosts.map(str::to_lowercase).collect(),
        }
    }

    fn may_be_reached_as(&self, other: &Self) -> bool {
        self.hosts.is_empty() || other.hosts.is_empty() || !self.hosts.is_disjoint(&other.hosts)
    }

    /// Whether it can't be told if both are the same: a target has one name in the world, whatever its
    /// portals are, unless somebody has given it twice; a share of which only a Secret says the
    /// account; and a disk whose project, or zone, is not said.
    fn may_be(&self, other: &Self) -> bool {
        let is_target = self.name.starts_with("iscsi:") && self.name == other.name;
        let is_share = || match (Share::of(&self.name), Share::of(&other.name)) {
            (Some(one), Some(other)) => {
                one.has_account != other.has_account && one.name == other.name
            }
            _ => false,
        };
        let is_disk = || {
            let disks = GoogleDisk::of(&self.name).zip(GoogleDisk::of(&other.name));
            disks.is_some_and(|(one, other)| one.may_be(&other))
        };
        (is_target && !self.may_be_reached_as(other)) || is_share() || is_disk()
    }

    /// The key of all that may be the same.
    fn key(&self) -> String {
        if let Some(disk) = GoogleDisk::of(&self.name) {
            return format!("gce:{}", disk.name);
        }
        Share::of(&self.name).map_or_else(
            || self.disk().to_owned(),
            |share| format!("azureFile:{}", share.name),
        )
    }

    /// The disk without its partition: it is deleted as a whole.
    fn disk(&self) -> &str {
        let has_partitions = WITH_PARTITIONS
            .iter()
            .any(|kind| self.name.starts_with(kind));
        let disk = self.name.rsplit_once('#').filter(|_| has_partitions);
        disk.map_or(self.name.as_str(), |(disk, _)| disk)
    }

    fn is_below(&self, other: &Self) -> bool {
        directories_above(&self.name).contains(&other.name)
    }
}

/// A share of Azure.
struct Share<'a> {
    name: &'a str,
    /// Whether it is known which account it is in.
    has_account: bool,
}

impl<'a> Share<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let whole = text.strip_prefix("azureFile:")?;
        let share = whole.split_once('#').map_or(whole, |(share, _)| share);
        let (of, name) = share.rsplit_once('/')?;
        Some(Self {
            name,
            has_account: !of.contains('/'),
        })
    }
}

/// The directories that a directory is in, up to the root of its node or server.
fn directories_above(name: &str) -> Vec<String> {
    let start = name.find('/').unwrap_or(name.len());
    let (server, mut path) = name.split_at(start);
    let mut above = Vec::new();
    while path.len() > 1 {
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
        let root = if path.is_empty() { "/" } else { path };
        above.push(format!("{server}{root}"));
    }
    above
}

#[cfg(test)]
#[path = "storage_tests.rs"]
mod tests;
