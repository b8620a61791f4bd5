//! Which volume the data is on, and whether that is still the same one.

use crate::api::{ClusterState, Evidence, MountedVolume, WithoutLogin, is_same_handle};
use crate::wording::{is_same_path, lies_under, rest_below};

use super::input::{Baseline, Input};
use super::mounts::{DataPlace, Mounts, image_volumes};

/// Where the data was and is. A side is `None` when its data is on no claim.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataVolumes<'a> {
    pub before: Option<&'a MountedVolume>,
    pub now: Option<&'a MountedVolume>,
    pub moved: bool,
}

impl<'a> DataVolumes<'a> {
    /// Finds the data's volume on both sides: by the data directory where the role may see it, else
    /// by what is mounted no longer.
    pub(super) fn compare(input: &Input<'a>, baseline: &Baseline<'a>) -> Option<Self> {
        let volumes: &'a [MountedVolume] = &input.target.volumes;
        let before_directory = baseline.evidence.identity.data_directory.as_str();
        let now_directory = input.evidence?.identity.data_directory.as_str();
        if before_directory.is_empty() || now_directory.is_empty() {
            return Some(Self::compare_all(baseline.volumes, volumes));
        }
        let before = mounts_before(input, baseline).claim_under(before_directory);
        let now = Mounts::of(input.target, input.image).claim_under(now_directory);
        let moved = match (before, now) {
            (Some(before), Some(now)) => !is_same_volume(before, now),
            (None, None) => false,
            _ => true,
        };
        Some(Self { before, now, moved })
    }

    /// The same where nothing could be read: the directory is the one that pod or image configure, or
    /// that of the last good check.
    pub(super) fn compare_unread(input: &Input<'a>, baseline: &Baseline<'a>) -> Self {
        let volumes: &'a [MountedVolume] = &input.target.volumes;
        let directories = Directories::unread(input, baseline);
        if directories.before.is_empty() || directories.now.is_empty() {
            return Self::compare_all(baseline.volumes, volumes);
        }
        let before = mounts_before(input, baseline).claim_under(directories.before);
        let place = Mounts::of(input.target, input.image).place_of(directories.now);
        let now = match place {
            DataPlace::Claim(claim) => Some(claim),
            _ => None,
        };
        let moved = match (before, now) {
            (Some(before), Some(now)) => !is_same_volume(before, now),
            // Something is mounted over the claim.
            (Some(_), None) if place != DataPlace::Container => true,
            // It may be mounted somewhere else, and configured by a file that is on it.
            (Some(before), None) => {
                directories.before != directories.now
                    || !volumes.iter().any(|now| is_same_volume(before, now))
            }
            (None, _) => false,
        };
        Self { before, now, moved }
    }

    /// Without a directory any claim may hold the data: it has moved if one that was mounted is not
    /// mounted any more.
    fn compare_all(before: &'a [MountedVolume], now: &'a [MountedVolume]) -> Self {
        let gone = before
            .iter()
            .find(|before| !now.iter().any(|now| is_same_volume(before, now)));
        match gone {
            Some(gone) => {
                let instead = now.iter().find(|now| now.mount_path == gone.mount_path);
                Self {
                    before: Some(gone),
                    now: instead.or(now.first()),
                    moved: true,
                }
            }
            None => Self {
                before: before.first(),
                now: now.first(),
                moved: false,
            },
        }
    }
}

/// What the container of the last good check mounted.
pub(super) fn mounts_before<'a>(input: &Input<'a>, baseline: &Baseline<'a>) -> Mounts<'a> {
    Mounts {
        claims: baseline.volumes,
        // An agent that did not look at the image yet saw the same one.
        image: image_volumes(baseline.evidence.image.as_ref().or(input.image)),
        other: baseline.other_mounts,
    }
}

/// The data directory of both sides, as far as it is known; empty where it is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directories<'a> {
    pub before: &'a str,
    pub now: &'a str,
}

impl<'a> Directories<'a> {
    /// Where nothing could be read: two values of the same origin, so that what an image calls its
    /// data directory is never compared with what a server does. What is configured counts only
    /// where the server of the last good check was in that directory: Patroni and others put their
    /// own in its place.
    pub(super) fn unread(input: &Input<'a>, baseline: &Baseline<'a>) -> Self {
        let configured = |found: Option<&'a WithoutLogin>| {
            found.map_or("", |found| found.configured_directory.as_str())
        };
        let (before, now) = (
            configured(baseline.without_login),
            configured(input.without_login),
        );
        let same = baseline.evidence.identity.data_directory.as_str();
        let is_obeyed = same.is_empty() || is_same_path(before, same);
        if before.is_empty() || now.is_empty() || !is_obeyed {
            return Self {
                before: same,
                now: same,
            };
        }
        Self { before, now }
    }

    /// Whether both are on the same volume, and in different directories of it: another path below
    /// the mount, or another `subPath`.
    pub(super) fn differ_on(self, volumes: &DataVolumes<'_>) -> bool {
        let (Some(before), Some(now)) = (volumes.before, volumes.now) else {
            return false;
        };
        match (place_on(before, self.before), place_on(now, self.now)) {
            (Some(before), Some(now)) => !volumes.moved && before != now,
            _ => false,
        }
    }
}

