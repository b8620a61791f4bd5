//! Stopping the workload, mounting the right claim in it, and starting it again.

use k8s_openapi::api::core::v1::VolumeMount;

use super::known::known;
use super::ownership::refuse_pods_of_others;
use crate::plan::{Blocker, RecoveryPlan, ScaleStep, Step};
use crate::world::{DesiredClaim, ObservedRecovery, OwnerName, WorkloadFound};

/// Plans to mount the claims again that the data was on at the last good check.
pub fn plan_mounts(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    for binding in known(&observed.bindings)? {
        let desired = &binding.desired;
        match &desired.mount_path {
            Some(path) if !workload.mounts_claim(&desired.claim) => {
                plan_mount(observed, workload, desired, path, plan)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn plan_mount(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
    desired: &DesiredClaim,
    path: &str,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    let (kind, name, claim) = (workload.kind, workload.name(), &desired.claim);
    let mounted = database_mounts(observed, workload)
        .iter()
        .find(|mount| mount.mount_path == path)
        .map(|mount| mount.name.as_str());
    let mut volumes = workload.volumes.iter().enumerate();
    let Some((index, volume)) = volumes.find(|(_, volume)| Some(volume.name.as_str()) == mounted)
    else {
        plan.notes.push(format!(
            "{kind} {name} does not mount claim {claim} at {path}, and its pod template has no \
             volume there that could be changed: apply it as it was before"
        ));
        return Ok(());
    };
    let source = volume.persistent_volume_claim.as_ref();
    let instead = source.map_or("no claim", |source| source.claim_name.as_str());
    plan.findings.push(format!(
        "{kind} {name} mounts {instead} at {path} instead of claim {claim}"
    ));
    plan.notes.push(format!(
        "if {kind} {name} comes from Git or a chart, name claim {claim} there too, or the next \
         sync removes it again"
    ));
    if let Some(binding) = known(&observed.bindings)?
        .iter()
        .find(|binding| binding.desired.claim == *claim)
    {
        refuse_pods_of_others(observed, binding)?;
    }
    // A pod that never became ready would block a rolling update, so all of them stop first.
    let pods = known(&observed.world.pods)?.iter();
    let pods: Vec<&str> = pods
        .filter(|pod| !pod.ended)
        .map(|pod| pod.name.as_str())
        .collect();
    // Nor may more than one start on the claim that all of them will mount.
    if !pods.is_empty() || workload.replicas > 1 {
        plan_scale_down(observed, workload, plan)?;
    }
    if !pods.is_empty() {
        let pods = pods.join(", ");
        plan.steps.push(Step::Await(format!(
            "the pods of {kind} {name} to stop: {pods}"
        )));
    }
    plan.steps.push(Step::MountClaim {
        kind,
        metadata: Box::new(workload.metadata.clone()),
        index,
        volume: Box::new(volume.clone()),
        claim: claim.clone(),
    });
    Ok(())
}

/// The mounts of the container that runs Postgres.
fn database_mounts<'a>(
    observed: &ObservedRecovery,
    workload: &'a WorkloadFound,
) -> &'a [VolumeMount] {
    let spec = observed.spec();
    let container = spec.and_then(|spec| spec.workload.container);
    let found = workload.database_container(container.as_deref());
    found.map_or(&[], |container| container.mounts.as_slice())
}

/// Plans to stop the pods of the workload, once.
pub fn plan_scale_down(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
    plan: &mut RecoveryPlan,
) -> Result<(), Blocker> {
    if workload.deletes_claims_when_scaled {
        return Err(Blocker::new(format!(
            "StatefulSet {name} deletes its claims when it is scaled down, and its pods must stop. \
             Set that to Retain first: kubectl -n {} patch statefulset {name} --type=merge -p \
             '{{\"spec\":{{\"persistentVolumeClaimRetentionPolicy\":{{\"whenScaled\":\
             \"Retain\"}}}}}}'",
            observed.world.namespace_name,
            name = workload.name()
        )));
    }
    let is_planned = |step: &Step| matches!(step, Step::ScaleDown(_));
    if workload.replicas > 0 && !plan.steps.iter().any(is_planned) {
        plan.steps
            .push(Step::ScaleDown(scale(workload, workload.replicas)));
    }
    Ok(())
}

fn scale(workload: &WorkloadFound, replicas: i32) -> ScaleStep {
    ScaleStep {
        kind: workload.kind,
        metadata: Box::new(workload.metadata.clone()),
        replicas,
        scaled_up_to: replicas,
    }
}

/// Whether a second pod of the workload would be a second server on the same data directory, also
/// after the mounts that are planned.
fn shares_data(observed: &ObservedRecovery, plan: &RecoveryPlan) -> bool {
    let container = observed.spec().and_then(|spec| spec.workload.container);
    let mut steps = plan.steps.iter();
    steps.any(|step| matches!(step, Step::MountClaim { .. }))
        || !observed
            .world
            .shared_data_claims(container.as_deref())
            .is_empty()
}

/// Plans to scale the workload back to the pods that it had, and to no more than one where they
/// would share the data directory.
pub fn plan_scale_up(
    observed: &ObservedRecovery,
    workload: Option<&WorkloadFound>,
    plan: &mut RecoveryPlan,
) {
    if let Some(found) = observed.world.pods_found() {
        let owner = found.owner.as_ref().map(OwnerName::describe);
        plan.notes.push(format!(
            "Holdfast starts no pods that another operator runs: start them with the tool of {}. \
             CloudNativePG takes only claims that it knows; see docs/bare-pods.md",
            owner.as_deref().unwrap_or("what controls them")
        ));
        return;
    }
    let Some(workload) = workload else {
        plan.notes.push(
            "the workload does not exist: apply it again from where you keep it; its claims are \
             ready for it"
                .to_owned(),
        );
        return;
    };
    let scaled_down = plan.steps.iter().find_map(|step| match step {
        Step::ScaleDown(step) => Some(step.replicas),
        _ => None,
    });
    // A workload that runs was scaled up by somebody else, or the note came with a copy of another.
    let noted = workload
        .replicas_before()
        .filter(|_| workload.replicas == 0);
    if let Some(replicas) = scaled_down.or(noted) {
        let mut step = scale(workload, replicas);
        if replicas > 1 && shares_data(observed, plan) {
            step.scaled_up_to = 1;
            plan.notes.push(format!(
                "{} {} had {replicas} replicas on one data directory, which two servers destroy: \
                 it is scaled to 1. Set that where you keep it, too",
                workload.kind,
                workload.name()
            ));
        }
        plan.steps.push(Step::ScaleUp(step));
    } else if workload.replicas == 0 {
        let (kind, name) = (workload.kind, workload.name());
        plan.notes.push(format!(
            "{kind} {name} is scaled to 0: kubectl -n {} scale {} {name} --replicas=1",
            observed.world.namespace_name,
            kind.to_string().to_lowercase()
        ));
    }
}
