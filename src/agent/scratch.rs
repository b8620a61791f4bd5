//! `holdfast agent scratch`: a throwaway Postgres that a drill restores into, on a Unix socket and without any
//! network. It ends by itself, and its data with it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::api::{SCRATCH_DATA_DIRECTORY, SCRATCH_SOCKET_DIRECTORY};

use super::no_network::forbid_network;
use super::scratch_files::ScratchFiles;
use super::scratch_server::{ScratchServer, fetch_space, make_cluster};

/// How often it looks at the disk and at the agent.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an agent is waited for that has not begun.
const AGENT_LIMIT: Duration = Duration::from_hours(1);
/// The database cluster, in the directory of the data.
const CLUSTER: &str = "pgdata";
/// A file beside it, which stays: the cluster goes with the server.
const MADE: &str = "made";

/// Where the server is, and when it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct ScratchArguments {
    /// The directory of its socket, which the agent of the drill shares.
    #[arg(long, value_name = "DIRECTORY", default_value = SCRATCH_SOCKET_DIRECTORY)]
    socket: PathBuf,
    /// The directory of its data.
    #[arg(long, value_name = "DIRECTORY", default_value = SCRATCH_DATA_DIRECTORY)]
    data: PathBuf,
    /// After how many seconds without a sign of the agent it ends.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    silence: u64,
}

/// What ends the server on purpose.
struct End {
    files: ScratchFiles,
    silence: Duration,
    begun: Instant,
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    /// Returns when the pod is stopped.
    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns when the pod is stopped, when the agent has ended, or when it gives no sign any more.
    async fn wait(&mut self) {
        loop {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = sleep(PAUSE) => {}
            }
            if self.files.is_done() {
                tracing::info!("the agent of the drill has ended");
                return;
            }
            let is_gone = match self.files.silence() {
                Some(silence) => silence > self.silence,
                None => self.begun.elapsed() > AGENT_LIMIT,
            };
            if is_gone {
                tracing::warn!("the agent of the drill gives no sign any more");
                return;
            }
        }
    }
}

/// Runs the server until the drill has ended. Why there is none is written for the agent, and is an error.
pub async fn run_scratch(arguments: ScratchArguments) -> anyhow::Result<()> {
    let files = ScratchFiles::new(&arguments.socket);
    let mut end = End {
        files: files.clone(),
        silence: Duration::from_secs(arguments.silence),
        begun: Instant::now(),
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let cluster = arguments.data.join(CLUSTER);
    // This container is started again whenever it ends before the agent's.
    if files.is_done() {
        end.told().await;
        return Ok(());
    }
    let made = arguments.data.join(MADE);
    if made.exists() || cluster.exists() || files.failed().is_some() {
        let why = "the server of this drill had ended, and was started again: what was restored is not \
            known to be whole. See the log of the container `scratch` before";
        files.say_failed(why).ok();
        end.told().await;
        bail!(why);
    }
    std::fs::write(&made, "").ok();
    let served = serve(&arguments, &cluster, &files, &mut end).await;
    if let Err(error) = &served {
        tracing::error!("{error:#}");
        end.wait().await;
    }
    std::fs::remove_dir_all(&cluster).ok();
    served
}

async fn serve(
    arguments: &ScratchArguments,
    cluster: &Path,
    files: &ScratchFiles,
    end: &mut End,
) -> anyhow::Result<()> {
    let mut server = None;
    let outcome = {
        let work = work(arguments, cluster, files, &mut server);
        tokio::select! {
            biased;
            () = end.wait() => Ok(()),
            error = work => Err(error),
        }
    };
    let why = match &outcome {
        Err(error) => Some(format!("{error:#}")),
        Ok(()) if files.is_done() => None,
        Ok(()) => Some("the throwaway server was stopped before the agent had ended".to_owned()),
    };
    // Before the server ends, which the agent sees, too.
    if let Some(why) = why {
        files.say_failed(&why).ok();
    }
    if let Some(mut server) = server {
        server.stop().await;
    }
    outcome
}

/// Makes and runs the server. Returns only what went wrong.
async fn work(
    arguments: &ScratchArguments,
    cluster: &Path,
    files: &ScratchFiles,
    server: &mut Option<ScratchServer>,
) -> anyhow::Error {
    let Err(error) = try_work(arguments, cluster, files, server).await;
    error
}

async fn try_work(
    arguments: &ScratchArguments,
    cluster: &Path,
    files: &ScratchFiles,
    server: &mut Option<ScratchServer>,
) -> anyhow::Result<std::convert::Infallible> {
    // First of all: what is started from here on inherits it.
    forbid_network()?;
    let space = fetch_space(&arguments.data)?;
    if space.is_low() {
        bail!("{}", say_low(space.free));
    }
    let program = make_cluster(cluster, &arguments.data).await?;
    let server = server.insert(ScratchServer::start(
        &program,
        cluster,
        &arguments.socket,
        space,
    )?);
    let mut is_announced = false;
    loop {
        tokio::select! {
            biased;
            ended = server.wait() => {
                let status = ended.context("how postgres has ended is not known")?;
                let said = server.last_messages().await;
                bail!(
                    "the throwaway server has ended by itself ({status}), so nothing is known of the backup: \
                     {said}. If it was killed by signal 9, raise `spec.drill.resources.limits.memory`"
                );
            }
            () = sleep(PAUSE) => {}
        }
        let space = fetch_space(&arguments.data)?;
        if space.is_low() {
            bail!("{}", say_low(space.free));
        }
        if !is_announced && server.is_ready() {
            files
                .say_ready(space)
                .context("the directory of the socket can't be written to")?;
            is_announced = true;
        }
    }
}

fn say_low(free: u64) -> String {
    format!(
        "less than 20 % of the throwaway server's disk is free ({} MiB), so the drill was stopped: it does not \
         say whether the backup can be restored. Give it more: `spec.drill.storage`",
        free >> 20
    )
}
