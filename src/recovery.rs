//! One pass over a database that is to be recovered: what exists, and what is to be done. Used by
//! `kubectl holdfast recover`, with the permissions of its user, and by the operator for a
//! `DatabaseRestore`.

use kube::Client;

use crate::decide::recover::{desired_claims, plan_recovery};
use crate::plan::{Blocker, RecoveryPlan};
use crate::world::{Fact, ObservedRecovery, Reader, WorkloadFact};

/// What was read, and the plan made of it or what blocks one.
pub struct Recovery {
    /// What was read.
    pub observed: ObservedRecovery,
    /// What is to be done.
    pub plan: Result<RecoveryPlan, Blocker>,
}

/// Reads what exists of one database and plans how to recover it. With `volume` only the claim that
/// this volume belongs to.
pub async fn look(client: &Client, namespace: &str, name: &str, volume: Option<&str>) -> Recovery {
    let mut observed = Box::pin(fetch(client, namespace, name)).await;
    let reader = Reader::new(client.clone(), namespace);
    let named = match volume {
        Some(volume) => reader.volume(volume).await,
        None => Fact::Known(None),
    };
    let desired = match &named {
        Fact::Unknown(why) => Err(Blocker::Unread(why.clone())),
        Fact::Known(found) => {
            desired_claims(&observed, volume.map(|volume| (volume, found.as_ref())))
        }
    };
    let plan = match desired {
        Err(blocker) => Err(blocker),
        Ok(desired) => {
            observed.bindings = reader.bindings(desired).await;
            plan_recovery(&observed)
        }
    };
    Recovery { observed, plan }
}

async fn fetch(client: &Client, namespace: &str, name: &str) -> ObservedRecovery {
    let reader = Reader::new(client.clone(), namespace);
    let (world, database) = Box::pin(reader.remains(name)).await;
    let mut observed = ObservedRecovery {
        database,
        bindings: Fact::Unknown("it is not known which claims the database needs".to_owned()),
        world,
    };
    observed.world.workload = match (&observed.database, &observed.world.ledger) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        (Fact::Known(database), Fact::Known(_)) => match observed.spec() {
            Some(spec) => {
                let neighbours = reader
                    .neighbours(name, database.as_ref(), &spec.workload)
                    .await;
                observed.world.neighbours = neighbours;
                reader.workload(&spec.workload).await
            }
            // Nobody says what the workload was.
            None => Fact::Known(WorkloadFact::NotFound),
        },
    };
    let (workload, selected) = (observed.world.workload_found(), observed.world.pods_found());
    observed.world.pods = match (workload, selected) {
        (Some(workload), _) => reader.workload_pods(workload).await,
        (None, Some(selected)) => reader.selected_pods(selected).await,
        (None, None) => Fact::Known(Vec::new()),
    };
    observed
}
