//! A user's own query whose result is one value: it can read and nothing else, and has an end in time.

use std::time::Duration;

use tokio::time::timeout_at;

use super::settings::build_local_setting;
use super::{PostgresError, PostgresErrorKind, Session, classify};

/// Where the names of a user's query are looked for.
const SEARCH_PATH: &str = "pg_catalog, public";

/// Runs `query` in a transaction that can only read, for no longer than `time`. None is the value NULL.
///
/// It is run with all that is in the database: only a server that holds nothing else may be asked.
pub async fn fetch_one_value(
    session: &Session,
    query: &str,
    time: Duration,
) -> Result<Option<String>, PostgresError> {
    let milliseconds = time.as_millis().max(1).to_string();
    session
        .fetch_plainly(&format!(
            "begin read only; select {}, {}",
            build_local_setting("statement_timeout", &milliseconds),
            build_local_setting("search_path", SEARCH_PATH),
        ))
        .await?;
    let value = fetch_in_transaction(session, query).await;
    session.fetch_plainly("rollback").await?;
    value
}

/// The extended protocol takes one statement, so that no query can end the transaction and begin another.
async fn fetch_in_transaction(
    session: &Session,
    query: &str,
) -> Result<Option<String>, PostgresError> {
    let failed =
        |error: &tokio_postgres::Error| classify(error, session.login(), session.database());
    let late = |_| PostgresError::new(PostgresErrorKind::Timeout, "the query did not end in time");
    let odd = |what: String| PostgresError::new(PostgresErrorKind::QueryFailed, what);
    let query = without_end(query);
    let statement = timeout_at(session.deadline(), session.client().prepare(query))
        .await
        .map_err(late)?
        .map_err(|error| failed(&error))?;
    let columns = statement.columns().len();
    if columns != 1 {
        return Err(odd(format!(
            "the query has {columns} columns, and one is expected"
        )));
    }
    let wrapped = wrap(query);
    let rows = timeout_at(session.deadline(), session.client().query(&wrapped, &[]))
        .await
        .map_err(late)?
        .map_err(|error| failed(&error))?;
    match rows.as_slice() {
        [row] => row.try_get(0).map_err(|error| failed(&error)),
        rows => Err(odd(format!(
            "the query has {} rows, and one is expected",
            if rows.is_empty() { "no" } else { "several" }
        ))),
    }
}

/// The query around the user's own. The line break ends a comment that it may end with.
fn wrap(query: &str) -> String {
    format!("select asked.value::pg_catalog.text from ({query}\n) as asked(value) limit 2")
}

/// A query without the semicolons that it ends with.
fn without_end(query: &str) -> &str {
    query.trim_end_matches(|character: char| character == ';' || character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_end_with_a_comment_or_a_semicolon() {
        assert_eq!(
            wrap(without_end("select 1 -- all ;\n; ")),
            "select asked.value::pg_catalog.text from (select 1 -- all\n) as asked(value) limit 2"
        );
    }
}
