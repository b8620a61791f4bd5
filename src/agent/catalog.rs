//! `holdfast agent catalog`: looks at all sets of a database in its bucket, removes those that no rule of
//! retention keeps, and reports to the `DatabaseBackup` that is the newest confirmed one. It has the key of the
//! bucket and none of Postgres.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::Instant;

use super::catalog_facts::{ClusterView, begin_report, build_view};
use super::catalog_look::{look_at_sets, note_obstacle, rehearse_backup};
use super::catalog_plan::CatalogSource;
use super::catalog_verdicts::store_new_verdicts;
use super::{Interrupt, MountedFiles, kubernetes};
use crate::api::{
    AgentFailure, CatalogReport, CatalogRequest, DatabaseBackup, DatabaseRestore,
    ProtectedDatabase, S3_BACKUP_CREDENTIALS_DIRECTORY, names,
};
use crate::store::{Held, StoreLimits};

/// How long a storage is waited for that is unavailable: the next run is not far.
const STORAGE_LIMIT: Duration = Duration::from_mins(5);

/// Looks at the sets and reports. What could not be done is an error, so that the Job fails, too.
pub async fn run_catalog(request: CatalogRequest, job: &str) -> anyhow::Result<()> {
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let interrupt = Interrupt::listen(deadline, "spec.backup.deadline")?;
    let source = Cluster {
        client: kubernetes::connect().await?,
        request: &request,
    };
    if request.verdicts_only {
        return run_short_look(&request, &source, &interrupt, job).await;
    }
    let mut report = begin_report(job, &request, &source.fetch_view().await);
    let files = MountedFiles::default();
    let limits = StoreLimits {
        budget: STORAGE_LIMIT,
        ends_at: Some(Instant::now() + deadline),
        ..StoreLimits::default()
    };
    let own = MountedFiles {
        s3_credentials: S3_BACKUP_CREDENTIALS_DIRECTORY.into(),
        ..files.clone()
    };
    tokio::select! {
        failure = interrupt.wait() => report.failure = Some(failure),
        () = rehearse_backup(&request, &own, limits, &mut report) => {}
    }
    match files.open_store(&request.storage, &request.namespace, limits) {
        Err(error) => {
            note_obstacle(&request, &mut report, Some(&error));
            report.failure = Some(error.into());
        }
        Ok(store) => tokio::select! {
            failure = interrupt.wait() => report.failure = Some(failure),
            () = look_at_sets(&store, &request, &source, &mut report) => {}
        },
    }
    let now = Time(Timestamp::now());
    report.held_since = match report.held {
        Some(_) => report.held_since.or(Some(now.clone())),
        None => None,
    };
    report.completion_time = Some(now);
    tracing::info!(
        sets = report.sets,
        confirmed = report.confirmed,
        damaged = report.damaged_count,
        removed = report.removed.len(),
        left = report.left.len(),
        held = report.held,
        "looked at the sets in the bucket"
    );
    let failure = report.failure.clone();
    source.write(&report).await?;
    match failure {
        None => Ok(()),
        Some(AgentFailure { message, .. }) => anyhow::bail!("{message}"),
    }
}

/// Stores what checks have said since the last look, and reports it in the report of that.
async fn run_short_look(
    request: &CatalogRequest,
    source: &Cluster<'_>,
    interrupt: &Interrupt,
    job: &str,
) -> anyhow::Result<()> {
    let files = MountedFiles::default();
    let deadline = Duration::from_secs(request.deadline_seconds.max(1));
    let limits = StoreLimits {
        budget: STORAGE_LIMIT,
        ends_at: Some(Instant::now() + deadline),
        ..StoreLimits::default()
    };
    let store = files.open_store(&request.storage, &request.namespace, limits);
    let store = store.map_err(|error| anyhow::anyhow!("{error}"))?;
    let stored = tokio::select! {
        failure = interrupt.wait() => Err(failure),
        stored = store_new_verdicts(&store, request, source, job) => stored,
    };
    let (report, failure) = stored.map_err(|failure| anyhow::anyhow!(failure.message))?;
    source.write(&report).await?;
    match failure {
        None => Ok(()),
        Some(AgentFailure { message, .. }) => anyhow::bail!("{message}"),
    }
}

/// The cluster that this pod is in.
struct Cluster<'a> {
    client: Client,
    request: &'a CatalogRequest,
}

impl Cluster<'_> {
    async fn fetch(&self) -> anyhow::Result<ClusterView> {
        let request = self.request;
        let databases: Api<ProtectedDatabase> =
            Api::namespaced(self.client.clone(), &request.namespace);
        let backups: Api<DatabaseBackup> = Api::namespaced(self.client.clone(), &request.namespace);
        let of_database =
            ListParams::default().fields(&format!("spec.database={}", request.database));
        let listed = kubernetes::persist("list the DatabaseBackups", || backups.list(&of_database));
        let listed = listed.await?;
        let restores: Api<DatabaseRestore> =
            Api::namespaced(self.client.clone(), &request.namespace);
        let all = ListParams::default();
        let restoring = kubernetes::persist("list the DatabaseRestores", || restores.list(&all));
        let restoring = restoring.await?;
        // Last: what a check has found meanwhile must be seen.
        let read = kubernetes::persist("read the ProtectedDatabase", || {
            databases.get_opt(&request.database)
        });
        let database = read.await?;
        Ok(build_view(
            database.as_ref(),
            (&listed.items, &restoring.items),
            request,
            Timestamp::now(),
        ))
    }

    async fn write(&self, report: &CatalogReport) -> anyhow::Result<()> {
        let status = json!({ "catalog": report });
        let (namespace, name) = (&self.request.namespace, &self.request.backup);
        let manager = names::CATALOG_MANAGER;
        kubernetes::apply_status_as::<DatabaseBackup>(
            &self.client,
            manager,
            namespace,
            name,
            &status,
        )
        .await
    }
}

impl CatalogSource for Cluster<'_> {
    async fn fetch_view(&self) -> ClusterView {
        self.fetch().await.unwrap_or_else(|error| {
            tracing::warn!("what the cluster says could not be read: {error:#}");
            ClusterView {
                held: Some(Held::ClusterUnread),
                ..ClusterView::default()
            }
        })
    }

    async fn note(&self, report: &CatalogReport) -> Result<(), String> {
        self.write(report)
            .await
            .map_err(|error| format!("{error:#}"))
    }
}
