//! Asks the operator for a drill now, and follows it.

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};

use super::text::{choose, describe_drill};
use crate::api::{
    DatabaseRestore, DatabaseRestoreSpec, ProtectedDatabase, RestoreSource, RestoreState,
    RestoreTarget, names,
};
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::restore::{Followed, fetch_backups, follow};
use crate::plugin::status::fetch_database;
use crate::plugin::write::create;

/// What `drill` is asked.
#[derive(Debug, Args)]
pub struct DrillArguments {
    /// Name of a ProtectedDatabase.
    name: String,
    /// Which backup: latest, random or oldest of those that count, or the name of a DatabaseBackup.
    /// Default: as spec.drill.of says, else latest.
    #[arg(long, value_name = "BACKUP")]
    of: Option<String>,
    /// Restore the backup that --of names although it does not count as good. It proves nothing then.
    #[arg(long, requires = "of")]
    accept_suspect: bool,
    /// Ask for the drill and do not wait for it.
    #[arg(long)]
    no_wait: bool,
    /// How many seconds to wait for it. It goes on afterwards. Default: as long as it takes.
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u64>,
}

/// Runs `drill`.
pub async fn run(cluster: &Cluster, arguments: &DrillArguments) -> Result<ExitStatus, PluginError> {
    let (namespace, name) = (&cluster.namespace, &arguments.name);
    let database = fetch_database(cluster, namespace, name).await?;
    let backups = fetch_backups(cluster, name).await?;
    let now = Timestamp::now();
    let from = match choose(
        &database,
        &backups,
        (arguments.of.as_deref(), arguments.accept_suspect),
        now.as_second(),
    ) {
        Ok(from) => from,
        Err(why) => {
            eprintln!("error: {why}");
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    let drill = build_drill(&database, from, arguments.accept_suspect, now);
    let made = create(cluster, &drill).await?.name_any();
    let context = cluster.context_flag();
    write_out(&format!(
        "Asked for DatabaseRestore {made}, which restores into a throwaway server: nothing of the database \
         is touched. How it goes: kubectl get dbrestore {made} -n {namespace}{context} -w\n"
    ))?;
    if arguments.no_wait {
        return Ok(ExitStatus::Done);
    }
    let drill = match follow(cluster, &made, arguments.timeout).await? {
        Followed::Over(drill) => drill,
        Followed::GoesOn => {
            write_out("It goes on.\n")?;
            return Ok(ExitStatus::NeedsAttention);
        }
    };
    write_out(&describe_drill(&drill))?;
    let state = drill.status.and_then(|status| status.state);
    Ok(if state == Some(RestoreState::Complete) {
        ExitStatus::Done
    } else {
        ExitStatus::NeedsAttention
    })
}

/// It goes with the database, and is deleted when newer drills are there, as those of the schedule.
fn build_drill(
    database: &ProtectedDatabase,
    from: RestoreSource,
    accepts_suspect: bool,
    now: Timestamp,
) -> DatabaseRestore {
    let name = database.name_any();
    let spec = DatabaseRestoreSpec {
        database: name.clone(),
        from,
        into: RestoreTarget::Scratch,
        dry_run: None,
        confirm: None,
        accept_suspect: accepts_suspect.then_some(true),
        tables: Vec::new(),
        files: None,
    };
    let mut drill = DatabaseRestore::new(&names::drill(&name, now), spec);
    let owner = database.owner_ref(&());
    drill.metadata.owner_references = owner.map(|owner| {
        vec![OwnerReference {
            block_owner_deletion: Some(false),
            ..owner
        }]
    });
    drill
}
