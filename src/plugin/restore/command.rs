//! Says what there is and what would happen, asks once, creates the `DatabaseRestore`, and follows it.

use clap::Args;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, CustomResourceExt as _, ResourceExt as _};

use super::carry_out::{Following, carry_out, fetch_last_check, refuse_without_role};
use super::dry_run::dry_run;
use super::files::{WantedFiles, build_restores, describe_files, directories};
use super::question::{Chosen, Wanted, choose, describe};
use crate::api::{
    DatabaseBackup, DatabaseRestore, DatabaseRestoreSpec, ProtectedDatabase, RestoreSource,
    RestoreTarget,
};
use crate::plugin::ask::ask;
use crate::plugin::backups::build_backup_table;
use crate::plugin::connect::Cluster;
use crate::plugin::error::{ClusterRequest, PluginError};
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::status::fetch_database;

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
    /// Restore only this table, as in the catalog, with its indexes, constraints and sequences; repeat it
    /// for more. Only with --beside.
    #[arg(long = "table", value_name = "SCHEMA.TABLE", requires = "beside")]
    tables: Vec<String>,
    /// Restore the files of spec.backup.directories too, after the databases.
    #[arg(long, conflicts_with = "tables")]
    files: bool,
    /// Restore only the files of spec.backup.directories, and no database.
    #[arg(long, conflicts_with_all = ["tables", "files"])]
    files_only: bool,
    /// Restore files although pods may write to their directory: what they write meanwhile is only in the
    /// directory that is kept.
    #[arg(long)]
    accept_writers: bool,
    /// Only look: an agent reads the backup and the server, and says what would happen, what would not be
    /// restored, and all that stands against it. Nothing is made or changed. Of files it only says what would
    /// happen.
    #[arg(long, conflicts_with = "no_wait")]
    dry_run: bool,
    /// Don't ask before the present database is replaced.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    following: Following,
}

/// Runs `restore`.
pub async fn run(
    cluster: &Cluster,
    arguments: &RestoreArguments,
) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    let database = fetch_database(cluster, namespace, name).await?;
    let backups = fetch_backups(cluster, name).await?;
    let chosen = choose(
        &database,
        &backups,
        arguments.backup.as_deref(),
        arguments.accept_suspect,
    );
    let now = Timestamp::now();
    let table = build_backup_table(&backups, name, now);
    write_out(&format!("{table}\n"))?;
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
    let wanted = Wanted {
        into,
        tables: &arguments.tables,
    };
    let (has_rows, has_files) = (
        !arguments.files_only,
        arguments.files || arguments.files_only,
    );
    if has_rows {
        write_out(&describe(&database, last.as_ref(), &chosen, wanted, now))?;
    } else {
        write_out(&format!(
            "\nBackup {}: its files.\n",
            chosen.backup.name_any()
        ))?;
    }
    let wanted_files = WantedFiles {
        into,
        accept_suspect: arguments.accept_suspect,
        accept_writers: arguments.accept_writers,
    };
    if has_files {
        write_out(&describe_files(&database, wanted_files))?;
    }
    if let Some(why) = refuse(cluster, &database, (has_rows, has_files)) {
        eprintln!("\nerror: {why}");
        return Ok(ExitStatus::NeedsAttention);
    }
    if arguments.dry_run && !has_rows {
        write_out("Nothing was done.\n")?;
        return Ok(ExitStatus::Done);
    }
    if arguments.dry_run {
        let restore = build_restore(&database, arguments, &chosen, into);
        return Box::pin(dry_run(cluster, restore, &arguments.following)).await;
    }
    if into == RestoreTarget::Replace && !arguments.yes {
        let script = script(cluster, arguments);
        let what = if has_rows { "what" } else { "the files that" };
        let question = format!("To replace {what} database {name} has now");
        if !ask(&question, name, &script)? {
            eprintln!("Not confirmed; nothing was changed.");
            return Ok(ExitStatus::NotConfirmed);
        }
    }
    let mut restores = Vec::new();
    if has_rows {
        restores.push(build_restore(&database, arguments, &chosen, into));
    }
    if has_files {
        restores.extend(build_restores(&database, &chosen, wanted_files));
    }
    for restore in &restores {
        let ended = carry_out(cluster, restore, name, &arguments.following).await?;
        if ended != ExitStatus::Done {
            return Ok(ended);
        }
    }
    Ok(ExitStatus::Done)
}

/// Why it can't be restored.
fn refuse(
    cluster: &Cluster,
    database: &ProtectedDatabase,
    (has_rows, has_files): (bool, bool),
) -> Option<String> {
    if has_files && directories(database).is_empty() {
        let name = database.name_any();
        return Some(format!(
            "spec.backup.directories of database {name} names no directory, so no backup has files"
        ));
    }
    refuse_without_role(cluster, database).filter(|_| has_rows)
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
    let flags = [
        (arguments.files, " --files"),
        (arguments.files_only, " --files-only"),
        (arguments.accept_writers, " --accept-writers"),
    ];
    let files: String = flags
        .iter()
        .filter_map(|(is_set, flag)| is_set.then_some(*flag))
        .collect();
    format!(
        "kubectl holdfast restore {} -n {}{}{backup}{files} --yes",
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
        ..RestoreSource::default()
    };
    let spec = DatabaseRestoreSpec {
        database: name.clone(),
        from,
        into,
        dry_run: None,
        confirm: (into == RestoreTarget::Replace)
            .then(|| database.metadata.uid.clone())
            .flatten(),
        accept_suspect: arguments.accept_suspect.then_some(true),
        tables: arguments.tables.clone(),
        files: None,
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
    backups.sort_by_key(|backup| (backup.made(), backup.name_any()));
    Ok(backups)
}
