//! `holdfast agent check`: gathers evidence and writes it to the status of its `DatabaseCheck`,
//! once.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{CheckRequest, DatabaseCheck, DatabaseCheckStatus};

use super::{
    Gathered, Interrupt, MountedFiles, build_presence, gather_from, kubernetes, look_at_image,
};

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
    let presence = build_presence(&client, &request.namespace, &request.server);
    let image = look_at_image();
    let mut gathered = tokio::select! {
        gathered = gather_from(&request, &files, presence) => gathered,
        failure = interrupt.wait() => Gathered { failure: Some(failure), ..Gathered::default() },
    };
    let mut without_evidence = image;
    if let Some(evidence) = &mut gathered.evidence {
        evidence.image = without_evidence.take();
    }
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
        image: without_evidence,
        backup_evidence: gathered.backup_evidence,
        files: Vec::new(),
        verdict: None,
    };
    kubernetes::apply_status::<DatabaseCheck>(&client, &request.namespace, &request.check, &status)
        .await
}
