//! Removes what a testbed leaves on the machine: processes, mounts, cgroups, the network namespace
//! and, if wanted, its state.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use crate::cgroups;
use crate::components::Component;
use crate::layout::Layout;
use crate::mounts;
use crate::process::{self, Process, State};
use crate::shared_folders;
use crate::shell;

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Removes everything but the logs and the lock. Safe to call at any time, also when nothing is
/// there.
pub fn remove_everything(layout: &Layout) -> Result<()> {
    kill_processes(&component_processes(layout))?;
    remove_containers(layout)?;
    kill_processes(&processes_in_network(layout))?;
    mounts::unmount_below(&[layout.state(), layout.runtime()])?;
    remove_cgroups(layout, true)?;
    if layout.network_namespace().exists() {
        shell::run(Command::new("ip").args(["netns", "delete", &layout.machine_name()]))?;
    }
    shared_folders::clean(layout)?;
    remove_state(layout)
}

/// Kills the containers and what keeps them, and removes their mounts and cgroups: what a power
/// loss does to a node.
pub fn remove_containers(layout: &Layout) -> Result<()> {
    let mut keepers = container_keepers(layout);
    // The keepers first: they would report the death of their containers as an exit like any other.
    kill_processes(&keepers)?;
    kill_processes(
        &cgroups::processes(layout)
            .into_iter()
            .map(Process::with_pid)
            .collect::<Vec<_>>(),
    )?;
    keepers = container_keepers(layout);
    kill_processes(&keepers)?;
    mounts::unmount_below(&[layout.state().join("kubelet/pods"), layout.runtime()])?;
    remove_cgroups(layout, false)?;
    remove_folder(&layout.runtime())
}

/// What is left of a testbed on the machine, in words; nothing after a good `down`.
#[must_use]
pub fn leftovers(layout: &Layout) -> Vec<String> {
    let mut found: Vec<String> = processes_in_network(layout)
        .into_iter()
        .chain(component_processes(layout))
        .chain(container_keepers(layout))
        .filter(|process| process.state() != State::Dead)
        .map(|process| format!("process {}", process.pid()))
        .collect();
    found.extend(
        cgroups::existing(layout)
            .iter()
            .map(|cgroup| format!("cgroup {}", cgroup.display())),
    );
    found.extend(
        mounts::below(&[layout.state(), layout.runtime()])
            .iter()
            .map(|mount| format!("mount {}", mount.display())),
    );
    if layout.network_namespace().exists() {
        found.push(format!("network namespace {}", layout.machine_name()));
    }
    found.sort();
    found.dedup();
    found
}

fn component_processes(layout: &Layout) -> Vec<Process> {
    Component::ALL
        .iter()
        .filter_map(|component| process::find(layout, component.name()))
        .collect()
}

/// The shims: they keep containers running when containerd is gone, and name its socket on their
/// command line.
fn container_keepers(layout: &Layout) -> Vec<Process> {
    let socket = layout.containerd_socket().to_string_lossy().into_owned();
    all_processes()
        .into_iter()
        .filter(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            command.contains("containerd-shim") && command.split('\0').any(|word| word == socket)
        })
        .map(Process::with_pid)
        .collect()
}

/// Every process in the testbed's network, whoever started it, except this one and those it was
/// started by.
fn processes_in_network(layout: &Layout) -> Vec<Process> {
    let Ok(namespace) = fs::metadata(layout.network_namespace()) else {
        return Vec::new();
    };
    let spared = this_process_and_its_ancestors();
    all_processes()
        .into_iter()
        .filter(|pid| !spared.contains(pid))
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|own| (own.dev(), own.ino()) == (namespace.dev(), namespace.ino()))
        })
        .map(Process::with_pid)
        .collect()
}

fn all_processes() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn this_process_and_its_ancestors() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut pid = i32::try_from(std::process::id()).unwrap_or_default();
    while pid > 1 && found.insert(pid) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        pid = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
            .unwrap_or_default();
    }
    found
}

fn kill_processes(processes: &[Process]) -> Result<()> {
    for process in processes {
        process.signal(Signal::SIGKILL)?;
    }
    let until = Instant::now() + PATIENCE;
    while let Some(alive) = processes
        .iter()
        .find(|process| process.state() != State::Dead)
    {
        if Instant::now() > until {
            bail!(
                "process {} does not die: see `cat /proc/{0}/stack`",
                alive.pid()
            );
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn remove_cgroups(layout: &Layout, also_the_top: bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match cgroups::remove(layout, also_the_top) {
            Ok(()) => return Ok(()),
            // A killed process leaves its cgroup a moment later.
            Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error),
        }
    }
}

/// Removes the state, but neither the logs, which are for reading, nor the lock, which is held.
fn remove_state(layout: &Layout) -> Result<()> {
    let Ok(entries) = fs::read_dir(layout.state()) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path == layout.logs() || path.file_name().is_some_and(|name| name == "lock") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_folder(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", folder.display()))
        }
        _ => Ok(()),
    }
}
