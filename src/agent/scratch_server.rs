//! The throwaway server of a drill: how it is made, with which settings it runs, and how it ends.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::postgres::{bounded_line, find_program};

use super::dump_run::{Lines, Messages, keep_messages};
use super::scratch_files::DiskSpace;

/// The port in the name of the socket.
pub const SCRATCH_PORT: u16 = 5432;
/// The superuser of the server.
pub const SCRATCH_USER: &str = "postgres";
/// How long the server has to end by itself, before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How long its last messages are waited for after it has ended: a program of it may still run.
const MESSAGES_LIMIT: Duration = Duration::from_secs(2);
/// The write-ahead log grows up to a tenth of the disk, and within these bounds, in MiB.
const WAL_BOUNDS: (u64, u64) = (64, 1024);

/// Space of the volume that a directory is on.
pub fn fetch_space(directory: &Path) -> anyhow::Result<DiskSpace> {
    let found = statvfs(directory)
        .with_context(|| format!("the free space of {} is not known", directory.display()))?;
    let size = found.fragment_size();
    Ok(DiskSpace {
        free: found.blocks_available().saturating_mul(size),
        // As df reckons: what nobody but root may use is no space.
        total: (found.blocks().saturating_sub(found.blocks_free()))
            .saturating_add(found.blocks_available())
            .saturating_mul(size),
    })
}

/// The arguments of the server. What is on the command line stands above what the restored code could write
/// into a file. Nothing is kept after a crash, nobody is called, nothing runs by itself, and the log has no
/// statements or rows.
#[must_use]
pub fn build_arguments(data: &Path, socket: &Path, space: DiskSpace) -> Vec<String> {
    let (least, most) = WAL_BOUNDS;
    let wal = (space.total / 10 / (1 << 20)).clamp(least, most);
    let settings = [
        ("listen_addresses", String::new()),
        ("unix_socket_directories", socket.display().to_string()),
        ("unix_socket_permissions", "0777".to_owned()),
        ("port", SCRATCH_PORT.to_string()),
        ("max_connections", "30".to_owned()),
        ("shared_buffers", "64MB".to_owned()),
        ("maintenance_work_mem", "64MB".to_owned()),
        ("huge_pages", "off".to_owned()),
        // A container has 64 MB of /dev/shm.
        ("dynamic_shared_memory_type", "mmap".to_owned()),
        ("fsync", "off".to_owned()),
        ("full_page_writes", "off".to_owned()),
        ("synchronous_commit", "off".to_owned()),
        ("wal_level", "minimal".to_owned()),
        ("max_wal_senders", "0".to_owned()),
        ("archive_mode", "off".to_owned()),
        ("min_wal_size", "32MB".to_owned()),
        ("max_wal_size", format!("{wal}MB")),
        ("checkpoint_timeout", "30min".to_owned()),
        ("autovacuum", "off".to_owned()),
        ("jit", "off".to_owned()),
        ("max_logical_replication_workers", "0".to_owned()),
        ("shared_preload_libraries", String::new()),
        ("session_preload_libraries", String::new()),
        ("lc_messages", "C".to_owned()),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
        ("log_statement", "none".to_owned()),
        ("log_min_messages", "log".to_owned()),
        ("log_min_error_statement", "panic".to_owned()),
        ("log_min_duration_statement", "-1".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
    ];
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    for (name, value) in settings {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    arguments
}

/// A program of the image. Variables that Postgres and libpq read are not passed on.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let is_of_postgres = name.to_string_lossy().starts_with("PG");
        if is_of_postgres || name.to_string_lossy().starts_with("LC_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .env("HOME", directory)
        .env("TMPDIR", directory)
        .env("LANG", "C")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Makes a database cluster. Its superuser needs no password: only who reaches the socket gets in.
pub async fn make_cluster(data: &Path, directory: &Path) -> anyhow::Result<PathBuf> {
    let Some(initdb) = find_program("initdb") else {
        bail!(
            "the program initdb is not in the database's image, neither on PATH nor below \
             /usr/lib/postgresql, so there is no server to restore into. Use the official image, or one with \
             the programs of the server"
        );
    };
    let mut making = command(&initdb, directory);
    making
        .arg("--pgdata")
        .arg(data)
        .arg(format!("--username={SCRATCH_USER}"))
        .args([
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
    let made = making.output().await.context("initdb can't be started")?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        let lines: Vec<String> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(bounded_line)
            .collect();
        bail!(
            "initdb failed ({}), so there is no server to restore into: {}",
            made.status,
            lines[lines.len().saturating_sub(3)..].join(" | ")
        );
    }
    Ok(initdb.with_file_name("postgres"))
}

/// A server that runs.
pub struct ScratchServer {
    child: Child,
    data: PathBuf,
    messages: JoinHandle<Messages>,
}

impl ScratchServer {
    /// Starts it.
    pub fn start(
        program: &Path,
        data: &Path,
        socket: &Path,
        space: DiskSpace,
    ) -> anyhow::Result<Self> {
        let directory = data.parent().unwrap_or(Path::new("/"));
        let mut command = command(program, directory);
        command.args(build_arguments(data, socket, space));
        let mut child = command.spawn().context("postgres can't be started")?;
        let messages = child
            .stderr
            .take()
            .context("postgres was started without a pipe for its messages")?;
        Ok(Self {
            child,
            data: data.to_owned(),
            messages: tokio::spawn(keep_messages(messages, "postgres".to_owned(), Lines::All)),
        })
    }

    /// Whether it takes connections, as it notes in its own file for `pg_ctl`.
    pub fn is_ready(&self) -> bool {
        let noted = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        noted.lines().nth(7).map(str::trim) == Some("ready")
    }

    /// Returns when it has ended.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Its last messages, after it has ended.
    pub async fn last_messages(&mut self) -> String {
        match timeout(MESSAGES_LIMIT, &mut self.messages).await {
            Ok(Ok(messages)) => Vec::from(messages.last).join(" | "),
            _ => String::new(),
        }
    }

    /// Ends it at once: nothing of it is kept.
    pub async fn stop(&mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id {
            // It may have ended by itself.
            kill(Pid::from_raw(id), Signal::SIGQUIT).ok();
        }
        if timeout(END_LIMIT, self.child.wait()).await.is_err() {
            self.child.kill().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(total: u64, name: &str) -> String {
        let space = DiskSpace { free: total, total };
        let arguments = build_arguments(Path::new("/d"), Path::new("/s"), space);
        let begin = format!("{name}=");
        let found = arguments.iter().find_map(|one| one.strip_prefix(&begin));
        found.unwrap_or("-").to_owned()
    }

    #[test]
    fn nothing_listens_and_the_log_of_writes_fits_the_disk() {
        assert_eq!(setting(1 << 40, "listen_addresses"), "");
        assert_eq!(setting(1 << 40, "unix_socket_directories"), "/s");
        assert_eq!(setting(1 << 40, "max_wal_size"), "1024MB");
        assert_eq!(setting(2_000 << 20, "max_wal_size"), "200MB");
        assert_eq!(setting(1 << 20, "max_wal_size"), "64MB");
        assert_eq!(setting(0, "shared_preload_libraries"), "");
    }
}
