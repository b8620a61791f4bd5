//! The one error of this module, and how it is derived from the server's answers. Messages never
//! hold a password.

use std::error::Error as _;
use std::io;

use crate::api::{AgentFailure, TlsMode, reasons};
use crate::wording::{escaped, shell_word};

use tokio_postgres::error::Severity;

use super::incoming::PasswordAsked;
use super::{Absence, Login, quote_identifier};

/// What kind of thing went wrong; each maps to one documented reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresErrorKind {
    /// A mounted credential is not there.
    SecretMissing,
    /// Nothing answers at the address, or the connection broke.
    ConnectionFailed,
    /// Something answers that is not Postgres itself but a pooler that refuses our settings.
    PoolerRefused,
    /// The server starts up or shuts down.
    ServerStarting,
    /// The server has no free connection.
    TooManyConnections,
    /// Encryption as asked for is not possible.
    TlsFailed,
    /// The server asks for the password in clear, and was not verified.
    PasswordAsked,
    /// The pod that was meant is not at the address any more.
    PodGone,
    /// User name or password, or `pg_hba.conf`.
    AuthenticationFailed,
    /// The database does not exist.
    DatabaseNotFound,
    /// It was there, and was renamed or dropped before the session had begun; or its files are gone.
    DatabaseRenamed,
    /// The database accepts no connections.
    DatabaseClosed,
    /// The role may not do what it must.
    PermissionDenied,
    /// Row security hides rows from the role.
    RowSecurity,
    /// It took longer than allowed.
    Timeout,
    /// Somebody holds a lock for too long.
    Locked,
    /// The table was dropped since it was listed.
    TableGone,
    /// Another table has its name now.
    TableChanged,
    /// To go on would run code that the owner of a table has written.
    OwnerCode,
    /// The settings that a session begins with are not in force.
    SettingsIgnored,
    /// Text that the server can't translate into UTF-8.
    Untranslatable,
    /// Sessions or prepared transactions are in a database that is to be renamed or dropped.
    InUse,
    /// The server does not know a setting that was asked for at the start.
    UnknownSetting,
    /// Any other answer of the server.
    QueryFailed,
}

impl PostgresErrorKind {
    /// The documented word.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SecretMissing => reasons::SECRET_MISSING,
            Self::ConnectionFailed | Self::PoolerRefused => reasons::CONNECTION_FAILED,
            Self::ServerStarting => reasons::SERVER_STARTING,
            Self::TooManyConnections => reasons::TOO_MANY_CONNECTIONS,
            Self::TlsFailed => reasons::TLS_FAILED,
            Self::PasswordAsked => reasons::PASSWORD_NOT_SENT,
            Self::PodGone => reasons::SUPERSEDED,
            Self::AuthenticationFailed => reasons::AUTHENTICATION_FAILED,
            Self::DatabaseNotFound | Self::DatabaseRenamed => reasons::DATABASE_NOT_FOUND,
            Self::DatabaseClosed => reasons::DATABASE_CLOSED,
            Self::PermissionDenied => reasons::PERMISSION_DENIED,
            Self::RowSecurity => reasons::ROW_SECURITY,
            Self::Timeout | Self::Locked => reasons::TIMEOUT,
            Self::OwnerCode => reasons::OWNER_CODE,
            Self::SettingsIgnored => reasons::SETTINGS_IGNORED,
            Self::UnknownSetting
            | Self::InUse
            | Self::TableGone
            | Self::TableChanged
            | Self::Untranslatable
            | Self::QueryFailed => reasons::QUERY_FAILED,
        }
    }

    /// Whether the server says that no database has the name.
    #[must_use]
    pub const fn is_missing_database(self) -> bool {
        matches!(self, Self::DatabaseNotFound | Self::DatabaseRenamed)
    }

    /// Whether the session is over, so that nothing more can be asked.
    #[must_use]
    pub const fn is_of_the_connection(self) -> bool {
        matches!(self, Self::ConnectionFailed | Self::ServerStarting)
    }

    /// Whether the same may work a moment later without anyone changing anything.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::ConnectionFailed | Self::ServerStarting | Self::TooManyConnections
        )
    }
}

/// Why Postgres could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PostgresError {
    /// What kind of thing went wrong.
    pub kind: PostgresErrorKind,
    /// What happened, what it means, what to do next.
    pub message: String,
}

