//! Says what there is and what would happen, asks once, creates the `DatabaseRestore`, and follows it.

use clap::Args;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, ResourceExt as _};

use super::follow::{Followed, follow};
use super::question::{Chosen, choose, describe};
use super::text::describe_end;
use crate::api::{
    DatabaseBackup, DatabaseCheck, DatabaseRestore, DatabaseRestoreSpec, ProtectedDatabase,
    RestoreSource, RestoreState, RestoreTarget,
};
use crate::plugin::ask::ask;
use crate::plugin::backups::build_backup_table;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::fetch_database;
use crate::plugin::write::create;

/// What `restore` is asked.
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Name of a ProtectedDatabase.
    name: String,
    /// Restore this DatabaseBackup. Default: the newest that counts.
    #[arg(long, value_name = "BACKUP")]
    backup: Option<String>,
    /// Restore the backup that --backup names although it does not count as good.
    #[arg(long, requires = "backup")]
    accept_suspect: bool,
    /// Restore it into a new database beside the present one, to look at it. Nothing is replaced, and
    /// nobody is asked.
    #[arg(long)]
    beside: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask before the present database is replaced.
    #[arg(long)]
    yes: bool,
    /// Ask for the restore and do not wait for it.
    #[arg(long)]
    no_wait: bool,
    /// How many seconds to wait for it. It goes on afterwards. Default: as long as it takes.
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u64>,
}

/// Runs `restore`.
pub async fn run(
    cluster: &Cluster,
    arguments: &RestoreArguments,
) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    let database = fetch_database(cluster, namespace, name).await?;
    let backups = fetch_backups(cluster, name).await?;
    let context = cluster.context_flag();
    let chosen = choose(
        &database,
        &backups,
        arguments.backup.as_deref(),
        arguments.accept_suspect,
    );
    write_out(&format!("{}\n", build_backup_table(&backups, name)))?;
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(why) => {
            eprintln!("error: {why}");
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    let into = if arguments.beside {
        RestoreTarget::Beside
    } else {
        RestoreTarget::Replace
    };
    let last = fetch_last_check(cluster, &database).await?;
    let now = Timestamp::now();
    write_out(&describe(&database, last.as_ref(), &chosen, into, now))?;
    if database.spec.restore.is_none() {
        eprintln!(
            "\nerror: spec.restore.credentialsSecret is not set, so there is no role to restore with. The SQL \
             for one: kubectl holdfast grant-sql {name} -n {namespace}{context} --restore"
        );
        return Ok(ExitStatus::NeedsAttention);
    }
    if arguments.dry_run {
        return Ok(ExitStatus::Done);
    }
    if into == RestoreTarget::Replace && !arguments.yes {
        let script = script(cluster, arguments);
        let question = format!("To replace what database {name} has now");
        if !ask(&question, name, &script)? {
            eprintln!("Not confirmed; nothing was changed.");
            return Ok(ExitStatus::NotConfirmed);
        }
    }
    let restore = build_restore(&database, arguments, &chosen, into);
    let made = create(cluster, &restore).await?.name_any();
    write_out(&format!(
        "\nAsked for DatabaseRestore {made}. How it goes: kubectl get dbrestore {made} -n \
         {namespace}{context} -w\n"
    ))?;
    if arguments.no_wait {
        return Ok(ExitStatus::Done);
    }
    let restore = match follow(cluster, &made, arguments.timeout).await? {
        Followed::Over(restore) => restore,
        Followed::GoesOn => {
            write_out("It goes on.\n")?;
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    let check = fetch_last_check(cluster, &fetch_database(cluster, namespace, name).await?).await?;
    write_out(&describe_end(&restore, check.as_ref()))?;
    let state = restore.status.and_then(|status| status.state);
    Ok(if state == Some(RestoreState::Complete) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// The command for a script, once somebody has read what it does.
fn script(cluster: &Cluster, arguments: &RestoreArguments) -> String {
    let backup = arguments
        .backup
        .as_ref()
        .map_or_else(String::new, |backup| {
            let suspect = if arguments.accept_suspect {
                " --accept-suspect"
            } else {
                ""
            };
            format!(" --backup {backup}{suspect}")
        });
    format!(
        "kubectl holdfast restore {} -n {}{}{backup} --yes",
        arguments.name,
        cluster.namespace,
        cluster.context_flag()
    )
}

fn build_restore(
    database: &ProtectedDatabase,
    arguments: &RestoreArguments,
    chosen: &Chosen<'_>,
    into: RestoreTarget,
) -> DatabaseRestore {
    let name = &arguments.name;
    // The very set that was shown, also where a newer one counts by now.
    let from = RestoreSource {
        backup: Some(chosen.backup.name_any()),
        latest_good: None,
        volume: None,
    };
    let spec = DatabaseRestoreSpec {
        database: name.clone(),
        from,
        into,
        confirm: (into == RestoreTarget::Replace)
            .then(|| database.metadata.uid.clone())
            .flatten(),
        accept_suspect: arguments.accept_suspect.then_some(true),
    };
    let mut restore = DatabaseRestore::new("", spec);
    restore.metadata.name = None;
    restore.metadata.generate_name = Some(format!("{name}-restore-"));
    restore
}

/// The backups of a database, the oldest first.
pub async fn fetch_backups(
    cluster: &Cluster,
    name: &str,
) -> Result<Vec<DatabaseBackup>, PluginError> {
    let namespace = cluster.namespace.as_str();
    let api: Api<DatabaseBackup> = Api::namespaced(cluster.client.clone(), namespace);
    let of_database = ListParams::default().fields(&format!("spec.database={name}"));
    let listed = api.list(&of_database).await.map_err(|error| {
        let context = cluster.context.as_deref();
        ClusterRequest::list(DatabaseBackup::crd_name(), Some(namespace), context).failed(error)
    })?;
    let mut backups = listed.items;
    backups.sort_by_key(|backup| {
        let made = backup.metadata.creation_timestamp.as_ref();
        (made.map(|time| time.0), backup.name_any())
    });
    Ok(backups)
}

/// The newest check of the database, if it still exists.
async fn fetch_last_check(
    cluster: &Cluster,
    database: &ProtectedDatabase,
) -> Result<Option<DatabaseCheck>, PluginError> {
    let status = database.status.as_ref();
    let Some(last) = status.and_then(|status| status.last_check.as_ref()) else {
        return Ok(None);
    };
    let namespace = cluster.namespace.as_str();
    let api: Api<DatabaseCheck> = Api::namespaced(cluster.client.clone(), namespace);
    api.get_opt(&last.name).await.map_err(|error| {
        let context = cluster.context.as_deref();
        let crd = DatabaseCheck::crd_name();
        ClusterRequest::about("get", crd, &last.name, Some(namespace), context).failed(error)
    })
}
