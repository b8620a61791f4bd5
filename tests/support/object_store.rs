//! A real S3 server, started for one test on a loopback port.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast::api::{S3CredentialsSecret, S3Storage, SecretKey};
use holdfast::store::{S3Store, StoreError, StoreLimits};
use tempfile::TempDir;
use testbed::{Account, LocalObjectStore};

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
    server: LocalObjectStore,
    credentials: TempDir,
    encrypted: bool,
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
        let account = Account {
            bucket: BUCKET,
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
        };
        let mut server = LocalObjectStore::prepare(Path::new("/tmp"), account).expect("a folder");
        let credentials = tempfile::tempdir().expect("a temporary folder");
        write_credentials(credentials.path(), ACCESS_KEY, SECRET_KEY);
        if encrypted {
            super::make_certificates(&server.tls_folder(), "IP:127.0.0.1");
        }
        server.launch(encrypted).expect("versitygw starts");
        Self {
            server,
            credentials,
            encrypted,
        }
    }

    /// The storage as a spec describes it.
    pub fn storage(&self) -> S3Storage {
        let scheme = if self.encrypted { "https" } else { "http" };
        S3Storage {
            bucket: BUCKET.to_owned(),
            prefix: "prod".to_owned(),
            endpoint: Some(format!("{scheme}://127.0.0.1:{}", self.server.port())),
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
        self.server.tls_folder()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
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
        self.server.objects()
    }

    /// How many files of uploads in parts the server still keeps.
    pub fn unfinished_parts(&self) -> usize {
        self.server.unfinished_parts()
    }

    /// The content of an object.
    pub fn read(&self, key: &str) -> Vec<u8> {
        fs::read(self.file(key)).expect("the object")
    }

    /// The file in which the server keeps an object.
    pub fn file(&self, key: &str) -> PathBuf {
        self.server.file(key)
    }
}

/// Writes an access key as a Job mounts it.
pub fn write_credentials(folder: &Path, id: &str, secret: &str) {
    fs::write(folder.join("accessKeyId"), id).expect("a file");
    fs::write(folder.join("secretAccessKey"), secret).expect("a file");
}
