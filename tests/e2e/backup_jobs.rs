//! The life of a backup's Job: a failure fails it, an eviction does not, a row that is too large is named,
//! and the rows of the dump are judged without the operator.

use holdfast::api::{BackupState, DatabaseBackup, reasons};
use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

use crate::backup::back_up_now;
use crate::support::{
    NAME, Scene, Server, assert_tells, beside_others, build_database, write_file,
};

/// Waits until the Job has ended so, and returns why.
async fn wait_ended(scene: &Scene, name: &str, wanted: &str) -> String {
    scene
        .wait(&format!("Job {name} to be {wanted}"), async || {
            let job: Job = scene.get(name).await;
            let conditions = job.status.and_then(|status| status.conditions);
            let mut conditions = conditions.into_iter().flatten();
            let ended = conditions.find(|one| one.type_ == wanted && one.status == "True");
            ended
                .and_then(|ended| ended.reason)
                .ok_or_else(|| "it has not".to_owned())
        })
        .await
}

#[test]
fn a_failed_backup_is_a_failed_job_and_a_suspect_one_is_not() {
    beside_others("backup-failed", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        // A large object that the role may not read, which no check sees.
        server.sql(scene, "SELECT lo_create(4242)");
        back_up_now(scene, "refused");
        let status = scene.wait_backup("refused").await.status.expect("a status");
        assert_eq!(status.state, Some(BackupState::Failed), "{status:?}");
        assert_eq!(
            wait_ended(scene, "refused", "Failed").await,
            "PodFailurePolicy"
        );
        server.sql(scene, "SELECT lo_unlink(4242)");

        server.sql(scene, "TRUNCATE knowledge_nodes");
        back_up_now(scene, "emptied");
        let status = scene.wait_backup("emptied").await.status.expect("a status");
        assert_eq!(status.state, Some(BackupState::Suspect), "{status:?}");
        assert!(!status.findings.is_empty(), "{status:?}");
        assert_tells(
            &status.message.expect("a message"),
            &["the rows of the dump itself", "public.knowledge_nodes"],
        );
        wait_ended(scene, "emptied", "Complete").await;
    });
}

#[test]
fn an_evicted_backup_goes_on_under_its_name() {
    beside_others("backup-evicted", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        server.sql(scene, "CREATE TABLE held_up (id int)");
        // The dump waits for this table until its lock is released.
        server.shell(
            scene,
            "psql -U admin -d knowledge_os -c 'BEGIN; LOCK TABLE held_up; SELECT pg_sleep(900)' \
             > /dev/null 2>&1 &",
        );
        back_up_now(scene, "evicted");
        let waits = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted \
            AND application_name LIKE 'holdfast-backup %'";
        scene
            .wait("the dump to wait", async || {
                match server.sql(scene, waits) {
                    none if none.trim() == "0" => Err(none),
                    _ => Ok(()),
                }
            })
            .await;
        let pod = scene.kubectl(
            "get pods --selector=batch.kubernetes.io/job-name=evicted -o jsonpath={.items[0].metadata.name}",
        );
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod, "namespace": scene.namespace()}});
        let file = write_file(&eviction.to_string());
        scene.kubectl(&format!(
            "create --raw /api/v1/namespaces/{}/pods/{pod}/eviction -f {}",
            scene.namespace(),
            file.path().display()
        ));
        scene
            .wait("another pod", async || {
                let pods = scene
                    .kubectl("get pods --selector=batch.kubernetes.io/job-name=evicted -o name");
                let is_another = pods.lines().any(|name| !name.ends_with(&pod));
                is_another.then_some(()).ok_or(pods)
            })
            .await;
        let running: DatabaseBackup = scene.get("evicted").await;
        let state = running.status.and_then(|status| status.state);
        assert_eq!(state, Some(BackupState::Running), "nothing has failed");
        server.sql(
            scene,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(900)%' \
             AND pid <> pg_backend_pid()",
        );
        let status = scene.wait_backup("evicted").await.status.expect("a status");
        assert_eq!(status.state, Some(BackupState::Complete), "{status:?}");
        wait_ended(scene, "evicted", "Complete").await;
    });
}

#[test]
fn a_backup_that_needs_too_much_memory_names_the_remedy() {
    beside_others("backup-memory", async |scene| {
        let server = Server::new(scene);
        server.start_filled(scene).await;
        server.sql(
            scene,
            "CREATE TABLE large (data text); INSERT INTO large SELECT repeat('x', 60000000)",
        );
        let mut database = build_database(scene, &server);
        if let Some(backup) = &mut database.spec.backup {
            backup.resources =
                serde_json::from_value(json!({"limits": {"memory": "96Mi"}})).expect("resources");
        }
        scene.protect(&database).await;
        let failed = scene
            .wait("the first backup to fail", async || {
                let backups = scene.list::<DatabaseBackup>().await;
                let failed = backups.into_iter().find_map(|backup| {
                    backup
                        .status
                        .filter(|status| status.state == Some(BackupState::Failed))
                });
                failed.ok_or_else(|| "none has".to_owned())
            })
            .await;
        assert_eq!(
            failed.reason.as_deref(),
            Some(reasons::OUT_OF_MEMORY),
            "{failed:?}"
        );
        assert_tells(
            &failed.message.expect("a message"),
            &["spec.backup.resources.limits.memory"],
        );
        let keys = scene
            .testbed
            .object_keys(&format!("end-to-end/{0}/{0}/{NAME}/", scene.namespace()));
        assert_eq!(
            keys.expect("the bucket"),
            Vec::<String>::new(),
            "nothing is left"
        );

        scene
            .change(json!({"spec": {"backup": {"resources": {"limits": {"memory": "1Gi"}}}}}))
            .await;
        scene
            .wait("a good backup", async || {
                let good = scene.status().await.last_good_backup;
                good.ok_or_else(|| "none".to_owned())
            })
            .await;
    });
}

#[test]
fn rows_of_a_table_with_a_minimum_can_not_be_left_out() {
    beside_others("backup-excluded", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let refusal = scene.refused(&format!(
            "patch protdb {NAME} --type=merge -p \
             {{\"spec\":{{\"backup\":{{\"excludeTableData\":[\"public.experts\"]}}}}}}"
        ));
        assert_tells(&refusal, &["spec.backup.excludeTableData", "minRows"]);
        server.sql(
            scene,
            "CREATE TABLE log (id int); INSERT INTO log VALUES (1)",
        );
        scene
            .change(json!({"spec": {"backup": {"excludeTableData": ["public.log"]}}}))
            .await;
        scene
            .wait("the CronJob to follow", async || {
                let cron_job = scene.kubectl(&format!("get cronjob {NAME}-backup -o yaml"));
                cron_job
                    .contains("public.log")
                    .then_some(())
                    .ok_or(cron_job)
            })
            .await;
        back_up_now(scene, "without-log");
        let status = scene
            .wait_backup("without-log")
            .await
            .status
            .expect("a status");
        assert_eq!(status.state, Some(BackupState::Complete), "{status:?}");
        assert_eq!(status.tables, Some(2), "{status:?}");
    });
}
