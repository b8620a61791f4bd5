//! Writes how far a backup is into the status of its `DatabaseBackup`. It is news for whoever waits, and nothing
//! depends on it: what can't be written is logged and forgotten.

use std::convert::Infallible;
use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::kubernetes;
use super::meter::BackupMeter;
use crate::api::{BackupProgress, DatabaseBackup};

/// Field manager of the progress alone: a write of it that arrives late changes nothing else of the status.
const MANAGER: &str = "holdfast-agent-progress";
/// It is written no more often.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes what is new, with a pause before each.
pub async fn keep_showing(client: &Client, this: (&str, &str), meter: &BackupMeter) -> Infallible {
    let mut written = None;
    loop {
        sleep(INTERVAL).await;
        show(client, this, meter, &mut written).await;
    }
}

/// Writes it unless it was written before.
async fn show(
    client: &Client,
    this: (&str, &str),
    meter: &BackupMeter,
    written: &mut Option<BackupProgress>,
) {
    let progress = meter.read();
    if progress.is_some() && progress != *written {
        write(client, this, json!({ "progress": progress })).await;
        *written = progress;
    }
}

/// Removes it from a backup that has ended.
pub async fn clear(client: &Client, (namespace, name): (&str, &str), meter: &BackupMeter) {
    if meter.read().is_some() {
        write(client, (namespace, name), json!({})).await;
    }
}

async fn write(client: &Client, (namespace, name): (&str, &str), status: Value) {
    let written =
        kubernetes::apply_status_once::<DatabaseBackup>(client, MANAGER, namespace, name, &status);
    if let Err(why) = written.await {
        tracing::warn!("how far the backup is could not be reported, and it goes on: {why}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::{Arc, Mutex};

    use axum::http::{Request, Response};
    use kube::client::Body;

    use super::*;

    const THIS: (&str, &str) = ("atra", "knowledge-backup-1");

    /// Where each request went, and what it said.
    type Sent = Arc<Mutex<Vec<(String, Value)>>>;

    /// An API server that answers everything with this code, and what it was sent.
    fn server(code: u16) -> (Client, Sent) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (sent, status) = (Arc::clone(&asked), json!({"kind": "Status", "code": code}));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (sent, status) = (Arc::clone(&sent), status.clone());
            async move {
                let path = request.uri().to_string();
                let body = request.into_body().collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&body).unwrap();
                sent.lock().unwrap().push((path, body));
                let body = Body::from(serde_json::to_vec(&status).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        (Client::new(service, "atra"), asked)
    }

    #[tokio::test]
    async fn only_what_is_new_is_written_and_no_answer_ends_it() {
        for code in [200, 403, 500] {
            let (client, sent) = server(code);
            let (meter, mut written) = (BackupMeter::default(), None);
            show(&client, THIS, &meter, &mut written).await;
            meter.begin_database("orders", Some(4 << 30));
            for bytes in [1, 2] {
                meter.note_dumped(bytes << 20, Some((1, 3)));
                show(&client, THIS, &meter, &mut written).await;
                // Nothing has changed since.
                show(&client, THIS, &meter, &mut written).await;
            }
            clear(&client, THIS, &meter).await;
            let sent = sent.lock().unwrap();
            let of = |body: &Value| {
                body["status"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect()
            };
            let fields: Vec<Vec<String>> = sent.iter().map(|(_, body)| of(body)).collect();
            // Nothing of the status but this one field, which is removed at the end.
            assert_eq!(
                fields,
                [vec!["progress"], vec!["progress"], vec![]],
                "{code}"
            );
            for (path, _) in sent.iter() {
                assert!(
                    path.contains("/databasebackups/knowledge-backup-1/status?")
                        && path.contains("fieldManager=holdfast-agent-progress"),
                    "{path}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_backup_that_showed_nothing_removes_nothing() {
        let (client, sent) = server(200);
        clear(&client, THIS, &BackupMeter::default()).await;
        assert!(sent.lock().unwrap().is_empty());
    }
}
