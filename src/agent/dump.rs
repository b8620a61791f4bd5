//! How `pg_dump` and `pg_dumpall` are run: which of several, as whom, and with what in their arguments
//! and environment. Running them is in `dump_run`.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::api::{AgentFailure, TlsMode, reasons};
use crate::postgres::{
    ArchiveParser, ArchiveSummary, DigestKey, KeyFile, Login, NoProgram, PasswordFile,
    PostgresError, Program, find_program_for, quote_qualified, read_major,
};
use crate::store::{ObjectStore, RolePasswords, Upload};

use super::dump_run::{Dumped, failure, inspect, run};
use super::dump_stream::Inspector;
use super::encryption::Recipients;
use super::meter::BackupMeter;
use super::session_formats::build_format_options;

/// How what agents call themselves in `pg_stat_activity` begins while they dump; the set follows.
pub const DUMP_APPLICATION_NAME: &str = "holdfast-backup";
/// What libpq does about a server that is gone without a word: else it waits for hours.
const CLIENT_LIMITS: &str = "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 \
    tcp_user_timeout=60000";
/// The first version of Postgres that notices by itself, while it works, that nobody is there.
const CHECKS_CLIENTS: u32 = 14;
/// What it is asked for: milliseconds between looks at the connection.
const CHECK_CLIENT: &str = "-c client_connection_check_interval=2000";
/// What every version is asked for: an idle session ends some seconds after its client's machine.
const KEEP_ALIVE: &str =
    "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3";
/// How long a lock of others is waited for.
const LOCK_WAIT: &str = "--lock-wait-timeout=60000";

/// The server that is dumped.
#[derive(Clone, Copy, Debug)]
pub struct DumpedServer<'a> {
    /// Its version, such as `15.18`.
    pub version: &'a str,
    /// Whether it was reached by an encrypted connection.
    pub encrypted: bool,
}

/// What is dumped of a database.
#[derive(Clone, Debug, Default)]
pub struct DumpScope<'a> {
    /// The snapshot to dump; none for one of the program's own.
    pub snapshot: Option<&'a str>,
    /// Tables whose rows are left out, by schema and name.
    pub without_rows: Vec<(String, String)>,
    /// How values are to look, whatever is set on role or database meanwhile.
    pub formats: BTreeMap<String, String>,
}

/// How to run the programs: where they are and how they log in, without a secret in arguments or
/// environment.
#[derive(Debug)]
pub struct DumpPrograms {
    dump: PathBuf,
    dump_all: PathBuf,
    login: Login,
    password_file: PasswordFile,
    key_file: Option<KeyFile>,
    encrypted: bool,
    application: String,
    options: String,
    /// The address, where the host is only the name in the server's certificate.
    address: Option<IpAddr>,
    recipients: Recipients,
    meter: BackupMeter,
}

impl DumpPrograms {
    /// Finds the programs of the server's version and writes the password file. In
    /// `pg_stat_activity` they are called by the name `application`.
    pub async fn prepare(
        login: &Login,
        work_directory: &Path,
        server: DumpedServer<'_>,
        application: &str,
    ) -> Result<Self, AgentFailure> {
        let major = read_major(server.version).unwrap_or_default();
        let (dump, dump_all) = find_programs(major).await?;
        tracing::info!(program = %dump.path.display(), version = dump.major, "dumping with");
        let password_file = PasswordFile::write(work_directory, login).map_err(|error| {
            failure(format!(
                "the password file for pg_dump can't be written to {}: {error}",
                work_directory.display()
            ))
        })?;
        let certificate = login.certificate.as_ref();
        let key_file = certificate
            .map(|certificate| KeyFile::prepare(work_directory, certificate))
            .transpose()
            .map_err(|error| {
                failure(format!(
                    "the private key of the client certificate can't be prepared for pg_dump in {}: \
                     {error}",
                    work_directory.display()
                ))
            })?;
        let check = if major >= CHECKS_CLIENTS {
            CHECK_CLIENT
        } else {
            ""
        };
        Ok(Self {
            address: find_address(login)?,
            dump: dump.path,
            dump_all: dump_all.path,
            login: login.clone(),
            password_file,
            key_file,
            encrypted: server.encrypted,
            application: application.to_owned(),
            options: format!("{KEEP_ALIVE} {check} {}", login.options)
                .trim()
                .to_owned(),
            recipients: Recipients::default(),
            meter: BackupMeter::default(),
        })
    }

