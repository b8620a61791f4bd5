//! What only the API server can say, in a whole cluster in memory: what time it is by its clock, and
//! whether it asks the admission policies.

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use crate::api::ConfirmedVerb;
use crate::engine::Context;

async fn guarded() -> (Cluster, Context) {
    let cluster = Cluster::new();
    let operator = cluster.operator(None);
    cluster.operate(&operator).await;
    assert_eq!(said(&cluster).0, "True");
    (cluster, operator)
}

/// Status and reason of `Guarded`.
fn said(cluster: &Cluster) -> (String, String) {
    cluster.condition("Guarded").expect("the condition")
}

/// The policies are there and nobody asks them: this is reported also for a database that was guarded.
#[tokio::test]
async fn an_api_server_that_no_longer_asks_the_policies_is_found() {
    let (cluster, operator) = guarded().await;
    cluster.server.store().asks_no_policy = true;
    cluster.operate(&operator).await;
    assert_eq!(said(&cluster).0, "True", "it was refused a moment ago");
    // That was long ago.
    let now = Instant::now();
    operator.enforcement.note(
        now.checked_sub(Duration::from_mins(10)).unwrap_or(now),
        now.checked_sub(Duration::from_mins(10)).is_some(),
    );
    cluster.operate(&operator).await;
    let missing = ("False".to_owned(), "PolicyMissing".to_owned());
    assert_eq!(said(&cluster), missing);
    cluster.server.store().asks_no_policy = false;
    cluster.operate(&operator).await;
    assert_eq!(said(&cluster).0, "True");
}

/// The clock of the API server says what is in force, whatever the operator's says.
#[tokio::test]
async fn the_clock_of_the_api_server_decides_when_a_confirmation_has_ended() {
    for (server_ahead, age, is_left) in [
        (0, 0, true),
        (120, 0, true),
        (-1_200, 0, true),
        (1_200, 1_000, false),
        (-120, 950, false),
    ] {
        let (cluster, operator) = guarded().await;
        cluster.server.store().clock_ahead = server_ahead;
        let now = cluster.server.store().now();
        cluster.confirm_claim(now - jiff::SignedDuration::from_secs(age));
        cluster.operate(&operator).await;
        let claim = cluster.get("persistentvolumeclaims", "atra", "data");
        let annotations = &claim["metadata"]["annotations"];
        let is_there = annotations[ConfirmedVerb::Delete.annotation()].is_string();
        assert_eq!(is_there, is_left, "{server_ahead} {age}");
        let (status, reason) = said(&cluster);
        assert_eq!(status == "False", is_left, "{server_ahead} {age}: {reason}");
    }
}
