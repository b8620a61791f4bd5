//! Which backups count: confirmed by a check that was made after them, which is written beside the
//! manifest too, for those who have only the bucket; and a backup that a user asks for.

use holdfast::api::{DatabaseBackup, DatabaseCheck, names};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::agents_fenced::steal_token;
use crate::backup::back_up_now;
use crate::support::{NAME, Scene, Server, assert_ran, assert_tells, beside_others, holdfast};

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

/// The set that no rule keeps goes from the bucket, its object follows, and the newest stays. The agent that
/// does that can write what it saw there and nothing else.
#[test]
fn retention_removes_the_sets_that_no_rule_keeps_and_their_backups() {
    beside_others("backup-retention", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let first = scene.list::<DatabaseBackup>().await.remove(0).name_any();
        let status = wait_verdict(scene, &first).await.status.expect("a status");
        let expired = status.path.expect("a path");
        let keep_one = r#"{"spec":{"backup":{"retention":{"keepLast":1}}}}"#;
        scene.kubectl(&format!("patch protdb {NAME} --type=merge -p {keep_one}"));

        back_up_now(scene, "next");
        scene.wait_backup("next").await;
        let status = wait_verdict(scene, "next").await.status.expect("a status");
        let kept = status.path.expect("a path");
        // One look plans what new rules say, and the next one does it.
        scene
            .wait("the plan", async || {
                let newest: DatabaseBackup = scene.get("next").await;
                let report = newest.status.and_then(|status| status.catalog);
                let is_planned = report
                    .as_ref()
                    .is_some_and(|report| report.rules.is_some() && report.removed.is_empty());
                if is_planned {
                    Ok(())
                } else {
                    Err(format!("{report:?}"))
                }
            })
            .await;
        let looks = format!("holdfast.dev/task=catalog,holdfast.dev/database={NAME}");
        scene.kubectl(&format!("delete job -l {looks}"));
        scene
            .wait("the first backup to go", async || {
                let backups = scene.list::<DatabaseBackup>().await;
                let names: Vec<String> = backups.iter().map(ResourceExt::name_any).collect();
                if names == ["next"] {
                    Ok(())
                } else {
                    Err(format!("{backups:?}"))
                }
            })
            .await;
        let objects = scene.testbed.object_keys(&expired).expect("the objects");
        assert_eq!(objects, Vec::<String>::new());
        let objects = scene.testbed.object_keys(&kept).expect("the objects");
        assert!(
            objects.iter().any(|key| key.ends_with("manifest.json")),
            "{objects:?}"
        );
        let newest: DatabaseBackup = scene.get("next").await;
        let report = newest
            .status
            .and_then(|status| status.catalog)
            .expect("a report");
        assert_eq!(
            (report.removed.as_slice(), report.damaged_count),
            (&[expired][..], 0)
        );

        let namespace = scene.namespace();
        let ran = holdfast(scene, &format!("backups {NAME} -n {namespace} --plan"));
        assert_ran(
            &ran,
            0,
            &[
                "no rule keeps it",
                "it is the newest confirmed one",
                "Removed:",
            ],
        );
        report_as_looking_agent(scene, &report.job).await;
    });
}

/// What the token of the agent that looks at the sets may write, tried as dry runs.
async fn report_as_looking_agent(scene: &Scene, job: &str) {
    let of_job = async |job: &str| -> Api<DatabaseBackup> {
        Api::namespaced(steal_token(scene, job).await, scene.namespace())
    };
    let (looking, taking) = (of_job(job).await, of_job("next").await);
    let write_as =
        async |backups: &Api<DatabaseBackup>, manager: &str, name: &str, status: Value| {
            let body = json!({
                "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
                "metadata": {"name": name}, "status": status,
            });
            let parameters = PatchParams {
                dry_run: true,
                ..PatchParams::apply(manager).force()
            };
            let written = backups
                .patch_status(name, &parameters, &Patch::Apply(body))
                .await;
            written.map(drop).map_err(|error| error.to_string())
        };
    let write = async |manager: &str, name: &str, status: Value| {
        write_as(&looking, manager, name, status).await
    };
    let progress = json!({"progress": {
        "message": "1 of 2 tables", "dumpedBytes": 1, "storedBytes": 1,
        "startTime": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:00Z",
    }});
    write_as(&taking, "holdfast-agent-progress", "next", progress.clone())
        .await
        .expect("how far its own backup is");
    let manager = names::CATALOG_MANAGER;
    let report = json!({"catalog": {"job": job, "sets": 1}});
    write(manager, "next", report.clone())
        .await
        .expect("its own report");
    let by = json!({"check": "mine", "time": "2026-01-01T00:00:00Z"});
    for status in [
        json!({"state": "Failed"}),
        json!({"path": "prod/other"}),
        json!({"confirmed": by}),
        progress,
    ] {
        let refused = write(manager, "next", status).await;
        assert_tells(
            &refused.expect_err("what the backup says"),
            &["Holdfast refuses this write"],
        );
    }
    let taken_away = write(names::AGENT_MANAGER, "next", report.clone()).await;
    assert_tells(
        &taken_away.expect_err("the backup's report taken away under its manager"),
        &["not the backup"],
    );
    // A backup of its own that the operator has not looked at the sets for.
    scene.apply(&[json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackup",
        "metadata": {"name": "other", "namespace": scene.namespace()}, "spec": {"database": NAME},
    })]);
    let foreign = write(manager, "other", report.clone()).await;
    assert_tells(
        &foreign.expect_err("a report to another backup"),
        &["of its own Job"],
    );
}
