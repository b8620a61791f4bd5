//! What a backup is worth: its manifest against the bucket and against a count made by hand, a
//! restore of its dump, and backups of lost data.

use std::io::Write as _;
use std::process::Stdio;

use holdfast::api::{BackupState, ConditionStatus, ConditionType, DatabaseBackup, reasons};
use holdfast::store::{Manifest, SetState};
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::bad_input::calm::wait_said;
use crate::data_lost::ask_for_a_check;
use crate::support::{
    DATABASE, EXPERTS, NAME, NODES, Scene, Server, assert_tells, beside_others, build_database,
    with_either,
};

/// What comes before the namespace in the bucket.
const PREFIX: &str = "end-to-end";

#[test]
fn the_first_backup_of_a_postgres_15_holds_what_was_counted_by_hand() {
    beside_others("backup-fifteen", async |scene| {
        take_and_restore(scene, &Server::new(scene)).await;
    });
}

#[test]
fn the_first_backup_of_a_postgres_17_holds_what_was_counted_by_hand() {
    beside_others("backup-seventeen", async |scene| {
        take_and_restore(scene, &Server::seventeen(scene)).await;
    });
}

#[test]
fn a_backup_of_data_that_looks_reset_is_kept_and_does_not_count() {
    beside_others("backup-suspect", async |scene| {
        let server = Server::new(scene);
        scene.protect_filled(&server).await;
        let good = scene
            .status()
            .await
            .last_good_backup
            .expect("the first backup");
        server.sql(scene, "TRUNCATE knowledge_nodes");
        ask_for_a_check(scene).await;
        scene.wait_reset(reasons::TABLES_EMPTIED).await;

        back_up_now(scene, "while-reset");
        let suspect = scene
            .wait_backup("while-reset")
            .await
            .status
            .expect("a status");
        assert_eq!(
            (suspect.state, suspect.reason.as_deref()),
            (Some(BackupState::Suspect), Some(reasons::DATA_SUSPECT))
        );
        assert_tells(
            &suspect.message.clone().expect("a message"),
            &["85 rows", "does not count as good", reasons::TABLES_EMPTIED],
        );
        let manifest = fetch_manifest(scene, &suspect.path.expect("a path"));
        assert_eq!(manifest.state, SetState::Suspect);
        assert_tells(
            &manifest.why.expect("why"),
            &["public.knowledge_nodes: 26,337 -> 0 rows"],
        );

        scene
            .wait("the operator to take note", async || {
                let last = scene.status().await.last_backup.ok_or("none")?;
                if (last.name.as_str(), last.state) == ("while-reset", BackupState::Suspect) {
                    Ok(())
                } else {
                    Err(format!("{last:?}"))
                }
            })
            .await;
        assert_eq!(
            scene.status().await.last_good_backup,
            Some(good),
            "the good one stays the good one"
        );
        wait_said(
            scene,
            ConditionType::BackupFresh,
            reasons::BACKUP_FRESH,
            &[reasons::DATA_SUSPECT],
        )
        .await;

        server.sql(
            scene,
            "INSERT INTO knowledge_nodes SELECT n, 1, 'again' FROM generate_series(1, 26337) n",
        );
        ask_for_a_check(scene).await;
        scene.wait_green().await;
        back_up_now(scene, "after-reset");
        assert_eq!(
            scene
                .wait_backup("after-reset")
                .await
                .status
                .expect("a status")
                .state,
            Some(BackupState::Complete)
        );
    });
}

/// Nobody asks for a check: what was emptied since the last one is seen when the backup begins.
#[test]
fn a_backup_of_data_that_was_emptied_since_the_last_check_does_not_count() {
    with_either("backup-emptied", async |scene, server| {
        server.start_filled(scene).await;
        let mut database = build_database(scene, server);
        database.spec.verification.tables.clear();
        scene.protect(&database).await;
        scene.wait_green().await;
        let good = scene.status().await.last_good_backup.expect("a backup");
        let kept = "INSERT INTO knowledge_nodes SELECT n, 1, 'again' FROM \
                    generate_series(1, 26337) n";
        for (name, emptied) in [
            ("truncated", "TRUNCATE knowledge_nodes"),
            ("deleted", "DELETE FROM knowledge_nodes"),
            ("dropped", "DROP TABLE knowledge_nodes"),
        ] {
            server.sql(scene, emptied);
            back_up_now(scene, name);
            let status = scene.wait_backup(name).await.status.expect("a status");
            assert_eq!(
                (status.state, status.reason.as_deref()),
                (Some(BackupState::Suspect), Some(reasons::DATA_SUSPECT)),
                "{name}: {status:?}"
            );
            assert_tells(
                &status.message.clone().expect("a message"),
                &["does not count as good", "the data looked reset"],
            );
            scene
                .assert_condition(
                    ConditionType::DataReset,
                    ConditionStatus::True,
                    if name == "dropped" {
                        reasons::TABLES_MISSING
                    } else {
                        reasons::TABLES_EMPTIED
                    },
                )
                .await;
            assert_eq!(
                scene.status().await.last_good_backup,
                Some(good.clone()),
                "{name}"
            );
            if name != "dropped" {
                server.sql(scene, kept);
            }
        }
    });
}

