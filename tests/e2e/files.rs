//! Rows and files belong together, as in `incidents/003`: a file that goes, rows that go while the
//! files stay, and claims that can't be looked at.

use std::collections::BTreeSet;

use holdfast::api::{BackupState, CheckOutcome, ConditionStatus, ConditionType, names, reasons};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::backup::back_up_now;
use crate::data_lost::ask_for_a_check;
use crate::shard::operator::Installation;
use crate::support::{
    Runbook, Scene, Server, assert_ran, assert_tells, beside_others, build_claim, build_database,
    build_plain_database, in_shard, outcome,
};

use ConditionStatus::{False, True, Unknown};
use ConditionType::{DataReset, DataVerified, FilesMatch, Ready};

const QUERY: &str = "select example_image_path from trends";
/// User of the application and owner of its files.
pub const OWNER: u32 = 1000;

#[test]
fn rows_and_files_that_part_are_told() {
    beside_others("files", async |scene| {
        let server = start_with_uploads(scene).await;
        protect(scene, &server, &json!([rule("uploads")])).await;
        scene.wait_green().await;
        let said = scene
            .assert_condition(FilesMatch, True, reasons::FILES_MATCH)
            .await;
        assert_tells(
            &said.message,
            &[
                "3 paths in directory trend_examples of claim uploads",
                "beside 1 file that no row names: notes.txt",
            ],
        );
        scene.settle().await;
        assert_one_look_for_each_check(scene).await;

        let runbook = Runbook::open(scene, "docs/runbooks/files-and-rows.md");
        upload(scene, "rm trend_examples/b.png");
        ask_for_a_check(scene).await;
        let said = scene
            .wait_condition(FilesMatch, False, reasons::FILES_MISSING)
            .await;
        let check = scene.checks().await.pop().expect("a check").name_any();
        assert_tells(
            &said.message,
            &[
                "1 of the 3 paths that rows name has no file",
                "/app/data/trend_examples/b.png",
                "claim uploads",
                &check,
            ],
        );
        scene
            .wait_event("Warning", reasons::FILES_MISSING, "b.png")
            .await;
        scene.wait_condition(Ready, False, reasons::NOT_READY).await;
        scene.wait_verified().await;
        assert_ran(
            &runbook.run("kubectl -n NAMESPACE describe protdb NAME"),
            0,
            &["FilesMissing", "/app/data/trend_examples/b.png"],
        );
        // The data itself is verified.
        let explained = runbook.run("kubectl holdfast explain NAME -n NAMESPACE");
        assert_ran(&explained, 0, &[]);

        upload(scene, "touch trend_examples/b.png");
        assert_ran(
            &runbook.run("kubectl holdfast check NAME -n NAMESPACE"),
            0,
            &["Asked for DatabaseCheck"],
        );
        scene
            .wait_condition(FilesMatch, True, reasons::FILES_MATCH)
            .await;
        scene.wait_green().await;
        let sorted = "kubectl -n NAMESPACE get dbcheck --sort-by=.metadata.creationTimestamp";
        assert_ran(&runbook.run(sorted), 0, &["Verified"]);

        server.sql(scene, "DELETE FROM trends");
        ask_for_a_check(scene).await;
        let said = scene
            .wait_condition(FilesMatch, False, reasons::FILES_ORPHANED)
            .await;
        assert_tells(
            &said.message,
            &[
                "no row names a file, and 4 files are in directory trend_examples",
                "a.png",
                "do not delete the files",
            ],
        );
        assert_one_look_for_each_check(scene).await;

        scene
            .change(json!({"spec": {"verification": {"files": null}}}))
            .await;
        scene
            .wait("the condition to go with the rule", async || {
                let conditions = scene.status().await.conditions;
                let has = conditions
                    .iter()
                    .any(|condition| condition.type_ == FilesMatch.as_str());
                if has {
                    Err(format!("{conditions:?}"))
                } else {
                    Ok(())
                }
            })
            .await;
    });
}

