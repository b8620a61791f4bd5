//! What a recovery touches is the database's own, and of this namespace: what is not blocks it before
//! its first step. Pure.

use super::known::known;
use crate::api::names::NAMESPACE_UID_ANNOTATION;
use crate::guard;
use crate::plan::Blocker;
use crate::world::{ClaimBinding, ObservedRecovery, VolumeFound, WorkloadFound};

/// The other ProtectedDatabase that has marked a volume, if one has.
fn marked_by_another<'a>(
    observed: &ObservedRecovery,
    metadata: &'a k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Option<&'a str> {
    guard::marked_owner(metadata).filter(|owner| *owner != observed.world.owner())
}

/// A claim that another database guards, or that nothing ties to this one, does not belong to it.
pub fn refuse_claim_of_another(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
) -> Result<(), Blocker> {
    let (namespace, name) = (&observed.world.namespace_name, &observed.world.name);
    let claim = &binding.desired.claim;
    let metadata = binding.claim.as_ref();
    let metadata = metadata.and_then(|claim| claim.metadata.as_ref());
    if let Some(other) = metadata.and_then(|metadata| marked_by_another(observed, metadata)) {
        return Err(Blocker::new(format!(
            "claim {claim} is guarded by ProtectedDatabase {other} now, so it is not changed. To \
             recover another claim of {name}, name its volume: kubectl holdfast recover {name} -n \
             {namespace} --volume VOLUME"
        )));
    }
    if observed.owns_claim(binding) {
        return Ok(());
    }
    Err(Blocker::new(format!(
        "claim {claim} is not known to belong to ProtectedDatabase {namespace}/{name}, so it is not \
         changed: it does not have its mark, its workload and spec.extraClaims do not name it, and it \
         is not in its DatabaseLedger. If it belongs to this database, add it to spec.extraClaims: \
         kubectl -n {namespace} edit protdb {name}"
    )))
}

/// A volume that another database guards, or that was another owner's before the name of the namespace
/// was used again, is not used.
pub fn refuse_volume_of_another(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
    volume: &VolumeFound,
) -> Result<(), Blocker> {
    let (name, namespace) = (volume.name(), &observed.world.namespace_name);
    if let Some(other) = marked_by_another(observed, &volume.metadata) {
        return Err(Blocker::new(format!(
            "PersistentVolume {name} is guarded by ProtectedDatabase {other}, so it is not \
             changed. See it: kubectl get pv {name} -o yaml"
        )));
    }
    if observed.is_of_namespace(binding, volume) {
        return Ok(());
    }
    let said = if guard::noted_namespace(&volume.metadata).is_some() {
        format!("is of another Namespace {namespace}, which was deleted; the name is used again")
    } else {
        format!(
            "is not known to be of this Namespace {namespace}, and not of one that had the name before"
        )
    };
    let uid = observed.world.namespace_uid().unwrap_or("UID");
    Err(Blocker::new(format!(
        "PersistentVolume {name} {said}, so its data may be another owner's, and it is not used. If it \
         is the same owner's, say so: kubectl annotate pv {name} --overwrite \
         {NAMESPACE_UID_ANNOTATION}={uid}"
    )))
}

/// A pod that the workload does not control is not stopped by a recovery, and would run on the claim
/// beside the database.
pub fn refuse_pods_of_others(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
) -> Result<(), Blocker> {
    if binding.pods.is_empty() {
        return Ok(());
    }
    known(&observed.world.pods)?;
    let others = observed.other_pods(binding);
    if others.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = others.iter().map(|pod| pod.name.as_str()).collect();
    let workload = observed.world.workload_found().map_or_else(
        || "the workload of the database, which does not exist, does not control".to_owned(),
        |workload| format!("{} {} does not control", workload.kind, workload.name()),
    );
    let (verb, pods) = match names[..] {
        [_] => ("uses", "Pod"),
        _ => ("use", "Pods"),
    };
    Err(Blocker::new(format!(
        "{pods} {} {verb} claim {}, and {workload} {}: a recovery stops only pods of the database, so \
         nothing is changed. Stop what runs there first. See what it is: kubectl -n {} describe pod {}",
        names.join(", "),
        binding.desired.claim,
        if names.len() == 1 { "it" } else { "them" },
        observed.world.namespace_name,
        names.join(" "),
    )))
}

/// A workload that another database guards, or names first, is not scaled or changed.
pub fn refuse_workload_of_another(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
) -> Result<(), Blocker> {
    known(&observed.world.neighbours)?;
    let (namespace, kind, name) = (
        &observed.world.namespace_name,
        workload.kind,
        workload.name(),
    );
    let rival = observed.world.rival();
    let rival = rival.map(|rival| crate::api::names::protected_by(namespace, rival));
    let other = marked_by_another(observed, &workload.metadata).map(ToOwned::to_owned);
    match other.or(rival) {
        None => Ok(()),
        Some(other) => Err(Blocker::new(format!(
            "{kind} {name} is the workload of ProtectedDatabase {other}, so it is not scaled or \
             changed. Name the workload of {} in its spec: kubectl -n {namespace} edit protdb {}",
            observed.world.name, observed.world.name
        ))),
    }
}
