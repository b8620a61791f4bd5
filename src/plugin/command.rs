//! The plugin's command line: what `kubectl holdfast --help` says, and which module runs each
//! command.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::accept::{self, AcceptArguments};
use super::adopt::{self, AdoptArguments};
use super::backups::{self, BackupArguments, BackupsArguments};
use super::check::{self, CheckArguments};
use super::connect::Cluster;
use super::doctor::{self, DoctorArguments};
use super::drill::{self, DrillArguments};
use super::error::PluginError;
use super::exit_status::{EXIT_CODES, ExitStatus, FAILED};
use super::explain::{self, ExplainArguments};
use super::grant_sql::{self, GrantSqlArguments};
use super::recover::{self, RecoverArguments};
use super::release::{self, ReleaseArguments};
use super::report::{self, ReportArguments};
use super::restore::{self, RestoreArguments};
use super::status::{self, StatusArguments};
use super::unlock::{self, UnlockArguments};

/// The name under which kubectl finds the binary.
const PLUGIN_NAME: &str = "kubectl-holdfast";

/// Shows how safe your databases are, explains and reports what happened to them, brings them back,
/// confirms deletions, accepts changes, and finds databases that nothing protects.
///
/// Data is gone, and the volume still exists: recover. It is in a backup: restore. Its whole cluster is gone:
/// adopt. The change was meant: accept. Nobody knows: explain. Step by step: docs/runbooks.
///
/// It uses your kubeconfig and your own permissions. It deletes no data. Of a Secret only `check` reads
/// anything: the names of its keys.
#[derive(Debug, Parser)]
#[command(name = PLUGIN_NAME, bin_name = "kubectl holdfast", version, max_term_width = 120, after_help = EXIT_CODES)]
struct Plugin {
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(subcommand)]
    command: Command,
}

/// Which cluster, and where in it.
#[derive(Debug, Args)]
struct ClusterArguments {
    /// The namespace. Default: that of the kubeconfig's context.
    #[arg(short, long, global = true, help_heading = "Cluster")]
    namespace: Option<String>,
    /// The context of the kubeconfig to use. Default: the current one.
    #[arg(long, global = true, help_heading = "Cluster")]
    context: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says whether each ProtectedDatabase is safe, and what to do if it is not.
    #[command(after_help = EXIT_CODES)]
    Status(StatusArguments),
    /// Says what the verdict about a database is, what was expected and what was found, which
    /// volume it is, and what to do.
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArguments),
    /// Writes an incident report: expected and found, rows over time, a timeline, and answers to
    /// the usual questions.
    #[command(after_help = EXIT_CODES)]
    Report(ReportArguments),
    /// Brings back a database's claims, volumes, namespace and ProtectedDatabase, as the ledger
    /// remembers them. Works without the operator.
    #[command(after_help = EXIT_CODES)]
    Recover(RecoverArguments),
    /// Restores a backup: into a new database beside the present one, which it then replaces, and which is
    /// kept. Says before what there is and what does not come with it.
    #[command(after_help = EXIT_CODES)]
    Restore(RestoreArguments),
    /// Proves a backup: it is restored into a throwaway server, and compared with its manifest. Nothing of
    /// the database is touched.
    #[command(after_help = EXIT_CODES)]
    Drill(DrillArguments),
    /// Lists the backups in a bucket whose cluster is gone, with nothing but the bucket's key; with --into it
    /// restores one of them into a database of this cluster.
    #[command(after_help = EXIT_CODES)]
    Adopt(Box<AdoptArguments>),
    /// Confirms the deletion of one guarded object, after showing what would be lost. Deletes
    /// nothing itself.
    #[command(after_help = EXIT_CODES)]
    Unlock(UnlockArguments),
    /// Removes the marks from everything, after showing it, when no operator runs any more. Deletes
    /// nothing; volumes stay on Retain.
    #[command(after_help = EXIT_CODES)]
    Release(ReleaseArguments),
    /// Says that a change of the data is intended: after a check has seen it, or before it is made.
    #[command(after_help = EXIT_CODES)]
    Accept(AcceptArguments),
    /// Takes a backup now and says how it goes.
    #[command(after_help = EXIT_CODES)]
    Backup(BackupArguments),
    /// Lists the backups of a database: the state of each, and what has confirmed it.
    #[command(after_help = EXIT_CODES)]
    Backups(BackupsArguments),
    /// Finds what keeps Holdfast from working: the installation, its versions, permissions and policies,
    /// and for each ProtectedDatabase whether the pods of its agents would be admitted. With a name it
    /// asks the operator to check the data of that database now.
    ///
    /// `doctor` finds Postgres that nothing protects; `check` finds what is wrong with the protection.
    /// Pods are created as dry runs only, with your own permissions.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArguments),
    /// Finds every Postgres in the cluster, or in one namespace with -n: what protects it, what
    /// endangers its data, how to protect it.
    ///
    /// Whether Holdfast itself works is found by `check`.
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArguments),
    /// Prints the SQL of a role that can check and back up a database and nothing else, and the
    /// Secret for it. Runs nothing.
    #[command(after_help = EXIT_CODES)]
    GrantSql(GrantSqlArguments),
}