#[test]
fn files_that_only_their_owner_may_list_are_looked_at_as_their_owner_and_stay_as_they_are() {
    beside_others("files-owner", async |scene| {
        let server = start_with_uploads(scene).await;
        upload(
            scene,
            "chmod 700 trend_examples && chmod 600 trend_examples/*",
        );
        let before = upload(scene, "stat -c %u:%g:%a trend_examples trend_examples/*");
        protect(scene, &server, &json!([rule("uploads")])).await;
        let said = scene
            .wait_condition(FilesMatch, Unknown, reasons::FILES_UNREADABLE)
            .await;
        assert_tells(&said.message, &["spec.verification.files[0]", "runAsUser"]);
        scene
            .assert_condition(DataVerified, True, reasons::VERIFIED)
            .await;

        let mut owned = rule("uploads");
        owned["runAsUser"] = json!(OWNER);
        owned["runAsGroup"] = json!(OWNER);
        scene
            .change(json!({"spec": {"verification": {"files": [owned]}}}))
            .await;
        scene
            .wait_condition(FilesMatch, True, reasons::FILES_MATCH)
            .await;
        assert_eq!(
            upload(scene, "stat -c %u:%g:%a trend_examples trend_examples/*"),
            before,
            "looking changes nothing"
        );
    });
}

#[test]
fn a_claim_that_is_not_there_is_not_known_and_keeps_nothing_waiting() {
    beside_others("files-no-claim", async |scene| {
        let server = start_with_uploads(scene).await;
        protect(scene, &server, &json!([rule("gone"), rule("uploads")])).await;
        scene.wait_verified().await;
        let said = scene
            .wait_condition(FilesMatch, Unknown, reasons::CLAIM_NOT_FOUND)
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.verification.files[0]",
                "PersistentVolumeClaim gone, which does not exist",
            ],
        );
        let jobs = scene.agent_jobs("files").await;
        assert!(
            !jobs.is_empty() && jobs.iter().all(|job| job.ends_with("-1")),
            "only of the rule with a claim: {jobs:?}"
        );

        upload(scene, "rm trend_examples/b.png");
        ask_for_a_check(scene).await;
        let said = scene
            .wait_condition(FilesMatch, False, reasons::FILES_MISSING)
            .await;
        assert_tells(
            &said.message,
            &[
                "b.png",
                "Also, not everything is known",
                "PersistentVolumeClaim gone",
            ],
        );
    });
}

#[test]
fn a_claim_that_can_not_be_mounted_is_told_once_for_each_check_and_keeps_nothing_waiting() {
    in_shard("files-stuck", async |scene| {
        let _operator = Installation::read(scene).await.operate_impatiently(scene);
        let server = start_with_uploads(scene).await;
        let mut stuck = build_claim(scene.namespace(), "stuck");
        stuck["spec"]["storageClassName"] = json!("nobody-provides-this");
        scene.apply(&[stuck]);
        let mut short = rule("stuck");
        short["timeout"] = json!("1s");
        protect(scene, &server, &json!([short, rule("uploads")])).await;
        scene.wait_verified().await;
        scene
            .wait_told(
                FilesMatch,
                Unknown,
                reasons::AGENT_NOT_STARTED,
                &["the check of files can't start", "Unschedulable"],
            )
            .await;
        let said = scene
            .wait_condition(FilesMatch, Unknown, reasons::JOB_FAILED)
            .await;
        assert_tells(
            &said.message,
            &[
                "spec.verification.files[0]",
                "claim stuck can't be mounted",
                "DeadlineExceeded",
            ],
        );
        scene.settle().await;
        assert_one_look_for_each_check(scene).await;
        scene
            .assert_condition(DataReset, False, reasons::VERIFIED)
            .await;
    });
}

