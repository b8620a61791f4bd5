//! From what was read to the steps that recover a database, and what blocks them.

use super::claims::restore_binding;
use super::compare::compare_running;
use super::known::known;
use super::ownership::{refuse_pods_of_rival, refuse_workload_of_another};
use super::{left_behind, objects, workload};
use crate::plan::{Blocker, RecoveryPlan};
use crate::world::{ObservedRecovery, WorkloadFact, WorkloadFound};

/// Plans how to recover a database.
///
/// # Errors
/// What blocks it; then nothing is to be done.
pub fn plan_recovery(observed: &ObservedRecovery) -> Result<RecoveryPlan, Blocker> {
    let mut plan = RecoveryPlan::default();
    if let Some(other) = &observed.world.other_namespace {
        return Err(Blocker::new(other.describe()));
    }
    let workload = workload_of(observed)?;
    objects::plan_namespace(observed, &mut plan)?;
    for binding in known(&observed.bindings)? {
        restore_binding(observed, workload, binding, &mut plan)?;
    }
    if let Some(workload) = workload {
        workload::plan_mounts(observed, workload, &mut plan)?;
    }
    objects::plan_database(observed, &mut plan)?;
    compare_running(observed, workload, &mut plan);
    workload::plan_scale_up(observed, workload, &mut plan);
    left_behind::plan_revocations(observed, &mut plan)?;
    Ok(plan)
}

/// The workload, if it exists. Two of one name are left alone: the wrong one must not be scaled
/// down.
fn workload_of(observed: &ObservedRecovery) -> Result<Option<&WorkloadFound>, Blocker> {
    let (namespace, name) = (&observed.world.namespace_name, &observed.world.name);
    match known(&observed.world.workload)? {
        WorkloadFact::Found(found) => {
            refuse_workload_of_another(observed, found)?;
            Ok(Some(found))
        }
        WorkloadFact::Pods(_) => {
            refuse_pods_of_rival(observed)?;
            Ok(None)
        }
        WorkloadFact::NotFound => Ok(None),
        WorkloadFact::Ambiguous => Err(Blocker::new(format!(
            "namespace {namespace} has both a StatefulSet and a Deployment of the name in \
             spec.workload, and spec.workload.kind does not say which one runs Postgres. Set it: \
             kubectl -n {namespace} patch protdb {name} --type=merge -p \
             '{{\"spec\":{{\"workload\":{{\"kind\":\"StatefulSet\"}}}}}}'"
        ))),
    }
}
