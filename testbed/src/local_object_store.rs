//! versitygw, a real S3 server over a folder, started on a loopback port: for tests and benchmarks that
//! need a bucket and no cluster.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::port::ReservedPort;
use crate::testbed::Testbed;

/// How long the server may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Another versitygw than that of the testbed's cache.
const OTHER_PROGRAM: &str = "HOLDFAST_VERSITYGW";
/// Where the server keeps what is not an object: parts of uploads, among others.
const INTERNAL: &str = ".sgwtmp";

/// The bucket that exists, and the only account.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Name of the bucket.
    pub bucket: &'static str,
    /// The access key.
    pub access_key: &'static str,
    /// The secret of it.
    pub secret_key: &'static str,
}

/// A server and its folder. Both go away with this value, and the server with the thread that
/// started it.
pub struct LocalObjectStore {
    folder: TempDir,
    port: ReservedPort,
    account: Account,
    processes: Vec<Child>,
}

impl LocalObjectStore {
    /// Makes a folder with an empty bucket below `parent`; nothing runs yet.
    pub fn prepare(parent: &Path, account: Account) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("holdfast-s3-")
            .tempdir_in(parent);
        let folder = folder
            .with_context(|| format!("no temporary folder can be made in {}", parent.display()))?;
        fs::create_dir_all(folder.path().join("data").join(account.bucket))?;
        for name in ["tls", "versions"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self {
            folder,
            port: ReservedPort::take()?,
            account,
            processes: Vec::new(),
        })
    }

    /// Starts the server and waits until it answers. Encrypted, it serves with `server.crt` and
    /// `server.key` of [`Self::tls_folder`].
    pub fn launch(&mut self, encrypted: bool) -> Result<()> {
        let port = self.port.number();
        self.launch_on(port, encrypted)
    }

    /// Starts a further server over the same folder, on a port that somebody keeps for it.
    pub fn launch_on(&mut self, port: u16, encrypted: bool) -> Result<()> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program()?)
            .arg(format!("--port=127.0.0.1:{port}"));
        if encrypted {
            command.arg(format!("--cert={}", file("tls/server.crt")));
            command.arg(format!("--key={}", file("tls/server.key")));
        }
        command
            .arg("posix")
            .arg(format!("--versioning-dir={}", file("versions")))
            .arg(file("data"))
            .env("ROOT_ACCESS_KEY", self.account.access_key)
            .env("ROOT_SECRET_KEY", self.account.secret_key)
            .stdout(Stdio::null())
            .stderr(fs::File::create(file("log"))?);
        self.processes
            .push(command.spawn().context("versitygw can't be started")?);
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > until {
                let log = fs::read_to_string(file("log")).unwrap_or_default();
                bail!("versitygw did not start: {log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The folder of the certificate that it serves with.
    #[must_use]
    pub fn tls_folder(&self) -> PathBuf {
        self.folder.path().join("tls")
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), self.port())
    }

    /// The file in which the server keeps an object, or the folder of several.
    #[must_use]
    pub fn file(&self, key: &str) -> PathBuf {
        self.bucket_folder().join(key)
    }

    /// The finished objects of the bucket, as the server keeps them, sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let mut found = self.files();
        found.retain(|key| !key.starts_with(INTERNAL));
        found.sort();
        found
    }

    /// The bytes of the objects whose keys begin so.
    #[must_use]
    pub fn stored_bytes(&self, prefix: &str) -> u64 {
        let objects = self.objects();
        let of_prefix = objects.iter().filter(|key| key.starts_with(prefix));
        of_prefix
            .filter_map(|key| fs::metadata(self.file(key)).ok())
            .map(|file| file.len())
            .sum()
    }

    /// How many files of uploads in parts the server still keeps.
    #[must_use]
    pub fn unfinished_parts(&self) -> usize {
        let parts = format!("{INTERNAL}/multipart");
        let files = self.files();
        files.iter().filter(|key| key.starts_with(&parts)).count()
    }

    fn bucket_folder(&self) -> PathBuf {
        self.folder.path().join("data").join(self.account.bucket)
    }

    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.bucket_folder(), "", &mut found);
        found
    }
}

impl Drop for LocalObjectStore {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// The files below a folder. What goes away meanwhile is not there.
fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// versitygw from the testbed's cache, or where the environment says.
fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(OTHER_PROGRAM) {
        return Ok(program.into());
    }
    let built = Testbed::discover()?.bin()?.join("versitygw");
    if !built.is_file() {
        bail!(
            "versitygw is not built; `make test` builds it, or by hand: cargo run -p testbed -- up"
        );
    }
    Ok(built)
}
