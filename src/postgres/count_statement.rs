//! The statements that count tables and measure them. Each is a transaction of its own, so that a
//! check holds no snapshot and few locks for long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::effort::{Effort, Pace};
use super::selection::Counted;
use super::session::Answer;
use super::{
    ListedTable, PostgresError, PostgresErrorKind, Session, quote_identifier, quote_literal,
    quote_qualified,
};

/// How many tables one statement measures: each costs the server a look at its file.
const MEASURED_AT_ONCE: usize = 1_000;

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

/// How far a count may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// So many rows are enough to know.
    pub enough: Option<i64>,
    /// No statement may take longer.
    pub time: Duration,
    /// No lock is waited for longer.
    pub lock: Duration,
}

/// Counts the rows of each table in one round trip. Of a table that is copied and has more rows than
/// can be read in the time, those that were read.
pub(super) async fn count(
    session: &Session,
    tables: &[&ListedTable],
    reach: Reach,
    effort: &mut Effort,
    pace: &mut Pace,
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let statements = build_count(tables, reach.enough);
    session.take_copied();
    let begin = Instant::now();
    let answer = session
        .fetch_answers(
            &statements,
            effort.time_of_one().min(reach.time),
            reach.lock,
        )
        .await;
    let (worked, read) = (begin.elapsed(), session.take_copied());
    if !matches!(&answer, Err(error) if error.kind == PostgresErrorKind::Locked) {
        tokio::time::sleep(effort.spend(worked)).await;
    }
    let answers = match (answer, tables) {
        (Ok(answers), _) => answers,
        (Err(error), [table]) if error.kind == PostgresErrorKind::Timeout && read > 0 => {
            let rows = Counted {
                rows: read,
                is_all: false,
            };
            pace.note(worked, Some(read), None);
            return Ok([(table.oid, rows)].into());
        }
        (Err(error), _) => return Err(error),
    };
    let counted = read_counts(session, tables, reach.enough, &answers)?;
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

fn read_counts(
    session: &Session,
    tables: &[&ListedTable],
    enough: Option<i64>,
    answers: &[Answer],
) -> Result<BTreeMap<i64, Counted>, PostgresError> {
    let copied: Vec<_> = tables.iter().filter(|table| table.is_copied()).collect();
    let first = answers.len().saturating_sub(copied.len());
    let mut counted = BTreeMap::new();
    let planned = answers.get(LOOKS..first).unwrap_or_default();
    for row in planned.iter().flat_map(|answer| &answer.rows) {
        let rows = session.number(row, "rows")?;
        let is_all = enough.is_none_or(|enough| rows < enough);
        counted.insert(session.number(row, "oid")?, Counted { rows, is_all });
    }
    for (table, answer) in copied
        .into_iter()
        .zip(answers.get(first..).unwrap_or_default())
    {
        let rows = i64::try_from(answer.count).unwrap_or(i64::MAX);
        counted.insert(table.oid, Counted { rows, is_all: true });
    }
    Ok(counted)
}

/// Statements before those that count: the lock, and whether the tables are those that were listed.
const LOOKS: usize = 2;

/// For whoever reads the server's log.
const REMARK: &str = "/* Holdfast counts rows, and reads no further than \
    spec.verification.countingBudget and timeout let it: a cancelled statement is expected here. */";

/// The statements of one count: they lock the tables, so that nobody replaces them, make sure that
/// they are those that were listed, and count.
///
/// Planning a statement evaluates expressions that the owner of a table has put into indexes,
/// statistics and partition keys, and may have put there a moment ago. COPY plans nothing; the output
/// functions of types, which are all that it calls, belong to superusers.
/// <https://www.postgresql.org/docs/current/sql-copy.html>,
/// <https://www.postgresql.org/docs/current/sql-createtype.html>
fn build_count(tables: &[&ListedTable], enough: Option<i64>) -> String {
    let name = |table: &ListedTable| quote_qualified(&table.schema, &table.name);
    // ONLY: rows of inheriting tables are counted where they are, once. COPY does so by itself.
    let names: Vec<String> = tables
        .iter()
        .map(|table| format!("only {}", name(table)))
        .collect();
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
    let (copied, planned): (Vec<&ListedTable>, Vec<_>) =
        tables.iter().partition(|table| table.is_copied());
    let selects: Vec<String> = planned
        .into_iter()
        .map(|table| {
            let from = enough.map_or_else(
                || format!("from only {}", name(table)),
                |enough| {
                    format!(
                        "from (select 1 from only {} limit {enough}) as enough",
                        name(table)
                    )
                },
            );
            format!(
                "select '{}' as oid, pg_catalog.count(*)::text as rows {from}",
                table.oid
            )
        })
        .collect();
    // As the server has it: text that can't be translated is no error.
    let copies = copied.into_iter().map(|table| {
        let column = table.short_column.as_ref();
        let column = column.map_or_else(String::new, |column| {
            format!(" ({})", quote_identifier(column))
        });
        format!(
            "{REMARK} copy {}{column} to stdout (encoding 'SQL_ASCII')",
            name(table)
        )
    });
    let selects = Some(selects.join(" union all ")).filter(|selects| !selects.is_empty());
    let counts: Vec<String> = selects.into_iter().chain(copies).collect();
    format!(
        "lock table {} in access share mode; select (case when pg_catalog.count(*) = {} then 1 else \
         100000 end)::smallint as same from (values {}) as listed(oid, schema, name) join \
         pg_catalog.pg_class as c on c.oid = listed.oid and c.relname = listed.name and c.relkind = \
         'r' join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and n.nspname = \
         listed.schema; {}",
        names.join(", "),
        tables.len(),
        listed.join(", "),
        counts.join("; ")
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

/// Why a count of this table would fail or lie.
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
