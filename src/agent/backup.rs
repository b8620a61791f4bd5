//! `holdfast agent backup`: creates the `DatabaseBackup`, takes the set, and writes the outcome to
//! its status.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::api::names::{DATABASE_LABEL, MANAGED_BY_LABEL, OPERATOR_MANAGER};
use crate::api::{
    AgentFailure, BackupRequest, BackupState, BackupTurn, DatabaseBackup, DatabaseBackupSpec,
    DatabaseBackupStatus, reasons,
};
use crate::store::{Manifest, SetPath, SetState, StoreLimits, set_suffix};

use super::leftovers::leave_nothing_behind;
use super::record_verdicts::record_verdicts;
use super::turn::wait_for_turn;
use super::unsupported::{obstacles_of, say};
use super::{
    Interrupt, MountedFiles, ProtectedDatabaseSuspicion, SetOrder, TakenSet, host, kubernetes,
    take_set,
};

/// How long to wait before a backup is begun again that had to end for a change of a table.
const YIELD_PAUSE: Duration = Duration::from_mins(1);
/// How much longer than a turn may take the wait for it lasts.
const TURN_MARGIN: Duration = Duration::from_mins(10);
/// The most reasons that are listed for which a restore is refused.
const OBSTACLES: usize = 8;

/// Runs a backup and reports it. `name` is that of the Job and of the `DatabaseBackup`. One that failed is
/// an error, so that its Job fails, too.
pub async fn run_backup(request: BackupRequest, name: &str) -> anyhow::Result<()> {
    let client = kubernetes::connect().await?;
    let backup = ensure_backup(&client, &request, name).await?;
    if is_taken(&backup) {
        tracing::info!(
            backup = name,
            "this backup was taken already; its Job was started again"
        );
        return Ok(());
    }
    let mut check_since = backup.check_since();
    if let Some(turn) = await_turn(&client, &request, name).await? {
        check_since = check_since.and_then(|since| turn.check_since(since));
    }
    let started_at = Timestamp::now();
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let ends_at = Instant::now() + deadline;
    let interrupt = Interrupt::listen(deadline, "spec.backup.deadline")?;
    let storage = &request.storage;
    let path = SetPath::new(
        &storage.prefix,
        &request.namespace,
        &request.database,
        started_at,
        set_suffix(
            &request.database_uid,
            &format!(
                "{name}/{}/{}",
                started_at.as_nanosecond(),
                std::process::id()
            ),
        ),
    );
    let mut status = DatabaseBackupStatus {
        state: Some(BackupState::Running),
        start_time: Some(Time(started_at)),
        bucket: Some(storage.bucket.clone()),
        endpoint: storage.endpoint.clone(),
        path: Some(path.as_str().to_owned()),
        ..DatabaseBackupStatus::default()
    };
    kubernetes::apply_status::<DatabaseBackup>(&client, &request.namespace, name, &status).await?;
    match Box::pin(take(
        &client,
        &request,
        name,
        check_since.as_ref(),
        path,
        &interrupt,
        ends_at,
    ))
    .await
    {
        Ok(set) => describe_set(&mut status, &set, &request),
        Err(failure) => {
            tracing::error!(
                reason = failure.reason,
                "the backup failed: {}",
                failure.message
            );
            if interrupt.is_stopped() {
                // Another pod of the Job goes on under this name. If none comes, the operator says so.
                status.message = Some(failure.message.clone());
                kubernetes::apply_status::<DatabaseBackup>(
                    &client,
                    &request.namespace,
                    name,
                    &status,
                )
                .await?;
                anyhow::bail!("{}", failure.message);
            }
            status.state = Some(BackupState::Failed);
            status.reason = Some(failure.reason);
            status.message = Some(failure.message);
            status.path = None;
        }
    }
    let ended_at = Timestamp::now();
    status.completion_time = Some(Time(ended_at));
    status.duration_seconds = Some(ended_at.duration_since(started_at).as_secs());
    kubernetes::apply_status::<DatabaseBackup>(&client, &request.namespace, name, &status).await?;
    if status.state == Some(BackupState::Failed) {
        anyhow::bail!("the backup failed, which its DatabaseBackup says: {name}");
    }
    Ok(())
}

