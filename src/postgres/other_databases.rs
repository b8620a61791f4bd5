//! The databases of a server that the spec does not name: how large they are, and what their
//! statistics say. Nothing is counted there.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::{DatabaseEvidence, EVIDENCE_OTHER_DATABASE_LIMIT, OtherDatabase};

use super::list_tables::PLANNED_ROWS;
use super::{Login, PostgresError, Session, connect};

/// Of so many databases at most it is asked how large they are.
const MEASURED: usize = 100;
/// To so many at most the check connects, the largest first.
const VISITED: usize = 4;
/// How long all of this may take: it says something about the spec, not about the data.
const TIME: Duration = Duration::from_secs(2);
/// How long one statement may take.
const STATEMENT_TIME: Duration = Duration::from_millis(200);

/// Tables of users, without partitions, and their rows: what the statistics say goes with every
/// change, until a crash forgets them; the planner's number is that of the last analyze.
fn build_sums() -> String {
    format!(
        "select pg_catalog.count(*) filter (where not exists (select from pg_catalog.pg_inherits as \
         i where i.inhrelid = c.oid))::text as tables, \
         least(coalesce(pg_catalog.sum(greatest({PLANNED_ROWS}, \
         pg_catalog.pg_stat_get_live_tuples(c.oid), 0)), 0), {})::bigint::text as rows from \
         pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where \
         c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> 'information_schema' \
         and not pg_catalog.starts_with(n.nspname::text, 'pg_')",
        i64::MAX
    )
}

/// Looks at the databases that nobody has named, from a session with any database of the server.
/// What can't be seen in time is left out.
pub async fn fetch_other_databases(
    session: &Session,
    login: &Login,
    others: &[(DatabaseEvidence, bool)],
) -> Vec<OtherDatabase> {
    let end = session.deadline().min(Instant::now() + TIME);
    let mut found: Vec<(OtherDatabase, bool)> = Vec::new();
    for (database, may_connect) in others.iter().take(MEASURED) {
        let size_bytes = if Instant::now() < end {
            fetch_size(session, database.oid).await
        } else {
            None
        };
        let other = OtherDatabase {
            name: database.name.clone(),
            oid: database.oid,
            size_bytes,
            estimated_rows: None,
            table_count: None,
        };
        found.push((other, *may_connect));
    }
    found.sort_by(|(one, _), (other, _)| {
        let order = other.size_bytes.cmp(&one.size_bytes);
        order.then_with(|| one.name.cmp(&other.name))
    });
    found.truncate(EVIDENCE_OTHER_DATABASE_LIMIT);
    let allowed = found.iter_mut().filter(|(_, may_connect)| *may_connect);
    for (other, _) in allowed.take(VISITED) {
        if Instant::now() >= end {
            break;
        }
        match fetch_sums(login, &other.name, end).await {
            Ok((tables, rows)) => {
                (other.table_count, other.estimated_rows) = (Some(tables), Some(rows));
            }
            Err(error) => {
                tracing::info!(database = other.name, "not looked at: {error}");
            }
        }
    }
    found.into_iter().map(|(other, _)| other).collect()
}

/// Bytes on disk, if the role may see that, and the server says so in time: it looks at every file.
async fn fetch_size(session: &Session, oid: i64) -> Option<i64> {
    let question = format!(
        "select pg_catalog.pg_database_size({oid}::pg_catalog.oid)::text as bytes where \
         pg_catalog.has_database_privilege({oid}::pg_catalog.oid, 'CONNECT') or \
         pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')"
    );
    let sets = session
        .fetch_within(&question, STATEMENT_TIME, STATEMENT_TIME)
        .await
        .ok()?;
    let row = sets.first()?.first()?;
    session.number(row, "bytes").ok()
}

async fn fetch_sums(
    login: &Login,
    database: &str,
    end: Instant,
) -> Result<(i64, i64), PostgresError> {
    let session = connect(login, database, end).await?;
    let row = session.fetch_row(&build_sums()).await?;
    Ok((
        session.number(&row, "tables")?,
        session.number(&row, "rows")?,
    ))
}
