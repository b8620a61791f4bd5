//! Killing a container as the kernel does when memory runs out: by a signal from outside of it.

use std::fs;
use std::process::Command;

use super::Start;

/// Kills the first process of a start's container with SIGKILL.
pub fn kill_container(start: &Start) {
    signal_container(&start.container_id, "-KILL");
}

/// Sends a signal to the first process of a container.
pub fn signal_container(container_id: &str, signal: &str) {
    let first = first_process(container_id);
    let status = Command::new("kill")
        .args([signal, &first])
        .status()
        .expect("kill");
    assert!(
        status.success(),
        "no {signal} could be sent to process {first}"
    );
}

/// Cuts the network between a start's Postgres and everybody who would connect to it: packets are
/// swallowed.
pub fn cut_network(start: &Start) {
    change_network(start, "-I");
}

/// Mends what was cut.
pub fn mend_network(start: &Start) {
    change_network(start, "-D");
}

/// Adds or deletes a rule in the network of a start's pod.
fn change_network(start: &Start, action: &str) {
    let first = first_process(&start.container_id);
    let rule = [
        "iptables", action, "INPUT", "-p", "tcp", "--dport", "5432", "-j", "DROP",
    ];
    let status = Command::new("nsenter")
        .args(["--target", &first, "--net"])
        .args(rule)
        .status()
        .expect("nsenter");
    assert!(
        status.success(),
        "{rule:?} failed in the network of process {first}"
    );
}

/// The number, on this machine, of the first process of a container.
fn first_process(container_id: &str) -> String {
    let id = container_id.rsplit('/').next().expect("a container id");
    let first = processes().find(|process| in_cgroup(process, id) && is_first(process));
    first.unwrap_or_else(|| panic!("no process of container {id} on this machine"))
}

fn processes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn in_cgroup(process: &str, container: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|text| text.contains(container))
}

/// Whether it is process 1 of its container.
fn is_first(process: &str) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
        return false;
    };
    status
        .lines()
        .filter_map(|line| line.strip_prefix("NSpid:"))
        .any(|ids| ids.split_whitespace().count() > 1 && ids.ends_with("\t1"))
}
