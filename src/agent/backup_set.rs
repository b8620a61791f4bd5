//! Taking one backup set: roles and every database in flight, completed together, the manifest
//! last. No Kubernetes here.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout_at};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{Login, PostgresError, connect, end_sessions};
use crate::store::{
    Compression, MANIFEST_NAME, Manifest, ManifestObject, ObjectEncryption, S3Store, SetPath,
    TakenBack, Upload,
};

use super::backup_files::archive_directories;
use super::backup_fill::fill;
use super::backup_manifest::build_manifest;
use super::filled::{Filled, InFlight, Place};
use super::set_order::SetOrder;
use super::{Interrupt, SuspicionSource};

/// How often a set is begun that had to end for a change of a table.
const YIELD_ATTEMPTS: u32 = 3;
/// How long ending the sessions of a set may take that failed: the server ends them within 5 s anyway.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long taking back the objects of a set may take that failed: the pod may be about to end.
const TAKE_BACK_LIMIT: Duration = Duration::from_secs(15);
const END_PAUSE: Duration = Duration::from_millis(200);

/// A set whose manifest was written.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenSet {
    /// What the manifest says.
    pub manifest: Manifest,
    /// SHA-256 of the manifest as stored, in hex.
    pub manifest_sha256: String,
    /// Bytes in the bucket, the manifest included.
    pub stored_bytes: u64,
}

/// Takes a set. Whatever goes wrong, or `interrupt` says, before the manifest is written: uploads
/// in flight are aborted, sessions are ended, and there is no backup.
pub async fn take_set(
    order: &SetOrder<'_>,
    suspicion: &impl SuspicionSource,
    interrupt: &Interrupt,
) -> Result<TakenSet, AgentFailure> {
    let started_at = Timestamp::now();
    let (request, files) = (order.request, order.files);
    let namespace = &request.namespace;
    let store = files.open_store(&request.storage, namespace, order.limits)?;
    let presence = order.presence.clone();
    let login = files.read_login(&request.server, namespace, &order.host, presence)?;
    let mut attempt = 1;
    let (filled, objects) = loop {
        let attempted = Box::pin(try_once(order, &login, suspicion, &store, interrupt));
        let failure = match attempted.await {
            Ok(stored) => break stored,
            Err(failure) => failure,
        };
        if failure.reason != reasons::YIELDED_TO_DDL || attempt == YIELD_ATTEMPTS {
            return Err(failure);
        }
        attempt += 1;
        tracing::warn!(attempt, "the backup is begun again: {}", failure.message);
        tokio::select! {
            failure = interrupt.wait() => return Err(failure),
            () = sleep(order.pause) => {}
        }
    };
    let stored: Vec<String> = objects.iter().map(|object| object.name.clone()).collect();
    // Not interrupted: whether the manifest is there decides whether there is a backup, and that
    // must not stay unknown.
    store_manifest(
        order,
        &store,
        build_manifest(order, filled, objects, started_at, Timestamp::now()),
    )
    .await
    .map_err(|failure| name_leftovers(failure, &order.path, &stored))
}

/// Says which objects of a set that failed are at their final keys: there is no manifest, so they are
/// no backup.
fn name_leftovers(failure: AgentFailure, path: &SetPath, stored: &[String]) -> AgentFailure {
    if stored.is_empty() {
        return failure;
    }
    AgentFailure {
        message: format!(
            "{}. Without a manifest these objects below `{}` are no backup: {}",
            failure.message,
            path.as_str(),
            stored.join(", ")
        ),
        ..failure
    }
}

async fn try_once(
    order: &SetOrder<'_>,
    login: &Login,
    suspicion: &impl SuspicionSource,
    store: &S3Store,
    interrupt: &Interrupt,
) -> Result<(Filled, Vec<ManifestObject>), AgentFailure> {
    let mut in_flight = Vec::new();
    let outcome = tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        outcome = store_objects(order, login, suspicion, store, &mut in_flight) => outcome,
    };
    if outcome.is_ok() {
        return outcome;
    }
    let (left, ()) = tokio::join!(
        leave_nothing(order, store, in_flight),
        end_set(order, login)
    );
    outcome.map_err(|failure| name_leftovers(failure, &order.path, &left))
}

