//! Opening a session that the owner of the database can't turn against us, and waiting for a server
//! that is still starting.

use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::either::Either;

use super::incoming::{CopiedRows, Incoming, ReadingConnect};
use super::session::LOCK_LIMIT;
use super::settings::{
    build_options, build_options_of_writing, build_question, build_question_of_writing,
};
use super::{
    Login, PostgresError, PostgresErrorKind, Session, build_connector, classify, driver_mode,
    not_reached,
};

/// What agents call themselves in `pg_stat_activity`.
pub const APPLICATION_NAME: &str = "holdfast-check";
/// A single try to connect never takes longer, so that a server that drops packets is tried more
/// than once.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// How long a database that accepts no connections is waited for by what only reads: a restore that gives its
/// name to another one takes a second or two.
const CLOSED_LIMIT: Duration = Duration::from_secs(20);
/// How long it is looked again whether a database has its name that was there a moment before.
const RENAMED_LIMIT: Duration = Duration::from_secs(5);
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(400);

/// What a session is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'name> {
    /// To ask only; `restricted` asks for what only newer minor releases know.
    Reading { restricted: bool },
    /// To write, under that name in `pg_stat_activity`.
    Writing { application: &'name str },
}

impl Purpose<'_> {
    const fn is_restricted(self) -> bool {
        matches!(self, Self::Reading { restricted: true })
    }

    const fn application(&self) -> &str {
        match self {
            Self::Reading { .. } => APPLICATION_NAME,
            Self::Writing { application } => application,
        }
    }

    fn options(self, remaining: Duration) -> String {
        let lock = remaining.min(LOCK_LIMIT);
        match self {
            Self::Reading { restricted } => build_options(remaining, lock, restricted),
            Self::Writing { .. } => build_options_of_writing(remaining, lock),
        }
    }

    fn question(self) -> String {
        match self {
            Self::Reading { restricted } => build_question(restricted),
            Self::Writing { .. } => build_question_of_writing(),
        }
    }
}

/// Connects to `database`; what may pass by itself (a server that starts, no free connection) is
/// tried again until `deadline`.
pub async fn connect(
    login: &Login,
    database: &str,
    deadline: Instant,
) -> Result<Session, PostgresError> {
    connect_until(login, database, deadline, deadline).await
}

/// The same for a session that is used for longer than it may take to connect.
pub(super) async fn connect_until(
    login: &Login,
    database: &str,
    until: Instant,
    deadline: Instant,
) -> Result<Session, PostgresError> {
    let purpose = Purpose::Reading { restricted: true };
    connect_for(purpose, login, database, until, deadline).await
}