    /// Uses another program as `pg_dump`.
    #[must_use]
    pub fn with_dump_program(mut self, program: PathBuf) -> Self {
        self.dump = program;
        self
    }

    /// Encrypts what the programs write.
    #[must_use]
    pub fn encrypted_for(mut self, recipients: Recipients) -> Self {
        self.recipients = recipients;
        self
    }

    /// Shows how far it is on this meter.
    #[must_use]
    pub fn shown_on(mut self, meter: BackupMeter) -> Self {
        self.meter = meter;
        self
    }

    /// Dumps a database into an upload and returns what the dump held.
    pub async fn dump_database<S: ObjectStore>(
        &self,
        database: &str,
        scope: &DumpScope<'_>,
        name: &str,
        upload: &mut Upload<S>,
    ) -> Result<Dumped, AgentFailure> {
        let mut command = self.dump_command(database);
        if let Some(snapshot) = scope.snapshot {
            command.arg(format!("--snapshot={snapshot}"));
        }
        for (schema, table) in &scope.without_rows {
            // In quotes a pattern is a name.
            let pattern = quote_qualified(schema, table);
            command.arg(format!("--exclude-table-data={pattern}"));
        }
        let settings = build_format_options(&scope.formats);
        command.env("PGOPTIONS", self.options_with(&settings));
        self.ask().await?;
        let inspector = Inspector::Archive(Box::default());
        let recipients = &self.recipients;
        let shown = (name, &self.meter);
        run(command, "pg_dump", inspector, recipients, shown, upload).await
    }

    /// Dumps a database and only looks at what the dump holds, with these settings of the session.
    pub(super) async fn inspect_database(
        &self,
        database: &str,
        settings: &str,
        key: DigestKey,
    ) -> Result<ArchiveSummary, AgentFailure> {
        let mut command = self.dump_command(database);
        command.env("PGOPTIONS", self.options_with(settings));
        self.ask().await?;
        let inspector = Inspector::Archive(Box::new(ArchiveParser::in_any_order(key)));
        let inspected = inspect(command, "pg_dump", inspector).await?;
        inspected.archive.ok_or_else(|| {
            failure("pg_dump wrote no archive, which is a fault of Holdfast".to_owned())
        })
    }

    /// What every dump of a database begins with.
    fn dump_command(&self, database: &str) -> Command {
        let mut command = self.command(&self.dump, database);
        command.args(["--format=custom", "--compress=0", LOCK_WAIT, "--dbname"]);
        command.arg(CLIENT_LIMITS);
        command
    }

    /// `pg_restore` from its input into a database, with these settings of the session. It goes on after
    /// errors only if somebody judges each of them.
    pub(super) fn restore_command(
        &self,
        program: &Path,
        database: &str,
        settings: &str,
        goes_on: bool,
    ) -> Command {
        let mut command = self.command(program, database);
        if !goes_on {
            command.arg("--exit-on-error");
        }
        command
            // Else it does not say of which entry an error is.
            .args(["--verbose", "--no-subscriptions", "--dbname"])
            .arg(CLIENT_LIMITS)
            .env("PGOPTIONS", self.options_with(settings));
        command
    }

    fn options_with(&self, settings: &str) -> String {
        format!("{} {settings}", self.options).trim().to_owned()
    }

    /// Writes roles and tablespaces into an upload. Hashes of passwords are only in what is encrypted,
    /// and if the role may read them.
    pub async fn dump_globals<S: ObjectStore>(
        &self,
        database: &str,
        passwords: RolePasswords,
        name: &str,
        upload: &mut Upload<S>,
    ) -> Result<Dumped, AgentFailure> {
        let mut command = self.command(&self.dump_all, database);
        command.args(["--globals-only", LOCK_WAIT]);
        if !self.recipients.is_encrypted() || passwords != RolePasswords::Included {
            command.arg("--no-role-passwords");
        }
        // As an argument a name with an equals sign would be read as a connection string; the
        // default `postgres` serves then.
        if !database.contains(['=', ':']) {
            command.arg(format!("--database={database}"));
        }
        self.ask().await?;
        let inspector = Inspector::Globals(Vec::new());
        let recipients = &self.recipients;
        let shown = (name, &self.meter);
        run(command, "pg_dumpall", inspector, recipients, shown, upload).await
    }

