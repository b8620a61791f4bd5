//! The memory outside the namespace: what is in it, that it can't be lost by accident, and that a
//! database which comes back meets its past.

use holdfast::api::{CheckOutcome, DatabaseCheck, DatabaseLedger, names, reasons};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};

use crate::data_lost::ask_for_a_check;
use crate::release::release;
use crate::support::{
    EXPERTS, NAME, NODES, Scene, Server, assert_tells, beside_others, build_plain_database,
    outcome, volume_of,
};

#[test]
fn everything_that_is_needed_to_come_back_is_remembered_outside_the_namespace() {
    beside_others("ledger", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        scene.settle().await;
        let database = scene.database().await;
        let ledger = fetch_ledger(scene).await;
        let remembered = ledger.status.expect("a memory");
        assert_eq!(Some(remembered.database_uid), database.uid());
        let baseline = remembered.baseline.expect("a baseline");
        assert_eq!(baseline.evidence.total_rows, i64::from(EXPERTS + NODES));
        assert_eq!(
            baseline.evidence.identity.system_identifier,
            server.sql(scene, "SELECT system_identifier FROM pg_control_system()")
        );
        let volume = volume_of(scene, &server.claim()).await;
        assert_eq!(baseline.volumes[0].volume, volume.name_any());

        assert_eq!(remembered.volumes.len(), 1);
        let manifests = &remembered.volumes[0];
        assert_eq!(
            (manifests.claim.as_str(), manifests.volume.as_str()),
            (server.claim().as_str(), volume.name_any().as_str())
        );
        let again: PersistentVolume =
            serde_json::from_value(manifests.volume_manifest.clone()).expect("a PersistentVolume");
        let (again, spec) = (again.spec.expect("a spec"), volume.spec.expect("a spec"));
        assert_eq!(
            (&again.host_path, &again.local, &again.capacity),
            (&spec.host_path, &spec.local, &spec.capacity)
        );
        assert_eq!(
            manifests.claim_manifest["spec"]["volumeName"],
            volume.metadata.name.expect("a name")
        );
        let backup = remembered.last_good_backup.expect("a backup");
        assert!(
            scene
                .testbed
                .object(&format!("{}/manifest.json", backup.path))
                .is_ok(),
            "{backup:?}"
        );

        let name = names::ledger(scene.namespace(), NAME);
        let refused = scene.refused(&format!("delete dbledger {name}"));
        assert_tells(
            &refused,
            &[
                "Holdfast refuses to delete DatabaseLedger",
                "nothing outside the namespace would record which volume holds the database",
            ],
        );
        assert_tells(
            &scene.refused(&format!(
                "label dbledger {name} {}-",
                names::PROTECTED_LABEL
            )),
            &["refuses to remove the label"],
        );
    });
}

#[test]
fn a_database_that_comes_back_without_its_data_is_not_greeted_as_new() {
    beside_others("ledger-back", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        release(scene).await;
        let past = fetch_ledger(scene).await;
        assert!(
            !past.labels().contains_key(names::PROTECTED_LABEL),
            "released with the database, and still there"
        );
        forget_checks(scene).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");

        scene.protect(&build_plain_database(scene, &server)).await;
        let message = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        let known = past
            .status
            .expect("a memory")
            .baseline
            .expect("a baseline")
            .check;
        assert_tells(
            &message,
            &[
                "public.knowledge_nodes: 26,337 -> 0 rows",
                &format!("DatabaseCheck {known}"),
            ],
        );

        server.sql(
            scene,
            "INSERT INTO knowledge_nodes SELECT n, 1, 'again' FROM generate_series(1, 26337) n",
        );
        assert_eq!(
            outcome(&ask_for_a_check(scene).await),
            Some(CheckOutcome::Verified)
        );
        scene.wait_green().await;
    });
}

/// The check that everything is compared with is deleted, by a clean-up script or by hand.
#[test]
fn a_deleted_baseline_is_remembered() {
    beside_others("ledger-baseline", async |scene| {
        let server = Server::new(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        forget_checks(scene).await;
        server.sql(scene, "TRUNCATE knowledge_nodes");
        ask_for_a_check(scene).await;
        let message = scene.wait_reset(reasons::TABLES_EMPTIED).await;
        assert_tells(&message, &["public.knowledge_nodes: 26,337 -> 0 rows"]);
    });
}

async fn fetch_ledger(scene: &Scene) -> DatabaseLedger {
    let ledgers: Api<DatabaseLedger> = Api::all(scene.client.clone());
    ledgers
        .get(&names::ledger(scene.namespace(), NAME))
        .await
        .expect("the ledger")
}

/// The checks are deleted, by a clean-up script or by hand.
pub async fn forget_checks(scene: &Scene) {
    let checks = scene.api::<DatabaseCheck>();
    checks
        .delete_collection(&DeleteParams::background(), &ListParams::default())
        .await
        .expect("a deletion");
}
