//! The command line of the testbed.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::progress::{say, step};
use crate::status;
use crate::testbed::Testbed;
use crate::tools::Selection;

#[derive(Debug, Parser)]
#[command(name = "testbed", version, about, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Arguments {
    /// A cluster of its own, beside that of the checkout: lowercase letters and digits
    #[arg(
        long,
        global = true,
        env = "HOLDFAST_TESTBED_CLUSTER",
        value_name = "NAME"
    )]
    cluster: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
The cluster lives in a network namespace of its own and keeps its state in .testbed/, or in
.testbed-NAME/ with --cluster NAME; nothing of it survives `down` but the logs.
What is slow to build is kept outside the checkout, in ~/.cache/holdfast-testbed or where HOLDFAST_TESTBED_CACHE says.

  cargo run -p testbed -- up
  cargo run -p testbed -- exec -- kubectl get pods -A
  cargo run -p testbed -- down";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the cluster, building first what is missing; does nothing when it is up
    Up(Up),
    /// Stop the cluster and remove everything of it but the logs
    Down(Down),
    /// Show the components; the exit status is 1 unless all of them run
    Status,
    /// Print as JSON where the kubeconfig, the images and the S3 server are
    Info,
    /// Run a command in the cluster's network, with KUBECONFIG set and kubectl, helm, holdfast and
    /// kubectl-holdfast on PATH
    Exec(Exec),
    /// Import a container image, from an OCI tar or made from the operator's binary
    LoadImage(LoadImage),
    /// Build the operator, install it or bring it up to date, and wait until it is available
    Deploy,
    /// Restart the node as a power loss would: all containers die, what is on disk stays, the pods
    /// come back
    RestartNode,
}

#[derive(Debug, Args)]
struct Up {
    /// What to build: what the demo needs, or also Postgres 17, helm and a GitOps agent for the
    /// tests
    #[arg(long, value_enum, default_value = "all", value_name = "WHAT")]
    only: Only,
}

#[derive(Debug, Args)]
struct Down {
    /// All clusters of this checkout: its own and every named one
    #[arg(long, conflicts_with = "cluster")]
    all: bool,
}

#[derive(Debug, Args)]
struct Exec {
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct LoadImage {
    /// An OCI tar
    tar: Option<PathBuf>,
    /// Make the image of the operator from the binary that `cargo build -p holdfast` left
    #[arg(long)]
    operator: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    Demo,
    All,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let own = Testbed::discover()?;
    let testbed = match &arguments.cluster {
        Some(name) => own.named(name)?,
        None => own,
    };
    match arguments.command {
        Command::Up(Up { only }) => {
            step("up", || {
                testbed.up(if only == Only::Demo {
                    Selection::Demo
                } else {
                    Selection::All
                })
            })?;
        }
        Command::Down(Down { all }) => {
            let named = if all {
                testbed.all_named()?
            } else {
                Vec::new()
            };
            for testbed in named.iter().chain([&testbed]) {
                step("down", || testbed.down())?;
                for leftover in testbed.leftovers() {
                    say(&format!("left behind: {leftover}"));
                }
            }
        }
        Command::Status => {
            let (table, all_run) = status::describe(testbed.layout());
            print!("{table}");
            if !all_run {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Info => println!("{}", serde_json::to_string_pretty(&testbed.info()?)?),
        Command::Exec(Exec { command }) => {
            let error = testbed.command(&command[0])?.args(&command[1..]).exec();
            return Err(error).context("nsenter can't be run");
        }
        Command::LoadImage(LoadImage { tar: Some(tar), .. }) => testbed.load_image(&tar)?,
        Command::LoadImage(LoadImage { tar: None, .. }) => {
            println!("{}", testbed.load_built_operator()?);
        }
        Command::Deploy => testbed.deploy()?,
        Command::RestartNode => step("restarting the node", || testbed.restart_node())?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
