//! Asks for a backup and follows it; reads the backups of a database.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, ResourceExt as _};
use tokio::time::{Instant, sleep};

use super::progress::describe_progress;
use super::text::{build_backup_table, build_plan, describe_state};
use crate::api::{BackupProgress, BackupState, CatalogReport, DatabaseBackup, DatabaseBackupSpec};
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::live_line::LiveLine;
use crate::plugin::output::{DataFormat, build_json, build_yaml, write_out};
use crate::plugin::status::fetch_database;
use crate::plugin::write::create;

/// How often a backup is read while it is followed.
const PAUSE: Duration = Duration::from_secs(2);

/// What `backup` is asked.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Name of a ProtectedDatabase.
    name: String,
    /// Ask for the backup and do not wait for it.
    #[arg(long)]
    no_wait: bool,
    /// How many seconds to wait for it. It goes on afterwards. Default: as long as it takes.
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u64>,
}

/// What `backups` is asked.
#[derive(Debug, Args)]
pub struct BackupsArguments {
    /// Name of a ProtectedDatabase.
    name: String,
    /// json or yaml instead of a table.
    #[arg(short, long)]
    output: Option<DataFormat>,
    /// What retention would remove and why it keeps the rest, by the last look at the bucket.
    #[arg(long)]
    plan: bool,
}

/// Runs `backup`.
pub async fn run_backup(
    cluster: &Cluster,
    arguments: &BackupArguments,
) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    // A backup of a database that does not exist would never begin.
    fetch_database(cluster, namespace, name).await?;
    let api: Api<DatabaseBackup> = Api::namespaced(cluster.client.clone(), namespace);
    let made = create(cluster, &build_backup(name)).await?.name_any();
    let context = cluster.context_flag();
    write_out(&format!(
        "Asked for DatabaseBackup {made}. How it goes: kubectl get dbbackup {made} -n \
         {namespace}{context}\n"
    ))?;
    if arguments.no_wait {
        return Ok(ExitStatus::Done);
    }
    let limit = arguments.timeout.map(Duration::from_secs);
    follow(cluster, &api, &made, limit).await
}

/// Says what changes until the backup has ended.
async fn follow(
    cluster: &Cluster,
    api: &Api<DatabaseBackup>,
    name: &str,
    limit: Option<Duration>,
) -> Result<ExitStatus, PluginError> {
    let end = limit.map(|limit| Instant::now() + limit);
    let mut line = LiveLine::default();
    let mut shown = None;
    loop {
        let backup = match api.get(name).await {
            Ok(backup) => backup,
            Err(error) => {
                line.close()?;
                return Err(about(cluster, "get", name).failed(error));
            }
        };
        let progress = progress(&backup);
        match &progress {
            // Between two reports only the time that is left changes.
            Some(progress) if shown.as_ref() == Some(progress) && !line.is_open() => {}
            Some(progress) => line.say_for_now(&describe_progress(progress, Timestamp::now()))?,
            None => line.say(&describe_state(&backup))?,
        }
        shown = progress;
        match backup.status.as_ref().and_then(|status| status.state) {
            Some(BackupState::Complete) => return Ok(ExitStatus::Done),
            Some(BackupState::Suspect | BackupState::Failed) => {
                return Ok(ExitStatus::NeedsAttention);
            }
            Some(BackupState::Running) | None => {}
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            line.close()?;
            write_out("It goes on.\n")?;
            return Ok(ExitStatus::NeedsAttention);
        }
        sleep(PAUSE).await;
    }
}

/// How far a backup is that runs.
fn progress(backup: &DatabaseBackup) -> Option<BackupProgress> {
    let status = backup.status.as_ref()?;
    let is_running = status.state == Some(BackupState::Running);
    status.progress.clone().filter(|_| is_running)
}

/// Runs `backups`.
pub async fn run_backups(
    cluster: &Cluster,
    arguments: &BackupsArguments,
) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    fetch_database(cluster, namespace, name).await?;
    let api: Api<DatabaseBackup> = Api::namespaced(cluster.client.clone(), namespace);
    let of_database = ListParams::default().fields(&format!("spec.database={name}"));
    let mut backups = api
        .list(&of_database)
        .await
        .map_err(|error| {
            let context = cluster.context.as_deref();
            ClusterRequest::list(DatabaseBackup::crd_name(), Some(namespace), context).failed(error)
        })?
        .items;
    backups.sort_by_key(|backup| (backup.made(), backup.name_any()));
    if arguments.plan {
        let text = match (arguments.output, newest_report(&backups)) {
            (Some(DataFormat::Json), report) => build_json(&report)?,
            (Some(DataFormat::Yaml), report) => build_yaml(&report)?,
            (None, report) => build_plan(report, name),
        };
        write_out(&text)?;
        return Ok(ExitStatus::Done);
    }
    let text = match arguments.output {
        Some(DataFormat::Json) => build_json(&backups)?,
        Some(DataFormat::Yaml) => build_yaml(&backups)?,
        None => build_backup_table(&backups, name, Timestamp::now()),
    };
    write_out(&text)?;
    Ok(if backups.iter().any(DatabaseBackup::counts) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// The newest look at the bucket: of the backups, the newest last, the last that has one.
fn newest_report(backups: &[DatabaseBackup]) -> Option<&CatalogReport> {
    let mut newest_first = backups.iter().rev();
    newest_first.find_map(|backup| backup.status.as_ref()?.catalog.as_ref())
}

fn about(cluster: &Cluster, verb: &'static str, name: &str) -> ClusterRequest {
    ClusterRequest::about(
        verb,
        DatabaseBackup::crd_name(),
        name,
        Some(&cluster.namespace),
        cluster.context.as_deref(),
    )
}

fn build_backup(database: &str) -> DatabaseBackup {
    let spec = DatabaseBackupSpec {
        database: database.to_owned(),
    };
    let mut backup = DatabaseBackup::new("", spec);
    backup.metadata.name = None;
    backup.metadata.generate_name = Some(format!("{database}-by-hand-"));
    backup
}
