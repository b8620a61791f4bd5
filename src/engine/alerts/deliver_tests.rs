//! Tests of the delivery, against a real HTTP server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::collections::VecDeque;
use std::fs;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::routing;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::*;

/// The part of the URL that nobody but the webhook may see.
const TOKEN: &str = "t0ken";

/// How long something may take; only a failure takes so long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a webhook takes a request.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Status(u16),
    /// It accepts the connection and never answers.
    Silence,
}

/// What arrived: the path and query, the login, the alerts.
type Arrived = (String, Option<String>, Value);

#[derive(Clone)]
struct Manners {
    planned: Arc<Mutex<VecDeque<Manner>>>,
    arrived: UnboundedSender<Arrived>,
}

/// A webhook on loopback, and the file with its URL.
struct Scene {
    tasks: JoinSet<()>,
    directory: TempDir,
    port: u16,
    arrived: UnboundedReceiver<Arrived>,
    metrics: Metrics,
    notices: Notices,
}

impl Scene {
    /// A webhook that takes requests in these manners, and then all of them.
    async fn start(planned: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, arrived) = unbounded_channel();
        let manners = Manners {
            planned: Arc::new(Mutex::new(planned.iter().copied().collect())),
            arrived: sender,
        };
        let mut tasks = JoinSet::new();
        let router = Router::new()
            .route("/api/v2/alerts", routing::post(take))
            .with_state(manners);
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let scene = Self {
            tasks,
            directory: tempfile::tempdir().unwrap(),
            port,
            arrived,
            metrics: Metrics::default(),
            notices: Notices::for_webhook(),
        };
        scene.write(&format!(
            "http://holdfast:pass@127.0.0.1:{port}/api/v2/alerts?token={TOKEN}\n"
        ));
        scene
    }

    fn write(&self, url: &str) {
        fs::write(self.directory.path().join("url"), url).unwrap();
    }

    fn deliver(&mut self, pace: Pace) {
        let webhook = Webhook {
            url_file: self.directory.path().join("url"),
            pace,
        };
        self.tasks
            .spawn(deliver(self.notices.clone(), webhook, self.metrics.clone()));
    }

    fn observe(&self, status: &str, reason: &str) {
        let condition = json!({"type": "DataReset", "status": status, "reason": reason, "message": "gone", "lastTransitionTime": "2026-02-01T09:00:00Z"});
        let now = "2026-02-01T10:00:00Z".parse().unwrap();
        self.notices.observe(
            "atra",
            "knowledge",
            &[serde_json::from_value(condition).unwrap()],
            now,
        );
    }

    async fn next(&mut self) -> Arrived {
        tokio::time::timeout(TIMEOUT, self.arrived.recv())
            .await
            .expect("something to arrive")
            .unwrap()
    }

    async fn wait_count(&self, name: &str, wanted: u64) {
        let end = Instant::now() + TIMEOUT;
        while self.count(name) < wanted {
            assert!(
                Instant::now() < end,
                "{name} is {}, not {wanted}",
                self.count(name)
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn count(&self, name: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("holdfast_webhook_{name}_total ")))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

async fn take(State(manners): State<Manners>, request: Request) -> StatusCode {
    let manner = manners
        .planned
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(Manner::Status(200));
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let login = parts
        .headers
        .get(AUTHORIZATION)
        .map(|value| value.to_str().unwrap().to_owned());
    manners
        .arrived
        .send((
            parts.uri.to_string(),
            login,
            serde_json::from_slice(&body).unwrap(),
        ))
        .unwrap();
    match manner {
        Manner::Status(code) => StatusCode::from_u16(code).unwrap(),
        Manner::Silence => std::future::pending().await,
    }
}

/// Fast, except for repetitions, of which there are none.
fn brisk() -> Pace {
    Pace {
        limit: Duration::from_millis(300),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        repeat: Duration::from_hours(1),
    }
}

#[tokio::test]
async fn an_alert_arrives_after_every_kind_of_failure_and_is_ended_later() {
    let failures = [
        Manner::Status(500),
        Manner::Silence,
        Manner::Status(302),
        Manner::Status(404),
    ];
    let mut scene = Scene::start(&failures).await;
    scene.observe("True", "RowsDropped");
    scene.deliver(brisk());
    let mut bodies = Vec::new();
    for _ in 0..=failures.len() {
        let (target, login, body) = scene.next().await;
        assert_eq!(target, format!("/api/v2/alerts?token={TOKEN}"));
        assert_eq!(login.as_deref(), Some("Basic aG9sZGZhc3Q6cGFzcw=="));
        bodies.push(body);
    }
    assert!(
        bodies.iter().all(|body| *body == bodies[0]),
        "the same is sent until it has arrived: {bodies:?}"
    );
    assert_eq!(bodies[0][0]["labels"]["alertname"], "HoldfastDataReset");
    assert_eq!(bodies[0][0]["endsAt"], Value::Null);

    scene.observe("True", "RowsDropped");
    scene.observe("False", "Verified");
    let (_, _, over) = scene.next().await;
    assert_eq!(
        (&over[0]["labels"], &over[0]["endsAt"]),
        (&bodies[0][0]["labels"], &json!("2026-02-01T10:00:00Z"))
    );
    assert_eq!(over.as_array().map(Vec::len), Some(1));
    scene.observe("True", "TablesEmptied");
    scene.next().await;
    scene.wait_count("sent", 3).await;
    assert_eq!(scene.count("failures"), 4);
    assert!(
        scene.arrived.try_recv().is_err(),
        "and nothing else was sent"
    );
}

#[tokio::test]
async fn an_alert_is_repeated_while_it_fires() {
    let mut scene = Scene::start(&[]).await;
    scene.observe("True", "RowsDropped");
    scene.deliver(Pace {
        repeat: Duration::from_millis(1),
        ..brisk()
    });
    let first = scene.next().await;
    for _ in 0..3 {
        assert_eq!(scene.next().await, first);
    }
}

#[tokio::test]
async fn a_webhook_that_is_silent_or_gone_holds_nobody_up() {
    let mut scene = Scene::start(&[Manner::Silence]).await;
    scene.deliver(Pace {
        limit: Duration::from_hours(1),
        ..brisk()
    });
    scene.observe("True", "RowsDropped");
    scene.next().await;
    // The request is under way and will not end. This runs on the same thread, so a wait anywhere
    // would never end.
    for number in 0..10_000 {
        scene.observe(
            if number % 2 == 0 { "True" } else { "False" },
            "RowsDropped",
        );
        scene.notices.forget("atra", "no-such");
    }
    assert_eq!(scene.count("sent"), 0);
    assert!(scene.arrived.try_recv().is_err(), "one request at a time");
}

#[tokio::test]
async fn a_url_that_is_wrong_at_first_is_counted_and_taken_as_soon_as_it_is_right() {
    let mut scene = Scene::start(&[]).await;
    let right = fs::read_to_string(scene.directory.path().join("url")).unwrap();
    scene.write("not a url");
    scene.deliver(brisk());
    scene.wait_count("failures", 1).await;
    scene.observe("True", "RowsDropped");
    // One for the read at the start, one for the request.
    scene.wait_count("failures", 2).await;
    scene.write(&right);
    assert_eq!(scene.next().await.2[0]["labels"]["reason"], "RowsDropped");
}

#[tokio::test]
async fn no_failure_tells_the_url() {
    let scene = Scene::start(&[Manner::Status(500), Manner::Silence]).await;
    let file = scene.directory.path().join("url");
    let mut said = Vec::new();
    for _ in 0..2 {
        said.push(
            post(&file, &[], brisk().limit)
                .await
                .unwrap_err()
                .to_string(),
        );
    }
    for url in [
        "http://127.0.0.1:1/api?token=t0ken",
        "http://no-such-host.invalid/t0ken",
        &format!("https://127.0.0.1:{}/t0ken", scene.port),
    ] {
        scene.write(url);
        said.push(
            post(&file, &[], Duration::from_secs(20))
                .await
                .unwrap_err()
                .to_string(),
        );
    }
    assert!(
        said.iter().all(|text| text.contains("the webhook")
            && !text.contains(TOKEN)
            && !text.contains("pass@")),
        "{said:#?}"
    );
    assert!(
        said[0].contains("answered 500") && said[1].contains("has not answered within 0.3 s"),
        "{said:#?}"
    );
    assert!(said[2].contains("can't be reached"), "{said:#?}");
}

#[tokio::test]
async fn without_a_webhook_nothing_is_kept() {
    let notices = Notices::default();
    notices.forget("atra", "knowledge");
    deliver(
        notices,
        Webhook {
            url_file: PathBuf::from("/nowhere"),
            pace: brisk(),
        },
        Metrics::default(),
    )
    .await;
}
