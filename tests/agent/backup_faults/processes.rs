//! Processes of this machine: which a process has started, and their end.

use std::fs;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

/// Ends a process at once; it may have ended by itself.
pub fn kill(process: u32) {
    signal(process, Signal::SIGKILL);
}

/// Asks a process to end.
pub fn stop(process: u32) {
    signal(process, Signal::SIGTERM);
}

fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(process).unwrap());
    send(process, signal).ok();
}

/// The processes that one has started and that go by a name that begins so.
pub fn children(parent: u32, name: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes
        .filter(|process: &u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // The name stands in brackets and may hold anything; the state and the parent follow.
            let Some((begin, end)) = stat.rsplit_once(") ") else {
                return false;
            };
            let mut fields = end.split(' ');
            let is_running = fields.next().is_some_and(|state| state != "Z");
            let is_child = fields.next().and_then(|field| field.parse().ok()) == Some(parent);
            is_running
                && is_child
                && begin
                    .split_once('(')
                    .is_some_and(|(_, own)| own.starts_with(name))
        })
        .collect()
}
