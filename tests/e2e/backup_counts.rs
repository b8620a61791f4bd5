//! Which backups count: confirmed by a check that was made after them, which is written beside the
//! manifest too, for those who have only the bucket; and a backup that a user asks for.

use holdfast::api::{DatabaseBackup, DatabaseCheck};
use kube::ResourceExt as _;

use crate::backup::back_up_now;
use crate::support::{NAME, Scene, Server, assert_ran, beside_others, holdfast};

/// Waits until a check has said something about a backup.
async fn wait_verdict(scene: &Scene, name: &str) -> DatabaseBackup {
    let mut found = None;
    scene
        .wait("a verdict on the backup", async || {
            let backup = scene.api::<DatabaseBackup>().get(name).await;
            let backup = backup.map_err(|error| error.to_string())?;
            let status = backup.status.clone().unwrap_or_default();
            if status.confirmed.is_none() && status.demoted.is_none() {
                return Err(format!("{status:?}"));
            }
            found = Some(backup);
            Ok(())
        })
        .await;
    found.expect("a backup")
}

#[test]
fn a_backup_counts_once_a_check_after_it_has_found_the_same_data() {
    beside_others("backup-confirmed", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let first = scene.list::<DatabaseBackup>().await.remove(0);
        let status = wait_verdict(scene, &first.name_any())
            .await
            .status
            .expect("a status");
        let confirmed = status.confirmed.expect("confirmed");
        let check = scene
            .api::<DatabaseCheck>()
            .get(&confirmed.check)
            .await
            .expect("the check");
        assert!(check.creation_timestamp() > first.creation_timestamp());
        assert_eq!(status.demoted, None);
        let good = scene.status().await;
        assert_eq!(good.last_good_backup, good.last_confirmed_backup);
        assert_eq!(
            good.last_good_backup.expect("a backup").name,
            first.name_any()
        );

        // The next backup writes it beside the manifest.
        back_up_now(scene, "next");
        scene.wait_backup("next").await;
        let path = status.path.expect("a path");
        let objects = scene.testbed.object_keys(&path).expect("the objects");
        let verdicts = objects.iter().filter(|key| key.contains("/verdict-"));
        assert_eq!(verdicts.count(), 1, "{objects:?}");
    });
}

#[test]
fn a_backup_that_a_user_asks_for_runs() {
    beside_others("backup-by-hand", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let namespace = scene.namespace();
        let ran = holdfast(scene, &format!("backup {NAME} -n {namespace}"));
        assert_ran(&ran, 0, &["Asked for DatabaseBackup", "Complete"]);
        let ran = holdfast(scene, &format!("backups {NAME} -n {namespace}"));
        assert_ran(&ran, 0, &["by-hand-", "confirmed"]);
    });
}
