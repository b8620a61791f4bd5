//! `holdfast agent copy`: copies the set of one backup into another bucket, and reports to its
//! `DatabaseBackup`. It has the keys of both buckets and none of Postgres.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use serde_json::json;
use tokio::time::Instant;

use super::{Interrupt, MountedFiles, kubernetes};
use crate::api::{
    AgentFailure, BackupCopyState, BackupCopyStatus, BackupVerdict, CopiedVerdict, CopyRequest,
    DatabaseBackup, S3_COPY_CA_DIRECTORY, S3_COPY_CREDENTIALS_DIRECTORY, names,
};
use crate::postgres::line_within;
use crate::store::{
    CopiedSet, CopyOrder, S3Store, StoreError, StoreLimits, StoredVerdict, copy_set,
    database_folder,
};

/// The most characters of a message in a status.
const MESSAGE_LIMIT: usize = 1000;
/// How long an upload that is on its way is given to end when the copy is stopped.
const ABORT_TIME: Duration = Duration::from_secs(3);

/// Copies the set and reports. A copy that failed is an error, so that its Job fails, too.
pub async fn run_copy(request: CopyRequest, job: &str) -> anyhow::Result<()> {
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let ends_at = Instant::now() + deadline;
    let interrupt = Interrupt::listen(deadline, "spec.backup.deadline")?;
    let client = kubernetes::connect().await?;
    let mut status = begin(&request, job);
    write(&client, &request, &status).await?;
    let copied = tokio::select! {
        failure = interrupt.wait() => {
            // What is dropped here aborts its upload; else the next copy does.
            tokio::time::sleep(ABORT_TIME).await;
            Err(failure)
        }
        copied = copy(&request, &status.path, ends_at) => copied.map_err(AgentFailure::from),
    };
    end(&mut status, &request, copied);
    write(&client, &request, &status).await?;
    match &status.reason {
        None => Ok(()),
        Some(reason) => anyhow::bail!(
            "the copy failed ({reason}): {}",
            status.message.as_deref().unwrap_or_default()
        ),
    }
}

/// What the status says while it is copied. What is Complete stays so.
fn begin(request: &CopyRequest, job: &str) -> BackupCopyStatus {
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let directory = database_folder(
        &request.target.prefix,
        &request.namespace,
        &request.database,
    );
    BackupCopyStatus {
        name: request.copy.clone(),
        state: if request.is_complete {
            BackupCopyState::Complete
        } else {
            BackupCopyState::Running
        },
        time: Time(Timestamp::now()),
        job: job.to_owned(),
        reason: None,
        message: None,
        bucket: request.target.bucket.clone(),
        endpoint: request.target.endpoint.clone(),
        path: format!("{directory}{name}"),
        verdict: None,
    }
}

/// What a check has said of the backup.
fn verdict_of(request: &CopyRequest) -> Option<(BackupVerdict, CopiedVerdict)> {
    let demoted = request.demoted.clone().map(BackupVerdict::Demoted);
    let confirmed = request.confirmed.clone().map(BackupVerdict::Confirmed);
    demoted
        .map(|verdict| (verdict, CopiedVerdict::Demoted))
        .or_else(|| confirmed.map(|verdict| (verdict, CopiedVerdict::Confirmed)))
}

async fn copy(
    request: &CopyRequest,
    path: &str,
    ends_at: Instant,
) -> Result<CopiedSet, StoreError> {
    let limits = StoreLimits {
        budget: Duration::from_secs(request.retry_seconds),
        ends_at: Some(ends_at),
        ..StoreLimits::default()
    };
    let files = MountedFiles::default();
    let source = files.open_store(&request.source, &request.namespace, limits)?;
    let verdict = verdict_of(request);
    let verdict =
        verdict.map(|(verdict, _)| StoredVerdict::new(&verdict, &request.manifest_sha256));
    let order = CopyOrder {
        from: &request.path,
        to: path,
        manifest_sha256: &request.manifest_sha256,
        verdict: verdict.as_ref(),
    };
    source.check_bucket().await?;
    let field = format!("spec.backup.copies[name={}].storage", request.copy);
    let target = open_target(request, limits).await;
    let target = target.map_err(|error| error.below(&field))?;
    let target = target.described_by(&field);
    Box::pin(copy_set(&source, &target, &order)).await
}

