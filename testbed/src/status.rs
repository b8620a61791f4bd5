//! What `testbed status` shows: every component, its process, and how much memory it uses.

use std::fmt::Write as _;
use std::fs;

use crate::cluster;
use crate::components::Component;
use crate::layout::Layout;
use crate::process::{self, State};

/// A table of the components, and whether all of them run.
#[must_use]
pub fn describe(layout: &Layout) -> (String, bool) {
    let mut table = format!(
        "{:<26}{:<10}{:>8}{:>10}\n",
        "COMPONENT", "STATE", "PID", "MEMORY"
    );
    let mut all_run = true;
    for component in Component::ALL {
        let state = cluster::state_of(layout, component);
        all_run &= state == State::Running;
        let (word, pid) = match (state, process::find(layout, component.name())) {
            (State::Running, Some(process)) => ("running", Some(process.pid())),
            (State::Frozen, Some(process)) => ("frozen", Some(process.pid())),
            _ => ("dead", None),
        };
        let memory = pid
            .and_then(fetch_memory)
            .map(|mebibytes| format!("{mebibytes} MiB"))
            .unwrap_or_default();
        let pid = pid.map(|pid| pid.to_string()).unwrap_or_default();
        let _ = writeln!(
            table,
            "{:<26}{word:<10}{pid:>8}{memory:>10}",
            component.name()
        );
    }
    (table, all_run)
}

/// The memory of a process that is its own or in use, in MiB.
fn fetch_memory(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .strip_suffix(" kB")?
        .parse()
        .ok()?;
    Some(kibibytes / 1024)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_in_a_checkout_that_was_never_started() {
        let folder = tempfile::tempdir().unwrap();
        let (table, all_run) = describe(&Layout::at(folder.path()).unwrap());
        assert!(!all_run);
        assert_eq!(
            table.lines().filter(|line| line.contains("dead")).count(),
            Component::ALL.len()
        );
    }
}