/// Whether the binary was called under the plugin's name.
#[must_use]
pub fn is_plugin_name(program: Option<&OsStr>) -> bool {
    program
        .and_then(|program| Path::new(program).file_name())
        .is_some_and(|name| name == PLUGIN_NAME)
}

/// Runs the plugin with the arguments that follow its name.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let plugin = Plugin::parse_from([OsString::from(PLUGIN_NAME)].into_iter().chain(arguments));
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&PluginError::Terminal {
                doing: "start the async runtime",
                source: error,
            });
        }
    };
    match runtime.block_on(run(plugin)) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => fail(&error),
    }
}

fn fail(error: &PluginError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(FAILED)
}

async fn run(plugin: Plugin) -> Result<ExitStatus, PluginError> {
    let chosen = plugin.cluster;
    let connect =
        async || Cluster::connect(chosen.context.as_deref(), chosen.namespace.as_deref()).await;
    match plugin.command {
        Command::Status(arguments) => status::run(&connect().await?, &arguments).await,
        Command::Recover(arguments) => Box::pin(recover::run(&connect().await?, &arguments)).await,
        Command::Restore(arguments) => Box::pin(restore::run(&connect().await?, &arguments)).await,
        Command::Drill(arguments) => Box::pin(drill::run(&connect().await?, &arguments)).await,
        Command::Adopt(arguments) if arguments.needs_no_cluster() => {
            Box::pin(adopt::run(None, &arguments)).await
        }
        Command::Adopt(arguments) => {
            Box::pin(adopt::run(Some(&connect().await?), &arguments)).await
        }
        Command::Unlock(arguments) => unlock::run(&connect().await?, &arguments).await,
        Command::Release(arguments) => release::run(&connect().await?, &arguments).await,
        Command::Accept(arguments) => accept::run(&connect().await?, &arguments).await,
        Command::Backup(arguments) => backups::run_backup(&connect().await?, &arguments).await,
        Command::Backups(arguments) => backups::run_backups(&connect().await?, &arguments).await,
        Command::Check(arguments) => check::run(&connect().await?, &arguments).await,
        Command::Doctor(arguments) => doctor::run(&connect().await?, &arguments).await,
        Command::GrantSql(arguments) => match &arguments.name {
            Some(name) => grant_sql::run(&connect().await?, &arguments, name).await,
            None => grant_sql::run_without_cluster(&arguments, chosen.namespace.as_deref()),
        },
        Command::Explain(arguments) => Box::pin(explain::run(&connect().await?, &arguments)).await,
        Command::Report(arguments) => Box::pin(report::run(&connect().await?, &arguments)).await,
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