async fn open_target(request: &CopyRequest, limits: StoreLimits) -> Result<S3Store, StoreError> {
    let files = MountedFiles {
        s3_credentials: S3_COPY_CREDENTIALS_DIRECTORY.into(),
        s3_ca: S3_COPY_CA_DIRECTORY.into(),
        ..MountedFiles::default()
    };
    let target = files.open_store(&request.target, &request.namespace, limits)?;
    target.check_bucket().await?;
    Ok(target)
}

fn end(
    status: &mut BackupCopyStatus,
    request: &CopyRequest,
    copied: Result<CopiedSet, AgentFailure>,
) {
    status.time = Time(Timestamp::now());
    match copied {
        Ok(copied) => {
            status.state = BackupCopyState::Complete;
            status.verdict = verdict_of(request).map(|(_, verdict)| verdict);
            status.message = Some(format!(
                "{} bytes are in the bucket `{}`",
                copied.bytes, status.bucket
            ));
            tracing::info!(
                sent = copied.sent,
                found = copied.found,
                bytes = copied.bytes,
                "the set is copied"
            );
        }
        Err(AgentFailure { reason, message }) => {
            tracing::error!(reason, "the copy failed: {message}");
            if !request.is_complete {
                status.state = BackupCopyState::Failed;
            }
            status.reason = Some(reason);
            status.message = Some(line_within(&message, MESSAGE_LIMIT));
        }
    }
}

async fn write(
    client: &Client,
    request: &CopyRequest,
    status: &BackupCopyStatus,
) -> anyhow::Result<()> {
    let manager = names::copy_manager(&request.copy);
    let body = json!({ "copies": [status] });
    let (namespace, name) = (&request.namespace, &request.backup);
    kubernetes::apply_status_as::<DatabaseBackup>(client, &manager, namespace, name, &body).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    fn request(more: &serde_json::Value) -> CopyRequest {
        let mut all = json!({
            "namespace": "atra", "database": "knowledge", "backup": "b", "copy": "offsite",
            "source": {"bucket": "backups", "prefix": "prod", "region": "us-east-1"},
            "path": "prod/atra/knowledge/20260201T091000Z-00000001", "manifestSha256": "aa",
            "target": {"bucket": "copies", "prefix": "far/away", "region": "us-east-1"},
            "retrySeconds": 1, "deadlineSeconds": 1,
        });
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_copy_has_the_layout_of_any_bucket() {
        let status = begin(&request(&json!({})), "copy-1");
        assert_eq!(
            status.path,
            "far/away/atra/knowledge/20260201T091000Z-00000001"
        );
        assert_eq!(status.state, BackupCopyState::Running);
    }

    #[test]
    fn what_is_complete_stays_so_when_a_verdict_can_not_be_stored() {
        let failure = || AgentFailure {
            reason: "StorageDenied".to_owned(),
            message: "no".to_owned(),
        };
        for (is_complete, state) in [
            (false, BackupCopyState::Failed),
            (true, BackupCopyState::Complete),
        ] {
            let request = request(&json!({"isComplete": is_complete}));
            let mut status = begin(&request, "copy-1");
            end(&mut status, &request, Err(failure()));
            assert_eq!((status.state, status.verdict), (state, None));
            assert_eq!(status.reason.as_deref(), Some("StorageDenied"));
        }
    }

    #[test]
    fn a_demotion_is_worth_more_than_a_confirmation() {
        let by = json!({"check": "c", "time": "2026-02-01T09:20:00Z", "reason": "TablesEmptied"});
        let request = request(&json!({"confirmed": by, "demoted": by}));
        assert_eq!(verdict_of(&request).unwrap().1, CopiedVerdict::Demoted);
    }
}
