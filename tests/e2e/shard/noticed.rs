//! People hear of a loss without asking: the webhook is told when the data is lost, again after a
//! restart of the operator, and when a person has accepted it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Router, body::Bytes};
use holdfast::api::reasons;
use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::operator::Installation;
use crate::data_lost::ask_for_a_check;
use crate::support::{NAME, Scene, Server, assert_ran, holdfast, in_shard};

/// How long an alert may take: longer than the operator's repetition, so that a failure shows as
/// one.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn a_loss_is_told_again_after_a_restart_and_its_end_too() {
    in_shard("noticed", async |scene| {
        let server = Server::new(scene);
        let installation = Installation::read(scene).await;
        let first = installation.operate(scene);
        scene.protect_plainly(&server).await;
        scene.settle().await;
        first.kill().await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut webhook = Receiver::start(&folder.path().join("url")).await;
        let start = || installation.operate_telling(scene, folder.path().join("url"));
        let operator = start();

        server.sql(scene, "TRUNCATE knowledge_nodes");
        let suspected = ask_for_a_check(scene).await.name_any();
        scene.wait_reset(reasons::TABLES_EMPTIED).await;
        let told = webhook.next_of(scene).await;
        let labels = json!({
            "alertname": "HoldfastDataReset", "namespace": scene.namespace(), "name": NAME, "reason": "TablesEmptied", "severity": "critical",
        });
        assert_eq!((&told["labels"], &told["endsAt"]), (&labels, &Value::Null));
        let description = told["annotations"]["description"]
            .as_str()
            .expect("a description");
        assert!(
            description.contains("public.knowledge_nodes: 26,337 -> 0 rows"),
            "{description}"
        );
        assert_eq!(
            told["annotations"]["runbook"],
            "docs/conditions.md#tablesemptied"
        );

        operator.kill().await;
        webhook.forget();
        let operator = start();
        assert_eq!(
            webhook.next_of(scene).await["labels"],
            labels,
            "what still holds is told again"
        );

        let accept = format!("accept {NAME} {suspected} --yes -n {}", scene.namespace());
        assert_ran(&holdfast(scene, &accept), 0, &["Accepted"]);
        scene.wait_green().await;
        let over = loop {
            let alert = webhook.next_of(scene).await;
            if alert["endsAt"].is_string() {
                break alert;
            }
        };
        assert_eq!(
            (&over["labels"], &over["startsAt"]),
            (&labels, &told["startsAt"])
        );
        operator.kill().await;
        let _operator = installation.operate(scene);
        scene.settle().await;
        scene.wait_green().await;
    });
}

/// A webhook that refuses its first request and takes all others.
struct Receiver(UnboundedReceiver<Value>);

#[derive(Clone)]
struct Intake {
    is_ready: Arc<AtomicBool>,
    taken: UnboundedSender<Value>,
}

impl Receiver {
    async fn start(url_file: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        fs::write(url_file, format!("http://127.0.0.1:{port}/api/v2/alerts")).expect("a file");
        let (taken, alerts) = unbounded_channel();
        let router = Router::new()
            .route("/api/v2/alerts", post(take))
            .with_state(Intake {
                is_ready: Arc::default(),
                taken,
            });
        // It ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(alerts)
    }

    /// The next alert about data in the scene's namespace.
    async fn next_of(&mut self, scene: &Scene) -> Value {
        loop {
            let alert = tokio::time::timeout(PATIENCE, self.0.recv())
                .await
                .expect("an alert")
                .expect("a receiver");
            let labels = &alert["labels"];
            if labels["namespace"] == scene.namespace()
                && labels["alertname"] == "HoldfastDataReset"
            {
                return alert;
            }
        }
    }

    /// Leaves out what has arrived so far.
    fn forget(&mut self) {
        while self.0.try_recv().is_ok() {}
    }
}

async fn take(State(intake): State<Intake>, body: Bytes) -> StatusCode {
    if !intake.is_ready.swap(true, Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let Ok(alerts) = serde_json::from_slice::<Vec<Value>>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    for alert in alerts {
        // The test may be over.
        intake.taken.send(alert).ok();
    }
    StatusCode::OK
}
