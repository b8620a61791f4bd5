//! The rules about storage that more than one object stands for: a volume beside the guarded one, and
//! what the ledger remembers of the volumes. Pure.

use super::Step;
use super::scope::Scope;
use crate::world::Fact;

/// Make sure that of the volumes of others only one is written to whose deletion would delete the files
/// of a volume of this database, by what was read of both in this pass.
pub fn twins_endanger_guarded_volumes(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::RetainTwin(step) = &steps[position] else {
        return Ok(());
    };
    let observed = scope.database()?;
    let Some(twins) = observed.twins.known() else {
        return Err("the volumes for the same storage could not be read");
    };
    let mut twins = twins.found.iter();
    let endangers = twins.any(|twin| {
        twin.volume.metadata.uid == step.metadata.uid
            && observed
                .guarded_volume(&twin.of)
                .is_some_and(|guarded| twin.volume.storage.takes_along(&guarded.storage))
    });
    if endangers {
        Ok(())
    } else {
        Err("it is not for the storage of a volume of this database")
    }
}

/// Make sure that no pods are started while others write to the same files through another volume object:
/// two servers destroy them.
pub fn no_server_beside_that_of_a_twin(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    if !matches!(steps[position], Step::ScaleUp(_)) {
        return Ok(());
    }
    let observed = scope.recovery()?;
    for binding in observed.known_bindings() {
        match observed.writer_beside(binding) {
            Fact::Known(None) => {}
            Fact::Known(Some(_)) => {
                return Err("a pod writes to the same storage through another PersistentVolume");
            }
            Fact::Unknown(_) => {
                return Err(
                    "it is not known who uses another PersistentVolume for the same storage",
                );
            }
        }
    }
    Ok(())
}

/// Make sure that the ledger does not forget a volume that the last good check saw: without it that
/// data can't be brought back.
pub fn needed_volumes_are_remembered(
    scope: &Scope<'_>,
    steps: &[Step],
    position: usize,
) -> Result<(), &'static str> {
    let Step::WriteLedger { status, .. } = &steps[position] else {
        return Ok(());
    };
    let before = scope.database()?.ledger.known().and_then(Option::as_ref);
    let before = before.and_then(|fact| fact.ledger.status.as_ref());
    let mut needed = before
        .into_iter()
        .flat_map(|before| &before.volumes)
        .filter(|volume| status.needs(volume));
    if needed.all(|needed| status.volumes.iter().any(|volume| volume.is_same(needed))) {
        Ok(())
    } else {
        Err("it would forget a volume that the last good check saw")
    }
}
