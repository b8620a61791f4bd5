//! The agent's subcommands and what their end means: an error when nothing could be reported, or when a
//! backup failed.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use crate::api::{JOB_NAME_VARIABLE, REQUEST_VARIABLE};

use super::install::write_passwd;
use super::scratch::ScratchArguments;
use super::{backup, catalog, check, copy, files, install, restore, scratch};

/// What an agent does. These are started by Jobs of the operator, not by users.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum AgentCommand {
    /// Copy this program to a path that another container can run it from.
    Install {
        /// The path to copy to.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Where to write a file for `/etc/passwd` that has the user of this pod.
        #[arg(long, value_name = "FILE")]
        passwd: Option<PathBuf>,
    },
    /// Check the database that `HOLDFAST_REQUEST` names, and report to its `DatabaseCheck`.
    Check,
    /// Look for the files that rows of the database name, as `HOLDFAST_REQUEST` says, and report to
    /// the `DatabaseCheck`.
    Files,
    /// Back up the database that `HOLDFAST_REQUEST` names, and report to a `DatabaseBackup` named
    /// like the Job.
    Backup,
    /// Restore the backup set that `HOLDFAST_REQUEST` names, and report to its `DatabaseRestore`.
    Restore,
    /// Restore the files of the directory that `HOLDFAST_REQUEST` names into its claim, and report to its
    /// `DatabaseRestore`.
    RestoreFiles,
    /// Restore the backup set that `HOLDFAST_REQUEST` names into the throwaway server of this pod, which shows
    /// whether it can be restored, and report to its `DatabaseRestore`.
    Drill,
    /// Run the throwaway server of a drill until the drill has ended.
    Scratch(ScratchArguments),
    /// Look at all sets of the database that `HOLDFAST_REQUEST` names, remove those that no rule of
    /// retention keeps, and report to the newest confirmed `DatabaseBackup`.
    Catalog,
    /// Copy the set of the `DatabaseBackup` that `HOLDFAST_REQUEST` names into another bucket, and report to
    /// it.
    Copy,
}

/// Runs a subcommand. A check that found nothing is no error here: it was reported. A failed backup or restore
/// is one, so that its Job fails, whoever looks at Jobs.
pub async fn run(command: AgentCommand) -> anyhow::Result<()> {
    match command {
        AgentCommand::Install { to, passwd } => {
            install(&to)?;
            passwd.as_deref().map_or(Ok(()), write_passwd)
        }
        AgentCommand::Check => Box::pin(check::run_check(read_request()?)).await,
        AgentCommand::Files => files::run_files(read_request()?).await,
        AgentCommand::Backup => {
            Box::pin(backup::run_backup(read_request()?, &read_job_name()?)).await
        }
        AgentCommand::Catalog => {
            Box::pin(catalog::run_catalog(read_request()?, &read_job_name()?)).await
        }
        AgentCommand::Copy => Box::pin(copy::run_copy(read_request()?, &read_job_name()?)).await,
        AgentCommand::Restore => Box::pin(restore::run_restore(read_request()?)).await,
        AgentCommand::RestoreFiles => Box::pin(restore::run_files(read_request()?)).await,
        AgentCommand::Drill => Box::pin(restore::run_drill(read_request()?)).await,
        AgentCommand::Scratch(arguments) => scratch::run_scratch(arguments).await,
    }
}

fn read_job_name() -> anyhow::Result<String> {
    std::env::var(JOB_NAME_VARIABLE).with_context(|| {
        format!(
            "{JOB_NAME_VARIABLE} is not set, so it is not known whose report this is; it comes from \
             the Job's label by the downward API"
        )
    })
}

fn read_request<Request: DeserializeOwned>() -> anyhow::Result<Request> {
    let json = std::env::var(REQUEST_VARIABLE).with_context(|| {
        format!("{REQUEST_VARIABLE} is not set; agents are started by Jobs of the operator")
    })?;
    serde_json::from_str(&json).with_context(|| {
        format!(
            "{REQUEST_VARIABLE} is not a request of this version; the Job and the program in it \
             come from different versions of Holdfast"
        )
    })
}
