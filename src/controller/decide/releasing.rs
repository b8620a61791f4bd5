//! The way out: taking the marks off in an order in which nothing is left without an owner. Deletes no data. Pure.

use super::super::observed::{Observed, VolumeFact};
use super::super::plan::{Permit, Plan, Release, Step, VolumeStep};
use crate::api::{ConditionStatus, ConditionType, DesiredCondition, reasons};
use crate::guard::{self, MarkState, Marks};

/// Plans what the deletion of a ProtectedDatabase asks for: all marks off if it is confirmed, nothing if it is not.
pub fn release_all(observed: &Observed, plan: &mut Plan) {
    let metadata = &observed.database.metadata;
    if let Some(status) = &observed.database.status {
        let generation = plan.status.observed_generation;
        plan.status = status.clone();
        plan.status.conditions = Vec::new();
        plan.status.observed_generation = generation;
    }
    if !metadata.finalizers.iter().flatten().any(|finalizer| finalizer == crate::api::names::KEEP_FINALIZER) {
        return;
    }
    let uid = metadata.uid.clone().unwrap_or_default();
    if !guard::deletion_confirmed(metadata) {
        let (namespace, name) = (observed.namespace_name(), observed.name());
        plan.conditions.push(DesiredCondition {
            condition: ConditionType::Stalled,
            status: ConditionStatus::True,
            reason: reasons::DELETION_NOT_CONFIRMED,
            message: format!(
                "the ProtectedDatabase was deleted without confirmation; the guard stays until you confirm: kubectl -n {namespace} annotate \
                 protdb {name} {}={uid}",
                crate::api::names::CONFIRM_DELETION_ANNOTATION
            ),
        });
        return;
    }
    if release_guard(observed, &Permit::DatabaseConfirmed(uid.clone()), plan) {
        plan.steps.push(Step::ReleaseDatabase(Release { metadata: Box::new(metadata.clone()), permit: Permit::DatabaseConfirmed(uid) }));
    }
}

/// Plans to take all marks off but the database's own. Says whether everything that carries one was read.
pub fn release_guard(observed: &Observed, permit: &Permit, plan: &mut Plan) -> bool {
    let owner = observed.owner();
    let release = |metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| Release {
        metadata: Box::new(metadata.clone()),
        permit: permit.clone(),
    };
    let (Some(claims), Some(_), Some(namespace)) = (observed.claims.known(), observed.workload.known(), observed.namespace.known()) else {
        return false;
    };
    let mut complete = true;
    for claim in claims {
        let Some(metadata) = &claim.metadata else { continue };
        if guard::marked_owner(metadata) != Some(owner.as_str()) {
            continue;
        }
        match &claim.volume {
            VolumeFact::Found(volume) if guard::marked_owner(&volume.metadata) == Some(owner.as_str()) => {
                if volume.reclaim_policy != guard::RETAIN {
                    let metadata = Box::new(volume.metadata.clone());
                    plan.steps.push(Step::RetainVolume(VolumeStep { metadata, reclaim_policy: volume.reclaim_policy.clone() }));
                    complete = false;
                    continue;
                }
                plan.steps.push(Step::ReleaseVolume(release(&volume.metadata)));
            }
            VolumeFact::Unknown(_) => {
                complete = false;
                continue;
            }
            VolumeFact::Found(_) | VolumeFact::NotBound | VolumeFact::Gone(_) => {}
        }
        plan.steps.push(Step::ReleaseClaim(release(metadata)));
    }
    if let Some(workload) = observed.workload_found()
        && guard::marked_owner(&workload.metadata) == Some(owner.as_str())
    {
        plan.steps.push(Step::ReleaseWorkload(workload.kind, release(&workload.metadata)));
    }
    // The mark of a namespace is shared: the last of its databases takes it off.
    let last = observed.neighbours.known().is_some_and(Vec::is_empty);
    if last && guard::mark_state(namespace, &owner, Marks::Shared) == MarkState::Ours {
        plan.steps.push(Step::ReleaseNamespace(release(namespace)));
    }
    complete
}