#[test]
fn the_files_of_a_directory_are_in_the_backup_and_none_that_is_unread_is_passed_over() {
    beside_others("files-backup", async |scene| {
        let server = start_with_uploads(scene).await;
        let mut database = build_database(scene, &server);
        let backup = database.spec.backup.as_mut().expect("backups");
        backup.directories = serde_json::from_value(json!([
            {"claim": "uploads", "path": "trend_examples"},
        ]))
        .expect("directories");
        scene.protect(&database).await;
        scene.wait_green().await;
        let good = scene.status().await.last_good_backup.expect("a backup");
        let taken = scene
            .wait_backup(&good.name)
            .await
            .status
            .expect("a status");
        assert_eq!(taken.files, Some(4), "{taken:?}");

        let before = upload(
            scene,
            "chmod 600 trend_examples/a.png && stat -c %u:%g:%a trend_examples/*",
        );
        back_up_now(scene, "unread");
        let unread = scene.wait_backup("unread").await.status.expect("a status");
        assert_eq!(
            (unread.state, unread.reason.as_deref()),
            (
                Some(BackupState::Suspect),
                Some(reasons::DIRECTORY_INCOMPLETE)
            ),
            "{unread:?}"
        );
        assert_tells(
            &unread.message.clone().expect("a message"),
            &[
                "trend_examples of claim uploads",
                "a.png: Permission denied",
                "runAsUser",
            ],
        );
        assert_eq!(
            scene.status().await.last_good_backup,
            Some(good),
            "the good one stays"
        );

        let owned = json!([{"claim": "uploads", "path": "trend_examples", "runAsUser": OWNER, "runAsGroup": OWNER}]);
        scene
            .change(json!({"spec": {"backup": {"directories": owned}}}))
            .await;
        scene.settle().await;
        back_up_now(scene, "as-owner");
        let owned = scene
            .wait_backup("as-owner")
            .await
            .status
            .expect("a status");
        assert_eq!(
            (owned.state, owned.files),
            (Some(BackupState::Complete), Some(4)),
            "{owned:?}"
        );
        assert_eq!(
            upload(scene, "stat -c %u:%g:%a trend_examples/*"),
            before,
            "reading changes nothing"
        );
    });
}

/// A filled server, its application's claim with four files, and rows that name three of them by
/// the path in the application's container.
pub async fn start_with_uploads(scene: &Scene) -> Server {
    let server = Server::new(scene);
    server.start_filled(scene).await;
    server.sql(
        scene,
        "CREATE TABLE trends (id int PRIMARY KEY, example_image_path text); INSERT INTO trends \
         VALUES (1, '/app/data/trend_examples/a.png'), (2, '/app/data/trend_examples/b.png'), (3, \
         '/app/data/trend_examples/sub/c.png'), (4, NULL)",
    );
    scene.apply(&[
        build_claim(scene.namespace(), "uploads"),
        build_application(scene),
    ]);
    scene
        .wait_kubectl("wait --for=condition=Ready pod/application --timeout=1s")
        .await;
    upload(
        scene,
        "mkdir -p trend_examples/sub && touch trend_examples/{a,b}.png trend_examples/sub/c.png \
         trend_examples/notes.txt",
    );
    server
}

/// The pod that has the claim.
pub fn build_application(scene: &Scene) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "application", "namespace": scene.namespace()}, "spec": {
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": true, "runAsUser": OWNER, "runAsGroup": OWNER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "application", "image": testbed::POSTGRES_15_IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", "infinity"],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "uploads", "mountPath": "/app/data"}],
        }],
        "volumes": [{"name": "uploads", "persistentVolumeClaim": {"claimName": "uploads"}}],
    }})
}

/// Runs a command in the application's folder.
pub fn upload(scene: &Scene, command: &str) -> String {
    let arguments = [
        "-n",
        scene.namespace(),
        "exec",
        "application",
        "--",
        "bash",
        "-c",
        &format!("cd /app/data && {command}"),
    ];
    scene
        .testbed
        .kubectl(&arguments)
        .unwrap_or_else(|error| panic!("{error:#}"))
}

pub fn rule(claim: &str) -> Value {
    json!({"claim": claim, "root": "trend_examples", "prefix": "/app/data/trend_examples", "query": QUERY})
}

async fn protect(scene: &Scene, server: &Server, rules: &Value) {
    let mut database = build_plain_database(scene, server);
    database.spec.verification.files = serde_json::from_value(rules.clone()).expect("rules");
    scene.protect(&database).await;
}

/// Asserts that each check that could say something has one Job for each rule, and that there is no
/// other.
async fn assert_one_look_for_each_check(scene: &Scene) {
    let rules = scene.database().await.spec.verification.files.len();
    let checks = scene.checks().await;
    let checks = checks.iter().filter(|check| {
        outcome(check).is_some_and(|outcome| outcome != CheckOutcome::Unverifiable)
    });
    let wanted: BTreeSet<String> = checks
        .flat_map(|check| {
            (0..rules).map(|place| names::files_job(&check.uid().unwrap_or_default(), place))
        })
        .collect();
    let found: BTreeSet<String> = scene.agent_jobs("files").await.into_iter().collect();
    assert_eq!(found, wanted);
}
