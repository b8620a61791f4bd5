//! Watches whether a change of a table waits for the dump: then every query of that table waits, too,
//! and the dump is the one to end.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::api::{AgentFailure, reasons};
use crate::postgres::{Login, PostgresError, Session, connect, fetch_longest_wait};

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long a connection or an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a session is used before another one is opened.
const SESSION_LIMIT: Duration = Duration::from_hours(1);

/// Returns once a change of a table has waited for longer than `limit` for a session of
/// `application`. Not being able to look ends no dump.
pub async fn watch(
    login: &Login,
    database: &str,
    application: &str,
    limit: Duration,
) -> AgentFailure {
    let mut session: Option<Session> = None;
    let mut waits_since: Option<Instant> = None;
    loop {
        let answer = timeout(
            ANSWER_LIMIT,
            look(login, database, application, &mut session),
        )
        .await;
        match answer {
            Ok(Ok(Some(longest))) => {
                let since = *waits_since.get_or_insert_with(Instant::now);
                // A server before Postgres 14 does not say since when somebody waits.
                let waited = longest.max(since.elapsed());
                if waited >= limit {
                    return yielded(limit);
                }
            }
            Ok(Ok(None)) => waits_since = None,
            Err(_) => {
                tracing::warn!("it is not known whether somebody waits for the dump: no answer");
                session = None;
            }
            Ok(Err(error)) => {
                tracing::warn!("it is not known whether somebody waits for the dump: {error}");
                session = None;
            }
        }
        sleep(INTERVAL.min(limit)).await;
    }
}

async fn look(
    login: &Login,
    database: &str,
    application: &str,
    session: &mut Option<Session>,
) -> Result<Option<Duration>, PostgresError> {
    let is_usable = session
        .as_ref()
        .is_some_and(|session| session.deadline() > Instant::now() + ANSWER_LIMIT);
    if !is_usable {
        *session = None;
    }
    let session = match session {
        Some(session) => session,
        None => session.insert(connect(login, database, Instant::now() + SESSION_LIMIT).await?),
    };
    fetch_longest_wait(session, application).await
}

fn yielded(limit: Duration) -> AgentFailure {
    AgentFailure {
        reason: reasons::YIELDED_TO_DDL.to_owned(),
        message: format!(
            "a change of a table waited for this backup for longer than {} s \
             (spec.backup.yieldToDDL), and every query of that table waited for the change, so the \
             dump was ended and nothing was stored. Take backups at another time than migrations, or \
             let them wait longer",
            limit.as_secs()
        ),
    }
}
