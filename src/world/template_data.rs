//! Which mounts of a workload's pod template have the data directory, and which of them every pod
//! shares. What the template does not show is taken for shared. Pure.

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use super::{ContainerFact, TemplateDirectory, WorkloadFact, WorkloadFound, World};
use crate::resources::image_layouts;
use crate::wording::{lies_under, path_depth};

impl WorkloadFound {
    /// The mounts that have the data directory, or may have it. `told` is what the server has said
    /// of its directory.
    #[must_use]
    pub fn data_mounts(&self, wanted: Option<&str>, told: Option<&str>) -> Vec<&VolumeMount> {
        let Some(container) = self.database_container(wanted) else {
            let containers = self.containers.iter();
            return containers.flat_map(|container| &container.mounts).collect();
        };
        data_mounts(container, told)
    }

    /// The claims that the template names, so that each of its pods has the same ones, and that have
    /// the data directory, or may have it: more than one pod is then more than one server on the same
    /// files.
    #[must_use]
    pub fn shared_data_claims(&self, wanted: Option<&str>, told: Option<&str>) -> Vec<&str> {
        let is_of_pod = |mount: &VolumeMount| {
            let mut containers = self.containers.iter();
            containers.any(|container| container.mounts_of_pod.contains(&mount.mount_path))
        };
        let mut claims: Vec<&str> = self
            .data_mounts(wanted, told)
            .into_iter()
            .filter(|mount| mount.read_only != Some(true) && !is_of_pod(mount))
            .filter_map(|mount| self.named_claim(&mount.name))
            .collect();
        claims.sort_unstable();
        claims.dedup();
        claims
    }

    /// The claim that a volume of the template names, if it can be written to.
    fn named_claim(&self, volume: &str) -> Option<&str> {
        let mut volumes = self.volumes.iter();
        let volume: &Volume = volumes.find(|candidate| candidate.name == volume)?;
        let source = volume.persistent_volume_claim.as_ref()?;
        (source.read_only != Some(true)).then_some(source.claim_name.as_str())
    }
}

impl World {
    /// The data directory at the last good check, as the server has said it.
    #[must_use]
    pub fn told_directory(&self) -> Option<&str> {
        let ledger = self.ledger.known()?.as_ref()?.ledger.status.as_ref()?;
        let directory = &ledger.baseline.as_ref()?.evidence.identity.data_directory;
        (!directory.is_empty()).then_some(directory.as_str())
    }

    /// The claims on which a second pod of the workload would be a second server on the same files.
    #[must_use]
    pub fn shared_data_claims(&self, wanted: Option<&str>) -> Vec<&str> {
        match self.workload.known() {
            Some(WorkloadFact::Found(found)) => {
                found.shared_data_claims(wanted, self.told_directory())
            }
            // Without a template each pod has claims of its own.
            Some(WorkloadFact::Pods(_) | WorkloadFact::NotFound | WorkloadFact::Ambiguous)
            | None => Vec::new(),
        }
    }

    /// The mounts of the workload's pods that have the data directory, or may have it.
    #[must_use]
    pub fn data_mounts(&self, wanted: Option<&str>) -> Vec<&VolumeMount> {
        match (self.workload_found(), self.pods_found()) {
            (Some(found), _) => found.data_mounts(wanted, self.told_directory()),
            (None, Some(_)) => self
                .database_container(wanted)
                .map(|container| data_mounts(container, self.told_directory()))
                .unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }
}

fn data_mounts<'a>(container: &'a ContainerFact, told: Option<&str>) -> Vec<&'a VolumeMount> {
    let of_image = image_layouts(&container.image);
    let of_image: Vec<&str> = of_image
        .iter()
        .map(|layout| layout.data_directory.as_str())
        .collect();
    let is_shown = match &container.directory {
        TemplateDirectory::OfPod => return Vec::new(),
        TemplateDirectory::At(directory) => return mounts_above(container, &[directory.as_str()]),
        TemplateDirectory::OfImage => !of_image.is_empty(),
        TemplateDirectory::NotShown => false,
    };
    let of_told = mounts_above(container, told.as_slice());
    if !of_told.is_empty() {
        return of_told;
    }
    let of_image = mounts_above(container, &of_image);
    if of_image.is_empty() && !is_shown {
        return container.mounts.iter().collect();
    }
    of_image
}

/// The deepest mount above each of some directories; all of them where the same path is mounted more
/// than once, in other spellings.
fn mounts_above<'a>(container: &'a ContainerFact, directories: &[&str]) -> Vec<&'a VolumeMount> {
    let deepest = |directory: &&str| {
        let mounts = container.mounts.iter();
        let above = mounts.filter(|mount| lies_under(directory, &mount.mount_path));
        let above: Vec<&VolumeMount> = above.collect();
        let depths = above.iter().map(|mount| path_depth(&mount.mount_path));
        let deepest = depths.max().unwrap_or_default();
        let all = above.into_iter();
        all.filter(move |mount| path_depth(&mount.mount_path) == deepest)
    };
    directories.iter().flat_map(deepest).collect()
}

#[cfg(test)]
#[path = "template_data_tests.rs"]
mod tests;
