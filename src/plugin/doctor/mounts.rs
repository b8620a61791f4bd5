//! What a directory of a container is on: a claim, or something that is deleted with the pod.
//! Pure.

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use serde::Serialize;

/// A directory that may hold the data, and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataPlace {
    pub directory: String,
    /// Whether it is on a claim, and so outlives the pod.
    pub on_claim: bool,
    /// What it is on, in words.
    pub on: String,
}

/// Says of each directory what it is on.
pub fn data_places(
    pod: &PodSpec,
    container: &Container,
    claim_templates: &[String],
    directories: &[String],
) -> Vec<DataPlace> {
    directories
        .iter()
        .map(|directory| data_place(pod, container, claim_templates, directory))
        .collect()
}

fn data_place(
    pod: &PodSpec,
    container: &Container,
    claim_templates: &[String],
    directory: &str,
) -> DataPlace {
    let deepest = container
        .volume_mounts
        .iter()
        .flatten()
        .filter(|mount| lies_below(directory, &mount.mount_path))
        .max_by_key(|mount| mount.mount_path.trim_end_matches('/').len());
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
    DataPlace {
        directory: directory.to_owned(),
        on_claim,
        on,
    }
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

/// Whether a path is a directory or lies below it.
fn lies_below(path: &str, directory: &str) -> bool {
    let (path, directory) = (path.trim_end_matches('/'), directory.trim_end_matches('/'));
    path == directory
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_lies_below_itself_and_its_parents_only() {
        let wanted = [
            ("/var/lib/postgresql/data", "/var/lib/postgresql/data", true),
            (
                "/var/lib/postgresql/data/pgdata",
                "/var/lib/postgresql/data/",
                true,
            ),
            ("/var/lib/postgresql/data", "/", true),
            (
                "/var/lib/postgresql/database",
                "/var/lib/postgresql/data",
                false,
            ),
            ("/var/lib/postgresql", "/var/lib/postgresql/data", false),
        ];
        for (path, directory, below) in wanted {
            assert_eq!(lies_below(path, directory), below, "{path} {directory}");
        }
    }
}
