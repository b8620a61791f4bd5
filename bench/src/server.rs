//! The server that is measured: a Postgres of its own with Debian's settings but for what the
//! README names, its roles, and the check that is made of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use holdfast::agent::{Gathered, MountedFiles, gather};
use holdfast::api::{CheckRequest, Evidence, Origin, ServerRequest, TableRule, TlsMode};
use holdfast::postgres::find_program;
use tempfile::TempDir;
use testbed::{LocalPostgres, wait_for};
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

/// The role that the agent logs in as, with the rights that Holdfast asks for.
pub const CHECKING_ROLE: &str = "holdfast_check";
/// The role that counts every row, with the same rights.
pub const COUNTING_ROLE: &str = "counter";
/// The superuser, who loads, reads the statistics and runs pgbench.
const SUPERUSER: &str = "postgres";
/// The database that nothing is measured in.
pub const MAINTENANCE: &str = "postgres";
/// The default of `spec.verification.timeout`.
const TIMEOUT_SECONDS: u64 = 60;
/// How long a session may take to end after its client has gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// For checks: loading writes no log of its own; commits do not wait for the disk; a checkpoint happens
/// when it is asked for; the statistics forget no statement.
pub const CHECK_SETTINGS: &str = "shared_buffers = 1GB\nwal_level = minimal\nmax_wal_senders = \
                        0\nsynchronous_commit = off\nmax_wal_size = 2GB\n\
                        checkpoint_timeout = 1h\nshared_preload_libraries = \
                        'pg_stat_statements'\npg_stat_statements.max = 50000";

/// For backups and restores: with the log that backups of files need, and sessions for many clients.
pub const BACKUP_SETTINGS: &str = "shared_buffers = 1GB\nwal_level = replica\nsynchronous_commit = off\n\
     max_wal_size = 4GB\nmax_connections = 300\ncheckpoint_timeout = 1h\nshared_preload_libraries = 'pg_stat_statements'";

/// Connects again and again.
pub struct Connector(tokio_postgres::Config);

impl Connector {
    /// Whether the database answers a new session.
    pub async fn ask(&self) -> bool {
        let Ok((client, connection)) = self.0.connect(NoTls).await else {
            return false;
        };
        tokio::spawn(connection);
        client.simple_query("select 1").await.is_ok()
    }
}

/// A running server; it and its folder go away with this value.
pub struct Server {
    password: String,
    credentials: TempDir,
    postgres: LocalPostgres,
}

impl Server {
    /// Starts it with these settings.
    pub async fn start(folder: &Path, settings: &str) -> Result<Self> {
        let initdb = find_program("initdb")
            .context("initdb is not there; install it: apt-get install postgresql")?;
        let programs = initdb.parent().context("initdb is in no folder")?;
        let password = make_password()?;
        let mut postgres = LocalPostgres::prepare(programs, folder, &password, settings)?;
        postgres.launch()?;
        let credentials = tempfile::tempdir()?;
        let write = |name: &str, content: &str| {
            let file = credentials.path().join(name);
            fs::write(&file, content)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
        };
        write("username", CHECKING_ROLE)?;
        write("password", &password)?;
        write("pgpass", &format!("*:*:*:{SUPERUSER}:{password}\n"))?;
        let server = Self {
            password,
            credentials,
            postgres,
        };
        let role = |name: &str| {
            let password = &server.password;
            format!(
                "create role {name} login password '{password}'; grant pg_monitor, \
                 pg_read_all_data to {name}"
            )
        };
        let statements = format!(
            "create extension pg_stat_statements; {}; {}",
            role(CHECKING_ROLE),
            role(COUNTING_ROLE)
        );
        let installed = server
            .superuser(MAINTENANCE)
            .await?
            .batch_execute(&statements)
            .await;
        installed.context(
            "pg_stat_statements can't be installed; it comes with Debian's package postgresql",
        )?;
        Ok(server)
    }

    /// The folder with the credentials of the role that backs up and checks.
    pub fn credentials(&self) -> &Path {
        self.credentials.path()
    }

    /// The superuser's password, as libpq reads it.
    pub fn password_file(&self) -> PathBuf {
        self.credentials.path().join("pgpass")
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// A file in its folder; the cluster of data is `data`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.postgres.file(name)
    }

