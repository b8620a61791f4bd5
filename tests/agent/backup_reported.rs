//! A backup whose API server is away: at the beginning, and once the set is in the bucket. Postgres and the storage
//! are real; the API server is a stand-in that holds the objects of one backup.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, Request, Response, Uri};
use holdfast::agent::{BackupTries, Tries, run_backup_with};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::backup_scene::Scene;
use crate::support::postgres::PASSWORD;

const NAME: &str = "knowledge-backup-1";

/// The API server of one backup.
#[derive(Clone)]
struct ApiServer {
    /// How many requests it still answers with 503, from the beginning or from when a set is stored.
    away: Arc<Mutex<usize>>,
    is_stored: Arc<dyn Fn() -> bool + Send + Sync>,
    backup: Arc<Mutex<Option<Value>>>,
}

impl ApiServer {
    fn new(away: usize, is_stored: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            away: Arc::new(Mutex::new(away)),
            is_stored: Arc::new(is_stored),
            backup: Arc::default(),
        }
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let sent = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = server.answer(&parts.method, &parts.uri, sent);
                let body = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        Client::new(service, "atra")
    }

    fn is_away(&self) -> bool {
        let mut away = self.away.lock().unwrap();
        let is_away = *away > 0 && (self.is_stored)();
        if is_away {
            *away -= 1;
        }
        is_away
    }

    fn answer(&self, method: &Method, uri: &Uri, sent: Value) -> (u16, Value) {
        let status = |code: u16, reason: &str| {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": reason, "message": "the API server says so"})
        };
        if self.is_away() {
            return (503, status(503, "ServiceUnavailable"));
        }
        let mut backup = self.backup.lock().unwrap();
        let resource = uri.path().split('/').nth(6).unwrap_or_default();
        match (method, resource) {
            // Without a creation time no check is waited for.
            (&Method::POST, "databasebackups") => {
                *backup = Some(sent.clone());
                (201, sent)
            }
            (&Method::PATCH, "databasebackups") => {
                let object = backup.as_mut().unwrap();
                // How far it is has a field manager of its own, which changes nothing else.
                let of_progress = "fieldManager=holdfast-agent-progress";
                if !uri.query().is_some_and(|query| query.contains(of_progress)) {
                    object["status"] = sent["status"].clone();
                }
                (200, object.clone())
            }
            (&Method::GET, "databasebackups") => (
                200,
                json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "DatabaseBackupList",
                    "metadata": {}, "items": []}),
            ),
            (&Method::GET, "protecteddatabases") => (200, database()),
            _ => (404, status(404, "NotFound")),
        }
    }

    fn status(&self) -> Value {
        let backup = self.backup.lock().unwrap();
        backup.as_ref().unwrap()["status"].clone()
    }
}

/// A ProtectedDatabase of which the data is verified.
fn database() -> Value {
    let condition = |type_: &str, status: &str| {
        json!({"type": type_, "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "ProtectedDatabase",
        "metadata": {"name": "knowledge", "namespace": "atra", "uid": "uid-1"},
        "spec": {
            "workload": {"name": "w"},
            "connection": {"database": "postgres", "credentialsSecret": {"name": "s"}},
        },
        "status": {"conditions": [condition("DataReset", "False"), condition("DataVerified", "True")]},
    })
}

/// With pauses that nobody notices, for a minute.
fn tries() -> BackupTries {
    let quick = Tries {
        limit: Duration::from_mins(1),
        first: Duration::from_micros(10),
        longest: Duration::from_millis(1),
        ..Tries::SHORT
    };
    BackupTries {
        asks: quick,
        reports: quick,
        ends_at: Instant::now() + Duration::from_mins(1),
    }
}

/// Whether a manifest is stored.
fn is_stored(scene: &Scene) -> bool {
    let objects = scene.bucket.objects();
    objects.iter().any(|key| key.ends_with("/manifest.json"))
}

/// Takes a backup while the API server answers so many requests with 503: the first ones, or the first ones once
/// the set is stored.
async fn back_up(
    away: usize,
    only_at_the_end: bool,
    tries: BackupTries,
) -> (Arc<Scene>, Value, bool) {
    let scene = Arc::new(Scene::new(&["postgres"], "postgres", PASSWORD));
    let statement = "create table experts as select n as id from generate_series(1, 85) n";
    scene.postgres.execute("postgres", statement).await;
    let seen = scene.clone();
    let server = ApiServer::new(away, move || !only_at_the_end || is_stored(&seen));
    let request = scene.request.clone();
    let client = server.client();
    let run = run_backup_with(&client, &scene.files, tries, request, NAME);
    let outcome = Box::pin(run).await;
    (scene, server.status(), outcome.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_changes_nothing() {
    for only_at_the_end in [false, true] {
        let (scene, status, is_ok) = back_up(200, only_at_the_end, tries()).await;
        assert!(is_ok, "{status}");
        assert_eq!(status["state"], "Complete", "{status}");
        assert_eq!(status["rows"], 85, "{status}");
        assert!(is_stored(&scene));
    }
}

/// Then the operator says that it is not known whether the set is complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_job_is_over_first_says_where_its_set_is() {
    let over = BackupTries {
        reports: Tries {
            limit: Duration::ZERO,
            ..tries().reports
        },
        ends_at: Instant::now(),
        ..tries()
    };
    // What is asked at the end of the dump is answered.
    let (scene, status, is_ok) = back_up(usize::MAX, true, over).await;
    assert!(!is_ok);
    assert_eq!(status["state"], "Running", "{status}");
    let manifest = format!("{}/manifest.json", status["path"].as_str().unwrap());
    assert!(scene.bucket.objects().contains(&manifest));
}
