//! A `DatabaseRestore` that is deleted on its way: the workload gets back the pods that it had, as
//! long as its claims are as they were. Pure.

use super::known::known;
use super::{left_behind, workload};
use crate::guard;
use crate::plan::{Blocker, RecoveryPlan, Step};
use crate::world::{ObservedRecovery, WorkloadFound};

/// What is to be done for a workload when the restore that has stopped it is deleted.
#[derive(Clone, Debug, PartialEq)]
pub enum GiveBack {
    /// Nothing: it runs, or nobody knows how many pods it had.
    Nothing,
    /// These steps: its claims are as they were, or where they belong.
    Steps(RecoveryPlan),
    /// A claim is gone or on its way, so the restore goes on until it is where it belongs.
    GoOn,
}

/// Decides what to do for the workload.
///
/// # Errors
/// What must be known for it could not be read.
pub fn plan_give_back(observed: &ObservedRecovery) -> Result<GiveBack, Blocker> {
    let namespace = known(&observed.world.namespace)?.as_ref();
    if namespace.is_none_or(|namespace| namespace.deletion_timestamp.is_some()) {
        return Ok(GiveBack::Nothing);
    }
    known(&observed.world.workload)?;
    let is_stopped =
        |workload: &&WorkloadFound| workload.replicas == 0 && workload.replicas_before().is_some();
    let stopped = observed.world.workload_found().filter(is_stopped);
    let Some(stopped) = stopped else {
        return Ok(GiveBack::Nothing);
    };
    known(&observed.bindings)?;
    if !observed.is_undisturbed() {
        return Ok(GiveBack::GoOn);
    }
    let mut plan = RecoveryPlan::default();
    left_behind::plan_revocations(observed, &mut plan)?;
    // What users have confirmed is theirs.
    plan.steps.retain(|step| {
        matches!(step, Step::RevokeConfirmation(step) if guard::is_of_restore(&step.metadata))
    });
    workload::plan_scale_up(observed, Some(stopped), &mut plan);
    Ok(GiveBack::Steps(plan))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that can't go on should say where"
    )]

    use super::*;
    use crate::scenarios::stopped_for_restore;
    use crate::world::Fact;

    #[test]
    fn pods_are_given_back_where_the_claims_are_as_they_were() {
        let observed = stopped_for_restore();
        let GiveBack::Steps(plan) = plan_give_back(&observed).unwrap() else {
            panic!("nothing is given back")
        };
        assert!(matches!(&plan.steps[..], [Step::ScaleUp(step)] if step.scaled_up_to == 1));
    }

    #[test]
    fn no_pod_is_given_back_to_a_claim_that_is_gone_or_going() {
        let mut gone = stopped_for_restore();
        if let Fact::Known(bindings) = &mut gone.bindings {
            bindings[0].claim = None;
        }
        assert_eq!(plan_give_back(&gone), Ok(GiveBack::GoOn));
        let mut lost = stopped_for_restore();
        if let Fact::Known(bindings) = &mut lost.bindings {
            bindings[0].other_volume = None;
        }
        assert_eq!(plan_give_back(&lost), Ok(GiveBack::GoOn));
        let mut unread = stopped_for_restore();
        unread.bindings = Fact::Unknown("refused".to_owned());
        assert!(plan_give_back(&unread).is_err());
    }

    #[test]
    fn a_workload_that_runs_is_left_alone() {
        let mut observed = stopped_for_restore();
        if let Fact::Known(crate::world::WorkloadFact::Found(workload)) =
            &mut observed.world.workload
        {
            workload.replicas = 1;
        }
        assert_eq!(plan_give_back(&observed), Ok(GiveBack::Nothing));
    }
}
