//! The whole cluster is gone: a new one, played by another namespace with an empty database, gets the newest
//! set that counts by the commands of the runbook, from the bucket alone. Its own backups follow, and bring
//! back a database that is dropped then.

use std::fs;

use holdfast::api::{DatabaseRestore, reasons};
use kube::ResourceExt;
use serde_json::json;

use crate::restored_from_backup::{grant, protect, restorable};
use crate::support::{
    ALL_ROWS, DATABASE, NAME, Runbook, Scene, Server, assert_ran, assert_tells, beside_others,
    holdfast, write_file,
};

#[test]
fn a_new_cluster_gets_the_newest_set_that_counts_by_nothing_but_the_bucket() {
    beside_others("adopted", async |scene| {
        let server = Server::new(scene);
        protect(scene, &server).await;
        // What a check says of a set is in the bucket once the next one was taken.
        let old = scene.namespace();
        assert_ran(&holdfast(scene, &format!("backup {NAME} -n {old}")), 0, &[]);

        let new = scene.another("adopted-new");
        let fresh = Server::new(&new);
        fresh.start_seeded(&new).await;
        grant(&new, &fresh);
        let mut database = restorable(&new, &fresh);
        let backup = database.spec.backup.as_mut().expect("backups");
        backup.storage.s3.prefix = format!("end-to-end/{old}");
        new.protect(&database).await;

        let store = testbed::ObjectStoreInfo::default();
        let runbook = Runbook::open(&new, "docs/runbooks/new-cluster.md")
            .with("BUCKET", store.bucket)
            .with("PREFIX", format!("end-to-end/{old}"))
            .with("ENDPOINT", store.endpoint.clone())
            .with("OLD_NAMESPACE", old)
            .with("OLD_NAME", NAME);
        let key = runbook.file("key");
        fs::create_dir(&key).expect("a directory");
        fs::write(key.join("accessKeyId"), store.access_key_id).expect("a file");
        fs::write(key.join("secretAccessKey"), store.secret_access_key).expect("a file");
        let list = "kubectl holdfast adopt s3://BUCKET/PREFIX --endpoint ENDPOINT --path-style --credentials key";
        scene
            .wait(
                "what confirms the first set to be in the bucket",
                async || {
                    let listed = runbook.run(list);
                    let counts =
                        listed.code == Some(0) && listed.printed.contains("newest that counts");
                    if counts { Ok(()) } else { Err(listed.printed) }
                },
            )
            .await;
        let adopt = "kubectl holdfast adopt s3://BUCKET/PREFIX --endpoint ENDPOINT --path-style --credentials key --database OLD_NAMESPACE/OLD_NAME --into NAME -n NAMESPACE";
        let dry_run = "kubectl holdfast adopt s3://BUCKET/PREFIX --endpoint ENDPOINT --path-style --credentials key --database OLD_NAMESPACE/OLD_NAME --into NAME -n NAMESPACE --dry-run";
        assert_ran(
            &runbook.run(dry_run),
            0,
            &["26,422 rows in knowledge_os, confirmed", "row by row"],
        );
        assert!(new.list::<DatabaseRestore>().await.is_empty());
        let done = runbook.run_answered(adopt, NAME);
        assert_ran(
            &done,
            0,
            &["Complete", "ROWS IN THE BACKUP", "26,337", "before_restore"],
        );
        assert_eq!(fresh.count(&new), ALL_ROWS);
        new.wait_green().await;
        let status = "kubectl holdfast status NAME -n NAMESPACE";
        assert_ran(&runbook.run(status), 0, &["DataVerified"]);
        assert_a_reader_of_no_secret_is_refused(&new).await;
        assert_dropped_is_restored(&new, &fresh).await;
    });
}

/// Whoever may create restores and read no Secret could not read the bucket: no set of others is restored
/// for them, and a backup of the database is.
async fn assert_a_reader_of_no_secret_is_refused(scene: &Scene) {
    let restores = scene.list::<DatabaseRestore>().await;
    let adopted = restores.first().expect("a restore");
    let permission = |resource: &str, group: &str, verb: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
    let role = |rules| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "restorer", "namespace": scene.namespace()}, "rules": rules,
        })
    };
    let may_restore = permission("databaserestores", "holdfast.dev", "create");
    scene.apply(&[
        role(json!([may_restore])),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "restorer", "namespace": scene.namespace()},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "restorer"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restorer"}],
        }),
    ]);
    let asked = |from: &serde_json::Value| {
        let restore = json!({
            "apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseRestore",
            "metadata": {"name": "asked", "namespace": scene.namespace()},
            "spec": {"database": NAME, "from": from, "into": "Beside"},
        });
        write_file(&restore.to_string())
    };
    let create = |file: &tempfile::NamedTempFile| {
        format!(
            "create --as=restorer --dry-run=server -f {}",
            file.path().display()
        )
    };
    let by_place = asked(&json!({"set": adopted.spec.from.set.as_ref().expect("a set")}));
    scene
        .wait("the set to be refused", async || {
            match scene.try_kubectl(&create(&by_place)) {
                Err(refusal) if refusal.contains("Holdfast refuses this restore") => Ok(()),
                Ok(other) | Err(other) => Err(other),
            }
        })
        .await;
    scene.kubectl(&create(&asked(&json!({"latestGood": true}))));
    scene.apply(&[role(json!([may_restore, permission("secrets", "", "get")]))]);
    scene.wait_kubectl(&create(&by_place)).await;
}

/// The incident of `incidents/004-database-missing.txt`, by the commands of its runbook.
async fn assert_dropped_is_restored(scene: &Scene, server: &Server) {
    let status = async || scene.status().await;
    scene
        .wait(
            "a backup of the new database cluster that counts",
            async || {
                let status = status().await;
                let good = status
                    .last_confirmed_backup
                    .and_then(|good| good.system_identifier);
                let now = status.baseline.map(|baseline| baseline.system_identifier);
                if good.is_some() && good == now {
                    Ok(())
                } else {
                    Err(format!("{good:?} {now:?}"))
                }
            },
        )
        .await;
    server.sql_in(
        scene,
        "postgres",
        &format!("DROP DATABASE {DATABASE} WITH (FORCE)"),
    );
    crate::data_lost::create_check(scene).await;
    scene.wait_reset(reasons::DATABASE_MISSING).await;
    let runbook = Runbook::open(scene, "docs/runbooks/database-missing.md");
    let explained = runbook.run("kubectl holdfast explain NAME -n NAMESPACE");
    assert_ran(&explained, 3, &["DatabaseMissing"]);
    let done = runbook.run_answered("kubectl holdfast restore NAME -n NAMESPACE", NAME);
    assert_ran(&done, 0, &["Complete", "26,422"]);
    assert_eq!(server.count(scene), ALL_ROWS);
    scene.wait_green().await;
    let restores = scene.list::<DatabaseRestore>().await;
    let names: Vec<String> = restores.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_tells(
        &names.join(" "),
        &["knowledge-adopt-", "knowledge-restore-"],
    );
}
