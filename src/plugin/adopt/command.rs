//! Lists what a bucket has, and asks for the restore of one set, as a `DatabaseRestore` that names it by its
//! place and the digest of its manifest.

use clap::Args;

use super::choose::{Chosen, choose};
use super::groups::group;
use super::place::{Place, parse_database, parse_place};
use super::question::{describe, refuse};
use super::text::list;
use crate::api::{
    DatabaseRestore, DatabaseRestoreSpec, ProtectedDatabase, RestoreSource, RestoreTarget,
    SetSource,
};
use crate::catalog::{BucketAccess, fetch_sets};
use crate::plugin::ask::ask;
use crate::plugin::connect::Cluster;
use crate::plugin::error::PluginError;
use crate::plugin::exit_status::ExitStatus;
use crate::plugin::output::write_out;
use crate::plugin::restore::{Following, carry_out, refuse_without_role};
use crate::plugin::status::fetch_database;
use crate::wording::shell_word;

/// What `adopt` is asked.
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[derive(Debug, Args)]
pub struct AdoptArguments {
    /// Where the sets are: `s3://BUCKET/PREFIX`, as in spec.backup.storage of the cluster that is gone.
    #[arg(value_name = "s3://BUCKET/PREFIX", value_parser = parse_place)]
    place: Place,
    #[command(flatten)]
    access: BucketAccess,
    /// Restore a set of this database, as the list names it. Default: only list, without any cluster.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = parse_database, requires = "into")]
    database: Option<(String, String)>,
    /// The ProtectedDatabase of this cluster that the set is restored into.
    #[arg(long, value_name = "NAME", requires = "database")]
    into: Option<String>,
    /// Restore this set, as the list names it. Default: the newest that counts.
    #[arg(long, value_name = "SET", requires = "database")]
    set: Option<String>,
    /// Restore the set that --set names although it does not count as good.
    #[arg(long, requires = "set")]
    accept_suspect: bool,
    /// Restore it into a new database beside the present one, to look at it. Nothing is replaced, and
    /// nobody is asked.
    #[arg(long, requires = "database")]
    beside: bool,
    /// Only say what would be done.
    #[arg(long, requires = "database")]
    dry_run: bool,
    /// Don't ask before the present database is replaced.
    #[arg(long, requires = "database")]
    yes: bool,
    #[command(flatten)]
    following: Following,
}

impl AdoptArguments {
    /// Whether only the bucket is asked.
    pub const fn needs_no_cluster(&self) -> bool {
        self.database.is_none()
    }
}

/// Runs `adopt`. There is no cluster where only the bucket is listed.
pub async fn run(
    cluster: Option<&Cluster>,
    arguments: &AdoptArguments,
) -> Result<ExitStatus, PluginError> {
    let place = &arguments.place;
    let asked = arguments
        .database
        .as_ref()
        .map(|(namespace, name)| format!("{namespace}/{name}"));
    let opened = arguments.access.open(&place.bucket, &place.prefix);
    let store = opened.map_err(PluginError::bucket)?;
    let fetching = Box::pin(fetch_sets(&store, &place.prefix, asked.as_deref()));
    let sets = fetching.await.map_err(PluginError::bucket)?;
    let found = group(&sets, &place.prefix);
    let (Some(cluster), Some(database), Some(into)) = (cluster, &asked, &arguments.into) else {
        write_out(&list(&found, place))?;
        let counts = found
            .groups
            .iter()
            .any(|group| group.newest_confirmed().is_some());
        return Ok(if counts {
            ExitStatus::Done
        } else {
            ExitStatus::NeedsAttention
        });
    };
    let set = arguments.set.as_deref();
    match choose(&found, database, set, arguments.accept_suspect) {
        Ok(chosen) => Box::pin(restore(cluster, arguments, &chosen, into)).await,
        Err(why) => {
            write_out(&list(&found, place))?;
            eprintln!("error: {why}");
            Ok(ExitStatus::NeedsAttention)
        }
    }
}

async fn restore(
    cluster: &Cluster,
    arguments: &AdoptArguments,
    chosen: &Chosen<'_>,
    name: &str,
) -> Result<ExitStatus, PluginError> {
    let database = fetch_database(cluster, &cluster.namespace, name).await?;
    let into = if arguments.beside {
        RestoreTarget::Beside
    } else {
        RestoreTarget::Replace
    };
    write_out(&describe(&database, chosen, &arguments.place, into))?;
    let refused = refuse(&database, chosen, &arguments.place)
        .or_else(|| refuse_without_role(cluster, &database));
    if let Some(why) = refused {
        eprintln!("\nerror: {why}");
        return Ok(ExitStatus::NeedsAttention);
    }
    if arguments.dry_run {
        return Ok(ExitStatus::Done);
    }
    if into == RestoreTarget::Replace && !arguments.yes {
        let script = script(cluster, arguments, chosen, name);
        let question = format!("To replace what database {name} has now");
        if !ask(&question, name, &script)? {
            eprintln!("Not confirmed; nothing was changed.");
            return Ok(ExitStatus::NotConfirmed);
        }
    }
    let restore = build_restore(&database, chosen, name, into);
    carry_out(cluster, &restore, name, &arguments.following).await
}

/// The command for a script, once somebody has read what it does: with the very set that was shown.
fn script(
    cluster: &Cluster,
    arguments: &AdoptArguments,
    chosen: &Chosen<'_>,
    name: &str,
) -> String {
    let database = arguments.database.as_ref();
    let database = database.map_or_else(String::new, |(namespace, of)| format!("{namespace}/{of}"));
    let suspect = if chosen.set.counts() {
        ""
    } else {
        " --accept-suspect"
    };
    format!(
        "kubectl holdfast adopt {} --database {} --into {name} -n {}{} --set {}{suspect} --yes",
        shell_word(&arguments.place.to_string()),
        shell_word(&database),
        cluster.namespace,
        cluster.context_flag(),
        shell_word(chosen.set.path())
    )
}

fn build_restore(
    database: &ProtectedDatabase,
    chosen: &Chosen<'_>,
    name: &str,
    into: RestoreTarget,
) -> DatabaseRestore {
    let set = SetSource {
        path: chosen.set.path().to_owned(),
        manifest_sha256: chosen.set.record.manifest_sha256.clone(),
    };
    let spec = DatabaseRestoreSpec {
        database: name.to_owned(),
        from: RestoreSource {
            set: Some(set),
            ..RestoreSource::default()
        },
        into,
        dry_run: None,
        confirm: (into == RestoreTarget::Replace)
            .then(|| database.metadata.uid.clone())
            .flatten(),
        accept_suspect: (!chosen.set.counts()).then_some(true),
        tables: Vec::new(),
        files: None,
    };
    let mut restore = DatabaseRestore::new("", spec);
    restore.metadata.name = None;
    restore.metadata.generate_name = Some(format!("{name}-adopt-"));
    restore
}
