//! Taking one backup set: roles and every database in flight, completed together, the manifest
//! last. No Kubernetes here.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{AgentFailure, BackupRequest, reasons};
use crate::postgres::{
    ArchiveSummary, Login, ObservedIdentity, Presence, connect, fetch_database_size,
    fetch_encrypted, fetch_extensions, fetch_identity, fetch_without_login,
};
use crate::store::{
    Compression, Durations, FORMAT_VERSION, GLOBALS_NAME, MAIN_DUMP_NAME, MANIFEST_NAME, Manifest,
    ManifestDatabase, ManifestExtension, ManifestIdentity, ManifestLargeObjects, ManifestObject,
    ManifestTable, ProtectedDatabaseReference, S3Store, SMALLEST_PART, SetPath, SetState, Upload,
    choose_part_size, further_dump_name,
};

use super::{DumpPrograms, Interrupt, MountedFiles, SuspicionSource};

/// How long a server that starts is waited for.
const CONNECT_LIMIT: Duration = Duration::from_mins(2);

/// Which set is taken, from where.
#[derive(Clone, Debug)]
pub struct SetOrder<'request> {
    /// What the operator asks for.
    pub request: &'request BackupRequest,
    /// Where the credentials are.
    pub files: &'request MountedFiles,
    /// The server.
    pub host: String,
    /// Whether the server is still the one that was found.
    pub presence: Option<Presence>,
    /// Name of the `DatabaseBackup`.
    pub backup: String,
    /// The set's directory.
    pub path: SetPath,
}

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

/// An object in flight and what is known of it.
struct InFlight {
    name: String,
    upload: Upload<S3Store>,
    raw_size: u64,
}

/// What was read and dumped before anything appeared in the bucket.
struct Filled {
    observed: ObservedIdentity,
    cluster_digest: Option<String>,
    databases: Vec<ManifestDatabase>,
    client_version: String,
    server_version: String,
    suspicions: Vec<String>,
    dump_time: Duration,
    globals_time: Duration,
}

/// Takes a set. Whatever goes wrong, or `interrupt` says, before the manifest is written: uploads
/// in flight are aborted, and there is no backup.
pub async fn take_set(
    order: &SetOrder<'_>,
    suspicion: &impl SuspicionSource,
    interrupt: &Interrupt,
) -> Result<TakenSet, AgentFailure> {
    let started_at = whole_second();
    let storage = &order.request.storage;
    let store = S3Store::open(
        storage,
        &order.request.namespace,
        &order.files.s3_credentials,
        &order.files.s3_ca,
    )?;
    let mut in_flight = Vec::new();
    let outcome = tokio::select! {
        biased;
        failure = interrupt.wait() => Err(failure),
        outcome = store_objects(order, suspicion, &store, &mut in_flight) => outcome,
    };
    for object in in_flight {
        // A no-op for what was completed.
        object.upload.abort().await;
    }
    let (filled, objects) = outcome?;
    // Not interrupted: whether the manifest is there decides whether there is a backup, and that
    // must not stay unknown.
    store_manifest(
        order,
        &store,
        build_manifest(order, filled, objects, started_at),
    )
    .await
}

