//! A check as an object: what it looks at, and its labels. Pure.

use kube::api::ObjectMeta;

use super::running::Running;
use crate::api::{
    CheckTarget, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, MountedVolume, names,
};
use crate::wording;
use crate::world::{Observed, PodFact, VolumeFact};

/// What a check of that start looks at.
pub fn target(observed: &Observed, start: &Running<'_>, attempt: i32) -> CheckTarget {
    let claims = observed.claims_by_name();
    let volumes = start
        .pod
        .mounts
        .iter()
        .filter(|mount| mount.container == start.container.name)
        .filter_map(|mount| {
            let claim = claims.get(mount.claim.as_str())?;
            let metadata = claim.metadata.as_ref()?;
            let (volume, volume_handle, is_of_node, created_at) = match &claim.volume {
                VolumeFact::Found(found) => (
                    found.metadata.name.clone().unwrap_or_default(),
                    found.handle.clone(),
                    found.is_of_node,
                    found.metadata.creation_timestamp.clone(),
                ),
                VolumeFact::Gone(name) => (name.clone(), String::new(), false, None),
                VolumeFact::NotBound | VolumeFact::Unknown(_) => return None,
            };
            Some(MountedVolume {
                claim: mount.claim.clone(),
                claim_uid: metadata.uid.clone().unwrap_or_default(),
                volume,
                volume_handle,
                node: if is_of_node {
                    start.pod.node.clone().unwrap_or_default()
                } else {
                    String::new()
                },
                created_at,
                mount_path: mount.path.clone(),
                sub_path: mount.sub_path.clone(),
            })
        })
        .collect::<Vec<_>>();
    CheckTarget {
        pod: start.pod.name.clone(),
        pod_uid: start.pod.uid.clone(),
        container: start.container.name.clone(),
        container_id: start.container.id.clone(),
        attempt,
        database_generation: observed.database.metadata.generation.unwrap_or_default(),
        other_mounts: other_mounts(start, &volumes),
        volumes,
        host: asked_host(observed, start.pod),
        configured_directory: start.container.configured_directory.clone(),
    }
}

/// What else is mounted over a claim.
fn other_mounts(start: &Running<'_>, volumes: &[MountedVolume]) -> Vec<String> {
    let others = start.pod.other_mounts.iter();
    others
        .filter(|other| other.container == start.container.name)
        .filter(|other| {
            volumes
                .iter()
                .any(|volume| wording::lies_under(&other.path, &volume.mount_path))
        })
        .map(|other| other.path.clone())
        .collect()
}

/// The host that is asked instead of the pod's own address: never for a pod with the readiness
/// gate, which no Service leads to before it is open, and which no other pod's data may open.
fn asked_host(observed: &Observed, pod: &PodFact) -> Option<String> {
    let host = observed.database.spec.connection.host.clone();
    host.filter(|_| pod.gate.is_none())
}

/// A check that is to be made.
pub fn build_check(
    observed: &Observed,
    name: String,
    trigger: CheckTrigger,
    target: CheckTarget,
) -> DatabaseCheck {
    let labels = [
        (names::DATABASE_LABEL, observed.name()),
        (names::MANAGED_BY_LABEL, names::OPERATOR_MANAGER),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let mut check = DatabaseCheck::new(
        &name,
        DatabaseCheckSpec {
            database: observed.name().to_owned(),
            trigger,
            target: Some(target),
        },
    );
    check.metadata = ObjectMeta {
        name: Some(name),
        namespace: Some(observed.namespace_name().to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    check
}