/// Where a directory is on the volume itself, however much of it is mounted wherever.
pub(super) fn place_on(volume: &MountedVolume, directory: &str) -> Option<String> {
    if directory.is_empty() || !lies_under(directory, &volume.mount_path) {
        return None;
    }
    let below = rest_below(directory, &volume.mount_path);
    let place = rest_below(&format!("{}/{below}", volume.sub_path), "/");
    Some(format!("/{place}"))
}

/// A database cluster that nobody could log in to, as a finding carries it.
pub(super) fn unread_state(directory: &str, volume: Option<&MountedVolume>) -> ClusterState {
    ClusterState {
        system_identifier: String::new(),
        initialized_at: None,
        timeline: 0,
        wal_position: String::new(),
        data_directory: directory.to_owned(),
        volume: volume.cloned(),
    }
}

/// A database cluster as a finding carries it.
pub(super) fn cluster_state(evidence: &Evidence, volume: Option<&MountedVolume>) -> ClusterState {
    let identity = &evidence.identity;
    ClusterState {
        system_identifier: identity.system_identifier.clone(),
        initialized_at: Some(identity.initialized_at.clone()),
        timeline: identity.timeline,
        wal_position: identity.wal_position.clone(),
        data_directory: identity.data_directory.clone(),
        volume: volume.cloned(),
    }
}

/// The storage's own name decides; the object's name only where one of the two has none. A claim
/// that was recreated and bound to the same volume is the same data. A path is another volume on
/// another node.
#[must_use]
pub fn is_same_volume(one: &MountedVolume, other: &MountedVolume) -> bool {
    if !one.node.is_empty() && !other.node.is_empty() && one.node != other.node {
        return false;
    }
    is_same_handle(&one.volume_handle, &other.volume_handle)
        .unwrap_or_else(|| one.volume == other.volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(claim: &str, name: &str, handle: &str, mount: &str) -> MountedVolume {
        MountedVolume {
            claim: claim.to_owned(),
            claim_uid: format!("uid-of-{claim}"),
            volume: name.to_owned(),
            volume_handle: handle.to_owned(),
            node: String::new(),
            created_at: None,
            mount_path: mount.to_owned(),
            sub_path: String::new(),
        }
    }

    #[test]
    fn the_handle_decides_and_the_name_only_without_one() {
        let same = |one: (&str, &str), other: (&str, &str)| {
            is_same_volume(
                &volume("a", one.0, one.1, "/d"),
                &volume("b", other.0, other.1, "/d"),
            )
        };
        assert!(
            same(("pv-1", "disk-1"), ("pv-2", "disk-1")),
            "the object was recreated for the same disk"
        );
        assert!(
            !same(("pv-1", "disk-1"), ("pv-1", "disk-2")),
            "the object of that name is for another disk"
        );
        assert!(same(("pv-1", ""), ("pv-1", "disk-1")));
        assert!(
            same(("pv-1", "/disks/1/"), ("pv-2", "/disks/1")),
            "an older check noted the path as it was written"
        );
        assert!(same(
            ("pv-1", "rbd:db/pg@10.0.0.1,10.0.0.2"),
            ("pv-2", "rbd:db/pg@10.0.0.2,10.0.0.3")
        ));
        assert!(!same(("pv-1", ""), ("pv-2", "")));
    }

    #[test]
    fn a_path_of_another_node_is_another_volume() {
        let on_node = |node: &str| MountedVolume {
            node: node.to_owned(),
            ..volume("data", "pv-1", "/disks/1", "/data")
        };
        assert!(is_same_volume(&on_node("one"), &on_node("one")));
        assert!(!is_same_volume(&on_node("one"), &on_node("two")));
        assert!(
            is_same_volume(&on_node(""), &on_node("two")),
            "an older check did not note the node"
        );
    }

    #[test]
    fn a_directory_has_its_place_on_the_volume_itself() {
        let place = |mount: &str, sub_path: &str, directory: &str| {
            let volume = MountedVolume {
                sub_path: sub_path.to_owned(),
                ..volume("data", "pv-1", "", mount)
            };
            place_on(&volume, directory)
        };
        let data = Some("/pgdata".to_owned());
        assert_eq!(place("/var/lib/pg", "", "/var/lib/pg/pgdata"), data);
        assert_eq!(
            place("/data/", "", "/data/pgdata/"),
            data,
            "mounted elsewhere"
        );
        assert_eq!(place("/data", "pgdata", "/data"), data);
        assert_eq!(place("/data", "", "/data"), Some("/".to_owned()));
        assert_eq!(place("/data", "", "/data-old"), None);
        assert_eq!(place("/data", "", ""), None);
    }

    #[test]
    fn without_a_directory_the_data_has_moved_only_if_a_claim_is_gone() {
        let (data, cache, other) = (
            volume("data", "a", "1", "/data"),
            volume("cache", "b", "2", "/cache"),
            volume("data", "c", "3", "/data"),
        );
        assert!(
            !DataVolumes::compare_all(std::slice::from_ref(&data), &[cache.clone(), data.clone()])
                .moved
        );
        let (before, now) = ([cache.clone(), data], [cache, other]);
        let moved = DataVolumes::compare_all(&before, &now);
        assert!(moved.moved);
        assert_eq!(
            (
                moved.before.map(|volume| volume.volume.as_str()),
                moved.now.map(|volume| volume.volume.as_str())
            ),
            (Some("a"), Some("c"))
        );
    }
}