async fn take_and_restore(scene: &Scene, server: &Server) {
    scene.protect_filled(server).await;
    let backups = scene.list::<DatabaseBackup>().await;
    assert_eq!(
        backups.len(),
        1,
        "one first backup, taken at once: the schedule says 03:00"
    );
    let name = backups[0].name_any();
    let status = backups[0].status.clone().expect("a status");
    assert_eq!(status.state, Some(BackupState::Complete), "{status:?}");
    assert_eq!(
        (status.tables, status.rows),
        (Some(2), Some(i64::from(EXPERTS + NODES)))
    );
    assert_eq!(
        scene
            .status()
            .await
            .last_good_backup
            .expect("a good backup")
            .name,
        name
    );

    let path = status.path.expect("a path");
    assert_path(scene, &path);
    let manifest_bytes = scene
        .testbed
        .object(&format!("{path}/manifest.json"))
        .expect("the manifest");
    assert_eq!(
        status.manifest_sha256,
        Some(hex::encode(Sha256::digest(&manifest_bytes)))
    );
    let manifest: Manifest = serde_json::from_slice(&manifest_bytes).expect("a manifest");
    assert_objects(scene, &path, &manifest);
    assert_eq!(manifest.state, SetState::Good);
    assert_eq!(
        Some(&manifest.protected_database.uid),
        scene.database().await.uid().as_ref()
    );
    let identifier = server.sql(scene, "SELECT system_identifier FROM pg_control_system()");
    assert_eq!(manifest.identity.system_identifier, identifier);
    assert_eq!(status.system_identifier, Some(identifier));

    let counted = server.count(scene);
    let tables: Vec<(&str, u64)> = manifest.databases[0]
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    assert_eq!(manifest.databases[0].name, DATABASE);
    assert_eq!(
        tables,
        [("experts", counted.0), ("knowledge_nodes", counted.1)]
    );
    restore(scene, server, &path, &manifest);
    assert_eq!(
        server.count_in(scene, "scratch"),
        counted,
        "what is in the bucket is the data"
    );
}

/// The set is where the design says, and nothing else is there.
fn assert_path(scene: &Scene, path: &str) {
    let folder = format!("{PREFIX}/{0}/{0}/{NAME}/", scene.namespace());
    let set = path
        .strip_prefix(&folder)
        .unwrap_or_else(|| panic!("{path} is not below {folder}"));
    let (time, suffix) = set.split_once('-').expect("a time and a suffix");
    assert!(time.ends_with('Z') && time.len() == 16, "{set}");
    assert!(
        suffix.len() == 8 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{set}"
    );
    let keys = scene.testbed.object_keys(&folder).expect("the bucket");
    assert!(keys.iter().all(|key| key.starts_with(path)), "{keys:?}");
}

/// Every object is in the manifest with its size and digest, and the other way round.
fn assert_objects(scene: &Scene, path: &str, manifest: &Manifest) {
    let keys = scene
        .testbed
        .object_keys(&format!("{path}/"))
        .expect("the bucket");
    let mut named: Vec<String> = manifest
        .objects
        .iter()
        .map(|object| format!("{path}/{}", object.name))
        .collect();
    named.push(format!("{path}/manifest.json"));
    named.sort();
    assert_eq!(keys, named);
    for object in &manifest.objects {
        let content = scene
            .testbed
            .object(&format!("{path}/{}", object.name))
            .expect("an object");
        assert_eq!(
            object.size,
            u64::try_from(content.len()).expect("a size"),
            "{}",
            object.name
        );
        assert_eq!(
            object.sha256,
            hex::encode(Sha256::digest(&content)),
            "{}",
            object.name
        );
        let raw = zstd::decode_all(content.as_slice()).expect("a zstd stream");
        assert_eq!(
            object.raw_size,
            u64::try_from(raw.len()).expect("a size"),
            "{}",
            object.name
        );
    }
}

/// Restores the dump with the pod's own tools into a database beside the one that is there.
fn restore(scene: &Scene, server: &Server, path: &str, manifest: &Manifest) {
    let dump = scene
        .testbed
        .object(&format!("{path}/{}", manifest.databases[0].object))
        .expect("the dump");
    let archive = zstd::decode_all(dump.as_slice()).expect("a zstd stream");
    server.sql_in(scene, "postgres", "CREATE DATABASE scratch");
    let pod = server.pod();
    let words = [
        "-n",
        scene.namespace(),
        "exec",
        "-i",
        &pod,
        "-c",
        "postgres",
        "--",
        "pg_restore",
        "--exit-on-error",
        "-U",
        "admin",
        "-d",
        "scratch",
    ];
    let mut command = scene.testbed.command("kubectl").expect("kubectl");
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl");
    child
        .stdin
        .take()
        .expect("its standard input")
        .write_all(&archive)
        .expect("the archive to be read");
    let output = child.wait_with_output().expect("kubectl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn fetch_manifest(scene: &Scene, path: &str) -> Manifest {
    let bytes = scene
        .testbed
        .object(&format!("{path}/manifest.json"))
        .expect("the manifest");
    serde_json::from_slice(&bytes).expect("a manifest")
}

/// What a person types to have a backup now.
pub fn back_up_now(scene: &Scene, name: &str) {
    scene.kubectl(&format!("create job --from=cronjob/{NAME}-backup {name}"));
}
