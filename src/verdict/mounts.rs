//! What a directory of the database's container lies on: a claim, or something that goes with the
//! container or the pod.

use crate::api::{CheckTarget, ImageEvidence, MountedVolume};
use crate::wording::{lies_under, path_depth};

/// Everything that is mounted into the database's container, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mounts<'a> {
    /// The claims.
    pub claims: &'a [MountedVolume],
    /// Where the container runtime mounts a volume of its own because the image declares it.
    pub image: &'a [String],
    /// Where the pod mounts something else.
    pub other: &'a [String],
}

/// What a directory lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlace<'a> {
    /// A claim.
    Claim(&'a MountedVolume),
    /// A volume that the container runtime mounts, at this path, because the image declares it. It
    /// goes with the container.
    ImageVolume(&'a str),
    /// Another volume of the pod, at this path. It goes with the pod.
    OtherMount(&'a str),
    /// The container's own file system.
    Container,
}

impl<'a> Mounts<'a> {
    /// What the container of a check mounts.
    #[must_use]
    pub fn of(target: &'a CheckTarget, image: Option<&'a ImageEvidence>) -> Self {
        Self {
            claims: &target.volumes,
            image: image_volumes(image),
            other: &target.other_mounts,
        }
    }

    /// What a directory lies on: the longest mount that it lies under. At the same path a mount of
    /// the pod takes the place of a volume of the image. Of two mounts of the pod at one path, which
    /// the API server permits in two spellings, the later one has the directory. Which one that is
    /// nobody says here, so it is the one that is lost with the pod.
    #[must_use]
    pub fn place_of(&self, directory: &str) -> DataPlace<'a> {
        let claims = self
            .claims
            .iter()
            .map(|claim| (claim.mount_path.as_str(), DataPlace::Claim(claim)));
        let other = self
            .other
            .iter()
            .map(|path| (path.as_str(), DataPlace::OtherMount(path)));
        let image = self
            .image
            .iter()
            .map(|path| (path.as_str(), DataPlace::ImageVolume(path)));
        image
            .chain(claims)
            .chain(other)
            .filter(|(path, _)| lies_under(directory, path))
            .max_by_key(|(path, _)| path_depth(path))
            .map_or(DataPlace::Container, |(_, place)| place)
    }

    /// The claim that a directory lies on.
    #[must_use]
    pub fn claim_under(&self, directory: &str) -> Option<&'a MountedVolume> {
        match self.place_of(directory) {
            DataPlace::Claim(claim) => Some(claim),
            _ => None,
        }
    }

    /// The claim that is mounted closest above a directory, whatever is mounted over it.
    #[must_use]
    pub fn claim_above(&self, directory: &str) -> Option<&'a MountedVolume> {
        let claims = Self {
            claims: self.claims,
            ..Self::default()
        };
        claims.claim_under(directory)
    }
}

/// The volumes of the image, if an agent has looked at it.
#[must_use]
pub fn image_volumes(image: Option<&ImageEvidence>) -> &[String] {
    image
        .map(|image| image.volumes.as_slice())
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
