//! The paths that a user's query returns, one after the other: it can read and nothing else, and no
//! answer is ever held as a whole.

use std::pin::pin;

use futures::StreamExt as _;
use tokio::time::timeout_at;
use tokio_postgres::types::ToSql;

use super::{PostgresError, PostgresErrorKind, Session, classify};

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

/// Runs `query` in a transaction that can only read and hands each path to `take`. Returns how many
/// there were; more than `limit` means that the rest was not read.
///
/// The extended protocol takes one statement, so that no query can end the transaction and begin
/// another.
pub async fn stream_paths(
    session: &Session,
    query: &str,
    limit: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<u64, PostgresError> {
    session
        .fetch_rows("begin transaction read only; set local search_path = pg_catalog, public")
        .await?;
    let failed =
        |error: &tokio_postgres::Error| classify(error, session.login(), session.database());
    let late = |_| PostgresError::new(PostgresErrorKind::Timeout, "the query did not end in time");
    let nothing = std::iter::empty::<&(dyn ToSql + Sync)>();
    let rows = timeout_at(
        session.deadline(),
        session.client().query_raw(&wrap(query, limit), nothing),
    )
    .await
    .map_err(late)?;
    let mut rows = pin!(rows.map_err(|error| failed(&error))?);
    let mut count = 0;
    while let Some(row) = timeout_at(session.deadline(), rows.next())
        .await
        .map_err(late)?
    {
        let row = row.map_err(|error| failed(&error))?;
        take(row.try_get::<_, &[u8]>(0).map_err(|error| failed(&error))?);
        count += 1;
    }
    session.fetch_rows("rollback").await?;
    Ok(count)
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
