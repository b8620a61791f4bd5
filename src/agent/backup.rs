//! `holdfast agent backup`: creates the `DatabaseBackup`, takes the set, and writes the outcome to
//! its status.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};

use crate::api::names::{DATABASE_LABEL, MANAGED_BY_LABEL, OPERATOR_MANAGER};
use crate::api::{
    AgentFailure, BackupRequest, BackupState, DatabaseBackup, DatabaseBackupSpec,
    DatabaseBackupStatus, reasons,
};
use crate::store::{SetPath, SetState};

use super::{
    Interrupt, MountedFiles, ProtectedDatabaseSuspicion, SetOrder, TakenSet, host, kubernetes,
    take_set,
};

/// Runs a backup and reports it. `name` is that of the Job and of the `DatabaseBackup`.
pub async fn run_backup(request: BackupRequest, name: &str) -> anyhow::Result<()> {
    let started_at = Timestamp::now();
    let interrupt = Interrupt::listen(
        Duration::from_secs(request.deadline_seconds.max(1)),
        "spec.backup.deadline",
    )?;
    let client = kubernetes::connect().await?;
    let backup = ensure_backup(&client, &request, name).await?;
    if is_taken(&backup) {
        tracing::info!(
            backup = name,
            "this backup was taken already; its Job was started again"
        );
        return Ok(());
    }
    let check_since = backup.check_since();
    let storage = &request.storage;
    let path = SetPath::new(
        &storage.prefix,
        &request.namespace,
        &request.database,
        started_at,
        unique_suffix(&request, name, started_at),
    );
    let mut status = DatabaseBackupStatus {
        state: Some(BackupState::Running),
        start_time: Some(Time(started_at)),
        path: Some(path.as_str().to_owned()),
        ..DatabaseBackupStatus::default()
    };
    kubernetes::apply_status::<DatabaseBackup>(&client, &request.namespace, name, &status).await?;
    match take(
        &client,
        &request,
        name,
        check_since.as_ref(),
        path,
        &interrupt,
    )
    .await
    {
        Ok(set) => describe_set(&mut status, &set, &request),
        Err(failure) => {
            tracing::error!(
                reason = failure.reason,
                "the backup failed: {}",
                failure.message
            );
            status.state = Some(BackupState::Failed);
            status.reason = Some(failure.reason);
            status.message = Some(failure.message);
            status.path = None;
        }
    }
    let ended_at = Timestamp::now();
    status.completion_time = Some(Time(ended_at));
    status.duration_seconds = Some(ended_at.duration_since(started_at).as_secs());
    kubernetes::apply_status::<DatabaseBackup>(&client, &request.namespace, name, &status).await
}

async fn take(
    client: &Client,
    request: &BackupRequest,
    name: &str,
    check_since: Option<&Time>,
    path: SetPath,
    interrupt: &Interrupt,
) -> Result<TakenSet, AgentFailure> {
    let files = MountedFiles::default();
    let server = tokio::select! {
        failure = interrupt.wait() => return Err(failure),
        server = host::find_server(client, request, &files) => server?,
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
    let order = SetOrder {
        request,
        files: &files,
        host: server.host,
        presence: server.presence,
        backup: name.to_owned(),
        path,
    };
    take_set(&order, &suspicion, interrupt).await
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
    let raw: u64 = manifest.objects.iter().map(|object| object.raw_size).sum();
    let bucket = &request.storage.bucket;
    status.system_identifier = Some(manifest.identity.system_identifier.clone());
    status.manifest_sha256 = Some(set.manifest_sha256.clone());
    status.rows = i64::try_from(rows).ok();
    status.tables = i64::try_from(tables).ok();
    status.raw_bytes = i64::try_from(raw).ok();
    status.stored_bytes = i64::try_from(set.stored_bytes).ok();
    let what = format!("{rows} rows of {tables} tables are in the bucket `{bucket}`");
    if manifest.state == SetState::Good {
        status.state = Some(BackupState::Complete);
        status.message = Some(what);
    } else {
        status.state = Some(BackupState::Suspect);
        status.reason = Some(reasons::DATA_SUSPECT.to_owned());
        let why = manifest.why.as_deref().unwrap_or("it is not known why");
        status.message = Some(format!(
            "{what}; the set is kept and does not count as good: {why}"
        ));
    }
    tracing::info!(rows, tables, raw_bytes = raw, stored_bytes = set.stored_bytes, state = ?status.state, "the set is stored");
}

/// Keeps apart two sets of one second.
fn unique_suffix(request: &BackupRequest, name: &str, time: Timestamp) -> u32 {
    let mut digest = Sha256::new();
    digest.update(format!(
        "{}/{}/{name}/{}/{}",
        request.namespace,
        request.database_uid,
        time.as_nanosecond(),
        std::process::id()
    ));
    let bytes: [u8; 32] = digest.finalize().into();
    bytes
        .iter()
        .take(4)
        .fold(0, |value, byte| (value << 8) | u32::from(*byte))
}
