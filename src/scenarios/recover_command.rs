//! What the command `recover` does, against the API server in memory.

use super::api_server::CrashPoint;
use super::cluster::Cluster;
use crate::api::names::PLUGIN_MANAGER;
use crate::execute::Executor;
use crate::plan::{Scope, Step, check_recovery};
use crate::recovery::look;

/// What `kubectl holdfast recover --yes` does, over and over until nothing is left to do.
pub async fn recover(cluster: &Cluster, crash: Option<CrashPoint>) {
    let client = cluster.server.client(crash);
    let executor = Executor::new(client.clone(), PLUGIN_MANAGER, "atra", "knowledge");
    for _ in 0..100 {
        let recovery = look(&client, "atra", "knowledge", None).await;
        if cluster.server.has_crashed() {
            return;
        }
        let plan = recovery.plan.expect("nothing blocks it");
        if plan.steps.is_empty() {
            return;
        }
        let scope = Scope::User {
            observed: &recovery.observed,
            confirmed: None,
        };
        assert_eq!(check_recovery(&scope, &plan), Ok(()));
        for step in plan
            .steps
            .iter()
            .take_while(|step| !matches!(step, Step::Await(_)))
        {
            if let Err(error) = executor.execute(step).await {
                if cluster.server.has_crashed() {
                    return;
                }
                assert!(error.is_conflict(), "{error}");
                break;
            }
        }
        cluster.settle_kubernetes();
    }
    panic!("it never ends: {:?}", cluster.server.store().writes);
}