/// Waits for the turn of this backup, where only so many run at once. Its `DatabaseBackup` says until then
/// that it wants to run, and not since when it does.
async fn await_turn(
    client: &Client,
    request: &BackupRequest,
    name: &str,
) -> anyhow::Result<Option<BackupTurn>> {
    let Some(seconds) = request.turn_seconds else {
        return Ok(None);
    };
    let waiting = |message: String| DatabaseBackupStatus {
        state: Some(BackupState::Running),
        message: Some(message),
        ..DatabaseBackupStatus::default()
    };
    let namespace = &request.namespace;
    let status = waiting(format!(
        "it asks for its turn: status.backupTurn of ProtectedDatabase {} says when that comes",
        request.database
    ));
    kubernetes::apply_status::<DatabaseBackup>(client, namespace, name, &status).await?;
    // The turn comes before this ends.
    let limit = Duration::from_secs(seconds) + TURN_MARGIN;
    let interrupt = Interrupt::listen(limit, "spec.backup.deadline")?;
    match wait_for_turn(client, request, name, &interrupt).await {
        Ok(turn) => Ok(turn),
        Err(failure) => {
            // Another pod of the Job goes on under this name.
            let status = waiting(failure.message.clone());
            kubernetes::apply_status::<DatabaseBackup>(client, namespace, name, &status).await?;
            anyhow::bail!("{}", failure.message);
        }
    }
}

async fn take(
    client: &Client,
    request: &BackupRequest,
    name: &str,
    check_since: Option<&Time>,
    path: SetPath,
    interrupt: &Interrupt,
    ends_at: Instant,
) -> Result<TakenSet, AgentFailure> {
    let files = MountedFiles::default();
    let server = tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        server = host::find_server(client, &request.namespace, &request.server, &files) => server?,
    };
    tracing::info!(host = server.host, path = path.as_str(), "backing up");
    let mut suspicion = ProtectedDatabaseSuspicion::new(
        client,
        &request.namespace,
        &request.database,
        &request.database_uid,
    );
    if let Some(since) = check_since {
        let limit = Duration::from_secs(request.check_seconds);
        tokio::select! {
            failure = interrupt.wait() => return Err(failure),
            () = suspicion.wait_for_check(since, limit) => {}
        }
    }
    let limits = StoreLimits {
        budget: Duration::from_secs(request.retry_seconds),
        ends_at: Some(ends_at),
        ..StoreLimits::default()
    };
    let clean = leave_nothing_behind(client, request, &files, &path, limits);
    tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        outcome = clean => outcome?,
    }
    tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        () = record_verdicts(client, request, &files) => {}
    }
    let order = SetOrder {
        request,
        files: &files,
        host: server.host,
        presence: server.presence,
        backup: name.to_owned(),
        path,
        image: fetch_image(client, &request.namespace, name).await,
        pause: YIELD_PAUSE,
        dump_program: None,
        limits,
    };
    Box::pin(take_set(&order, &suspicion, interrupt)).await
}

/// The image that this program runs in, with its digest; it is the database's.
async fn fetch_image(client: &Client, namespace: &str, job: &str) -> Option<String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let pods = tokio::time::timeout(kubernetes::REQUEST_LIMIT, api.list(&parameters)).await;
    let Ok(Ok(pods)) = pods else { return None };
    let mut statuses = pods
        .items
        .iter()
        .filter_map(|pod| pod.status.as_ref())
        .flat_map(|status| status.container_statuses.iter().flatten());
    let agent = statuses.find(|container| {
        let state = container.state.as_ref();
        container.name == "agent" && state.is_some_and(|state| state.running.is_some())
    })?;
    Some(agent.image_id.clone()).filter(|image| !image.is_empty())
}

