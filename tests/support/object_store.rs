//! versitygw, a real S3 server over a folder, started for one test on a loopback port.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::api::{S3CredentialsSecret, S3Storage, SecretKey};
use holdfast::store::{S3Store, StoreError, StoreLimits};
use tempfile::TempDir;
use testbed::ReservedPort;

/// Name of the bucket that exists.
pub const BUCKET: &str = "backups";
/// Limits for tests in which nothing is waited for that would come back.
pub const IMPATIENT: StoreLimits = StoreLimits {
    budget: Duration::from_secs(2),
    ends_at: None,
    silence: Duration::from_secs(20),
    answer: Duration::from_secs(20),
    completion: Duration::from_secs(20),
};
/// The access key of its only account.
pub const ACCESS_KEY: &str = "test";
/// The secret of it.
pub const SECRET_KEY: &str = "test-secret";

/// A running server; it ends with this value, or with the thread that started it.
pub struct TestObjectStore {
    folder: TempDir,
    credentials: TempDir,
    port: ReservedPort,
    encrypted: bool,
    process: Child,
}

impl TestObjectStore {
    /// Starts a server with an empty bucket.
    pub fn start() -> Self {
        Self::start_with(false)
    }

    /// Starts a server that speaks only TLS; its authority is in the file `ca.crt` of
    /// [`Self::authority`].
    pub fn start_encrypted() -> Self {
        Self::start_with(true)
    }

    fn start_with(encrypted: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("holdfast-s3-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        let credentials = tempfile::tempdir().expect("a temporary folder");
        write_credentials(credentials.path(), ACCESS_KEY, SECRET_KEY);
        fs::create_dir_all(folder.path().join("data").join(BUCKET)).expect("the bucket");
        for name in ["tls", "versions"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let port = ReservedPort::take().expect("a loopback port");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program())
            .arg(format!("--port=127.0.0.1:{}", port.number()));
        if encrypted {
            super::make_certificates(&folder.path().join("tls"), "IP:127.0.0.1");
            command.arg(format!(
                "--cert={}",
                folder.path().join("tls/server.crt").display()
            ));
            command.arg(format!(
                "--key={}",
                folder.path().join("tls/server.key").display()
            ));
        }
        let process = command
            .arg("posix")
            .arg(format!(
                "--versioning-dir={}",
                folder.path().join("versions").display()
            ))
            .arg(folder.path().join("data"))
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("versitygw starts");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
            assert!(
                Instant::now() < end,
                "versitygw did not start: {}",
                fs::read_to_string(folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            folder,
            credentials,
            port,
            encrypted,
            process,
        }
    }

    /// The storage as a spec describes it.
    pub fn storage(&self) -> S3Storage {
        let scheme = if self.encrypted { "https" } else { "http" };
        S3Storage {
            bucket: BUCKET.to_owned(),
            prefix: "prod".to_owned(),
            endpoint: Some(format!("{scheme}://127.0.0.1:{}", self.port.number())),
            region: "us-east-1".to_owned(),
            force_path_style: true,
            credentials_secret: Some(S3CredentialsSecret {
                name: "s3-auth".to_owned(),
                access_key_id_key: "id".to_owned(),
                secret_access_key_key: "key".to_owned(),
            }),
            ca_secret: self.encrypted.then(|| SecretKey {
                name: "s3-ca".to_owned(),
                key: "ca.crt".to_owned(),
            }),
            ..S3Storage::default()
        }
    }

    /// The folder with the access key as a Job mounts it.
    pub fn credentials(&self) -> &Path {
        self.credentials.path()
    }

    /// The folder with the certificate authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("tls")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// A client with the right key.
    pub fn open(&self) -> S3Store {
        self.open_as(&self.storage(), IMPATIENT).expect("a client")
    }

    /// A client for a storage that is described differently.
    pub fn open_as(&self, storage: &S3Storage, limits: StoreLimits) -> Result<S3Store, StoreError> {
        S3Store::open_within(
            storage,
            "atra",
            self.credentials(),
            &self.authority(),
            limits,
        )
    }

    /// The finished objects of the bucket, as the server keeps them.
    pub fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(
            &self.folder.path().join("data").join(BUCKET),
            "",
            &mut found,
        );
        found.retain(|key| !key.starts_with(".sgwtmp"));
        found.sort();
        found
    }

    /// How many files of uploads in parts the server still keeps.
    pub fn unfinished_parts(&self) -> usize {
        let mut found = Vec::new();
        collect(
            &self.folder.path().join("data").join(BUCKET),
            "",
            &mut found,
        );
        found
            .iter()
            .filter(|key| key.starts_with(".sgwtmp/multipart"))
            .count()
    }

    /// The content of an object.
    pub fn read(&self, key: &str) -> Vec<u8> {
        fs::read(self.file(key)).expect("the object")
    }

    /// The file in which the server keeps an object.
    pub fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join("data").join(BUCKET).join(key)
    }
}

impl Drop for TestObjectStore {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Writes an access key as a Job mounts it.
pub fn write_credentials(folder: &Path, id: &str, secret: &str) {
    fs::write(folder.join("accessKeyId"), id).expect("a file");
    fs::write(folder.join("secretAccessKey"), secret).expect("a file");
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a type").is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// versitygw from the testbed's cache, or where `HOLDFAST_VERSITYGW` says.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("HOLDFAST_VERSITYGW") {
        return program.into();
    }
    let built = testbed::Testbed::discover()
        .and_then(|testbed| testbed.bin())
        .map(|folder| folder.join("versitygw"));
    match built {
        Ok(program) if program.is_file() => program,
        _ => panic!(
            "versitygw is not built; `make test` builds it, or by hand: cargo run -p testbed -- up"
        ),
    }
}
