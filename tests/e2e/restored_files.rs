//! Files and rows belong together, as in `incidents/003`: files that were lost are back by one command, and the
//! check of rows and files says so. While somebody may write to them it waits, and says for whom.

use holdfast::api::{ConditionStatus, ConditionType, DatabaseRestore, RestoreState, reasons};
use serde_json::json;

use crate::data_lost::ask_for_a_check;
use crate::files::{OWNER, build_application, rule, start_with_uploads, upload};
use crate::restored_from_backup::wait_state;
use crate::support::{
    NAME, Runbook, Scene, assert_ran, assert_tells, beside_others, build_database, holdfast,
};

#[test]
fn files_that_were_lost_are_back_by_one_command_and_fit_the_rows_again() {
    beside_others("files-restore", async |scene| {
        let server = start_with_uploads(scene).await;
        upload(scene, "head -c 100000 /dev/urandom > trend_examples/a.png");
        let digests = "find trend_examples -type f -exec sha256sum {} + | sort";
        let before = upload(scene, digests);
        let mut database = build_database(scene, &server);
        let backup = database.spec.backup.as_mut().expect("backups");
        backup.directories = serde_json::from_value(json!([
            {"claim": "uploads", "path": "trend_examples", "runAsUser": OWNER, "runAsGroup": OWNER},
        ]))
        .expect("directories");
        database.spec.verification.files =
            serde_json::from_value(json!([rule("uploads")])).expect("rules");
        scene.protect(&database).await;
        scene.wait_green().await;
        scene
            .wait("a backup that counts", async || {
                let status = scene.status().await;
                let confirmed = status.last_confirmed_backup.map(drop);
                confirmed.ok_or_else(|| "none yet".to_owned())
            })
            .await;

        upload(
            scene,
            "rm -r trend_examples/sub trend_examples/b.png && echo later > trend_examples/later.txt",
        );
        ask_for_a_check(scene).await;
        scene
            .wait_condition(
                ConditionType::FilesMatch,
                ConditionStatus::False,
                reasons::FILES_MISSING,
            )
            .await;

        // The application runs: it waits, and goes on when that is stopped.
        let command = format!(
            "restore {NAME} -n {} --files-only --yes --no-wait",
            scene.namespace()
        );
        assert_ran(
            &holdfast(scene, &command),
            0,
            &["Asked for DatabaseRestore"],
        );
        let name = of_files(scene).await;
        let waits = wait_state(scene, &name, RestoreState::Blocked).await;
        let message = waits.status.and_then(|status| status.message);
        assert_tells(
            &message.unwrap_or_default(),
            &["pod application may write", "delete pod application"],
        );
        scene.kubectl("delete pod application");
        let done = wait_state(scene, &name, RestoreState::Complete).await;
        let status = done.status.expect("a status");
        assert_tells(
            &status.message.unwrap_or_default(),
            &["4 of 4 files", "before-restore", "FilesMatch is True"],
        );
        let files = status
            .report
            .and_then(|report| report.files)
            .expect("files");
        assert!(files.is_identical);
        scene
            .wait_condition(
                ConditionType::FilesMatch,
                ConditionStatus::True,
                reasons::FILES_MATCH,
            )
            .await;
        scene.wait_green().await;

        // The same as a person types it, while nobody writes.
        let runbook = Runbook::open(scene, "docs/runbooks/files-and-rows.md");
        let restore = "kubectl holdfast restore NAME -n NAMESPACE --files-only";
        assert_ran(
            &runbook.run_answered(restore, NAME),
            0,
            &[
                "Complete",
                "IN THE BACKUP",
                "directory trend_examples of claim uploads",
            ],
        );
        scene.apply(&[build_application(scene)]);
        scene
            .wait_kubectl("wait --for=condition=Ready pod/application --timeout=1s")
            .await;
        assert_eq!(upload(scene, digests), before);
        let kept = files.kept_as.expect("what was there");
        assert_eq!(
            upload(scene, &format!("cat {kept}/later.txt")).trim(),
            "later"
        );
        let owners = upload(scene, "stat -c %u:%g trend_examples trend_examples/a.png");
        assert_eq!(owners.trim(), format!("{OWNER}:{OWNER}\n{OWNER}:{OWNER}"));
        let left = upload(scene, "ls -A");
        assert!(!left.contains(".holdfast"), "{left}");
    });
}

async fn of_files(scene: &Scene) -> String {
    let restores = scene.list::<DatabaseRestore>().await;
    let mut restores = restores
        .iter()
        .filter(|restore| restore.spec.files.is_some());
    let first = restores.next().expect("a restore of files");
    first.metadata.name.clone().expect("a name")
}