/// Creates the `DatabaseBackup` unless it exists. Returns whether it has been taken already.
async fn ensure_backup(
    client: &Client,
    request: &BackupRequest,
    name: &str,
) -> anyhow::Result<DatabaseBackup> {
    let api: Api<DatabaseBackup> = Api::namespaced(client.clone(), &request.namespace);
    let backup = DatabaseBackup {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(request.namespace.clone()),
            // No owner: a backup outlives the Job that took it and the ProtectedDatabase that asked
            // for it.
            labels: Some(BTreeMap::from([
                (DATABASE_LABEL.to_owned(), request.database.clone()),
                (MANAGED_BY_LABEL.to_owned(), OPERATOR_MANAGER.to_owned()),
            ])),
            ..ObjectMeta::default()
        },
        spec: DatabaseBackupSpec {
            database: request.database.clone(),
        },
        status: None,
    };
    let what = format!("create the DatabaseBackup {}/{name}", request.namespace);
    let found = kubernetes::persist(&what, || async {
        match api.create(&PostParams::default(), &backup).await {
            Err(kube::Error::Api(status)) if status.code == 409 => api.get(name).await,
            other => other,
        }
    })
    .await?;
    if found.spec.database != request.database {
        anyhow::bail!(
            "the DatabaseBackup {}/{name} already exists for the database `{}`, so this backup was \
             not taken. Delete it, or wait for the next backup, which has another name",
            request.namespace,
            found.spec.database
        );
    }
    Ok(found)
}

/// Whether a backup has been taken already.
fn is_taken(backup: &DatabaseBackup) -> bool {
    let state = backup.status.as_ref().and_then(|status| status.state);
    matches!(state, Some(BackupState::Complete | BackupState::Suspect))
}

fn describe_set(status: &mut DatabaseBackupStatus, set: &TakenSet, request: &BackupRequest) {
    let manifest = &set.manifest;
    let rows: u64 = manifest
        .databases
        .iter()
        .map(|database| database.rows)
        .sum();
    let tables: usize = manifest
        .databases
        .iter()
        .map(|database| database.tables.len())
        .sum();
    // A drill makes space for it, and restores no file.
    let of_databases = manifest.objects.iter();
    let of_databases = of_databases.filter(|object| !manifest.is_of_files(object));
    let raw: u64 = of_databases.map(|object| object.raw_size).sum();
    let files: u64 = manifest.directories.iter().map(|one| one.files).sum();
    let bucket = &request.storage.bucket;
    status.system_identifier = Some(manifest.identity.system_identifier.clone());
    status.snapshot = Some(super::snapshot::describe_snapshot(&manifest.identity));
    status.manifest_sha256 = Some(set.manifest_sha256.clone());
    status.rows = i64::try_from(rows).ok();
    status.tables = i64::try_from(tables).ok();
    status.raw_bytes = i64::try_from(raw).ok();
    status.stored_bytes = i64::try_from(set.stored_bytes).ok();
    status.findings.clone_from(&manifest.findings);
    let unverified = manifest.unverified.as_ref();
    let unverified = unverified.map_or_else(String::new, |why| {
        format!(" (the data was not verified then: {why})")
    });
    let of_files = if manifest.directories.is_empty() {
        String::new()
    } else {
        status.files = i64::try_from(files).ok();
        format!(" and {files} files")
    };
    let mut obstacles: Vec<String> = manifest.databases.iter().flat_map(obstacles_of).collect();
    obstacles.truncate(OBSTACLES);
    let refused = say(&obstacles);
    status.restore_obstacles = obstacles;
    let what = format!(
        "{rows} rows of {tables} tables{of_files} are in the bucket `{bucket}`{unverified}{refused}"
    );
    if manifest.state == SetState::Good {
        status.state = Some(BackupState::Complete);
        status.message = Some(what);
    } else {
        status.state = Some(BackupState::Suspect);
        let is_of_files = manifest.why == join_faults(manifest);
        let reason = if is_of_files {
            reasons::DIRECTORY_INCOMPLETE
        } else {
            reasons::DATA_SUSPECT
        };
        status.reason = Some(reason.to_owned());
        let why = manifest.why.as_deref().unwrap_or("it is not known why");
        status.message = Some(format!(
            "{what}; the set is kept and does not count as good: {why}"
        ));
    }
    tracing::info!(rows, tables, raw_bytes = raw, stored_bytes = set.stored_bytes, state = ?status.state, "the set is stored");
}

/// Why a set does not count because of its directories alone.
fn join_faults(manifest: &Manifest) -> Option<String> {
    let faults = manifest.directories.iter();
    let faults: Vec<&str> = faults.filter_map(|one| one.fault.as_deref()).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}
