//! Which volume the data is on, and whether that is still the same one.

use crate::api::{ClusterState, Evidence, MountedVolume};

use super::input::{Baseline, Input};
use super::mounts::{Mounts, image_volumes};

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
        let mounts_before = Mounts {
            claims: baseline.volumes,
            // An agent that did not look at the image yet saw the same one.
            image: match &baseline.evidence.image {
                Some(_) => image_volumes(Some(baseline.evidence)),
                None => image_volumes(input.evidence),
            },
            other: baseline.other_mounts,
        };
        let before = mounts_before.claim_under(before_directory);
        let now = Mounts::of(input.target, input.evidence).claim_under(now_directory);
        let moved = match (before, now) {
            (Some(before), Some(now)) => !is_same_volume(before, now),
            (None, None) => false,
            _ => true,
        };
        Some(Self { before, now, moved })
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

/// A database cluster as a finding carries it.
pub(super) fn cluster_state(evidence: &Evidence, volume: Option<&MountedVolume>) -> ClusterState {
    let identity = &evidence.identity;
    ClusterState {
        system_identifier: identity.system_identifier.clone(),
        initialized_at: identity.initialized_at.clone(),
        timeline: identity.timeline,
        wal_position: identity.wal_position.clone(),
        data_directory: identity.data_directory.clone(),
        volume: volume.cloned(),
    }
}

/// The storage's own name decides; the object's name only where the storage gives none. A claim
/// that was recreated and bound to the same volume is the same data.
#[must_use]
pub fn is_same_volume(one: &MountedVolume, other: &MountedVolume) -> bool {
    if one.volume_handle.is_empty() || other.volume_handle.is_empty() {
        return one.volume == other.volume;
    }
    one.volume_handle == other.volume_handle
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
            created_at: None,
            mount_path: mount.to_owned(),
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
        assert!(!same(("pv-1", ""), ("pv-2", "")));
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
