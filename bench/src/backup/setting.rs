//! The database, the S3 server and the slow link of one run.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast::api::{S3CredentialsSecret, S3Storage, ServerRequest, TlsMode};
use tempfile::TempDir;
use testbed::{Account, Link, LocalObjectStore, ReservedPort, SlowLink};

use super::agent_process::Errand;
use super::arguments::BackupPlan;
use crate::progress::say;
use crate::server::{BACKUP_SETTINGS, MAINTENANCE, Server};

/// The database that is backed up.
pub const DATABASE: &str = "bench";
/// The bucket and its only account.
pub const ACCOUNT: Account = Account {
    bucket: "backups",
    access_key: "bench",
    secret_key: "bench-secret",
};
pub const REGION: &str = "us-east-1";
/// The slow link.
pub const LINK: Link = Link {
    round_trip: Duration::from_millis(50),
    rate: 60_000_000,
};
/// What a row of each table takes in a dump, roughly: of the one with text, and of the narrow one.
const BYTES: (u64, u64) = (112, 8);
/// The part of the dump that narrow rows are.
const NARROW: u64 = 10;

/// How the storage is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// On loopback.
    Direct,
    /// Over the slow link.
    Link,
}

/// Everything that runs.
pub struct Setting {
    pub server: Server,
    pub store: LocalObjectStore,
    /// Rows of the database.
    pub rows: u64,
    work: TempDir,
    tls_port: ReservedPort,
    link: SlowLink,
    tls_link: SlowLink,
}

impl Setting {
    /// Starts the servers and fills the database.
    pub async fn start(plan: &BackupPlan) -> Result<Self> {
        let server = Server::start(&plan.folder, BACKUP_SETTINGS).await?;
        let mut store = LocalObjectStore::prepare(&plan.folder, ACCOUNT)?;
        store.launch(false)?;
        let tls_port = ReservedPort::take()?;
        make_certificate(&store.tls_folder())?;
        store.launch_on(tls_port.number(), true)?;
        let work = tempfile::Builder::new()
            .prefix("holdfast-bench-")
            .tempdir_in(&plan.folder)?;
        let credentials = work.path().join("s3");
        fs::create_dir(&credentials)?;
        fs::write(credentials.join("accessKeyId"), ACCOUNT.access_key)?;
        fs::write(credentials.join("secretAccessKey"), ACCOUNT.secret_key)?;
        let tls_address = SocketAddr::from((Ipv4Addr::LOCALHOST, tls_port.number()));
        let mut setting = Self {
            link: SlowLink::start(store.address(), LINK)?,
            tls_link: SlowLink::start(tls_address, LINK)?,
            server,
            store,
            rows: 0,
            work,
            tls_port,
        };
        setting.rows = setting.fill(plan.size).await?;
        Ok(setting)
    }

    async fn fill(&self, size: u64) -> Result<u64> {
        let narrow = size / NARROW / BYTES.1;
        let wide = (size - size / NARROW) / BYTES.0;
        say(&format!(
            "filling the database: {wide} rows of text, {narrow} narrow ones"
        ));
        let create = format!("create database {DATABASE}");
        let maintenance = self.server.superuser(MAINTENANCE).await?;
        maintenance.batch_execute(&create).await?;
        let client = self.server.superuser(DATABASE).await?;
        client
            .batch_execute(&format!(
                "create table orders as select n as id, timestamptz '2026-01-01' + n * interval \
                 '1 second' as placed_at, md5(n::text) as token, 'order ' || n || ' of customer ' || \
                 hashint8(n) % 100000 || ' was ' || (array['placed', 'paid', 'shipped', \
                 'returned'])[1 + n % 4] as body from generate_series(1, {wide}) n; \
                 create table counters as select (hashint8(n) % 1000000)::int as n from \
                 generate_series(1, {narrow}) n; alter table orders add primary key (id)"
            ))
            .await
            .context("the database can't be filled")?;
        client.batch_execute("vacuum (analyze, freeze)").await?;
        client.batch_execute("checkpoint").await?;
        Ok(wide + narrow)
    }

    /// A folder for what a way needs.
    pub fn work(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// The port at which the storage is reached.
    pub const fn port(&self, route: Route) -> u16 {
        match route {
            Route::Direct => self.store.port(),
            Route::Link => self.link.address().port(),
        }
    }

    /// The port at which it is reached with TLS.
    pub const fn tls_port(&self, route: Route) -> u16 {
        match route {
            Route::Direct => self.tls_port.number(),
            Route::Link => self.tls_link.address().port(),
        }
    }

    /// Writes what the agent is to do, and says where.
    pub fn write_errand(&self, route: Route) -> Result<PathBuf> {
        let errand = Errand {
            server: ServerRequest {
                host: Some("127.0.0.1".to_owned()),
                port: self.server.port(),
                databases: vec![DATABASE.to_owned()],
                tls_mode: TlsMode::Prefer,
                credentials_secret: "bench".to_owned(),
                username_key: "username".to_owned(),
                password_key: "password".to_owned(),
                ..ServerRequest::default()
            },
            storage: S3Storage {
                bucket: ACCOUNT.bucket.to_owned(),
                prefix: "holdfast".to_owned(),
                endpoint: Some(format!("http://127.0.0.1:{}", self.port(route))),
                region: REGION.to_owned(),
                force_path_style: true,
                credentials_secret: Some(S3CredentialsSecret {
                    name: "bench".to_owned(),
                    access_key_id_key: "id".to_owned(),
                    secret_access_key_key: "key".to_owned(),
                }),
                ..S3Storage::default()
            },
            postgres_credentials: self.server.credentials().to_owned(),
            s3_credentials: self.work("s3"),
            work: self.work.path().to_owned(),
        };
        let file = self.work("errand.json");
        fs::write(&file, serde_json::to_vec(&errand)?)?;
        Ok(file)
    }
}

/// A certificate that nobody checks: pgBackRest speaks to S3 by TLS only.
fn make_certificate(folder: &std::path::Path) -> Result<()> {
    let file = |name: &str| folder.join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=127.0.0.1", "-keyout", &file("server.key")])
        .args(["-out", &file("server.crt")])
        .output()
        .context("openssl can't be started; install it: apt-get install openssl")?;
    ensure!(
        made.status.success(),
        "openssl makes no certificate: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(())
}
