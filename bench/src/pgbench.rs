//! Running pgbench, and reading what it says.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::server::Server;

/// The database that pgbench works on.
pub const DATABASE: &str = "pgbench";
/// Its size: 100,000 accounts each, 300 MB together, which fits into the server's buffers.
pub const SCALE: u32 = 20;
/// How many sessions work at a time: more than a small machine has processors, so that all of them
/// are busy.
pub const CLIENTS: u32 = 8;
/// How many threads drive them.
const JOBS: u32 = 2;

/// What pgbench does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Its own transactions: three updates, a select and an insert.
    TpcbLike,
    /// One select a transaction.
    SelectOnly,
}

impl Workload {
    /// As a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TpcbLike => "TPC-B-like",
            Self::SelectOnly => "select only",
        }
    }

    const fn script(self) -> &'static str {
        match self {
            Self::TpcbLike => "--builtin=tpcb-like",
            Self::SelectOnly => "--builtin=select-only",
        }
    }
}

/// Makes its tables.
pub async fn initialize(server: &Server) -> Result<()> {
    let maintenance = server.superuser(crate::server::MAINTENANCE).await?;
    maintenance
        .batch_execute(&format!("create database {DATABASE}"))
        .await?;
    run(server.program("pgbench", DATABASE).args([
        "--initialize",
        "--quiet",
        &format!("--scale={SCALE}"),
    ]))
    .await?;
    Ok(())
}

/// Lets it work for a while; says how many transactions it did in a second.
pub async fn work(server: &Server, workload: Workload, time: Duration) -> Result<f64> {
    let mut command = server.program("pgbench", DATABASE);
    command.args([
        "--no-vacuum",
        workload.script(),
        &format!("--client={CLIENTS}"),
        &format!("--jobs={JOBS}"),
    ]);
    let output = run(command.arg(format!("--time={}", time.as_secs()))).await?;
    read_throughput(&output)
        .with_context(|| format!("pgbench did not say how many transactions it did:\n{output}"))
}

async fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .await
        .context("pgbench can't be run; it comes with Debian's package postgresql")?;
    ensure!(
        output.status.success(),
        "pgbench failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn read_throughput(output: &str) -> Option<f64> {
    output.lines().find_map(|line| {
        line.strip_prefix("tps = ")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::read_throughput;

    #[test]
    fn the_throughput_is_read() {
        let output = "number of failed transactions: 0 (0.000%)\nlatency average = 0.5 ms\ntps = \
            3712.250921 (without initial connection time)\n";
        assert_eq!(read_throughput(output), Some(3_712.250_921));
        assert_eq!(read_throughput("pgbench: error"), None);
    }
}
