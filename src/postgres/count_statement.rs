//! The statements that count tables and measure them. Each is a transaction of its own, so that a
//! check holds no snapshot and few locks for long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::effort::{Effort, Pace};
use super::owner_code::build_recheck;
use super::selection::Counted;
use super::settings::build_local_setting;
use super::{
    ListedTable, PostgresError, PostgresErrorKind, Session, quote_identifier, quote_literal,
    quote_qualified,
};

/// How many tables one statement measures: each costs the server a look at its file.
const MEASURED_AT_ONCE: usize = 1_000;
/// How long a count may wait for a lock, once its tables are locked and were read again: for
/// longer their owner could add what was not there.
const NO_LOCK: Duration = Duration::from_millis(1);

/// What somebody has locked for himself in this database, or waits to, and would be waited for.
pub(super) const LOCKED: &str = "select l.relation from pg_catalog.pg_locks as l join \
    pg_catalog.pg_database as d on d.oid = l.database where d.datname = \
    pg_catalog.current_database() and l.relation is not null and l.mode = 'AccessExclusiveLock'";

/// Reads the sizes that these tables have now: what the catalog says is from the last analyze, and
/// of a table that was just filled it says nothing.
pub(super) async fn measure(
    session: &Session,
    oids: &[i64],
    effort: &mut Effort,
) -> Result<BTreeMap<i64, i64>, PostgresError> {
    let mut pages = BTreeMap::new();
    for oids in oids.chunks(MEASURED_AT_ONCE) {
        if effort.is_used_up() {
            tracing::info!("the sizes of the other tables are those of the last analyze");
            break;
        }
        let oids = join(oids.iter());
        // A table that somebody has locked for himself would be waited for, and none of the others
        // measured. One that was dropped has no size.
        let select = format!(
            "select oid, pages from (select c.oid::bigint::text as oid, \
             (pg_catalog.pg_relation_size(c.oid) / \
             pg_catalog.current_setting('block_size')::bigint)::text as pages from \
             pg_catalog.pg_class as c where c.oid in ({oids}) and c.oid not in ({LOCKED})) as measured \
             where pages is not null"
        );
        let begin = Instant::now();
        let answer = session
            .fetch_within(&select, effort.time(), effort.wait())
            .await;
        tokio::time::sleep(effort.spend(begin.elapsed())).await;
        match answer {
            Ok(sets) => {
                for row in sets.iter().flatten() {
                    pages.insert(session.number(row, "oid")?, session.number(row, "pages")?);
                }
            }
            Err(error) if error.kind.is_of_the_connection() => return Err(error),
            // Somebody holds a lock that even this waits for: the catalog's figures must do.
            Err(error) => tracing::info!("the tables' sizes could not be read: {error}"),
        }
    }
    Ok(pages)
}

/// Counts the rows of each table in one statement, no further than `enough`.
pub(super) async fn count(
    session: &Session,
    tables: &[&ListedTable],
    enough: Option<i64>,
    effort: &mut Effort,
    pace: &mut Pace,
    lock: Duration,
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let statements = build_count(tables, enough);
    let begin = Instant::now();
    let answer = session
        .fetch_within(&statements, effort.time_of_one(), lock)
        .await;
    let worked = begin.elapsed();
    if !matches!(&answer, Err(error) if error.kind == PostgresErrorKind::Locked) {
        tokio::time::sleep(effort.spend(worked)).await;
    }
    let mut counted = BTreeMap::new();
    for row in answer?.last().into_iter().flatten() {
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

/// The statements of one count. Planning it evaluates expressions of the tables' owners, who may
/// have added some since the tables were listed. So the transaction takes its locks first and opens
/// every index, for which it may have to wait; then makes sure that the tables are those that were
/// listed, that nobody is about to change them, and that they have got nothing that was not there; and
/// then counts, without waiting any more. What is left are some hundred microseconds.
fn build_count(tables: &[&ListedTable], enough: Option<i64>) -> String {
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("only {}", quote_qualified(&table.schema, &table.name)))
        .collect();
    let oids = join(tables.iter().map(|table| table.oid));
    let listed: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "({}, {}, {})",
                table.oid,
                quote_literal(&table.schema),
                quote_literal(&table.name)
            )
        })
        .collect();
    let counts: Vec<String> = tables
        .iter()
        .zip(&names)
        .map(|(table, name)| {
            // ONLY: rows of inheriting tables are counted where they are, once.
            let from = enough.map_or_else(
                || format!("from {name}"),
                |enough| format!("from (select 1 from {name} limit {enough}) as enough"),
            );
            format!(
                "select '{}' as oid, pg_catalog.count(*)::text as rows {from}",
                table.oid
            )
        })
        .collect();
    let known: Vec<_> = tables
        .iter()
        .map(|table| (table.oid, &table.harmless))
        .collect();
    format!(
        "lock table {} in access share mode; select \
         pg_catalog.count(pg_catalog.pg_relation_size(i.indexrelid)) as opened from \
         pg_catalog.pg_index as i where i.indrelid in ({oids}); select {} as timeout, (case when \
         pg_catalog.count(*) = {} and not exists ({}) then 1 else 100000 end)::smallint as same \
         from (values {}) as listed(oid, schema, name) join pg_catalog.pg_class as c on c.oid = \
         listed.oid and c.relname = listed.name and c.relkind = 'r' join pg_catalog.pg_namespace \
         as n on n.oid = c.relnamespace and n.nspname = listed.schema; {}; {}",
        names.join(", "),
        build_local_setting("lock_timeout", &NO_LOCK.as_millis().to_string()),
        tables.len(),
        build_ddl_question(tables),
        listed.join(", "),
        build_recheck(&known),
        counts.join(" union all ")
    )
}

