//! A Postgres of this machine, started in a temporary folder on a loopback port: for tests and
//! benchmarks that need a server and no cluster.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::port::ReservedPort;
use crate::process::Process;
use crate::shell;

/// How long the server may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long the server may take to end after it was told to do so at once.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// The user that Postgres runs as when root starts it.
const USER: &str = "postgres";

/// A server and its folder. Both go away with this value, and the server with the thread that
/// started it.
pub struct LocalPostgres {
    process: Option<Child>,
    port: ReservedPort,
    programs: PathBuf,
    folder: TempDir,
}

impl LocalPostgres {
    /// Makes a cluster of data below `parent`, with this password of the superuser `postgres` and
    /// further settings, by the server's programs in the folder `programs`; nothing runs yet.
    pub fn prepare(programs: &Path, parent: &Path, password: &str, settings: &str) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("holdfast-postgres-")
            .tempdir_in(parent);
        let folder = folder
            .with_context(|| format!("no temporary folder can be made in {}", parent.display()))?;
        let server = Self {
            process: None,
            port: ReservedPort::take()?,
            programs: programs.to_owned(),
            folder,
        };
        fs::write(server.file("password"), password)?;
        server.give_to_postgres()?;
        let mut initdb = server.as_postgres("initdb");
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--pwfile",
        ]);
        shell::run(initdb.arg(server.file("password")).arg(server.file("data")))?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = \
             '{}'\n{settings}\n",
            server.port(),
            server.folder.path().display()
        );
        let file = server.file("data/postgresql.conf");
        fs::write(&file, fs::read_to_string(&file)? + &settings)?;
        Ok(server)
    }

    /// Starts the server and waits until it answers.
    pub fn launch(&mut self) -> Result<()> {
        self.launch_without_waiting()?;
        let until = Instant::now() + START_PATIENCE;
        while !self.is_ready() {
            if Instant::now() > until {
                bail!(
                    "Postgres did not start; its log:\n{}",
                    shell::last_lines(&fs::read_to_string(self.file("log"))?, 15)
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether the server takes connections, as it notes in its own file for `pg_ctl`.
    fn is_ready(&self) -> bool {
        let noted = fs::read_to_string(self.file("data/postmaster.pid")).unwrap_or_default();
        let mut lines = noted.lines().map(str::trim);
        let is_this = lines.next().and_then(|pid| pid.parse().ok()) == self.process_id();
        is_this && matches!(lines.nth(6), Some("ready" | "standby"))
    }

    /// Starts the server.
    pub fn launch_without_waiting(&mut self) -> Result<()> {
        let log = fs::File::create(self.file("log"))?;
        let mut command = self.as_postgres("postgres");
        command
            .arg("-D")
            .arg(self.file("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(command.spawn().context("Postgres can't be started")?);
        Ok(())
    }

    /// Gives every file to the user that Postgres runs as, after files were added.
    pub fn give_to_postgres(&self) -> Result<()> {
        if is_root() {
            shell::run(
                Command::new("chown")
                    .args(["-R", &format!("{USER}:{USER}")])
                    .arg(self.folder.path()),
            )?;
        }
        Ok(())
    }

    /// A file in the server's folder; the cluster of data is `data`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Id of the server's main process, once it was started.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// A client program of the same version.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    fn as_postgres(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if is_root() {
            command.args([
                &format!("--reuid={USER}"),
                &format!("--regid={USER}"),
                "--clear-groups",
            ]);
        }
        command
            .arg(self.programs.join(program))
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .env_remove("PGDATA");
        command
    }

    /// Ends the server at once: its children go with it, and its shared memory. What does not
    /// listen is killed.
    pub fn stop(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        if let Ok(pid) = i32::try_from(child.id()) {
            let process = Process::with_pid(pid);
            let told = process
                .signal(Signal::SIGQUIT)
                .and_then(|()| process.signal(Signal::SIGCONT));
            let until = Instant::now() + STOP_PATIENCE;
            while told.is_ok() && matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                thread::sleep(Duration::from_millis(10));
            }
        }
        child.kill().ok();
        child.wait().ok();
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