async fn store_objects(
    order: &SetOrder<'_>,
    suspicion: &impl SuspicionSource,
    store: &S3Store,
    in_flight: &mut Vec<InFlight>,
) -> Result<(Filled, Vec<ManifestObject>), AgentFailure> {
    store.check_bucket().await?;
    let filled = fill(order, suspicion, store, in_flight).await?;
    let mut objects = Vec::new();
    for object in in_flight.iter_mut() {
        let stored = object.upload.complete().await?;
        objects.push(ManifestObject {
            name: object.name.clone(),
            size: stored.size,
            sha256: stored.sha256,
            store_checksum: stored.store_checksum,
            raw_size: object.raw_size,
            compression: Compression::Zstd,
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
        SMALLEST_PART.max(body.len()),
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

async fn fill(
    order: &SetOrder<'_>,
    suspicion: &impl SuspicionSource,
    store: &S3Store,
    in_flight: &mut Vec<InFlight>,
) -> Result<Filled, AgentFailure> {
    let SetOrder { request, files, .. } = order;
    let login = Login::read(
        &request.server,
        &request.namespace,
        &order.host,
        &files.postgres_credentials,
        &files.postgres_ca,
        &files.postgres_certificate,
    )?;
    let login = Login {
        presence: order.presence.clone(),
        ..login
    };
    let deadline = tokio::time::Instant::now() + CONNECT_LIMIT;
    let main = request
        .server
        .databases
        .first()
        .map_or("postgres", String::as_str);
    let (observed, encrypted) = {
        let session = connect(&login, main, deadline).await?;
        (
            fetch_identity(&session).await?,
            fetch_encrypted(&session).await?,
        )
    };
    let stranger = Login {
        presence: login.presence.clone(),
        ..Login::nobody(&login.host, login.port, login.tls_mode)
    };
    let cluster_digest = Box::pin(fetch_without_login(&stranger, None, main))
        .await
        .cluster_digest;
    let system_identifier = &observed.identity.system_identifier;
    let mut suspicions: Vec<String> = suspicion
        .fetch_suspicion(system_identifier)
        .await?
        .into_iter()
        .collect();
    let programs = DumpPrograms::prepare(&login, &files.work, encrypted)?;
    let add = |name: String, part_size: usize, in_flight: &mut Vec<InFlight>| {
        let upload = Upload::new(store.clone(), order.path.key(&name), part_size);
        in_flight.push(InFlight {
            name,
            upload,
            raw_size: 0,
        });
    };

    let begun = Instant::now();
    add(GLOBALS_NAME.to_owned(), SMALLEST_PART, in_flight);
    if let Some(object) = in_flight.last_mut() {
        object.raw_size = programs
            .dump_globals(main, GLOBALS_NAME, &mut object.upload)
            .await?
            .raw_size;
    }
    let globals_time = begun.elapsed();

    let begun = Instant::now();
    let mut databases = Vec::new();
    let (mut client_version, mut server_version) = (String::new(), String::new());
    for database in &request.server.databases {
        let (size, extensions) = {
            let session = connect(
                &login,
                database,
                tokio::time::Instant::now() + CONNECT_LIMIT,
            )
            .await?;
            (
                fetch_database_size(&session).await?,
                fetch_extensions(&session).await?,
            )
        };
        let name = if database == main {
            MAIN_DUMP_NAME.to_owned()
        } else {
            further_dump_name(database)
        };
        add(
            name.clone(),
            choose_part_size(size.unsigned_abs()),
            in_flight,
        );
        let Some(object) = in_flight.last_mut() else {
            continue;
        };
        let inspected = programs
            .dump_database(database, &name, &mut object.upload)
            .await?;
        object.raw_size = inspected.raw_size;
        let Some(archive) = inspected.archive else {
            continue;
        };
        client_version.clone_from(&archive.client_version);
        server_version.clone_from(&archive.server_version);
        tracing::info!(
            database,
            rows = archive.rows(),
            raw_bytes = archive.bytes,
            stored_bytes = object.upload.size(),
            "dumped"
        );
        databases.push(describe_database(database, name, archive, extensions));
    }
    let dump_time = begun.elapsed();
    suspicions.extend(suspicion.fetch_suspicion(system_identifier).await?);
    suspicions.dedup();
    Ok(Filled {
        observed,
        cluster_digest,
        databases,
        client_version,
        server_version,
        suspicions,
        dump_time,
        globals_time,
    })
}

fn describe_database(
    name: &str,
    object: String,
    archive: ArchiveSummary,
    extensions: Vec<(String, String)>,
) -> ManifestDatabase {
    ManifestDatabase {
        name: name.to_owned(),
        object,
        rows: archive.rows(),
        large_objects: ManifestLargeObjects {
            count: archive.large_objects.count,
            bytes: archive.large_objects.bytes,
        },
        tables: archive
            .tables
            .into_iter()
            .map(|table| ManifestTable {
                schema: table.schema,
                name: table.name,
                rows: table.rows,
                bytes: table.bytes,
                sha256: table.sha256,
            })
            .collect(),
        extensions: extensions
            .into_iter()
            .map(|(name, version)| ManifestExtension { name, version })
            .collect(),
    }
}

fn build_manifest(
    order: &SetOrder<'_>,
    filled: Filled,
    objects: Vec<ManifestObject>,
    started_at: Timestamp,
) -> Manifest {
    let identity = filled.observed.identity;
    Manifest {
        format_version: FORMAT_VERSION,
        state: if filled.suspicions.is_empty() {
            SetState::Good
        } else {
            SetState::Suspect
        },
        why: (!filled.suspicions.is_empty()).then(|| filled.suspicions.join("; ")),
        backup: order.backup.clone(),
        protected_database: ProtectedDatabaseReference {
            namespace: order.request.namespace.clone(),
            name: order.request.database.clone(),
            uid: order.request.database_uid.clone(),
        },
        identity: ManifestIdentity {
            system_identifier: identity.system_identifier,
            initialized_at: identity.initialized_at,
            timeline: identity.timeline,
            wal_position: identity.wal_position,
            next_transaction_id: identity.next_transaction_id,
            snapshot_time: filled.observed.observed_at,
            in_recovery: identity.in_recovery,
            cluster_digest: filled.cluster_digest,
        },
        server_version: filled.server_version,
        client_version: filled.client_version,
        holdfast_version: env!("CARGO_PKG_VERSION").to_owned(),
        databases: filled.databases,
        objects,
        recipients: Vec::new(),
        durations: Durations {
            started_at: Time(started_at),
            completed_at: Time(whole_second()),
            dump_seconds: filled.dump_time.as_secs(),
            globals_seconds: filled.globals_time.as_secs(),
        },
    }
}

/// Now, as precise as Kubernetes writes a time.
fn whole_second() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}
