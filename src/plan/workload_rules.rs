//! The rules about workloads: nothing on one says whose it is, so what the ProtectedDatabases of the
//! namespace name decides. Pure.

use super::scope::Scope;
use super::{ConfirmedKind, Step};

/// Make sure that a workload is marked, noted on and released only by the oldest database that names
/// it, and that no marks are removed that another one needs.
pub fn only_our_workload(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let released = match &steps[position] {
        Step::MarkWorkload(_) | Step::NoteMountRepair(_) => None,
        Step::RevokeConfirmation(step) if matches!(step.kind, ConfirmedKind::Workload(_)) => None,
        Step::ReleaseWorkload(kind, release) => Some((*kind, &release.metadata)),
        _ => return Ok(()),
    };
    let Scope::Database { observed, .. } = scope else {
        return Ok(());
    };
    if observed.neighbours.known().is_none() {
        return Err("another ProtectedDatabase may name it: they could not be read");
    }
    match released {
        Some((kind, metadata)) => {
            let name = metadata.name.as_deref().unwrap_or_default();
            if observed.is_named_by_another(kind, name) {
                return Err("another ProtectedDatabase names it");
            }
        }
        None if observed.rival().is_some() => return Err("an older ProtectedDatabase names it"),
        None => {}
    }
    Ok(())
}

/// Make sure that a recovery stops and changes no workload that another database names too, and gives
/// pods back to none that an older one names: the pods may be those of the other.
pub fn recovery_leaves_the_workloads_of_others(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let starts = match &steps[position] {
        Step::ScaleDown(_) | Step::MountClaim { .. } => false,
        Step::ScaleUp(_) => true,
        _ => return Ok(()),
    };
    let world = &scope.recovery()?.world;
    let Some(neighbours) = world.neighbours.known() else {
        return Err("another ProtectedDatabase may name it: they could not be read");
    };
    let is_contested = neighbours.iter().any(|other| other.same_workload);
    if world.rival().is_some() || (is_contested && !starts) {
        Err("another ProtectedDatabase names it")
    } else {
        Ok(())
    }
}
