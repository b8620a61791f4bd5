//! A new cluster after the old one is gone, over the API server in memory: an application has seeded an empty
//! database, and a set of the old cluster takes its place, by its place in the bucket.

use serde_json::{Value, json};

use super::cluster::{Cluster, agent_jobs};
use super::crash_points::{assert_covers, operate, sweep};

/// Where the set of the old cluster is.
const PATH: &str = "gone/orders/20260131T030000Z-0000abcd";

/// A new database with the rows of a seed, protected and verified.
async fn seeded() -> Cluster {
    let cluster = Cluster::new();
    cluster.keep_rows([1, 27]);
    operate(&cluster, None).await;
    let verified = cluster.condition("DataVerified").map(|(status, _)| status);
    assert_eq!(verified.as_deref(), Some("True"));
    cluster
}

fn ask(cluster: &Cluster) {
    cluster.end_jobs();
    let set = json!({"path": PATH, "manifestSha256": "cd".repeat(32)});
    cluster.ask_from(&json!({ "set": set }), "Replace");
}

/// What the agent of the restore is asked.
fn request(cluster: &Cluster) -> Value {
    let store = cluster.server.store();
    let jobs = agent_jobs(&store, "restore");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let job = store.get("jobs", "atra", &jobs[0]).expect("a Job").clone();
    let variables = &job["spec"]["template"]["spec"]["containers"][0]["env"];
    let mut variables = variables.as_array().expect("variables").iter();
    let request = variables.find(|variable| variable["name"] == crate::api::REQUEST_VARIABLE);
    let request = request.expect("a request")["value"]
        .as_str()
        .expect("a text");
    serde_json::from_str(request).expect("JSON")
}

#[tokio::test]
async fn at_every_write_while_a_set_of_another_cluster_is_restored() {
    let cluster = seeded().await;
    ask(&cluster);
    let writes = sweep(&cluster, operate, |cluster, crash| {
        let restore = cluster.get("databaserestores", "atra", "back");
        let status = &restore["status"];
        assert_eq!(status["state"], "Complete", "{crash:?}: {restore}");
        assert_eq!(status["set"]["path"], PATH, "{crash:?}");
        for (condition, wanted) in [
            ("DataVerified", "True"),
            ("DataReset", "False"),
            ("Ready", "True"),
        ] {
            let is = cluster.condition(condition).map(|(status, _)| status);
            assert_eq!(is.as_deref(), Some(wanted), "{crash:?}: {condition}");
        }
        let request = request(cluster);
        assert_eq!(request["path"], PATH, "{crash:?}");
        // What does not count is refused by the agent: nobody else has read the bucket.
        assert_eq!(request["confirmedOnly"], true, "{crash:?}");
        // Nothing here claims to have taken the set: retention leaves it alone as that of another cluster.
        let backups = cluster.server.store().all("databasebackups");
        let claims = |backup: &Value| backup["status"]["path"] == PATH;
        assert!(
            !backups.iter().any(|(_, backup)| claims(backup)),
            "{crash:?}"
        );
    })
    .await;
    assert_covers(&writes, &["PATCH databaserestores/status", "POST jobs"]);
}

/// A tool creates the same object again: nothing is restored a second time.
#[tokio::test]
async fn one_that_is_created_again_does_nothing() {
    let cluster = seeded().await;
    ask(&cluster);
    operate(&cluster, None).await;
    let key = (
        "databaserestores".to_owned(),
        "atra".to_owned(),
        "back".to_owned(),
    );
    cluster.server.store().remove(&key);
    ask(&cluster);
    operate(&cluster, None).await;
    let restore = cluster.get("databaserestores", "atra", "back");
    assert_eq!(restore["status"]["state"], "Failed", "{restore}");
    assert_eq!(agent_jobs(&cluster.server.store(), "restore").len(), 1);
}
