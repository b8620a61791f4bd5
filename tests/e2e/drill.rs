//! A drill proves a backup by bringing it back in a throwaway server; and finds that an object of the set has
//! lost a bit in the bucket.

use std::time::Instant;

use holdfast::api::{
    ConditionStatus, ConditionType, DatabaseBackup, DatabaseRestore, RestoreState, reasons,
};
use holdfast::store::Manifest;
use kube::ResourceExt as _;
use serde_json::json;

use crate::support::{
    ALL_ROWS, NAME, Scene, Server, assert_ran, assert_tells, beside_others, holdfast,
};

/// Waits until `RestoreProven` says that.
async fn wait_proven(scene: &Scene, status: ConditionStatus, reason: &str) -> String {
    scene
        .wait(&format!("RestoreProven to be {reason}"), async || {
            let conditions = scene.status().await.conditions;
            let found = conditions
                .into_iter()
                .find(|found| found.type_ == ConditionType::RestoreProven.as_str())
                .ok_or_else(|| "it is not shown".to_owned())?;
            if found.status == status.as_str() && found.reason == reason {
                Ok(found.message)
            } else {
                Err(format!(
                    "{} {}: {}",
                    found.status, found.reason, found.message
                ))
            }
        })
        .await
}

/// Inverts one bit in the middle of the dump of the main database.
fn lose_a_bit(scene: &Scene, path: &str) {
    let manifest = scene.testbed.object(&format!("{path}/manifest.json"));
    let manifest: Manifest =
        serde_json::from_slice(&manifest.expect("the manifest")).expect("a manifest");
    let key = format!("{path}/{}", manifest.databases[0].object);
    let mut bytes = scene.testbed.object(&key).expect("the dump");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    scene.testbed.put_object(&key, &bytes).expect("the dump");
}

#[test]
fn a_drill_proves_a_backup_and_finds_a_bit_that_its_set_has_lost() {
    beside_others("drill", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let backup = scene
            .wait("a backup that counts", async || {
                let backup = scene.list::<DatabaseBackup>().await.remove(0);
                let counts = backup.counts();
                counts
                    .then_some(backup)
                    .ok_or_else(|| "none yet".to_owned())
            })
            .await;
        let shown = scene.status().await.conditions;
        let proven = ConditionType::RestoreProven.as_str();
        assert!(
            shown.iter().all(|found| found.type_ != proven),
            "nobody has asked"
        );
        // On a volume: a node whose disk is four fifths full would stop it, and that of a developer often is.
        let storage = json!({"size": "2Gi", "storageClassName": "local-path"});
        scene
            .change(json!({"spec": {"drill": {"schedule": "@yearly", "storage": storage}}}))
            .await;
        let namespace = scene.namespace();
        let asked = format!("drill {NAME} -n {namespace} --timeout 300");

        let began = Instant::now();
        let ran = holdfast(scene, &asked);
        assert_ran(
            &ran,
            0,
            &[
                "Complete",
                "26,422",
                "yes",
                "took",
                "is proven",
                "nothing of the database is touched",
            ],
        );
        let said = wait_proven(scene, ConditionStatus::True, reasons::PROVEN).await;
        eprintln!(
            "drilled and proven in {} s: {said}",
            began.elapsed().as_secs()
        );
        assert_tells(&said, &[&backup.name_any()]);
        let noted: DatabaseBackup = scene.get(&backup.name_any()).await;
        assert!(noted.is_proven(), "{:?}", noted.status);
        // Nothing of it is left, and nothing of the database was touched.
        let pods = scene.kubectl(
            "get pods -l holdfast.dev/task=drill -o name --field-selector status.phase=Running",
        );
        assert_eq!(pods.trim(), "");
        assert_eq!(server.count_in(scene, "knowledge_os"), ALL_ROWS);
        let ran = holdfast(scene, &format!("status {NAME} -n {namespace}"));
        assert_tells(
            &ran.printed,
            &["RestoreProven  a drill has restored", "RTO ", "RPO "],
        );

        let path = backup
            .status
            .and_then(|status| status.path)
            .expect("a path");
        lose_a_bit(scene, &path);
        let began = Instant::now();
        let ran = holdfast(scene, &asked);
        assert_ran(&ran, 3, &["Failed", "is NOT proven"]);
        let said = wait_proven(scene, ConditionStatus::False, reasons::DRILL_FAILED).await;
        eprintln!("found in {} s: {said}", began.elapsed().as_secs());
        assert_tells(&said, &[reasons::SET_CHANGED, "No backup is proven"]);
        // Who deletes the drill that has failed makes nothing green.
        let drills = scene.list::<DatabaseRestore>().await;
        let failed = drills.iter().find(|drill| {
            drill.status.as_ref().and_then(|status| status.state) == Some(RestoreState::Failed)
        });
        let name = failed.expect("the drill").name_any();
        scene.kubectl(&format!("delete dbrestore {name}"));
        scene
            .change(json!({"metadata": {"annotations": {"example.org/look": "again"}}}))
            .await;
        wait_proven(scene, ConditionStatus::False, reasons::DRILL_FAILED).await;
    });
}
