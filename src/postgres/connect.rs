//! Opening a session that the owner of the database can't turn against us, and waiting for a server
//! that is still starting.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::password_watch::{Watched, WatchedConnect};
use super::{
    Login, PostgresError, PostgresErrorKind, Session, build_connector, classify, driver_mode,
    not_reached,
};

/// What agents call themselves in `pg_stat_activity`.
pub const APPLICATION_NAME: &str = "holdfast-check";
/// A single try to connect never takes longer, so that a server that swallows packets is tried more
/// than once.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(400);
/// The longest wait for a lock of others.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Settings that come before those an owner put on the database or role. `restricted` asks for the
/// one that only newer minor releases know: nothing but tables is read.
fn build_options(remaining: Duration, restricted: bool) -> String {
    let milliseconds = remaining.as_millis().max(1);
    let lock = remaining.min(LOCK_LIMIT).as_millis().max(1);
    let restrict = if restricted {
        " -c restrict_nonsystem_relation_kind=view,foreign-table"
    } else {
        ""
    };
    format!(
        "-c search_path={restrict} -c row_security=off -c default_transaction_read_only=on -c \
         statement_timeout={milliseconds} -c lock_timeout={lock} -c \
         idle_in_transaction_session_timeout={milliseconds}"
    )
}

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
    if let Some(presence) = &login.presence {
        presence.ask().await?;
    }
    let now = Instant::now();
    let mut config = Config::new();
    config
        .user(&login.username)
        .dbname(database)
        .application_name(APPLICATION_NAME)
        .ssl_mode(driver_mode(login.tls_mode))
        .options(build_options(
            deadline.saturating_duration_since(now),
            restricted,
        ));
    if !login.password.is_empty() {
        config.password(&login.password);
    }
    let (client, connection) = match timeout_at(
        deadline.min(now + ATTEMPT_LIMIT),
        open(&config, login, database),
    )
    .await
    {
        Ok(Ok(pair)) => pair,
        Ok(Err(error)) => return Err(error),
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
    Ok(Session::new(
        client,
        driver,
        login.clone(),
        database.to_owned(),
        deadline,
    ))
}

/// The stream of a connection: watched, as long as the server may ask for the password.
type Stream = Watched<TcpStream>;
type TlsStream = Watched<<MakeRustlsConnect as MakeTlsConnect<Stream>>::Stream>;

/// Opens a connection on which a password goes out in clear only to a server that was verified.
async fn open(
    config: &Config,
    login: &Login,
    database: &str,
) -> Result<(Client, Connection<Stream, TlsStream>), PostgresError> {
    let name = login.tls_server_name.as_ref().unwrap_or(&login.host);
    let Ok(inner) = MakeTlsConnect::<Stream>::make_tls_connect(&mut build_connector(login)?, name);
    let tls = WatchedConnect {
        inner,
        is_verified: login.is_verified(true),
    };
    let stream = TcpStream::connect((login.host.as_str(), login.port))
        .await
        .map_err(|error| not_reached(login, &error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| not_reached(login, &error))?;
    let stream = Watched::plain(stream, config.get_ssl_mode() != SslMode::Disable);
    config
        .connect_raw(stream, tls)
        .await
        .map_err(|error| classify(&error, login, database))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_override_those_of_database_and_role() {
        insta::assert_snapshot!(
            build_options(Duration::from_mins(1), true),
            @"-c search_path= -c restrict_nonsystem_relation_kind=view,foreign-table -c \
                row_security=off -c default_transaction_read_only=on -c statement_timeout=60000 -c \
                lock_timeout=5000 -c idle_in_transaction_session_timeout=60000"
        );
        assert!(!build_options(Duration::ZERO, false).contains("restrict_"));
    }
}
