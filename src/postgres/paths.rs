//! The paths that a user's query returns, one after the other: it can read and nothing else, and no
//! answer is ever held as a whole.

use std::pin::pin;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::SimpleQueryRow;
use tokio_postgres::types::ToSql;

use super::query_guard::{build_question_about_tables, build_question_about_text};
use super::session::LOCK_LIMIT;
use super::settings::build_local_setting;
use super::{PostgresError, PostgresErrorKind, Session, classify, quote_identifier};

/// The longest path that is read, in characters: one more than the kernel takes in bytes, so that
/// what is cut is no path of a file.
const LENGTH_LIMIT: u32 = 4097;

/// The query around the user's own. Of more rows than may be read it returns one more.
fn wrap(query: &str, limit: u64) -> String {
    let query =
        query.trim_end_matches(|character: char| character == ';' || character.is_whitespace());
    // As bytes, because a database of the encoding SQL_ASCII holds text that is no UTF-8, as names
    // of files may be. The line break ends a comment that the query may end with.
    format!(
        "select pg_catalog.convert_to(pg_catalog.substr(path::text, 1, {LENGTH_LIMIT}), case \
         pg_catalog.getdatabaseencoding() when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end) from \
         ({query}\n) as named(path) where path::text operator(pg_catalog.<>) '' limit {}",
        limit.saturating_add(1)
    )
}

/// Where the names of a user's query are looked for.
const SEARCH_PATH: &str = "pg_catalog, public";
/// How long the query may wait for a lock once everything was read: for longer somebody could
/// add what was not there.
const SHORT_LOCK: &str = "10";

/// Runs `query` in a transaction that can only read and hands each path to `take`. Returns how many
/// there were; more than `limit` means that the rest was not read.
///
/// The extended protocol takes one statement, so that no query can end the transaction and begin
/// another. It also parses the query before it plans it, so that in between can be seen which tables
/// it reads, and whether that would run code of their owners.
pub async fn stream_paths(
    session: &Session,
    query: &str,
    limit: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<u64, PostgresError> {
    refuse_code(session, &build_question_about_text(query)).await?;
    let remaining = session.deadline().saturating_duration_since(Instant::now());
    let settings = session.build_local_settings(remaining, LOCK_LIMIT);
    let search_path = build_local_setting("search_path", SEARCH_PATH);
    session
        .fetch_plainly(&format!(
            "begin read only; {settings}; select {search_path}"
        ))
        .await?;
    let streamed = stream_parsed(session, &wrap(query, limit), &mut take).await;
    // Whatever happened: a pooler would give the transaction to the next client.
    let ended = session.fetch_plainly("rollback").await;
    let count = streamed?;
    ended?;
    Ok(count)
}

/// Parses, looks, and runs, within the transaction that was begun.
async fn stream_parsed(
    session: &Session,
    query: &str,
    take: &mut impl FnMut(&[u8]),
) -> Result<u64, PostgresError> {
    let failed = |error: &tokio_postgres::Error| {
        let error = classify(error, session.login(), session.database());
        // What a user's own query has divided by zero is no answer to a question of ours.
        match error.kind {
            PostgresErrorKind::OwnerCode | PostgresErrorKind::TableChanged => {
                PostgresError::new(PostgresErrorKind::QueryFailed, error.message)
            }
            _ => error,
        }
    };
    let late = |_| PostgresError::new(PostgresErrorKind::Timeout, "the query did not end in time");
    let statement = timeout_at(session.deadline(), session.client().prepare(query))
        .await
        .map_err(late)?
        .map_err(|error| failed(&error))?;
    let question = build_question_about_tables();
    let aside = build_local_setting("search_path", "");
    refuse_code_with(
        session,
        &session
            .fetch_plainly(&format!("select {aside} as aside; {question}"))
            .await?,
    )?;
    // Once more in the moment before, and in one go: where it fails, the query is not even planned.
    let again = format!(
        "select {aside}; select 1 / (case when pg_catalog.count(*) = 0 then 1 else 0 end) as \
         unchanged from ({question}) as found; select {}, {}",
        build_local_setting("search_path", SEARCH_PATH),
        build_local_setting("lock_timeout", SHORT_LOCK),
    );
    let nothing = std::iter::empty::<&(dyn ToSql + Sync)>();
    let (unchanged, rows) = tokio::join!(
        session.fetch_plainly(&again),
        timeout_at(
            session.deadline(),
            session.client().query_raw(&statement, nothing)
        )
    );
    unchanged.map_err(|error| match error.kind {
        PostgresErrorKind::OwnerCode => {
            owner_code(session, "code that was added while the query was read")
        }
        _ => error,
    })?;
    let mut rows = pin!(rows.map_err(late)?.map_err(|error| failed(&error))?);
    let mut count = 0;
    while let Some(row) = timeout_at(session.deadline(), rows.next())
        .await
        .map_err(late)?
    {
        let row = row.map_err(|error| failed(&error))?;
        take(row.try_get::<_, &[u8]>(0).map_err(|error| failed(&error))?);
        count += 1;
    }
    Ok(count)
}

async fn refuse_code(session: &Session, question: &str) -> Result<(), PostgresError> {
    refuse_code_with(session, &session.fetch_rows(question).await?)
}

fn refuse_code_with(session: &Session, rows: &[SimpleQueryRow]) -> Result<(), PostgresError> {
    let code = rows
        .iter()
        .find_map(|row| row.try_get("code").ok().flatten());
    code.map_or(Ok(()), |code| Err(owner_code(session, code)))
}

fn owner_code(session: &Session, code: &str) -> PostgresError {
    let role = quote_identifier(&session.login().username);
    PostgresError::new(
        PostgresErrorKind::OwnerCode,
        format!(
            "the query would run {code} in database {} as role {role}, and its owner is no \
             superuser, so it may do anything that {role} may. It was not run. Name columns and \
             functions of the server only, or let a superuser read and own the code: `ALTER \
             FUNCTION … OWNER TO postgres`",
            session.database()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_query_is_read_as_a_table_of_one_column() {
        insta::assert_snapshot!(wrap("select path from trends -- all of them ;\n; ", 5_000_000), @r"
        select pg_catalog.convert_to(pg_catalog.substr(path::text, 1, 4097), case pg_catalog.getdatabaseencoding() when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end) from (select path from trends -- all of them
        ) as named(path) where path::text operator(pg_catalog.<>) '' limit 5000001
        ");
    }
}
