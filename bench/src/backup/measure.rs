//! One backup by one way: how long, how large, how much memory.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::agent_process::Account;
use super::memory::Peaks;
use super::setting::{Route, Setting};
use super::ways::Way;

/// What one backup took.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// On the clock, from the start of its first process to the end of its last.
    pub seconds: f64,
    /// Bytes in the bucket.
    pub stored: u64,
    /// The most memory of each of its processes, together, in bytes.
    pub memory: u64,
    /// What our agent says.
    pub account: Option<Account>,
}

/// Makes a backup, and removes it.
pub async fn measure(setting: &Setting, way: Way, route: Route) -> Result<Measured> {
    way.prepare(setting, route).await?;
    let before = way
        .prefix()
        .map_or(0, |prefix| setting.store.stored_bytes(prefix));
    let mut command = way.command(setting, route)?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let begun = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("{way} can't be started"))?;
    let mut peaks = Peaks::default();
    let process = child.id().context("a process without a number")?;
    let output = tokio::select! {
        output = child.wait_with_output() => output?,
        never = peaks.watch(process) => match never {},
    };
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{way} failed, {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let account = if way == Way::Holdfast {
        let account: Account = serde_json::from_slice(&output.stdout)?;
        ensure!(
            account.rows == setting.rows,
            "{} rows were dumped, and {} are there",
            account.rows,
            setting.rows
        );
        Some(account)
    } else {
        None
    };
    let mut stored = 0;
    if let Some(prefix) = way.prefix() {
        stored = setting.store.stored_bytes(prefix) - before;
        ensure!(stored > 0, "{way} has stored nothing");
        fs::remove_dir_all(setting.store.file(prefix))?;
    }
    Ok(Measured {
        seconds,
        stored,
        memory: peaks.sum(),
        account,
    })
}
