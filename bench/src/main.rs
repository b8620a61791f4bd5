//! Measures what a check, a backup and a restore cost. `make bench-check`, `bench-backup` and `bench-restore`
//! run it; the README says what the figures mean.

mod arguments;
mod backup;
mod comparison;
mod database_time;
mod figures;
mod layout;
mod load;
mod machine;
mod pgbench;
mod progress;
mod report;
mod report_lines;
mod restore;
mod run;
mod server;
mod throughput;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;
use backup::{BackupArguments, PutArguments, SetArguments};
use restore::{RestoreArguments, RestoreSetArguments};

/// What a shell says of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures what Holdfast costs")]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Arguments),
    Backup(BackupArguments),
    Restore(RestoreArguments),
    /// The agent of a backup, as a process of its own
    #[command(hide = true)]
    TakeSet(SetArguments),
    /// The agent of a restore, as a process of its own
    #[command(hide = true)]
    RestoreSet(RestoreSetArguments),
    /// Uploads standard input
    #[command(hide = true)]
    Put(PutArguments),
}

fn main() -> ExitCode {
    // One thread where servers are started: they end with the thread that started them. The agent has
    // as many as in its Job.
    let is_agent =
        |what: &What| matches!(what, What::TakeSet(_) | What::RestoreSet(_) | What::Put(_));
    let what = Command::parse().what;
    let mut builder = if is_agent(&what) {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            progress::say(&format!("there is no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            // First, so that signals are listened for before there is anything to clean up.
            biased;
            () = interruption() => {
                progress::say("interrupted; the servers and their folders are gone");
                ExitCode::from(INTERRUPTED)
            }
            done = carry_out(&what) => match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    progress::say(&format!("it could not be measured: {error:#}"));
                    ExitCode::FAILURE
                }
            },
        }
    })
}

async fn carry_out(what: &What) -> anyhow::Result<()> {
    match what {
        What::Check(arguments) => print!("{}", run::run(arguments).await?),
        What::Backup(arguments) => print!("{}", backup::run(arguments).await?),
        What::Restore(arguments) => print!("{}", restore::run(arguments).await?),
        What::RestoreSet(arguments) => Box::pin(restore::restore(arguments)).await?,
        What::TakeSet(arguments) => Box::pin(backup::take(arguments)).await?,
        What::Put(arguments) => backup::put(arguments).await?,
    }
    Ok(())
}

/// Returns when somebody wants this to end. What is under way is dropped then, the server and its
/// folder with it.
async fn interruption() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let mut signals: Vec<_> = kinds
        .into_iter()
        .filter_map(|kind| signal(kind).ok())
        .collect();
    std::future::poll_fn(|context| {
        let is_told = signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready());
        if is_told {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Command::command().debug_assert();
    }
}