    /// Makes sure that the server is still the one that is meant.
    pub(super) async fn ask(&self) -> Result<(), AgentFailure> {
        if let Some(presence) = &self.login.presence {
            presence.ask().await.map_err(PostgresError::from)?;
        }
        Ok(())
    }

    fn command(&self, program: &Path, database: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG"))
        {
            command.env_remove(name);
        }
        let directory = self.password_file.path().parent().unwrap_or(Path::new("/"));
        let name = self.login.tls_server_name.as_ref();
        command
            .env("PGHOST", name.unwrap_or(&self.login.host))
            .env("PGPORT", self.login.port.to_string())
            .env("PGUSER", &self.login.username)
            .env("PGDATABASE", database)
            .env("PGPASSFILE", self.password_file.path())
            .env("PGSSLMODE", libpq_mode(&self.login, self.encrypted))
            .env("PGGSSENCMODE", "disable")
            .env("PGAPPNAME", &self.application)
            .env("PGOPTIONS", &self.options)
            .env("PGCONNECT_TIMEOUT", "30")
            .env("LC_ALL", "C")
            // libpq looks for certificates of its own below the home.
            .env("HOME", directory)
            .arg("--no-password")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(authority) = &self.login.tls_ca {
            command.env("PGSSLROOTCERT", &authority.file);
        }
        if let (Some(certificate), Some(key)) = (&self.login.certificate, &self.key_file) {
            command
                .env("PGSSLCERT", &certificate.certificate_file)
                .env("PGSSLKEY", key.path());
        }
        if let Some(address) = &self.address {
            command.env("PGHOSTADDR", address.to_string());
        }
        if !self.login.is_verified(self.encrypted) {
            // Programs before Postgres 16 do not know it. They come right after a connection of
            // ours, which kept the password back; whoever lets that one pass and answers the next
            // in the server's place still gets it, as docs/detection.md says.
            command.env("PGREQUIREAUTH", "!password");
        }
        command
    }
}

/// The program of the server's version in the image.
/// `pg_dump` and `pg_dumpall` for a server of this major version.
pub(super) async fn find_programs(server: u32) -> Result<(Program, Program), AgentFailure> {
    Ok((
        find(server, "pg_dump").await?,
        find(server, "pg_dumpall").await?,
    ))
}

async fn find(server: u32, name: &str) -> Result<Program, AgentFailure> {
    find_program_for(name, server).await.map_err(|why| match why {
        NoProgram::Missing => failure(format!(
            "the program {name} is not in the database's image, neither on PATH nor below \
             /usr/lib/postgresql, so the database can't be dumped. Backups run in that image: add the \
             Postgres client programs to it, or use the official image"
        )),
        NoProgram::TooOld(newest) => AgentFailure {
            reason: reasons::CLIENT_TOO_OLD.to_owned(),
            message: format!(
                "the server is Postgres {server}, and the newest {name} in the database's image is \
                 {newest}, which refuses a newer server. Nothing was dumped. Backups run in that \
                 image: use one with the programs of Postgres {server}"
            ),
        },
    })
}

/// libpq compares the certificate with the host; where that is another name it takes the address
/// apart from it.
fn find_address(login: &Login) -> Result<Option<IpAddr>, AgentFailure> {
    if login.tls_server_name.is_none() {
        return Ok(None);
    }
    let host = (login.host.as_str(), login.port);
    let found = host.to_socket_addrs().map(|mut found| found.next());
    match found {
        Ok(Some(address)) => Ok(Some(address.ip())),
        Ok(None) => Err(failure(format!("{} has no address", login.host))),
        Err(error) => Err(failure(format!("{} has no address: {error}", login.host))),
    }
}

/// libpq has no "encrypt if offered, and then verify": once the server is known to offer it, it is
/// asked to insist.
const fn libpq_mode(login: &Login, encrypted: bool) -> &'static str {
    match login.tls_mode {
        TlsMode::Disable => "disable",
        TlsMode::Prefer if !encrypted => "prefer",
        TlsMode::Prefer | TlsMode::Require => {
            if login.tls_ca.is_some() {
                "verify-ca"
            } else {
                "require"
            }
        }
        TlsMode::VerifyFull => "verify-full",
    }
}