/// The same for any purpose.
pub(super) async fn connect_for(
    mut purpose: Purpose<'_>,
    login: &Login,
    database: &str,
    until: Instant,
    deadline: Instant,
) -> Result<Session, PostgresError> {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let is_cut_short = until < Instant::now() + ATTEMPT_LIMIT;
        let error = match try_connect(purpose, login, database, until, deadline).await {
            Ok(session) => return Ok(session),
            Err(error)
                if purpose.is_restricted() && error.kind == PostgresErrorKind::UnknownSetting =>
            {
                tracing::info!(
                    "the server does not know restrict_nonsystem_relation_kind; going on without it"
                );
                purpose = Purpose::Reading { restricted: false };
                continue;
            }
            Err(error) => error,
        };
        let may_pass = error.kind.is_transient() || may_be_swapped(purpose, error.kind, begun);
        if !may_pass || Instant::now() + PAUSE >= until {
            // That the last try had too little time says less than what the server itself has said
            // before.
            return Err(told
                .filter(|_| is_cut_short && error.kind == PostgresErrorKind::ConnectionFailed)
                .unwrap_or(error));
        }
        tracing::info!(reason = error.kind.reason(), "not yet: {error}");
        told = Some(error)
            .filter(|error| error.kind != PostgresErrorKind::ConnectionFailed)
            .or(told);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a restore may be giving the name to another database right now.
fn may_be_swapped(purpose: Purpose<'_>, kind: PostgresErrorKind, begun: Instant) -> bool {
    let limit = match (kind, purpose) {
        // What writes is a restore itself, and closes databases.
        (PostgresErrorKind::DatabaseClosed, Purpose::Reading { .. }) => CLOSED_LIMIT,
        (PostgresErrorKind::DatabaseRenamed, _) => RENAMED_LIMIT,
        _ => return false,
    };
    begun.elapsed() < limit
}

async fn try_connect(
    purpose: Purpose<'_>,
    login: &Login,
    database: &str,
    until: Instant,
    deadline: Instant,
) -> Result<Session, PostgresError> {
    if let Some(presence) = &login.presence {
        presence.ask().await?;
    }
    let now = Instant::now();
    let remaining = deadline.saturating_duration_since(now);
    let mut config = Config::new();
    config
        .user(&login.username)
        .dbname(database)
        .application_name(purpose.application())
        .ssl_mode(driver_mode(login.tls_mode))
        .options(format!("{} {}", purpose.options(remaining), login.options).trim());
    if !login.password.is_empty() {
        config.password(&login.password);
    }
    let rows = CopiedRows::default();
    let (client, connection) = match timeout_at(
        until.min(now + ATTEMPT_LIMIT),
        open(&config, login, database, &rows),
    )
    .await
    {
        Ok(Ok(pair)) => pair,
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            return Err(PostgresError::new(
                PostgresErrorKind::ConnectionFailed,
                format!(
                    "nothing answered at {} within the timeout, so nothing is known about the data. \
                     Check that Postgres runs, that `spec.connection.port` is right and that \
                     network policies allow the agent's pod",
                    login.address()
                ),
            ));
        }
    };
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("the connection ended: {error}");
        }
    });
    let session = Session::new(
        client,
        driver,
        login.clone(),
        database.to_owned(),
        deadline,
        purpose.is_restricted(),
        rows,
    );
    ensure_settings(&session, purpose).await?;
    Ok(session)
}

/// Makes sure that the settings asked for are in force: what stands between the server and us may
/// drop them, and counts would then mean something else.
async fn ensure_settings(session: &Session, purpose: Purpose<'_>) -> Result<(), PostgresError> {
    let rows = session.fetch_plainly(&purpose.question()).await?;
    let ignored: Vec<&str> = rows
        .iter()
        .map(|row| session.text(row, "name"))
        .collect::<Result<_, _>>()?;
    if ignored.is_empty() {
        return Ok(());
    }
    Err(PostgresError::new(
        PostgresErrorKind::SettingsIgnored,
        format!(
            "{} did not apply the settings that a check begins with ({}), so nothing that it says \
             could be relied on, and nothing was read. This looks like a connection pooler that \
             drops them; set `spec.connection.host` and `spec.connection.port` to Postgres itself, \
             or remove `spec.connection.host` to use the pod's own address",
            session.login().address(),
            ignored.join(", ")
        ),
    ))
}

/// The stream of a connection, whose messages are read before the driver sees them.
type Stream = Incoming<Either<TcpStream, UnixStream>>;
type TlsStream = Incoming<<MakeRustlsConnect as MakeTlsConnect<Stream>>::Stream>;

/// Opens a connection on which a password goes out in clear only to a server that was verified.
async fn open(
    config: &Config,
    login: &Login,
    database: &str,
    rows: &CopiedRows,
) -> Result<(Client, Connection<Stream, TlsStream>), PostgresError> {
    let name = login.tls_server_name.as_ref().unwrap_or(&login.host);
    let Ok(inner) = MakeTlsConnect::<Stream>::make_tls_connect(&mut build_connector(login)?, name);
    let tls = ReadingConnect {
        inner,
        is_verified: login.is_verified(true),
        rows: rows.clone(),
    };
    let stream = reach(login)
        .await
        .map_err(|error| not_reached(login, &error))?;
    let asks = config.get_ssl_mode() != SslMode::Disable;
    let stream = Incoming::plain(stream, asks, rows.clone());
    config
        .connect_raw(stream, tls)
        .await
        .map_err(|error| classify(&error, login, database))
}

/// Reaches the server: through its Unix socket where the host is the directory of one, as for libpq.
async fn reach(login: &Login) -> std::io::Result<Either<TcpStream, UnixStream>> {
    if let Some(socket) = login.socket() {
        return Ok(Either::Right(UnixStream::connect(socket).await?));
    }
    let stream = TcpStream::connect((login.host.as_str(), login.port)).await?;
    stream.set_nodelay(true)?;
    Ok(Either::Left(stream))
}