impl PostgresError {
    /// Joins a kind and a message.
    #[must_use]
    pub fn new(kind: PostgresErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<Absence> for PostgresError {
    fn from(absence: Absence) -> Self {
        let kind = if absence.is_known {
            PostgresErrorKind::PodGone
        } else {
            PostgresErrorKind::ConnectionFailed
        };
        Self::new(kind, absence.message)
    }
}

impl From<PostgresError> for AgentFailure {
    fn from(error: PostgresError) -> Self {
        Self {
            reason: error.kind.reason().to_owned(),
            message: escaped(&error.message),
        }
    }
}

/// How the answer of a server that refuses a role for another reason than its password ends.
const NOT_AUTHORIZED: &str = "(SQLSTATE 28000)";
/// The longest text of the server that is passed on, in bytes.
const ANSWER_LIMIT: usize = 600;

/// One line of bounded length: what a server says is shown, never trusted to be short or printable.
#[must_use]
pub fn bounded_line(text: &str) -> String {
    line_within(text, ANSWER_LIMIT)
}

/// The same with a limit of one's own, in bytes.
#[must_use]
pub fn line_within(text: &str, limit: usize) -> String {
    let mut line = escaped(&text.replace(['\n', '\r', '\t'], " "));
    if line.len() > limit {
        line.truncate(line.floor_char_boundary(limit));
        line.push('…');
    }
    line
}

/// Explains an error of the driver that arose while `database` was asked.
#[must_use]
pub fn classify(error: &tokio_postgres::Error, login: &Login, database: &str) -> PostgresError {
    let kind = kind_of(error);
    PostgresError::new(kind, explain(kind, &answer_of(error), login, database))
}

/// What the server answers to a question of ours that is made to fail: whether another table has the
/// name of a listed one now, and whether its owner has added code since.
const TABLE_CHANGED: &str = "22003";
const OWNER_CODE: &str = "22012";

/// Explains that nothing can be reached at the address.
#[must_use]
pub fn not_reached(login: &Login, error: &io::Error) -> PostgresError {
    let kind = PostgresErrorKind::ConnectionFailed;
    let answer = format!(
        "error connecting to server: {}",
        bounded_line(&error.to_string())
    );
    PostgresError::new(kind, explain(kind, &answer, login, ""))
}

fn kind_of(error: &tokio_postgres::Error) -> PostgresErrorKind {
    use PostgresErrorKind as Kind;
    let asked = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<PasswordAsked>);
    if asked {
        return Kind::PasswordAsked;
    }
    let Some(code) = error.code() else {
        // The driver keeps its kinds private; its fixed texts are all there is.
        return match error.to_string().as_str() {
            "error performing TLS handshake" => Kind::TlsFailed,
            "authentication error" | "invalid configuration" => Kind::AuthenticationFailed,
            _ => Kind::ConnectionFailed,
        };
    };
    match code.code() {
        "28P01" | "28000" => Kind::AuthenticationFailed,
        // Of a name that nothing has the server says no more than that.
        "3D000" if has_details(error) => Kind::DatabaseRenamed,
        "3D000" => Kind::DatabaseNotFound,
        // A query that ends by it does not end the session.
        "55000" if is_fatal(error) => Kind::DatabaseClosed,
        "42501" => Kind::PermissionDenied,
        "53300" => Kind::TooManyConnections,
        "57P01" | "57P02" | "57P03" => Kind::ServerStarting,
        "57014" | "25P03" => Kind::Timeout,
        "55P03" => Kind::Locked,
        "55006" => Kind::InUse,
        "42P01" | "3F000" => Kind::TableGone,
        // Or the column is gone that a table is counted by, or a generated one has its name.
        TABLE_CHANGED | "42703" | "42P10" => Kind::TableChanged,
        OWNER_CODE => Kind::OwnerCode,
        "22021" | "22P05" => Kind::Untranslatable,
        "42704" => Kind::UnknownSetting,
        "08P01" => Kind::PoolerRefused,
        // Ended because it was idle.
        "57P05" | "25P04" => Kind::ConnectionFailed,
        code if code.starts_with("08") => Kind::ConnectionFailed,
        _ => Kind::QueryFailed,
    }
}

fn has_details(error: &tokio_postgres::Error) -> bool {
    let answer = error.as_db_error();
    answer.is_some_and(|answer| answer.detail().is_some())
}

fn is_fatal(error: &tokio_postgres::Error) -> bool {
    let answer = error.as_db_error();
    answer.is_some_and(|answer| answer.parsed_severity() == Some(Severity::Fatal))
}

/// The server's own words with their SQLSTATE, or the chain of causes below the driver's error.
fn answer_of(error: &tokio_postgres::Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return bounded_line(&format!(
            "{} (SQLSTATE {})",
            answer.message(),
            answer.code().code()
        ));
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    bounded_line(&text)
}

fn explain(kind: PostgresErrorKind, answer: &str, login: &Login, database: &str) -> String {
    use PostgresErrorKind as Kind;
    let address = login.address();
    let secret = &login.secret;
    let role = quote_identifier(&login.username);
    match kind {
        Kind::ConnectionFailed => format!(
            "Postgres can't be reached at {address}: {answer}. Nothing is known about the data. \
             Check that it runs and listens on all addresses (`listen_addresses = '*'`), that \
             `spec.connection.port` is right and that network policies allow the agent's pod"
        ),
        Kind::PoolerRefused => format!(
            "{address} refused the session's settings: {answer}. This looks like a connection \
             pooler; set `spec.connection.host` and `spec.connection.port` to Postgres itself, or \
             remove `spec.connection.host` to use the pod's own address"
        ),
        Kind::ServerStarting => {
            format!(
                "Postgres at {address} is starting up or shutting down: {answer}. It is tried \
                 again; the log of Postgres says how far it is"
            )
        }
        Kind::TooManyConnections => format!(
            "Postgres at {address} has no free connection: {answer}. Raise `max_connections`, or \
             give the role a connection of its own: `ALTER ROLE {role} CONNECTION LIMIT 8`"
        ),
        Kind::TlsFailed => format!(
            "the connection to {address} can't be encrypted as `spec.connection.tls` (mode {:?}) \
             asks: {answer}. Correct `spec.connection.tls.mode`, or the certificate authority in \
             the Secret of `spec.connection.tls.caSecret`{}",
            login.tls_mode,
            if login.tls_mode == TlsMode::VerifyFull {
                "; if it is the name that does not fit, set `spec.connection.tls.serverName` to \
                 one that the server's certificate is issued for"
            } else {
                ""
            }
        ),
        Kind::PasswordAsked => format!(
            "{address} asks for the password of role {role} in clear (`password`, `ldap`, `pam` or \
             `radius` in `pg_hba.conf`), and nothing proves that it is the right server, so the \
             password was not sent. Let `pg_hba.conf` ask by `scram-sha-256`, or set \
             `spec.connection.tls` to mode VerifyFull with a `caSecret`"
        ),
        Kind::AuthenticationFailed if login.certificate.is_some() => format!(
            "Postgres at {address} refused the login of role {role}: {answer}. The certificate in \
             Secret `{}` (`spec.connection.clientCertificateSecret`) must be issued for this role, \
             by an authority that the server trusts (`ssl_ca_file`), and `pg_hba.conf` must let \
             the role in by `cert`",
            secret.certificate.as_deref().unwrap_or_default()
        ),
        Kind::AuthenticationFailed if secret.username_key.is_empty() => format!(
            "Postgres at {address} refused the login of role {role}: {answer}. Correct the Secret \
             `{}` (key `{}`, `spec.connection.credentialsSecret`) or `spec.connection.username`, \
             or let the role in by `pg_hba.conf`: `{}`",
            secret.name,
            secret.password_key,
            login.create_secret_command(),
        ),
        // `pg_hba.conf`, a role that may not log in, or none of that name where no password is asked.
        Kind::AuthenticationFailed if answer.contains(NOT_AUTHORIZED) => format!(
            "Postgres at {address} refused the login of role {role}: {answer}. Let it in by \
             `pg_hba.conf`, create it (`kubectl holdfast grant-sql`), or name another in the Secret \
             `{}` (keys `{}` and `{}`, `spec.connection.credentialsSecret`)",
            secret.name, secret.username_key, secret.password_key,
        ),
        Kind::AuthenticationFailed => format!(
            "Postgres at {address} refused the login of role {role}: {answer}. A volume keeps the \
             passwords that it was made with: another one in the Secret or in `POSTGRES_PASSWORD` \
             changes nothing in the database. Set it there as well, `ALTER ROLE {role} PASSWORD \
             '…'`, or write the old one back into the Secret `{}` (keys `{}` and `{}`, \
             `spec.connection.credentialsSecret`): `{}`",
            secret.name,
            secret.username_key,
            secret.password_key,
            login.create_secret_command(),
        ),
        Kind::DatabaseNotFound | Kind::DatabaseRenamed => format!(
            "the database {} does not exist on {address}: {answer}. Correct \
             `spec.connection.database`, or create it",
            quote_identifier(database)
        ),
        Kind::DatabaseClosed => format!(
            "database {} on {address} accepts no connections: {answer}. A restore closes it for the moment \
             in which the restored database takes its name, and one that was killed may have left it closed. \
             No row is lost by that, and none was read. If `kubectl get dbrestore` shows none that runs, \
             open it as its owner or a superuser: `psql --dbname=postgres --command={}`",
            quote_identifier(database),
            shell_word(&format!(
                "ALTER DATABASE {} ALLOW_CONNECTIONS true",
                quote_identifier(database)
            ))
        ),
        Kind::PermissionDenied => format!(
            "role {role} may not do what is needed in database {}: {answer}. Grant it to read: \
             `GRANT pg_monitor, pg_read_all_data TO {role}`",
            quote_identifier(database)
        ),
        Kind::Timeout | Kind::Locked => format!(
            "Postgres at {address} did not answer in time: {answer}. Something holds a lock, or \
             there is more to count than fits into `spec.verification.timeout`; raise it"
        ),
        Kind::SecretMissing
        | Kind::RowSecurity
        | Kind::PodGone
        | Kind::InUse
        | Kind::UnknownSetting
        | Kind::TableGone
        | Kind::TableChanged
        | Kind::OwnerCode
        | Kind::SettingsIgnored
        | Kind::Untranslatable
        | Kind::QueryFailed => {
            format!(
                "a query in database {} on {address} failed: {answer}. See the server's log",
                quote_identifier(database)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_bounded_line() {
        assert_eq!(bounded_line("a\nb\u{1b}[31m"), "a b\\u{1b}[31m");
        let long = bounded_line(&"ж".repeat(1000));
        assert!(long.len() <= ANSWER_LIMIT + 3 && long.ends_with('…'));
    }
}
