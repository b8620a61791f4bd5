//! A restore from a backup over the API server in memory: the operator dies at each of its writes, and the
//! next one finishes what it began, with one Job and without another command.

use serde_json::{Value, json};

use super::cluster::{Cluster, agent_jobs};
use super::crash_points::{assert_covers, operate, protected, sweep};

fn restore_of(cluster: &Cluster) -> Value {
    cluster.get("databaserestores", "atra", "back")
}

/// Asks for the newest backup that counts, while no Job runs.
fn ask(cluster: &Cluster, into: &str) {
    cluster.end_jobs();
    cluster.ask_for_backup(into);
}

/// Verified again, the restore is over, and it had one Job.
fn assert_restored(cluster: &Cluster, crash: &str) {
    let is = |condition: &str| cluster.condition(condition).map(|(status, _)| status);
    let restore = restore_of(cluster);
    assert_eq!(restore["status"]["state"], "Complete", "{crash}: {restore}");
    assert_eq!(is("DataVerified").as_deref(), Some("True"), "{crash}");
    assert_eq!(is("DataReset").as_deref(), Some("False"), "{crash}");
    assert_eq!(is("Ready").as_deref(), Some("True"), "{crash}");
    assert!(
        restore["status"]["report"].is_object(),
        "{crash}: {restore}"
    );
    let uid = restore["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let store = cluster.server.store();
    assert_eq!(
        agent_jobs(&store, "restore"),
        [format!("restore-{uid}")],
        "{crash}"
    );
    let held = restore["metadata"]["finalizers"]
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(held, 0, "{crash}: {restore}");
    let database = store
        .get("protecteddatabases", "atra", "knowledge")
        .cloned();
    let database = database.unwrap_or_default();
    let note = &database["metadata"]["annotations"]["holdfast.dev/restores-carried-out"];
    let wanted = format!("back/backup.latest-good/{uid}");
    assert_eq!(note.as_str(), Some(wanted.as_str()), "{crash}");
    drop(store);
    assert!(cluster.keeps_data(), "{crash}");
}

#[tokio::test]
async fn at_every_write_of_a_restore_from_a_backup() {
    let cluster = protected().await;
    cluster.empty_tables();
    cluster.restart();
    operate(&cluster, None).await;
    let is_reset = cluster.condition("DataReset").map(|(status, _)| status);
    assert_eq!(is_reset.as_deref(), Some("True"));
    ask(&cluster, "Replace");
    let writes = sweep(&cluster, operate, |cluster, crash| {
        assert_restored(cluster, &format!("{crash:?}"));
    })
    .await;
    assert_covers(
        &writes,
        &[
            "PATCH databaserestores",
            "PATCH databaserestores/status",
            "PATCH protecteddatabases",
            "POST jobs",
            "POST databasechecks",
            "PATCH databasechecks/status",
            "PATCH databaseledgers/status",
        ],
    );
}

/// The volume is lost, and initdb has made another database cluster: another identifier, and a backup of
/// it follows without another command.
#[tokio::test]
async fn after_another_initdb_the_next_backup_follows_by_itself() {
    let cluster = protected().await;
    cluster.switch_volume();
    operate(&cluster, None).await;
    let before = agent_jobs(&cluster.server.store(), "backup").len();
    ask(&cluster, "Replace");
    operate(&cluster, None).await;
    assert_restored(&cluster, "no crash");
    assert!(agent_jobs(&cluster.server.store(), "backup").len() >= before);
}

/// Beside changes nothing of what is there, and nobody has to confirm it.
#[tokio::test]
async fn beside_changes_no_verdict() {
    let cluster = protected().await;
    ask(&cluster, "Beside");
    let checks = || cluster.server.store().all("databasechecks").len();
    let before = checks();
    operate(&cluster, None).await;
    let restore = restore_of(&cluster);
    assert_eq!(restore["status"]["state"], "Complete", "{restore}");
    assert_eq!(checks(), before);
    let verified = cluster.condition("DataVerified").map(|(status, _)| status);
    assert_eq!(verified.as_deref(), Some("True"));
}

/// A tool creates the same object again: nothing is restored a second time.
#[tokio::test]
async fn one_that_is_created_again_does_nothing() {
    let cluster = protected().await;
    ask(&cluster, "Replace");
    operate(&cluster, None).await;
    let key = (
        "databaserestores".to_owned(),
        "atra".to_owned(),
        "back".to_owned(),
    );
    cluster.server.store().remove(&key);
    ask(&cluster, "Replace");
    operate(&cluster, None).await;
    let restore = restore_of(&cluster);
    assert_eq!(restore["status"]["state"], "Failed", "{restore}");
    assert_eq!(agent_jobs(&cluster.server.store(), "restore").len(), 1);
}

/// A quota refuses the agent's pod until its time is over: the Job is gone before the restore says so, else
/// it would begin when the quota allows.
#[tokio::test]
async fn at_every_write_while_its_agent_can_not_begin() {
    let mut cluster = protected().await;
    ask(&cluster, "Replace");
    cluster.refused_for = Some(600);
    sweep(&cluster, operate, |cluster, crash| {
        let restore = restore_of(cluster);
        assert_eq!(restore["status"]["state"], "Failed", "{crash:?}: {restore}");
        let message = restore["status"]["message"].as_str().unwrap_or_default();
        let says = ["exceeded quota", "was deleted before it reported"];
        assert!(
            says.iter().any(|says| message.contains(says)),
            "{crash:?}: {message}"
        );
        let left = agent_jobs(&cluster.server.store(), "restore");
        assert!(left.is_empty(), "{crash:?}: {left:?}");
        assert!(cluster.keeps_data(), "{crash:?}");
    })
    .await;
}

/// Asks for the files of a directory, while no Job runs.
fn ask_for_files(cluster: &Cluster) {
    cluster.create(
        "persistentvolumeclaims",
        "atra",
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "uploads", "namespace": "atra"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
    );
    let directories = json!([{"claim": "uploads", "path": "images"}]);
    let spec = json!({"spec": {"backup": {"directories": directories}}});
    cluster.change("protecteddatabases", "atra", "knowledge", &spec);
    cluster.end_jobs();
    cluster.ask_from(
        &json!({"files": {"claim": "uploads", "path": "images"}}),
        "Replace",
    );
}

/// Files are restored by one Job, which is announced with its claim, and no verdict of the data changes.
#[tokio::test]
async fn at_every_write_of_a_restore_of_files() {
    let cluster = protected().await;
    ask_for_files(&cluster);
    let writes = sweep(&cluster, operate, |cluster, crash| {
        let restore = restore_of(cluster);
        assert_eq!(
            restore["status"]["state"], "Complete",
            "{crash:?}: {restore}"
        );
        let message = restore["status"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("4 of 4 files"), "{crash:?}: {message}");
        let uid = restore["metadata"]["uid"].as_str().unwrap_or_default();
        let jobs = agent_jobs(&cluster.server.store(), "restore-files");
        assert_eq!(jobs, [format!("restore-{uid}")], "{crash:?}");
        let claim = cluster.get("persistentvolumeclaims", "atra", "uploads");
        let of_claim = claim["metadata"]["uid"].as_str().unwrap_or_default();
        let announced = restore["status"]["announced"].to_string();
        assert!(
            !of_claim.is_empty() && announced.contains(of_claim),
            "{crash:?}: {announced}"
        );
        let held = restore["metadata"]["finalizers"].as_array();
        assert_eq!(held.map_or(0, Vec::len), 0, "{crash:?}: {restore}");
        for (condition, wanted) in [
            ("DataVerified", "True"),
            ("DataReset", "False"),
            ("Ready", "True"),
        ] {
            let is = cluster.condition(condition).map(|(status, _)| status);
            assert_eq!(is.as_deref(), Some(wanted), "{crash:?}: {condition}");
        }
        assert!(cluster.keeps_data(), "{crash:?}");
    })
    .await;
    assert_covers(
        &writes,
        &[
            "PATCH databaserestores/status",
            "PATCH protecteddatabases",
            "POST jobs",
        ],
    );
}
