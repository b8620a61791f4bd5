//! `holdfast agent check`: gathers evidence and writes it to the status of its `DatabaseCheck`,
//! once.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::api::{CheckRequest, DatabaseCheck, DatabaseCheckStatus, Evidence};

use super::{
    Gathered, Interrupt, MountedFiles, build_presence, gather_in_parts, kubernetes, look_at_image,
};

/// What is allowed beyond the budget of the queries before the check is cut off.
const GRACE: Duration = Duration::from_secs(10);
/// How long the first part of a report is tried; the whole report must not wait for it.
const FIRST_REPORT: Duration = Duration::from_secs(5);

/// Runs a check and reports it.
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
    let (first_part, first) = oneshot::channel();
    let look = async {
        let report = report_first(&client, &request, &start_time, first);
        tokio::join!(
            gather_in_parts(&request, &files, presence, Some(first_part)),
            report
        )
        .0
    };
    let mut gathered = tokio::select! {
        gathered = look => gathered,
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
            "checked the database"
        );
    }
    let status = DatabaseCheckStatus {
        start_time: Some(start_time),
        completion_time: Some(Time(Timestamp::now())),
        evidence: gathered.evidence,
        failure: gathered.failure,
        without_login: gathered.without_login,
        image: without_evidence,
        backup_evidence: gathered.backup_evidence,
        other_backups: gathered.other_backups,
        backup_obstacle: gathered.backup_obstacle,
        files: Vec::new(),
        verdict: None,
    };
    kubernetes::apply_status::<DatabaseCheck>(&client, &request.namespace, &request.check, &status)
        .await
}

/// Reports what is known before large tables are counted. Nothing depends on it: the whole report
/// follows.
async fn report_first(
    client: &Client,
    request: &CheckRequest,
    start_time: &Time,
    first: oneshot::Receiver<Evidence>,
) {
    let Ok(evidence) = first.await else {
        return;
    };
    let status = DatabaseCheckStatus {
        start_time: Some(start_time.clone()),
        evidence: Some(evidence),
        ..DatabaseCheckStatus::default()
    };
    let (namespace, name) = (&request.namespace, &request.check);
    let report = kubernetes::apply_status::<DatabaseCheck>(client, namespace, name, &status);
    match timeout(FIRST_REPORT, report).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the first part could not be reported: {error:#}"),
        Err(_) => tracing::warn!("the first part was not reported in time"),
    }
}
