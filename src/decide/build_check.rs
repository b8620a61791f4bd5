//! A check as an object: what it looks at, and its labels. Pure.

use kube::api::ObjectMeta;

use super::running::Running;
use crate::api::{
    CheckTarget, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, MountedVolume, names,
};
use crate::world::{Observed, VolumeFact};

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
        .collect();
    CheckTarget {
        pod: start.pod.name.clone(),
        pod_uid: start.pod.uid.clone(),
        container: start.container.name.clone(),
        container_id: start.container.id.clone(),
        attempt,
        database_generation: observed.database.metadata.generation.unwrap_or_default(),
        volumes,
        configured_directory: start.container.configured_directory.clone(),
    }
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
