//! Opening a session that the owner of the database can't turn against us, and waiting for a server
//! that is still starting.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::Config;

use super::session::LOCK_LIMIT;
use super::settings::{build_options, build_question};
use super::{
    Login, PostgresError, PostgresErrorKind, Session, build_connector, classify, driver_mode,
};

/// What agents call themselves in `pg_stat_activity`.
pub const APPLICATION_NAME: &str = "holdfast-check";
/// A single try to connect never takes longer, so that a server that swallows packets is tried more
/// than once.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(400);
/// Connects to `database`; what may pass by itself (a server that starts, no free connection) is
/// tried again until `deadline`.
pub async fn connect(
    login: &Login,
    database: &str,
    deadline: Instant,
) -> Result<Session, PostgresError> {
    let mut restricted = true;
    let mut told = None;
    loop {
        let is_cut_short = deadline < Instant::now() + ATTEMPT_LIMIT;
        let error = match try_connect(login, database, deadline, restricted).await {
            Ok(session) => return Ok(session),
            Err(error) if restricted && error.kind == PostgresErrorKind::UnknownSetting => {
                tracing::info!(
                    "the server does not know restrict_nonsystem_relation_kind; going on without it"
                );
                restricted = false;
                continue;
            }
            Err(error) => error,
        };
        if !error.kind.is_transient() || Instant::now() + PAUSE >= deadline {
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

async fn try_connect(
    login: &Login,
    database: &str,
    deadline: Instant,
    restricted: bool,
) -> Result<Session, PostgresError> {
    let now = Instant::now();
    let remaining = deadline.saturating_duration_since(now);
    let mut config = Config::new();
    config
        .host(&login.host)
        .port(login.port)
        .user(&login.username)
        .password(&login.password)
        .dbname(database)
        .application_name(APPLICATION_NAME)
        .ssl_mode(driver_mode(login.tls_mode))
        .options(build_options(
            remaining,
            remaining.min(LOCK_LIMIT),
            restricted,
        ));
    let connector = build_connector(login)?;
    let (client, connection) = match timeout_at(
        deadline.min(now + ATTEMPT_LIMIT),
        config.connect(connector),
    )
    .await
    {
        Ok(Ok(pair)) => pair,
        Ok(Err(error)) => return Err(classify(&error, login, database)),
        Err(_) => {
            return Err(PostgresError::new(
                PostgresErrorKind::ConnectionFailed,
                format!(
                    "nothing answered at {} within the time given, so nothing is known about the \
                     data. See that Postgres runs, that `spec.connection.port` is right and that \
                     network policies let the agent's pod in",
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
        restricted,
    );
    ensure_settings(&session, restricted).await?;
    Ok(session)
}

/// Makes sure that the settings asked for are in force: what stands between the server and us may
/// drop them, and counts would then mean something else.
async fn ensure_settings(session: &Session, restricted: bool) -> Result<(), PostgresError> {
    let rows = session.fetch_plainly(&build_question(restricted)).await?;
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
