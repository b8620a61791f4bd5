//! A check as an object: what it looks at, and its labels. Pure.

use kube::api::ObjectMeta;

use super::judge::{Judged, JudgedCheck, is_of};
use super::newest::asks_pod;
use super::running::Running;
use crate::api::{
    CheckOutcome, CheckTarget, CheckTrigger, DatabaseCheck, DatabaseCheckSpec, MountedVolume,
    names, reasons,
};
use crate::wording;
use crate::world::{Observed, PodFact, VolumeFact};

/// What a check of that start looks at.
pub fn target(
    observed: &Observed,
    judged: &Judged<'_>,
    start: &Running<'_>,
    attempt: i32,
) -> CheckTarget {
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
                    found.storage.handle().to_owned(),
                    found.storage.is_of_node(),
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
    let host = asked_host(observed, judged, start);
    let is_host = host.is_some();
    CheckTarget {
        pod: start.pod.name.clone(),
        pod_uid: start.pod.uid.clone(),
        container: start.container.name.clone(),
        container_id: start.container.id.clone(),
        attempt,
        database_generation: observed.database.metadata.generation.unwrap_or_default(),
        other_mounts: other_mounts(start, &volumes),
        volumes,
        addresses: own_addresses(start.pod).filter(|_| is_host).collect(),
        started_at: start.container.started_at.clone().filter(|_| is_host),
        host,
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
/// gate, which no Service leads to before it is open, and which no other pod's data may open. Nor for
/// one of which another server has answered there, as long as its own address answers.
fn asked_host(observed: &Observed, judged: &Judged<'_>, start: &Running<'_>) -> Option<String> {
    let host = observed.database.spec.connection.host.clone()?;
    let newest = judged.newest_of(&start.pod.uid, &start.container.id);
    let asks_itself = newest.is_some_and(|newest| {
        let answers_itself = asks_pod(newest.check) && newest.check.evidence().is_some();
        is_misled(newest) || answers_itself && was_misled(judged, start)
    });
    (start.pod.gate.is_none() && !asks_itself).then_some(host)
}

/// Whether another server has ever answered for this start at the host.
fn was_misled(judged: &Judged<'_>, start: &Running<'_>) -> bool {
    let mut all = judged.verdicts.values();
    all.any(|judged| is_of(judged.check, &start.pod.uid, &start.container.id) && is_misled(judged))
}

/// Whether another server has answered than that of the pod: the pod itself is asked next. So it is where
/// an older version has called that verified. What looks reset at the host is checked there again.
pub fn is_misled(judged: &JudgedCheck<'_>) -> bool {
    let check = judged.check;
    let is_of_other = check.evidence().is_some() && check.own_evidence().is_none();
    judged.verdict.reason == reasons::OTHER_SERVER_ANSWERED
        || is_of_other && judged.verdict.outcome == CheckOutcome::Verified
}

/// More than a pod has, and as many as a check can note.
const ADDRESSES: usize = 8;

fn own_addresses(pod: &PodFact) -> impl Iterator<Item = String> {
    pod.own_addresses.iter().take(ADDRESSES).cloned()
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
