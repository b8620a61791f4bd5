//! Killing a container as the kernel does when memory runs out: by a signal from outside of it.

use std::fs;
use std::process::Command;

use super::Start;

/// Kills the first process of a start's container with SIGKILL.
pub fn kill_container(start: &Start) {
    let id = start.container_id.rsplit('/').next().expect("a container id");
    let first = processes().find(|process| in_cgroup(process, id) && is_first(process));
    let first = first.unwrap_or_else(|| panic!("no process of container {id} on this machine"));
    let status = Command::new("kill").args(["-KILL", &first]).status().expect("kill");
    assert!(status.success(), "process {first} could not be killed");
}

fn processes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn in_cgroup(process: &str, container: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|text| text.contains(container))
}

/// Whether it is process 1 of its container.
fn is_first(process: &str) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return false };
    status.lines().filter_map(|line| line.strip_prefix("NSpid:")).any(|ids| ids.split_whitespace().count() > 1 && ids.ends_with("\t1"))
}
