//! The paths that a user's query returns, one after the other: it can read and nothing else, and no answer is ever held as a whole.

use std::error::Error;
use std::pin::pin;

use futures::StreamExt as _;
use tokio::time::timeout_at;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::{PostgresError, PostgresErrorKind, Session, classify};

/// The most rows that are read.
pub const PATH_LIMIT: u64 = 5_000_000;
/// The longest path that is read, in characters: one more than the kernel takes in bytes, so that what is cut is no path of a file.
const LENGTH_LIMIT: u32 = 4097;

/// A text as the server has it. A database of the encoding `SQL_ASCII` holds bytes of any kind, as names of files are.
struct Bytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The query around the user's own. Of more rows than may be read it returns one more.
fn wrap(query: &str) -> String {
    let query = query.trim_end_matches(|character: char| character == ';' || character.is_whitespace());
    // The line break ends a comment that the query may end with.
    format!(
        "select pg_catalog.substr(path::text, 1, {LENGTH_LIMIT}) from ({query}\n) as named(path) \
         where path::text operator(pg_catalog.<>) '' limit {}",
        PATH_LIMIT + 1
    )
}

/// Runs `query` in a transaction that can only read and hands each path to `take`. Returns how many there were; more than [`PATH_LIMIT`] means
/// that the rest was not read.
///
/// The extended protocol takes one statement, so that no query can end the transaction and begin another.
pub async fn stream_paths(session: &Session, query: &str, mut take: impl FnMut(&[u8])) -> Result<u64, PostgresError> {
    session.fetch_rows("begin transaction read only; set local search_path = pg_catalog, public").await?;
    let failed = |error: &tokio_postgres::Error| classify(error, session.login(), session.database());
    let late = |_| PostgresError::new(PostgresErrorKind::Timeout, "the query did not end in time");
    let nothing = std::iter::empty::<&(dyn ToSql + Sync)>();
    let rows = timeout_at(session.deadline(), session.client().query_raw(&wrap(query), nothing)).await.map_err(late)?;
    let mut rows = pin!(rows.map_err(|error| failed(&error))?);
    let mut count = 0;
    while let Some(row) = timeout_at(session.deadline(), rows.next()).await.map_err(late)? {
        let row = row.map_err(|error| failed(&error))?;
        take(row.try_get::<_, Bytes<'_>>(0).map_err(|error| failed(&error))?.0);
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
        insta::assert_snapshot!(wrap("select path from trends -- all of them ;\n; "), @r"
        select pg_catalog.substr(path::text, 1, 4097) from (select path from trends -- all of them
        ) as named(path) where path::text operator(pg_catalog.<>) '' limit 5000001
        ");
    }
}
