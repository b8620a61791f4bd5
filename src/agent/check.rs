//! `holdfast agent check`: gathers evidence and writes it to the status of its `DatabaseCheck`,
//! once.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CheckRequest, DatabaseCheck, DatabaseCheckStatus};

use super::{Gathered, Interrupt, MountedFiles, gather, kubernetes};

/// What is allowed beyond the budget of the queries before the check is cut off.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a check to its report.
pub async fn run_check(request: CheckRequest) -> anyhow::Result<()> {
    let client = kubernetes::connect().await?;
    let start_time = Time(Timestamp::now());
    let interrupt = Interrupt::listen(
        Duration::from_secs(request.timeout_seconds) + GRACE,
        "spec.verification.timeout",
    )?;
    let files = MountedFiles::default();
    let gathered = tokio::select! {
        gathered = gather(&request, &files) => gathered,
        failure = interrupt.wait() => Gathered { failure: Some(failure), ..Gathered::default() },
    };
    if let Some(failure) = &gathered.failure {
        tracing::warn!(reason = failure.reason, "{}", failure.message);
    }
    if let Some(evidence) = &gathered.evidence {
        tracing::info!(
            system_identifier = evidence.identity.system_identifier,
            tables = evidence.table_count,
            rows = evidence.total_rows,
            "looked at the database"
        );
    }
    let status = DatabaseCheckStatus {
        start_time: Some(start_time),
        completion_time: Some(Time(Timestamp::now())),
        evidence: gathered.evidence,
        failure: gathered.failure,
        backup_evidence: gathered.backup_evidence,
        backup_elsewhere: gathered.backup_elsewhere,
        files: Vec::new(),
        verdict: None,
    };
    kubernetes::apply_status::<DatabaseCheck>(&client, &request.namespace, &request.check, &status)
        .await
}