    /// Starts it again as a replica of nobody, with the data that it has.
    pub async fn become_replica(&mut self) -> Result<()> {
        let settings = self.postgres.file("data/postgresql.conf");
        let with_log = fs::read_to_string(&settings)? + "\nwal_level = replica\n";
        fs::write(&settings, with_log)?;
        self.superuser(MAINTENANCE)
            .await?
            .batch_execute("checkpoint")
            .await?;
        self.postgres.stop();
        // As a primary once more, so that its log begins with what a replica needs.
        self.postgres.launch()?;
        self.superuser(MAINTENANCE)
            .await?
            .batch_execute("checkpoint")
            .await?;
        self.postgres.stop();
        fs::write(self.postgres.file("data/standby.signal"), "")?;
        self.postgres.give_to_postgres()?;
        self.postgres.launch()
    }

    /// A session of the superuser.
    pub async fn superuser(&self, database: &str) -> Result<Client> {
        self.connect(SUPERUSER, database).await
    }

    /// A session of this role.
    pub async fn connect(&self, role: &str, database: &str) -> Result<Client> {
        let config = self.config(role, database);
        let (client, connection) = config
            .connect(NoTls)
            .await
            .with_context(|| format!("{role} can't log in to {database}"))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// What clients of this database connect with.
    pub fn connector(&self, database: &str) -> Connector {
        Connector(self.config(SUPERUSER, database))
    }

    fn config(&self, role: &str, database: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.postgres.port())
            .user(role)
            .password(&self.password)
            .dbname(database);
        config
    }

    /// Makes a check as the agent does, of these databases with these rules and this budget for
    /// counting tables without one.
    pub async fn check(
        &self,
        databases: &[&str],
        rules: &[TableRule],
        counting_budget: Duration,
    ) -> Result<Evidence> {
        let request = CheckRequest {
            namespace: "bench".to_owned(),
            database: "bench".to_owned(),
            check: "bench".to_owned(),
            server: ServerRequest {
                host: Some("127.0.0.1".to_owned()),
                port: self.postgres.port(),
                databases: databases.iter().map(ToString::to_string).collect(),
                tls_mode: TlsMode::Prefer,
                tls_ca: false,
                credentials_secret: "bench".to_owned(),
                username_key: "username".to_owned(),
                password_key: "password".to_owned(),
                ..ServerRequest::default()
            },
            tables: rules.to_vec(),
            count_all_tables: true,
            known_tables: Vec::new(),
            timeout_seconds: TIMEOUT_SECONDS,
            counting_milliseconds: u64::try_from(counting_budget.as_millis())?,
            remembered_in: None,
            origin: Origin::default(),
            looks_ahead: false,
            exclude_table_data: Vec::new(),
            ask_default_port: false,
            configured_directory: String::new(),
        };
        let files = MountedFiles {
            postgres_credentials: self.credentials.path().to_owned(),
            postgres_ca: self.credentials.path().to_owned(),
            work: self.credentials.path().to_owned(),
            ..MountedFiles::default()
        };
        match Box::pin(gather(&request, &files)).await {
            Gathered {
                failure: Some(failure),
                ..
            } => bail!("a check failed ({}): {}", failure.reason, failure.message),
            Gathered {
                evidence: Some(evidence),
                ..
            } => Ok(evidence),
            Gathered { .. } => bail!("a check found nothing"),
        }
    }

    /// A client program that works on this database as the superuser; it ends when it is dropped.
    pub fn program(&self, name: &str, database: &str) -> Command {
        let mut command = Command::from(self.postgres.program(name));
        command.args([
            "--host=127.0.0.1",
            &format!("--port={}", self.postgres.port()),
            &format!("--username={SUPERUSER}"),
        ]);
        command
            .arg(database)
            .env("PGPASSFILE", self.password_file())
            .kill_on_drop(true);
        command
    }

    /// Waits until no session of this role is left, so that its time is told in full and nothing of
    /// it runs on.
    pub async fn wait_for_sessions_to_end(&self, observer: &Client, role: &str) -> Result<()> {
        wait_for("the sessions to end", PATIENCE, async || {
            let row = observer
                .query_one(
                    "select count(*) from pg_stat_activity where usename = $1",
                    &[&role],
                )
                .await?;
            match row.get::<_, i64>(0) {
                0 => Ok(()),
                count => Err(anyhow::anyhow!("{count} of {role}")),
            }
        })
        .await
    }
}

/// A password for one run, random because everybody on this machine can reach the port.
fn make_password() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("the kernel gives no random number")?
        .trim()
        .to_owned())
}
