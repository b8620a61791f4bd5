//! Processes that outlive the command that started them: pid files, signals, logs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::layout::Layout;
use crate::shell;

/// By how many per cent the heap of a component may grow before it is collected: memory for time,
/// of which collecting takes an eighth otherwise.
const GARBAGE_COLLECTION: &str = "400";

/// How long the kernel may take to do what a signal asks for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to start: a program, its arguments, and its environment, which holds nothing of the
/// person's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment, besides PATH and HOME.
    pub environment: Vec<(String, String)>,
}

/// A process known by its number and the moment it was started: a number alone may belong to
/// another process later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    started: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It was stopped by SIGSTOP.
    Frozen,
    /// It is not there.
    Dead,
}

/// Starts a process in the testbed's network, in a session of its own, with its output in a log
/// file, and writes its pid file.
pub fn spawn(layout: &Layout, name: &str, launch: &Launch) -> Result<Process> {
    fs::create_dir_all(layout.logs())?;
    fs::create_dir_all(layout.pids())?;
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_path(layout, name))?;
    let folder = launch.program.parent().unwrap_or(Path::new("/"));
    let namespace = format!("--net={}", layout.network_namespace().display());
    let mut child = std::process::Command::new("setsid")
        .args(["nsenter", &namespace, "--"])
        .arg(&launch.program)
        .args(&launch.arguments)
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                folder.display()
            ),
        )
        .env("HOME", layout.state())
        .env("GOGC", GARBAGE_COLLECTION)
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(layout.state())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{name} can't be started"))?;
    let pid = i32::try_from(child.id())?;
    // A process that is alive for long collects those it started; the others are collected by init.
    thread::spawn(move || child.wait());
    let process = Process {
        pid,
        started: start_time(pid).unwrap_or_default(),
    };
    fs::write(
        pid_path(layout, name),
        format!("{pid} {}\n", process.started),
    )?;
    Ok(process)
}

/// The process a pid file names, whether it is alive or not.
pub fn find(layout: &Layout, name: &str) -> Option<Process> {
    let text = fs::read_to_string(pid_path(layout, name)).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    Some(Process {
        pid: pid.parse().ok()?,
        started: started.parse().ok()?,
    })
}

/// The log of a process started here.
#[must_use]
pub fn log_path(layout: &Layout, name: &str) -> PathBuf {
    layout.logs().join(format!("{name}.log"))
}

/// The last lines of a process's log.
#[must_use]
pub fn log_tail(layout: &Layout, name: &str, lines: usize) -> String {
    let path = log_path(layout, name);
    let text = fs::read(&path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    format!(
        "last lines of {}:\n{}",
        path.display(),
        shell::last_lines(&text, lines)
    )
}

fn pid_path(layout: &Layout, name: &str) -> PathBuf {
    layout.pids().join(format!("{name}.pid"))
}

impl Process {
    /// The process that has a number now.
    #[must_use]
    pub fn with_pid(pid: i32) -> Self {
        Self {
            pid,
            started: start_time(pid).unwrap_or_default(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// What it is doing.
    #[must_use]
    pub fn state(self) -> State {
        match fetch_stat(self.pid) {
            Some((state, started)) if started == self.started => match state {
                'Z' | 'X' => State::Dead,
                'T' | 't' => State::Frozen,
                _ => State::Running,
            },
            _ => State::Dead,
        }
    }

    /// Sends a signal; a process that is gone is no error.
    pub fn signal(self, signal: Signal) -> Result<()> {
        if self.state() == State::Dead {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => {
                Err(error).with_context(|| format!("process {} can't be signalled", self.pid))
            }
        }
    }

    /// Stops it where it is, and waits until every thread of it stands still.
    pub fn freeze(self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        self.wait_until(PATIENCE, |state| state != State::Running);
        Ok(())
    }

    /// Lets it go on.
    pub fn thaw(self) -> Result<()> {
        self.signal(Signal::SIGCONT)?;
        self.wait_until(PATIENCE, |state| state != State::Frozen);
        Ok(())
    }

    /// Asks it to end, and kills it when it has not after `patience`.
    pub fn stop(self, patience: Duration) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.signal(Signal::SIGCONT)?;
        if self.wait_until(patience, |state| state == State::Dead) {
            return Ok(());
        }
        self.kill()
    }

    /// Kills it and waits until it is gone.
    pub fn kill(self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait_until(PATIENCE, |state| state == State::Dead);
        Ok(())
    }

    fn wait_until(self, patience: Duration, condition: impl Fn(State) -> bool) -> bool {
        let until = Instant::now() + patience;
        while !condition(self.state()) {
            if Instant::now() > until {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

fn start_time(pid: i32) -> Option<u64> {
    fetch_stat(pid).map(|(_, started)| started)
}

fn fetch_stat(pid: i32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The state letter and the start time in a line of `/proc/PID/stat`; the name before them may hold
/// spaces and brackets.
fn parse_stat(line: &str) -> Option<(char, u64)> {
    let mut fields = line[line.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 123456 1000 10 \
            18446744073709551615";
        assert_eq!(parse_stat(line), Some(('S', 123_456)));
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let this = Process::with_pid(i32::try_from(std::process::id()).unwrap());
        assert_eq!(this.state(), State::Running);
        assert_eq!(
            Process {
                started: this.started + 1,
                ..this
            }
            .state(),
            State::Dead
        );
    }

    #[test]
    fn a_frozen_process_is_seen_as_such_and_can_still_be_stopped() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::with_pid(i32::try_from(child.id()).unwrap());
        process.freeze().unwrap();
        assert_eq!(process.state(), State::Frozen);
        process.thaw().unwrap();
        assert_eq!(process.state(), State::Running);
        process.freeze().unwrap();
        process.stop(Duration::from_secs(5)).unwrap();
        assert_eq!(process.state(), State::Dead);
        child.wait().unwrap();
    }
}
