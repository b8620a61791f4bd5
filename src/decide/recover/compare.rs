//! Whether the pod that runs is on what was last known good: bound claims alone do not say so, because a
//! container can start in another directory of them, or on another database cluster. Pure.

use crate::api::{
    ConditionStatus, ConditionType, Evidence, LedgerBaseline, MountedVolume, find_condition,
};
use crate::plan::RecoveryPlan;
use crate::resources::{image_layouts, known_image_volumes};
use crate::wording::is_same_path;
use crate::world::{
    ContainerFact, ObservedRecovery, PodFact, RunningContainer, TemplateDirectory, WorkloadFound,
};

/// Adds what differs from the last good check, and the reset that stands.
pub fn compare_running(
    observed: &ObservedRecovery,
    workload: Option<&WorkloadFound>,
    plan: &mut RecoveryPlan,
) {
    if let (Some(workload), Some(baseline)) = (workload, baseline(observed)) {
        for difference in differences(observed, workload, baseline) {
            plan.findings.push(difference.clone());
            plan.unresolved.push(format!(
                "{difference}. Undo that change of the pod template: kubectl -n {} rollout undo {}/{}",
                observed.world.namespace_name,
                workload.kind.to_string().to_lowercase(),
                workload.name()
            ));
        }
    }
    if let Some(message) = standing_reset(observed) {
        plan.unresolved.push(format!(
            "DataReset is True: what runs is not the data that was last known good: {message}"
        ));
    }
}

/// What the condition `DataReset` says, while it is True.
fn standing_reset(observed: &ObservedRecovery) -> Option<&str> {
    let database = observed.database.known()?.as_ref()?;
    let conditions = &database.status.as_ref()?.conditions;
    find_condition(conditions, ConditionType::DataReset)
        .filter(|reset| reset.status == ConditionStatus::True.as_str())
        .map(|reset| reset.message.as_str())
}

fn baseline(observed: &ObservedRecovery) -> Option<&LedgerBaseline> {
    let ledger = observed.world.ledger.known()?.as_ref()?;
    ledger.ledger.status.as_ref()?.baseline.as_ref()
}

fn differences(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
    baseline: &LedgerBaseline,
) -> Vec<String> {
    let wanted = observed.spec().and_then(|spec| spec.workload.container);
    let Some(container) = workload.database_container(wanted.as_deref()) else {
        return Vec::new();
    };
    let pods = observed.world.pods.known().into_iter().flatten();
    let running = pods.filter(|pod| !pod.ended && !pod.terminating);
    running
        .filter_map(|pod| {
            let mut containers = pod.running.iter();
            Some((
                pod,
                containers.find(|running| running.name == container.name)?,
            ))
        })
        .filter_map(|(pod, running)| {
            let mut mounts = baseline.volumes.iter();
            let moved = mounts.find_map(|good| other_mount(pod, running, good));
            moved.or_else(|| other_directory(pod, running, container, &baseline.evidence))
        })
        .collect()
}

/// A claim of the last good check that the container mounts elsewhere, or another directory of it.
fn other_mount(pod: &PodFact, running: &RunningContainer, good: &MountedVolume) -> Option<String> {
    let mounts = pod.mounts.iter();
    let of_claim: Vec<_> = mounts
        .filter(|mount| mount.container == running.name && mount.claim == good.claim)
        .collect();
    let is_as_before = of_claim.iter().any(|mount| {
        is_same_path(&mount.path, &good.mount_path) && mount.sub_path == good.sub_path
    });
    // Of a pod that mounts it not at all the plan says more: the template names another claim.
    let now = of_claim.first().filter(|_| !is_as_before)?;
    let place = |path: &str, directory: &str| match directory {
        "" => path.to_owned(),
        directory => format!("{path} (directory {directory} of it)"),
    };
    Some(format!(
        "pod {} mounts claim {} at {}, and at the last good check it was at {}",
        pod.name,
        good.claim,
        place(&now.path, &now.sub_path),
        place(&good.mount_path, &good.sub_path)
    ))
}

/// Another data directory than at the last good check.
fn other_directory(
    pod: &PodFact,
    running: &RunningContainer,
    container: &ContainerFact,
    good: &Evidence,
) -> Option<String> {
    let before = good.identity.data_directory.as_str();
    let configured = running.configured_directory.as_str();
    // What anybody may have made keeps its data anywhere.
    let of_image = || {
        let is_published = !known_image_volumes(&running.image).is_empty();
        let layouts = image_layouts(&running.image);
        let layouts = layouts.into_iter().filter(|_| is_published);
        let directories = layouts.map(|layout| layout.data_directory);
        directories.collect::<Vec<_>>()
    };
    let now = match configured {
        "" if container.directory == TemplateDirectory::OfImage => of_image(),
        "" => return None,
        configured => vec![configured.to_owned()],
    };
    let is_before = |directory: &String| is_same_path(directory, before);
    if before.is_empty() || now.is_empty() || now.iter().any(is_before) {
        return None;
    }
    Some(format!(
        "pod {} has its data directory at {}, and at the last good check it was {before}",
        pod.name,
        now.join(" or ")
    ))
}
