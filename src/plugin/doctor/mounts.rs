//! What a directory of a container is on: a claim, or something that is deleted with the pod.
//! Pure.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use serde::Serialize;

use crate::resources::{ImageLayout, known_image_volumes};
use crate::wording::{lies_under, path_depth};

/// A directory that may hold the data, and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlace {
    pub directory: String,
    /// Whether it is on a claim, and so outlives the pod.
    pub on_claim: bool,
    /// What it is on, in words.
    pub on: String,
    /// Where a claim would have to be mounted that is mounted too high: over it the container
    /// runtime mounts what the image declares as `VOLUME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right_path: Option<String>,
}

/// Says of each layout that the image may have what its data is on, each place once.
pub fn data_places(
    pod: &PodSpec,
    container: &Container,
    claim_templates: &[String],
    layouts: &[ImageLayout],
) -> Vec<DataPlace> {
    let mut places: Vec<DataPlace> = Vec::new();
    for layout in layouts {
        let place = data_place(pod, container, claim_templates, layout);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Whether a volume of a pod comes from a claim.
pub(super) fn is_on_claim(pod: &PodSpec, name: &str, claim_templates: &[String]) -> bool {
    let mut volumes = pod.volumes.iter().flatten();
    let found = volumes.find(|volume| volume.name == name);
    claim_templates.iter().any(|template| template == name)
        || found.is_some_and(|volume| volume.persistent_volume_claim.is_some())
}

fn data_place(
    pod: &PodSpec,
    container: &Container,
    claim_templates: &[String],
    layout: &ImageLayout,
) -> DataPlace {
    let directory = &layout.data_directory;
    let is_on_claim = |name: &str| is_on_claim(pod, name, claim_templates);
    // Of two at the same path, in two spellings, the later one has the directory: it may be the one
    // that is lost with the pod.
    let deepest = container
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| lies_under(directory, &mount.mount_path))
        .max_by_key(|mount| (path_depth(&mount.mount_path), !is_on_claim(&mount.name)));
    let (on_claim, on) = match deepest {
        None => (
            false,
            "the container's own file system, which is lost at every restart of the container"
                .to_owned(),
        ),
        Some(mount) if claim_templates.contains(&mount.name) => {
            (true, format!("a claim of template {}", mount.name))
        }
        Some(mount) => match pod
            .volumes
            .iter()
            .flatten()
            .find(|volume| volume.name == mount.name)
        {
            Some(volume) => source_of(volume),
            None => (
                false,
                format!("volume {}, which the pod does not have", mount.name),
            ),
        },
    };
    let above = layout.volume.as_ref().filter(|volume| {
        on_claim
            && lies_under(directory, volume)
            && deepest.is_some_and(|mount| !lies_under(&mount.mount_path, volume))
    });
    match above {
        Some(volume) => DataPlace {
            directory: directory.clone(),
            on_claim: false,
            on: format!(
                "an empty directory that the container runtime mounts at {volume} over {on}, {} \
                 VOLUME {volume}; it goes with every restart of the container",
                if is_published(container) {
                    "because the image declares"
                } else {
                    "if the image, like others of this name, declares"
                }
            ),
            right_path: Some(volume.clone()),
        },
        None => DataPlace {
            directory: directory.clone(),
            on_claim,
            on,
            right_path: None,
        },
    }
}

fn is_published(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    !known_image_volumes(image).is_empty()
}

fn source_of(volume: &Volume) -> (bool, String) {
    let name = &volume.name;
    if let Some(claim) = &volume.persistent_volume_claim {
        return (true, format!("claim {}", claim.claim_name));
    }
    let kind = if volume.empty_dir.is_some() {
        "an emptyDir, which is deleted with the pod"
    } else if volume.ephemeral.is_some() {
        "an ephemeral volume, which is deleted with the pod"
    } else if volume.host_path.is_some() {
        "a hostPath, which is a directory of whichever node the pod runs on"
    } else {
        "not on a claim"
    };
    (false, format!("volume {name}: {kind}"))
}
