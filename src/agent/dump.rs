//! Running `pg_dump` and `pg_dumpall` into an upload. Success is exit code 0 and a stream that was
//! whole; nothing else.

use std::collections::VecDeque;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use std::os::unix::process::ExitStatusExt;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::api::{AgentFailure, TlsMode, reasons};
use crate::postgres::{Login, PasswordFile, PostgresError, bounded_line, find_program};
use crate::store::{ObjectStore, Upload};

use super::dump_stream::{self, Inspected, Inspector, StreamError};

/// What agents call themselves in `pg_stat_activity` while they dump.
pub const DUMP_APPLICATION_NAME: &str = "holdfast-backup";
/// Lines of the program's messages that a report carries.
const LAST_LINES: usize = 8;
/// How long a lock of others is waited for.
const LOCK_WAIT: &str = "--lock-wait-timeout=60000";

/// How to run the programs: where they are and how they log in, without a secret in arguments or
/// environment.
#[derive(Debug)]
pub struct DumpPrograms {
    dump: PathBuf,
    dump_all: PathBuf,
    login: Login,
    password_file: PasswordFile,
    encrypted: bool,
    /// The address, where the host is only the name in the server's certificate.
    address: Option<IpAddr>,
}

impl DumpPrograms {
    /// Finds the programs and writes the password file. `encrypted` says whether the server was
    /// reached by an encrypted connection.
    pub fn prepare(
        login: &Login,
        work_directory: &Path,
        encrypted: bool,
    ) -> Result<Self, AgentFailure> {
        let find = |name: &str| {
            find_program(name).ok_or_else(|| {
                failure(format!(
                    "the program {name} is not in the database's image, neither on PATH nor below \
                     /usr/lib/postgresql, so the database can't be dumped. Backups run in that \
                     image: add the Postgres client programs to it, or use the official image"
                ))
            })
        };
        let (dump, dump_all) = (find("pg_dump")?, find("pg_dumpall")?);
        let password_file = PasswordFile::write(work_directory, login).map_err(|error| {
            failure(format!(
                "the password file for pg_dump can't be written to {}: {error}",
                work_directory.display()
            ))
        })?;
        Ok(Self {
            address: find_address(login)?,
            dump,
            dump_all,
            login: login.clone(),
            password_file,
            encrypted,
        })
    }

    /// Uses another program as `pg_dump`.
    #[must_use]
    pub fn with_dump_program(mut self, program: PathBuf) -> Self {
        self.dump = program;
        self
    }

    /// Dumps a database into an upload and returns what the dump held.
    pub async fn dump_database<S: ObjectStore>(
        &self,
        database: &str,
        name: &str,
        upload: &mut Upload<S>,
    ) -> Result<Inspected, AgentFailure> {
        let mut command = self.command(&self.dump, database);
        command.args(["--format=custom", "--compress=0", LOCK_WAIT]);
        self.run(
            command,
            "pg_dump",
            Inspector::Archive(Box::default()),
            name,
            upload,
        )
        .await
    }