/// Aborts what is on its way, and takes back what is at its final key: no manifest of this set was sent, so
/// that is no backup. Returns what is still left, for a message.
async fn leave_nothing(
    order: &SetOrder<'_>,
    store: &S3Store,
    in_flight: Vec<InFlight>,
) -> Vec<String> {
    let mut present = Vec::new();
    for object in in_flight {
        if object.place != Place::Stored {
            object.upload.abort().await;
        }
        if object.place != Place::Empty {
            present.push((object.name, object.place == Place::Stored));
        }
    }
    let end = Instant::now() + TAKE_BACK_LIMIT;
    let mut left = Vec::new();
    for (name, is_stored) in present {
        let key = order.path.key(&name);
        match timeout_at(end, store.take_back(&key)).await {
            Ok(Ok(TakenBack::Gone)) => {
                tracing::info!(key, "deleted: it was of this set, which has failed");
                continue;
            }
            Ok(Ok(TakenBack::Absent)) if is_stored => continue,
            // What was sent without an answer may still arrive.
            Ok(Ok(TakenBack::Absent)) => {}
            Ok(Err(error)) => tracing::warn!(key, "an object without a manifest is left: {error}"),
            Err(_) => tracing::warn!(key, "an object without a manifest is left: no time"),
        }
        left.push(if is_stored {
            name
        } else {
            format!("{name} (if it is there)")
        });
    }
    left
}

/// Ends what is left of a set in the server, so that nobody waits for it: `pg_dump` got a signal, and
/// its session may not have noticed.
async fn end_set(order: &SetOrder<'_>, login: &Login) {
    let main = order.request.server.main_database();
    let (_, application) = order.application_names();
    let end = Instant::now() + END_LIMIT;
    let ending = async {
        let session = connect(login, main, end).await?;
        while end_sessions(&session, &application).await? > 0 && Instant::now() < end {
            sleep(END_PAUSE).await;
        }
        Ok::<_, PostgresError>(())
    };
    if let Err(error) = ending.await {
        tracing::warn!("sessions of this backup could not be ended: {error}");
    }
}

async fn store_objects(
    order: &SetOrder<'_>,
    login: &Login,
    suspicion: &impl SuspicionSource,
    store: &S3Store,
    in_flight: &mut Vec<InFlight>,
) -> Result<(Filled, Vec<ManifestObject>), AgentFailure> {
    store.check_bucket().await?;
    let mut filled = Box::pin(fill(order, login, suspicion, store, in_flight)).await?;
    let begun = Instant::now();
    archive_directories(order, store, &mut filled, in_flight).await?;
    filled.files_time = begun.elapsed();
    let is_encrypted = !filled.recipients.is_empty();
    let mut objects = Vec::new();
    for object in in_flight.iter_mut() {
        object.place = Place::Unknown;
        let stored = object.upload.complete().await;
        // A failure says itself what is at the key.
        object.place = if stored.is_ok() {
            Place::Stored
        } else {
            Place::Empty
        };
        let stored = stored?;
        objects.push(ManifestObject {
            name: object.name.clone(),
            size: stored.size,
            sha256: stored.sha256,
            store_checksum: stored.store_checksum,
            raw_size: object.raw_size,
            compression: Compression::Zstd,
            encryption: is_encrypted.then_some(ObjectEncryption::Age),
            frames: object
                .frames
                .iter()
                .map(|frame| (frame.raw, frame.stored))
                .collect(),
        });
    }
    Ok((filled, objects))
}

async fn store_manifest(
    order: &SetOrder<'_>,
    store: &S3Store,
    manifest: Manifest,
) -> Result<TakenSet, AgentFailure> {
    let mut body = serde_json::to_vec_pretty(&manifest).map_err(|error| AgentFailure {
        reason: reasons::UPLOAD_FAILED.to_owned(),
        message: format!(
            "the manifest can't be written as JSON, which is a fault of Holdfast: {error}"
        ),
    })?;
    body.push(b'\n');
    let mut upload = Upload::new(
        store.clone(),
        order.path.key(MANIFEST_NAME),
        body.len() as u64,
    );
    upload.write(&body).await?;
    let stored = upload.complete().await?;
    let stored_bytes = stored.size
        + manifest
            .objects
            .iter()
            .map(|object| object.size)
            .sum::<u64>();
    Ok(TakenSet {
        manifest,
        manifest_sha256: stored.sha256,
        stored_bytes,
    })
}