/// Who is about to change one of these tables: what is not committed yet can't be seen, but it holds
/// a lock. A prepared transaction holds it without a process. A VACUUM holds the same one and changes
/// nothing; so does autovacuum, which every role can tell by its having a database and no user.
fn build_ddl_question(tables: &[&ListedTable]) -> String {
    let of_others = tables.iter().filter(|table| !table.of_superuser);
    let oids = join(of_others.map(|table| table.oid));
    if oids.is_empty() {
        return "select where false".to_owned();
    }
    format!(
        "select from pg_catalog.pg_locks as l where l.locktype = 'relation' and l.relation in \
         ({oids}) and coalesce(l.pid, 0) <> pg_catalog.pg_backend_pid() and l.mode in \
         ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock') and \
         l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = \
         pg_catalog.current_database()) and coalesce(l.pid, 0) not in (select v.pid from \
         pg_catalog.pg_stat_get_progress_info('VACUUM') as v union all select a.pid from \
         pg_catalog.pg_stat_get_activity(null) as a where a.usesysid is null and a.datid is not null)"
    )
}

fn join(numbers: impl Iterator<Item = impl ToString>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    numbers.join(", ")
}

pub(super) fn pages_of(tables: &[&ListedTable]) -> i64 {
    tables
        .iter()
        .map(|table| table.pages)
        .fold(0, i64::saturating_add)
}

/// Why a count of this table would fail, lie, or run what it must not.
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
    if table.row_security {
        return Some(PostgresError::new(
            PostgresErrorKind::RowSecurity,
            format!(
                "row security hides rows of table {name} in database {database} from role {role}, \
                 so a count would be wrong. Let the role see them: `ALTER ROLE {role} BYPASSRLS`"
            ),
        ));
    }
    if let Some(code) = &table.owner_code {
        return Some(owner_code_error(session, table, code));
    }
    (!table.can_be_named).then(|| {
        PostgresError::new(
            PostgresErrorKind::QueryFailed,
            format!(
                "the name of table {name} in database {database} is no UTF-8, so the table can't \
                 be counted. Rename it"
            ),
        )
    })
}

/// The error for a table that can't be counted without running what its owner has written.
pub(super) fn owner_code_error(
    session: &Session,
    table: &ListedTable,
    code: &str,
) -> PostgresError {
    let role = quote_identifier(&session.login().username);
    PostgresError::new(
        PostgresErrorKind::OwnerCode,
        format!(
            "to count table {} in database {} the server would run {code} as role {role}: an \
             index, extended statistics or the partition key of the table calls it, and its owner \
             is no superuser, so it may do anything that {role} may. {}",
            table.qualified_name(),
            session.database(),
            remedy(code)
        ),
    )
}

/// What lets a table with this code be counted.
fn remedy(code: &str) -> String {
    let owned = |kind: &str, name: &str| {
        format!(
            "Read it, and if it is harmless let a superuser own it: `ALTER {kind} {name} OWNER TO \
             postgres`"
        )
    };
    match code.split_once(' ') {
        Some(("function", name)) => owned("FUNCTION", name),
        Some(("type", name)) => owned("TYPE", name),
        Some(("operator", _)) => {
            "Read its function, and if it is harmless let a superuser own that".to_owned()
        }
        _ => "Drop that index, those statistics or that partition key".to_owned(),
    }
}