    /// Writes roles (without passwords) and tablespaces into an upload.
    pub async fn dump_globals<S: ObjectStore>(
        &self,
        database: &str,
        name: &str,
        upload: &mut Upload<S>,
    ) -> Result<Inspected, AgentFailure> {
        let mut command = self.command(&self.dump_all, database);
        command.args(["--globals-only", "--no-role-passwords", LOCK_WAIT]);
        // As an argument a name with an equals sign would be read as a connection string; the
        // default `postgres` serves then.
        if !database.contains(['=', ':']) {
            command.arg(format!("--database={database}"));
        }
        self.run(
            command,
            "pg_dumpall",
            Inspector::Globals(Vec::new()),
            name,
            upload,
        )
        .await
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
            .env("PGAPPNAME", DUMP_APPLICATION_NAME)
            .env("PGCONNECT_TIMEOUT", "30")
            .env("LC_ALL", "C")
            // libpq looks for certificates of its own below the home.
            .env("HOME", directory)
            .arg("--no-password")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(authority) = &self.login.tls_ca {
            command.env("PGSSLROOTCERT", &authority.file);
        }
        if let Some(certificate) = &self.login.certificate {
            command
                .env("PGSSLCERT", &certificate.certificate_file)
                .env("PGSSLKEY", &certificate.key_file);
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

    async fn run<S: ObjectStore>(
        &self,
        mut command: Command,
        program: &str,
        inspector: Inspector,
        name: &str,
        upload: &mut Upload<S>,
    ) -> Result<Inspected, AgentFailure> {
        if let Some(presence) = &self.login.presence {
            presence.ask().await.map_err(PostgresError::from)?;
        }
        let mut child = command.spawn().map_err(|error| {
            failure(format!(
                "{program} can't be started: {error}. Make sure that the image can run it"
            ))
        })?;
        let (Some(output), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failure(format!(
                "{program} was started without pipes, which is a fault of Holdfast"
            )));
        };
        let messages = tokio::spawn(keep_last_lines(messages, program.to_owned()));
        let (mut compressed, worker) = dump_stream::start(output, inspector, name.to_owned());
        while let Some(bytes) = compressed.recv().await {
            upload.write(&bytes).await.map_err(AgentFailure::from)?;
        }
        let inspected = worker
            .await
            .unwrap_or_else(|error| Err(StreamError::Read(std::io::Error::other(error))));
        if inspected.as_ref().is_err_and(StreamError::is_odd) {
            // The program still wants to write to a pipe that nobody reads any more.
            child.start_kill().ok();
            return Err(incomplete(
                program,
                &inspected.map_or_else(|error| error.to_string(), |_| String::new()),
                "",
            ));
        }
        let status = wait(&mut child, program).await?;
        let lines = messages.await.unwrap_or_default();
        if !status.success() {
            return Err(failure(explain_exit(program, status, &lines)));
        }
        upload.seal().await.map_err(AgentFailure::from)?;
        inspected.map_err(|error| incomplete(program, &error.to_string(), &lines))
    }
}

async fn wait(child: &mut Child, program: &str) -> Result<ExitStatus, AgentFailure> {
    child
        .wait()
        .await
        .map_err(|error| failure(format!("the exit code of {program} is unknown: {error}")))
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

fn failure(message: String) -> AgentFailure {
    AgentFailure {
        reason: reasons::DUMP_FAILED.to_owned(),
        message,
    }
}

fn incomplete(program: &str, what: &str, lines: &str) -> AgentFailure {
    let lines = if lines.is_empty() {
        String::new()
    } else {
        format!(" Its last messages: {lines}")
    };
    AgentFailure {
        reason: reasons::DUMP_INCOMPLETE.to_owned(),
        message: format!(
            "the output of {program} is not a complete dump, so it was discarded: {what}.{lines} \
             See the pod's log"
        ),
    }
}

fn explain_exit(program: &str, status: ExitStatus, lines: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(9)) => {
            "was killed by signal 9, most likely because the pod has too little memory".to_owned()
        }
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let lines = if lines.is_empty() {
        "it wrote no message"
    } else {
        lines
    };
    format!("{program} {how}: {lines}. Nothing was stored. See the pod's log, and the server's")
}

/// Keeps the end of the messages for the report; all of them go to the log.
async fn keep_last_lines(messages: impl AsyncRead + Unpin, program: String) -> String {
    let mut reader = BufReader::new(messages);
    let mut kept = VecDeque::new();
    let mut line = Vec::new();
    while reader
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|length| length > 0)
    {
        let text = bounded_line(String::from_utf8_lossy(&line).trim());
        line.clear();
        tracing::info!(program, "{text}");
        kept.push_back(text);
        if kept.len() > LAST_LINES {
            kept.pop_front();
        }
    }
    Vec::from(kept).join(" | ")
}
