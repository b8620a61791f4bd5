//! What a recovery touches is the database's own, and of this namespace: what is not blocks it before
//! its first step. Pure.

use super::super::bare_pods::stop_owner;
use super::super::pods::{describe_pod, list_pods, stop_command};
use super::known::known;
use crate::api::names::NAMESPACE_UID_ANNOTATION;
use crate::guard;
use crate::plan::Blocker;
use crate::world::{ClaimBinding, Fact, ObservedRecovery, PodFact, VolumeFound, WorkloadFound};

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
    let workload = match (observed.world.workload_found(), observed.world.pods_found()) {
        (Some(found), _) => format!("{} {} does not control", found.kind, found.name()),
        (None, Some(_)) => "spec.workload.selector does not select".to_owned(),
        (None, None) => {
            "the workload of the database, which does not exist, does not control".to_owned()
        }
    };
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

/// A pod that writes to the same files through another volume object is a second server beside that of the
/// database, as soon as its pods start.
pub fn refuse_writers_beside(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
) -> Result<(), Blocker> {
    let (twin, pod) = match observed.writer_beside(binding) {
        Fact::Known(None) => return Ok(()),
        Fact::Known(Some(found)) => found,
        Fact::Unknown(why) => return Err(Blocker::Unread(why)),
    };
    let (name, of) = (twin.volume.name(), &twin.of);
    let claim = twin.volume.claim.clone().unwrap_or_default();
    let namespace = &observed.world.namespace_name;
    let used = if claim.namespace.as_ref() == Some(namespace) {
        format!(
            "{} uses it by claim {}. Stop what does not belong there first: {}",
            describe_pod(pod),
            claim.name.unwrap_or_default(),
            stop_command(namespace, pod)
        )
    } else {
        format!(
            "a pod of another namespace uses it. Who may read PersistentVolumes sees whose it is: kubectl \
             get pv {name} {of}"
        )
    };
    Err(Blocker::new(format!(
        "PersistentVolume {name} is for the same storage as PersistentVolume {of}, and {used}. Two servers \
         on the same files destroy them, so nothing is changed"
    )))
}

/// A workload that another database names too is not scaled or changed: it may be the other's.
pub fn refuse_workload_of_another(
    observed: &ObservedRecovery,
    workload: &WorkloadFound,
) -> Result<(), Blocker> {
    let (namespace, kind, name) = (
        &observed.world.namespace_name,
        workload.kind,
        workload.name(),
    );
    // One that a recovery has stopped gets its pods back, unless it is an older database's.
    let is_stopped = workload.replicas == 0 && workload.replicas_before().is_some();
    let mut neighbours = known(&observed.world.neighbours)?.iter();
    let other = neighbours.find(|other| other.same_workload && (other.older || !is_stopped));
    match other {
        None => Ok(()),
        Some(other) => Err(Blocker::new(format!(
            "{kind} {name} is the workload of ProtectedDatabase {namespace}/{} too, so it is not \
             scaled or changed: its pods may be those of the other. Name the right workload in each of \
             the two, or delete the one that is too many: kubectl -n {namespace} edit protdb {}",
            other.name, observed.world.name
        ))),
    }
}

/// Pods that an older ProtectedDatabase selects too are its own.
pub fn refuse_pods_of_rival(observed: &ObservedRecovery) -> Result<(), Blocker> {
    known(&observed.world.neighbours)?;
    let namespace = &observed.world.namespace_name;
    match observed.world.rival() {
        None => Ok(()),
        Some(rival) => Err(Blocker::new(format!(
            "the pods of spec.workload.selector are the workload of ProtectedDatabase \
             {namespace}/{rival}, so nothing is changed. Correct the labels of {name}: kubectl -n \
             {namespace} edit protdb {name}",
            name = observed.world.name
        ))),
    }
}

/// Pods without a workload can't be stopped by Holdfast: nothing keeps them stopped but what controls
/// them.
pub fn refuse_running_pods(
    observed: &ObservedRecovery,
    binding: &ClaimBinding,
) -> Result<(), Blocker> {
    let Some(found) = observed.world.pods_found() else {
        return Ok(());
    };
    let pods: Vec<&PodFact> = binding.pods.iter().filter(|pod| !pod.ended).collect();
    if pods.is_empty() {
        return Ok(());
    }
    let (namespace, claim) = (&observed.world.namespace_name, &binding.desired.claim);
    Err(Blocker::new(format!(
        "{} {} on claim {claim} must stop before it is replaced; Holdfast does not stop pods that \
         another operator runs, so nothing is changed. {}. The recovery goes on when they are gone",
        if pods.len() == 1 { "Pod" } else { "Pods" },
        list_pods(&pods),
        stop_owner(namespace, found.owner.as_ref(), &pods)
    )))
}
