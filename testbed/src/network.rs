//! The network namespace everything runs in: nothing in it reaches an address outside, and its
//! addresses exist only there.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::{io, panic, thread};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use crate::layout::{Layout, NODE_ADDRESS};
use crate::shell;

/// Makes the namespace, with the node's address on a bridge and a default route that leads nowhere.
pub fn create(layout: &Layout) -> Result<()> {
    let name = layout.machine_name();
    let ip = |words: &str| shell::run(Command::new("ip").args(words.split(' ')));
    ip(&format!("netns add {name}"))?;
    ip(&format!("-n {name} link set lo up"))?;
    ip(&format!("-n {name} link add br-node type bridge"))?;
    ip(&format!("-n {name} addr add {NODE_ADDRESS}/24 dev br-node"))?;
    ip(&format!("-n {name} link set br-node up"))?;
    ip(&format!("-n {name} route add default dev br-node"))?;
    Ok(())
}

/// A command that runs inside the namespace. Not `ip netns exec`: that remounts /sys, which hides
/// the cgroups from kubelet.
pub fn command(layout: &Layout, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", layout.network_namespace().display()))
        .arg("--")
        .arg(program);
    command
}

/// Runs a closure on a thread of its own that has entered the namespace; threads started by it are
/// inside too.
pub fn inside<T: Send>(layout: &Layout, work: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            enter(&layout.network_namespace())?;
            Ok(work())
        });
        worker
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

fn enter(namespace: &Path) -> Result<()> {
    let file = File::open(namespace).with_context(|| {
        format!(
            "{} can't be opened: the testbed is not up; run `cargo run -p testbed -- up`",
            namespace.display()
        )
    })?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(io::Error::from)
        .context("the testbed's network can't be entered: this needs root")
}
