//! Everything in the cluster has forgotten the database, and only the bucket remembers it.

use holdfast::api::{DatabaseLedger, names, reasons};
use kube::Api;
use kube::api::DeleteParams;

use crate::ledger::forget_checks;
use crate::release::release;
use crate::support::{NAME, Scene, Server, assert_tells, beside_others, build_database};

#[test]
fn a_database_that_only_its_last_good_backup_remembers_is_not_greeted_as_new() {
    beside_others("only-backup", async |scene| {
        let server = Server::new(scene).as_superuser();
        let start = scene.protect_filled(&server).await;
        release(scene).await;
        forget(scene).await;
        server.shell(scene, "mv $PGDATA /var/lib/postgresql/data/moved-away");
        server.restart_pod(scene, &start).await;

        let mut database = build_database(scene, &server);
        database.spec.verification.tables.clear();
        scene.protect(&database).await;
        let message = scene.wait_reset(reasons::CLUSTER_REINITIALIZED).await;
        let prefix = format!(
            "as in the backup end-to-end/{0}/{0}/knowledge/",
            scene.namespace()
        );
        assert_tells(
            &message,
            &[
                &prefix,
                "26,337 -> 27 rows",
                "all that is left is 28 rows in 2 tables",
            ],
        );
        let reset = scene.status().await;
        assert!(
            reset.baseline.is_none() && reset.last_good_backup.is_some(),
            "nothing new counts as good: {reset:?}"
        );
    });
}

#[test]
fn a_database_that_only_its_last_good_backup_remembers_and_that_is_well_is_green() {
    beside_others("backup-agrees", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        release(scene).await;
        forget(scene).await;
        scene.protect(&build_database(scene, &server)).await;
        scene.wait_verified().await;
        let checks = scene.checks().await;
        let verdict = checks[0]
            .status
            .as_ref()
            .and_then(|status| status.verdict.clone())
            .expect("a verdict");
        assert_tells(
            &verdict.message,
            &["same database cluster as in the backup end-to-end/"],
        );
    });
}

/// The ledger and the checks are deleted, as the loss of the cluster's own memory would do.
async fn forget(scene: &Scene) {
    forget_checks(scene).await;
    let ledgers: Api<DatabaseLedger> = Api::all(scene.client.clone());
    ledgers
        .delete(
            &names::ledger(scene.namespace(), NAME),
            &DeleteParams::default(),
        )
        .await
        .expect("a deletion");
}
