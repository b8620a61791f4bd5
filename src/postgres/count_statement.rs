//! The statements that count tables and measure them. Each is a transaction of its own, so that a
//! check holds no snapshot and few locks for long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::effort::{Effort, Pace};
use super::selection::Counted;
use super::{
    ListedTable, PostgresError, PostgresErrorKind, Session, quote_identifier, quote_qualified,
};

/// How long a table without a rule may be waited for that somebody has locked.
pub(super) const SHORT_LOCK: Duration = Duration::from_millis(100);

/// The tables with the size that they have now: what the catalog says is from the last analyze, and
/// of a table that was just filled it says nothing.
pub(super) async fn measure(
    session: &Session,
    tables: &[&ListedTable],
    time: Duration,
) -> Result<Vec<ListedTable>, PostgresError> {
    let mut measured: Vec<ListedTable> = tables.iter().map(|table| (*table).clone()).collect();
    if measured.is_empty() {
        return Ok(measured);
    }
    let oids = tables
        .iter()
        .map(|table| table.oid.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    // A table that somebody has locked for himself would be waited for, and none of the others
    // measured.
    let select = format!(
        "select c.oid::bigint::text as oid, (coalesce(pg_catalog.pg_relation_size(c.oid), 0) / \
         pg_catalog.current_setting('block_size')::bigint)::text as pages from pg_catalog.pg_class \
         as c where c.oid in ({oids}) and c.oid not in (select l.relation from pg_catalog.pg_locks \
         as l join pg_catalog.pg_database as d on d.oid = l.database where d.datname = \
         pg_catalog.current_database() and l.relation is not null and l.mode = \
         'AccessExclusiveLock')"
    );
    match session
        .fetch_rows(&format!("{}; {select}", limits(time, Some(SHORT_LOCK))))
        .await
    {
        Ok(rows) => {
            let mut pages = BTreeMap::new();
            for row in &rows {
                pages.insert(session.number(row, "oid")?, session.number(row, "pages")?);
            }
            for table in &mut measured {
                table.pages = pages.get(&table.oid).copied().unwrap_or(table.pages);
            }
        }
        Err(error) if error.kind == PostgresErrorKind::ConnectionFailed => return Err(error),
        // Somebody holds a lock that even this waits for: the catalog's figures must do.
        Err(error) => tracing::info!("the tables' sizes could not be read: {error}"),
    }
    Ok(measured)
}

/// Counts the rows of each table in one statement, no further than `enough`.
pub(super) async fn count(
    session: &Session,
    tables: &[&ListedTable],
    enough: Option<i64>,
    effort: &mut Effort,
    pace: &mut Pace,
    lock: Option<Duration>,
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let selects: Vec<String> = tables
        .iter()
        .map(|table| {
            // ONLY: rows of inheriting tables are counted where they are, once.
            let from = format!("from only {}", quote_qualified(&table.schema, &table.name));
            let from = enough.map_or_else(
                || from.clone(),
                |enough| format!("from (select 1 {from} limit {enough}) as enough"),
            );
            format!(
                "select '{}' as oid, pg_catalog.count(*)::text as rows {from}",
                table.oid
            )
        })
        .collect();
    let statement = format!(
        "{}; {}",
        limits(effort.time(), lock),
        selects.join(" union all ")
    );
    let begin = Instant::now();
    let answer = session.fetch_rows(&statement).await;
    let worked = begin.elapsed();
    tokio::time::sleep(effort.spend(worked)).await;
    let mut counted = BTreeMap::new();
    for row in &answer? {
        let rows = session.number(row, "rows")?;
        counted.insert(
            session.number(row, "oid")?,
            Counted {
                rows,
                is_all: enough.is_none_or(|enough| rows < enough),
            },
        );
    }
    let only = if let [table] = tables {
        counted.get(&table.oid).zip(Some(table.pages))
    } else {
        None
    };
    pace.note(
        worked,
        only.map(|(counted, _)| counted.rows),
        only.filter(|(counted, _)| counted.is_all)
            .map(|(_, pages)| pages),
    );
    Ok(counted)
}

pub(super) fn pages_of(tables: &[&ListedTable]) -> i64 {
    tables
        .iter()
        .map(|table| table.pages)
        .fold(0, i64::saturating_add)
}

/// The time limits of the statements that follow.
fn limits(time: Duration, lock: Option<Duration>) -> String {
    let milliseconds = time.as_millis().max(1);
    let lock = lock.map_or_else(
        || "reset lock_timeout".to_owned(),
        |lock| format!("set lock_timeout = {}", lock.as_millis().max(1)),
    );
    format!("set statement_timeout = {milliseconds}; {lock}")
}

/// Why a count of this table would fail, or be wrong.
pub(super) fn refusal(session: &Session, table: &ListedTable) -> Option<PostgresError> {
    let role = quote_identifier(&session.login().username);
    let name = table.qualified_name();
    let quoted = quote_qualified(&table.schema, &table.name);
    let database = session.database();
    if !table.readable {
        return Some(PostgresError::new(
            PostgresErrorKind::PermissionDenied,
            format!(
                "role {role} may not read table {name} in database {database}, so its rows can't \
                 be counted. Grant it: `GRANT pg_read_all_data TO {role}`, or before Postgres 14 \
                 `GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {quoted} TO {role}`",
                quote_identifier(&table.schema)
            ),
        ));
    }
    table.row_security.then(|| {
        PostgresError::new(
            PostgresErrorKind::RowSecurity,
            format!(
                "row security hides rows of table {name} in database {database} from role {role}, \
                 so a count would be wrong. Let the role see them: `ALTER ROLE {role} BYPASSRLS`"
            ),
        )
    })
}
